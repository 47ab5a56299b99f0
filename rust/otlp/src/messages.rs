// SPDX-License-Identifier: Apache-2.0

//! Sets of message types: which of a request's messages somebody wants to see.

use std::ops::BitOr;

use crate::schema::MessageType;

/// A set of the messages of a request that have attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages(u16);

impl Messages {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// `Resource`.
    pub const RESOURCE: Self = Self(1);
    /// `InstrumentationScope`.
    pub const SCOPE: Self = Self(1 << 1);
    /// `Span`.
    pub const SPAN: Self = Self(1 << 2);
    /// `Event` of a span.
    pub const SPAN_EVENT: Self = Self(1 << 3);
    /// `Link` of a span.
    pub const SPAN_LINK: Self = Self(1 << 4);
    /// `Metric`, whose attributes are its metadata.
    pub const METRIC: Self = Self(1 << 5);
    /// Data points of all kinds.
    pub const DATA_POINT: Self = Self(1 << 6);
    /// `Exemplar` of a data point, whose attributes are the filtered ones.
    pub const EXEMPLAR: Self = Self(1 << 7);
    /// `LogRecord`.
    pub const LOG_RECORD: Self = Self(1 << 8);
    /// What describes spans, metrics and log records, and what is in them.
    pub const SIGNAL: Self = Self(
        Self::SPAN.0
            | Self::SPAN_EVENT.0
            | Self::SPAN_LINK.0
            | Self::METRIC.0
            | Self::DATA_POINT.0
            | Self::EXEMPLAR.0
            | Self::LOG_RECORD.0,
    );

    /// All of them.
    pub const ALL: Self = Self(Self::RESOURCE.0 | Self::SCOPE.0 | Self::SIGNAL.0);

    /// The messages that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in this set or the other.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether messages of this type are in the set.
    #[inline]
    #[must_use]
    pub const fn contains(self, r#type: MessageType) -> bool {
        !self.and(Self::of(r#type)).is_empty()
    }

    /// Whether a message of this type is in the set, or can contain one that is.
    pub(crate) const fn reach(self, r#type: MessageType) -> bool {
        self.contains(r#type) || self.reach_below(r#type)
    }

    /// Whether a message of this type can contain one of the set.
    pub(crate) const fn reach_below(self, r#type: MessageType) -> bool {
        let below = match r#type {
            MessageType::ResourceData(_) => Self::SIGNAL.or(Self::RESOURCE).or(Self::SCOPE),
            MessageType::ScopeData(_) => Self::SIGNAL.or(Self::SCOPE),
            MessageType::Span => Self::SPAN_EVENT.or(Self::SPAN_LINK),
            MessageType::Metric | MessageType::MetricData(_) => Self::DATA_POINT.or(Self::EXEMPLAR),
            MessageType::DataPoint(_) => Self::EXEMPLAR,
            _ => Self::NONE,
        };
        !self.and(below).is_empty()
    }

    const fn of(r#type: MessageType) -> Self {
        match r#type {
            MessageType::Resource => Self::RESOURCE,
            MessageType::Scope => Self::SCOPE,
            MessageType::Span => Self::SPAN,
            MessageType::Event => Self::SPAN_EVENT,
            MessageType::Link => Self::SPAN_LINK,
            MessageType::Metric => Self::METRIC,
            MessageType::DataPoint(_) => Self::DATA_POINT,
            MessageType::Exemplar => Self::EXEMPLAR,
            MessageType::LogRecord => Self::LOG_RECORD,
            _ => Self::NONE,
        }
    }
}

impl BitOr for Messages {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

#[cfg(test)]
mod tests;
