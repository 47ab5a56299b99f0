// SPDX-License-Identifier: Apache-2.0

//! Hashes values.
//!
//! What is hashed of a text, bytes, a truth value or a number is as in the engine's `processor:attribute`: the salt, then
//! the bytes, one byte of 0 or 1, or eight bytes, the lowest first. Of lists and maps, which the engine
//! leaves in clear and Go empties, it is the salt and their canonical encoding:
//!
//! - a value is one byte, the number of its field in `AnyValue` (0 if there is none), and what it is: eight bytes of length and
//!   the bytes of a text or of bytes; one byte of a truth value; eight bytes of a number; eight bytes of the count and then
//!   the values of a list; eight bytes of the count and then the entries of a map;
//! - an entry is the length of its key, the key and the value. The entries are in the order of their keys, so
//!   that maps that say the same have one hash.

use otapbridge::ProcessingError;
use otapbridge_otlp::{AnyValue, Content, EncodedValue, MessageType};
use sha2::{Digest, Sha256};

/// The hash of a value, as a text of hexadecimal digits; `None` if there is nothing to hash.
///
/// # Errors
/// InvalidArgument, if the value is malformed or nested too deep.
pub(super) fn hash(
    salt: &str,
    value: &AnyValue<'_>,
) -> Result<Option<EncodedValue>, ProcessingError> {
    let encoded = value.reader();
    if encoded.rest().is_empty() {
        return Ok(None);
    }
    let mut hasher = Sha256::new_with_prefix(salt);
    match value.content()? {
        // Something of a later protocol.
        Content::None => hasher.update(encoded.rest()),
        Content::Text(text) | Content::Bytes(text) => hasher.update(text),
        Content::Bool(value) => hasher.update([u8::from(value)]),
        Content::Int(number) => hasher.update(number.to_le_bytes()),
        Content::Double(number) => hasher.update(number.to_le_bytes()),
        content @ (Content::List(_) | Content::Map(_)) => canonical(content, 1, &mut hasher)?,
    }
    let digit = |number: u8| number + if number < 10 { b'0' } else { b'a' - 10 };
    let mut text = [0; 2 * 32];
    for (digits, byte) in text.chunks_exact_mut(2).zip(hasher.finalize()) {
        digits[0] = digit(byte >> 4);
        digits[1] = digit(byte & 15);
    }
    Ok(Some(EncodedValue::text(&text)))
}

/// Hashes the canonical encoding of a value.
fn canonical(
    content: Content<'_>,
    depth: usize,
    hasher: &mut Sha256,
) -> Result<(), ProcessingError> {
    content.check_depth(depth)?;
    let length = |length: usize| (length as u64).to_le_bytes();
    match content {
        Content::None => hasher.update([0]),
        Content::Text(text) => {
            hasher.update([MessageType::TEXT as u8]);
            hasher.update(length(text.len()));
            hasher.update(text);
        }
        Content::Bytes(bytes) => {
            hasher.update([MessageType::BYTES as u8]);
            hasher.update(length(bytes.len()));
            hasher.update(bytes);
        }
        Content::Bool(value) => hasher.update([MessageType::BOOL as u8, u8::from(value)]),
        Content::Int(number) => {
            hasher.update([MessageType::INT as u8]);
            hasher.update(number.to_le_bytes());
        }
        Content::Double(number) => {
            hasher.update([MessageType::DOUBLE as u8]);
            hasher.update(number.to_le_bytes());
        }
        Content::List(list) => {
            hasher.update([MessageType::LIST as u8]);
            hasher.update(list.count()?.to_le_bytes());
            list.for_each(|value| canonical(Content::of(value)?, depth + 1, hasher))?;
        }
        Content::Map(map) => {
            let mut entries = map.entries()?;
            entries.sort_by_key(|(key, _)| *key);
            hasher.update([MessageType::MAP as u8]);
            hasher.update(length(entries.len()));
            for (key, value) in entries {
                hasher.update(length(key.len()));
                hasher.update(key);
                canonical(value.content()?, depth + 1, hasher)?;
            }
        }
    }
    Ok(())
}
