// SPDX-License-Identifier: Apache-2.0

//! A batch that is ready to be sent.

use otapbridge::{Bytes, Signal};

use super::join::join;
use super::partition::PartitionId;
use otapbridge_otlp::Size;

/// A part of a batch: a request, or a piece of one that a maximum divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part<Id> {
    /// Whose it is.
    pub(crate) id: Id,
    pub(crate) bytes: Bytes,
    pub(crate) size: Size,
    /// Whether it is the last part of its request: no later batch has more of it.
    pub(crate) last: bool,
}

/// Data of one signal and one partition that goes out together.
#[derive(Debug)]
pub(crate) struct Batch<Id> {
    pub(crate) signal: Signal,
    pub(crate) partition: PartitionId,
    /// In ascending order of their ids, each id once.
    pub(crate) parts: Vec<Part<Id>>,
}

impl<Id: Copy + Ord> Batch<Id> {
    #[cfg(test)]
    pub(crate) fn size(&self) -> Size {
        let mut size = Size::default();
        for part in &self.parts {
            size += part.size;
        }
        size
    }

    /// The one request to send.
    pub(crate) fn payload(&self) -> Bytes {
        join(self.parts.iter().map(|part| &part.bytes))
    }
}
