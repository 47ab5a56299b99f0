// SPDX-License-Identifier: Apache-2.0

//! How large a request is.

use std::ops::{AddAssign, Range, SubAssign};

use otapbridge_context::Signal;
use serde::Deserialize;

use crate::level::{Child, Level};
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
        let mut size = Self::inside(signal, request, Level::Request, 0..request.len())?;
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

    /// What the level itself adds to the size of a request, without its bytes and without
    /// what is inside.
    pub(crate) fn of_level(level: Level) -> Self {
        let mut size = Self::default();
        match level {
            Level::Resource => size.resources = 1,
            Level::Scope => size.scopes = 1,
            Level::Metric => size.entries = 1,
            Level::Request | Level::Points => {}
        }
        size
    }

    /// What an item adds, without its bytes. A data point is in a metric, which is the entry.
    pub(crate) fn of_item(signal: Signal) -> Self {
        Self {
            items: 1,
            entries: usize::from(signal != Signal::Metrics),
            ..Self::default()
        }
    }

    /// What is inside the level at `body`, which lies in `input`; no bytes are counted.
    pub(crate) fn inside(
        signal: Signal,
        input: &[u8],
        level: Level,
        body: Range<usize>,
    ) -> Result<Self, Malformed> {
        let mut size = Self::default();
        let mut reader = Reader::new(input, body);
        while let Some(field) = reader.next_field()? {
            match level.child(signal, field.number) {
                Some(Child::Item) => {
                    let _ = field.message()?;
                    size += Self::of_item(signal);
                }
                Some(Child::Level(level)) => {
                    size += Self::of_level(level);
                    size += Self::inside(signal, input, level, field.message()?)?;
                }
                None => {}
            }
        }
        Ok(size)
    }
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
