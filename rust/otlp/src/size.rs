// SPDX-License-Identifier: Apache-2.0

//! How large a request is.

use std::ops::{AddAssign, SubAssign};

use otapbridge_context::Signal;
use serde::Deserialize;

use crate::schema::MessageType;
use crate::wire::{Malformed, Reader};

/// The size of a request, as everybody counts it who limits it. Sizes add up when
/// requests are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Spans, metric data points or log records.
    pub items: usize,
    /// Bytes of the whole request.
    pub bytes: usize,
    /// `ResourceSpans` and its like.
    pub resources: usize,
    /// `ScopeSpans` and its like.
    pub scopes: usize,
    /// Spans, metrics or log records.
    pub entries: usize,
}

/// Which number of a [`Size`] is limited.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Sizer {
    /// Spans, metric data points or log records.
    #[default]
    Items,
    /// Bytes of the request.
    Bytes,
    /// The largest of three numbers: of resources, of scopes, and of spans, metrics or
    /// log records. A metric counts as one, and is never divided. No setting.
    #[serde(skip)]
    Rows,
}

impl Size {
    /// The size of an export request. Reads it down to its items, but not the
    /// items themselves.
    ///
    /// # Errors
    /// The request is malformed down to there.
    pub fn of(signal: Signal, request: &[u8]) -> Result<Self, Malformed> {
        let mut size = Self::inside(MessageType::Request(signal), Reader::new(request))?;
        size.bytes = request.len();
        Ok(size)
    }

    /// The size that the sizer looks at.
    #[must_use]
    pub fn by(self, sizer: Sizer) -> usize {
        match sizer {
            Sizer::Items => self.items,
            Sizer::Bytes => self.bytes,
            Sizer::Rows => self.resources.max(self.scopes).max(self.entries),
        }
    }

    /// Adds what a message of this type is, without its bytes and without what is inside.
    pub(crate) fn count(&mut self, message: MessageType) {
        match message {
            MessageType::ResourceData(_) => self.resources += 1,
            MessageType::ScopeData(_) => self.scopes += 1,
            MessageType::Metric => self.entries += 1,
            // In a metric, which is the entry.
            MessageType::DataPoint(_) => self.items += 1,
            MessageType::Span | MessageType::LogRecord => {
                self.entries += 1;
                self.items += 1;
            }
            _ => {}
        }
    }

    /// What is inside a message; no bytes are counted.
    pub(crate) fn inside(message: MessageType, mut body: Reader<'_>) -> Result<Self, Malformed> {
        let mut size = Self::default();
        while let Some(field) = body.next_field()? {
            if let Some(child) = message.child(field.number) {
                let body = field.message()?;
                size.count(child);
                if !child.is_item() {
                    size += Self::inside(child, body)?;
                }
            }
        }
        Ok(size)
    }
}

/// How many data points a metric has. Its data are of one kind: those that come last.
///
/// # Errors
/// It is malformed.
pub fn data_points(mut metric: Reader<'_>) -> Result<usize, Malformed> {
    let mut kind = None;
    let mut points = 0;
    while let Some(field) = metric.next_field()? {
        let Some(data @ MessageType::MetricData(_)) = MessageType::Metric.child(field.number)
        else {
            continue;
        };
        if kind.replace(field.number) != Some(field.number) {
            points = 0;
        }
        points += Size::inside(data, field.message()?)?.items;
    }
    Ok(points)
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.items += other.items;
        self.bytes += other.bytes;
        self.resources += other.resources;
        self.scopes += other.scopes;
        self.entries += other.entries;
    }
}

impl SubAssign for Size {
    fn sub_assign(&mut self, other: Self) {
        self.items -= other.items;
        self.bytes -= other.bytes;
        self.resources -= other.resources;
        self.scopes -= other.scopes;
        self.entries -= other.entries;
    }
}
