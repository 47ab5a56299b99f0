// SPDX-License-Identifier: Apache-2.0

//! A batch that is ready to be sent.

use otapbridge::{Bytes, Signal};

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
    /// The one request to send.
    pub(crate) fn payload(&self) -> Bytes {
        join(self.parts.iter().map(|part| &part.bytes))
    }
}

/// One request with everything that the parts contain, in their order.
///
/// A request is a list of resources, a repeated field, and protobuf reads the
/// concatenation of two messages as one with both lists. The parts must be well
/// formed on the top level, as [`Size::of`] checks.
/// Copies once; a single part is returned as it is.
fn join<'a>(parts: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut rest = parts.clone();
    if let (Some(only), None) = (rest.next(), rest.next()) {
        return only.clone();
    }
    let mut joined = Vec::with_capacity(parts.clone().map(Bytes::len).sum());
    for part in parts {
        joined.extend_from_slice(part);
    }
    joined.into()
}

#[cfg(test)]
mod tests;
