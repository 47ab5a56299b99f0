// SPDX-License-Identifier: Apache-2.0

//! How large a request is.

use std::ops::{AddAssign, Range, SubAssign};

use otapbridge::Signal;

use super::config::Sizer;
use super::shape::{Child, Level};
use crate::wire::{Malformed, Reader};

/// Both sizes of a request or a batch. They add up when requests are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Spans, metric data points or log records.
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

impl Size {
    /// The size of an export request. Reads it down to its items, but not the
    /// items themselves.
    pub(crate) fn of(signal: Signal, request: &[u8]) -> Result<Self, Malformed> {
        Ok(Self {
            items: count_items(signal, request, Level::Request, 0..request.len())?,
            bytes: request.len(),
        })
    }

    /// The size that the sizer looks at.
    pub(crate) const fn by(self, sizer: Sizer) -> usize {
        match sizer {
            Sizer::Items => self.items,
            Sizer::Bytes => self.bytes,
        }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.items += other.items;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Size {
    fn sub_assign(&mut self, other: Self) {
        self.items -= other.items;
        self.bytes -= other.bytes;
    }
}

/// Items in the message at `body`, which lies in `input`.
pub(super) fn count_items(
    signal: Signal,
    input: &[u8],
    level: Level,
    body: Range<usize>,
) -> Result<usize, Malformed> {
    let mut items = 0;
    let mut reader = Reader::new(input, body);
    while let Some(field) = reader.next()? {
        match level.child(signal, field.number) {
            Some(Child::Item) => {
                let _ = field.message()?;
                items += 1;
            }
            Some(Child::Level(level)) => {
                items += count_items(signal, input, level, field.message()?)?;
            }
            None => {}
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests;
