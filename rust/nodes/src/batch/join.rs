// SPDX-License-Identifier: Apache-2.0

//! Joins OTLP requests.

use otapbridge::Bytes;

/// One request with everything that the parts contain, in their order.
///
/// A request is a list of resources, a repeated field, and protobuf reads the
/// concatenation of two messages as one with both lists. The parts must be well
/// formed on the top level, as [`Size::of`](super::size::Size::of) checks.
/// Copies once; a single part is returned as it is.
pub(crate) fn join<'a>(parts: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
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
