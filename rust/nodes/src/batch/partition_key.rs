// SPDX-License-Identifier: Apache-2.0

//! What keeps requests apart: the values of their metadata keys.

use otapbridge::Metadata;

/// All values of the configured keys, in order. A key without a value is absent,
/// which is not the same as an empty value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    /// For each key the number of its values, then each value's length and bytes:
    /// no value can pass for another one's border.
    encoded: Box<[u8]>,
}

type Number = [u8; size_of::<usize>()];

impl PartitionKey {
    /// The partition of a request with this metadata.
    pub(crate) fn of(metadata_keys: &[String], metadata: Metadata<'_>) -> Self {
        let mut encoded = Vec::new();
        for key in metadata_keys {
            let count_at = encoded.len();
            encoded.extend_from_slice(&Number::default());
            let mut count: usize = 0;
            for value in metadata.get(key) {
                encoded.extend_from_slice(&value.as_bytes().len().to_le_bytes());
                encoded.extend_from_slice(value.as_bytes());
                count += 1;
            }
            encoded[count_at..count_at + size_of::<Number>()].copy_from_slice(&count.to_le_bytes());
        }
        Self {
            encoded: encoded.into(),
        }
    }
}

#[cfg(test)]
mod tests;
