// SPDX-License-Identifier: Apache-2.0

//! `AnyValue`s and `KeyValue`s: read in place, and written.

use std::ops::Range;

use crate::schema::MessageType;
use crate::wire::{
    FIXED64, LEN, Malformed, Reader, VARINT, len_field_head_len, push_len_field,
    push_len_field_head, push_varint,
};

/// An `AnyValue`, as far as it is looked at; [`Content`](crate::Content) is all that it can be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// None at all, or one that is not looked at: a list, a map, bytes.
    #[default]
    Other,
    /// Need not be UTF-8: such an item is one like others.
    Text(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
}

impl<'a> Value<'a> {
    /// Reads an `AnyValue`. Protobuf merges the occurrences of one value, so what is
    /// found replaces what an earlier one said. Lists and maps are not looked into, so
    /// their depth does not matter.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn merge(&mut self, mut any_value: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = any_value.next_field()? {
            *self = match field.number {
                MessageType::TEXT => Self::Text(field.bytes()?),
                MessageType::BOOL => Self::Bool(field.varint()? != 0),
                MessageType::INT => Self::Int(field.varint()? as i64),
                MessageType::DOUBLE => Self::Double(field.double()?),
                number if MessageType::AnyValue.field(number).is_some() => {
                    let _ = field.message()?;
                    Self::Other
                }
                _ => continue,
            };
        }
        Ok(())
    }

    /// The value of a `KeyValue`.
    ///
    /// # Errors
    /// The `KeyValue` or its value is malformed.
    pub fn of(mut key_value: Reader<'a>) -> Result<Self, Malformed> {
        let mut value = Self::default();
        while let Some(field) = key_value.next_of(MessageType::VALUE)? {
            value.merge(field.message()?)?;
        }
        Ok(value)
    }
}

/// The key of a `KeyValue`, or empty. The last one counts, as everywhere in protobuf.
///
/// # Errors
/// The `KeyValue` is malformed.
#[inline]
pub fn key(key_value: Reader<'_>) -> Result<&[u8], Malformed> {
    let input = key_value.input();
    Ok(&input[key_place(key_value)?])
}

/// Where the key of a `KeyValue` is in the input.
#[inline]
pub(crate) fn key_place(key_value: Reader<'_>) -> Result<Range<usize>, Malformed> {
    let Range { start, end } = key_value.place();
    match usual_places(key_value.input(), start, end) {
        Some(UsualPlaces {
            key: (start, end), ..
        }) => Ok(start..end),
        None => any_key_place(key_value),
    }
}

/// Where key and value of a `KeyValue` are in the input, if it is written as nearly all are: a key and a value, neither of
/// which is long, in this order or, by Go's collector, in the other.
#[inline(always)]
pub(crate) fn usual_places(input: &[u8], start: usize, end: usize) -> Option<UsualPlaces> {
    const KEY: u8 = (MessageType::KEY << 3 | LEN) as u8;
    const VALUE: u8 = (MessageType::VALUE << 3 | LEN) as u8;
    let [first, first_len @ ..0x80, rest @ ..] = input.get(start..end)? else {
        return None;
    };
    let first_len = usize::from(*first_len);
    let [second, second_len @ ..0x80, rest @ ..] = rest.get(first_len..)? else {
        return None;
    };
    if usize::from(*second_len) != rest.len() {
        return None;
    }
    let first_place = (start + USUAL_HEAD, start + USUAL_HEAD + first_len);
    let second_place = (end - rest.len(), end);
    match (*first, *second) {
        (KEY, VALUE) => Some(UsualPlaces {
            key: first_place,
            value: second_place,
        }),
        (VALUE, KEY) => Some(UsualPlaces {
            key: second_place,
            value: first_place,
        }),
        _ => None,
    }
}

/// Begin and end of the two fields' values. Before each are [`USUAL_HEAD`] bytes of tag and length.
pub(crate) struct UsualPlaces {
    pub(crate) key: (usize, usize),
    pub(crate) value: (usize, usize),
}

pub(crate) const USUAL_HEAD: usize = 2;

#[cold]
#[inline(never)]
fn any_key_place(mut key_value: Reader<'_>) -> Result<Range<usize>, Malformed> {
    let start = key_value.place().start;
    let mut key = start..start;
    while let Some(field) = key_value.next_field()? {
        if field.number == MessageType::KEY {
            key = field.message()?.place();
        }
    }
    Ok(key)
}

/// The `AnyValue` of an attribute, where it stands.
#[derive(Clone, Debug)]
pub struct AnyValue<'a>(Place<'a>);

#[derive(Clone, Debug)]
enum Place<'a> {
    Absent,
    There(Reader<'a>),
    /// Protobuf merges the occurrences of a message: their bytes behind each other are the whole.
    Merged(Vec<u8>),
}

/// A value that is written in several pieces has to be copied, at each level of lists and maps. Nobody writes so; somebody
/// who does may not write more than this.
const MAX_MERGED: usize = 1024 * 1024;

impl<'a> AnyValue<'a> {
    /// The value of a `KeyValue`.
    ///
    /// # Errors
    /// The `KeyValue` is malformed.
    pub(crate) fn of(mut key_value: Reader<'a>) -> Result<Self, Malformed> {
        let Range { start, end } = key_value.place();
        if let Some(places) = usual_places(key_value.input(), start, end) {
            let (start, end) = places.value;
            return Ok(Self(Place::There(Reader::of(
                key_value.input(),
                start..end,
            ))));
        }
        let mut place = Place::Absent;
        while let Some(field) = key_value.next_of(MessageType::VALUE)? {
            let value = field.message()?;
            let mut merged = match place {
                Place::Absent => {
                    place = Place::There(value);
                    continue;
                }
                Place::There(first) => first.rest().to_vec(),
                Place::Merged(earlier) => earlier,
            };
            merged.extend_from_slice(value.rest());
            if merged.len() > MAX_MERGED {
                return Err(field.too_long());
            }
            place = Place::Merged(merged);
        }
        Ok(Self(place))
    }

    pub(crate) const fn absent() -> Self {
        Self(Place::Absent)
    }

    pub(crate) const fn encoded(bytes: &'a [u8]) -> Self {
        Self(Place::There(Reader::new(bytes)))
    }

    /// Whether there is a value.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        !matches!(self.0, Place::Absent)
    }

    /// Whether it stands there in one piece, and as these bytes.
    pub(crate) fn is_encoded_as(&self, encoded: &[u8]) -> bool {
        matches!(&self.0, Place::There(value) if value.rest() == encoded)
    }

    /// Reads its fields.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        match &self.0 {
            Place::Absent => Reader::new(&[]),
            Place::There(value) => value.clone(),
            Place::Merged(value) => Reader::new(value),
        }
    }

    /// The value, if it is a text, a number or a truth value.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn value(&self) -> Result<Value<'_>, Malformed> {
        let mut value = Value::default();
        value.merge(self.reader())?;
        Ok(value)
    }
}

/// An `AnyValue` to be written: its protobuf. Made of a `&str`, `bool`, `i64` or `f64` by `from`, and of others by
/// [`list`](Self::list) and [`map`](Self::map).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedValue(Vec<u8>);

impl EncodedValue {
    /// The same as a value that is there.
    #[must_use]
    pub fn copy(value: &AnyValue<'_>) -> Self {
        Self(value.reader().rest().to_vec())
    }

    /// A list of values.
    #[must_use]
    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        let mut list = Vec::new();
        for value in values {
            push_len_field(&mut list, MessageType::LIST_VALUES, &value.0);
        }
        Self::message(MessageType::LIST, &list)
    }

    /// A map; the keys' order is kept.
    #[must_use]
    pub fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Self)>) -> Self {
        let mut map = Vec::new();
        for (key, value) in entries {
            push_key_value(
                &mut map,
                MessageType::MAP_ENTRIES,
                key.as_bytes(),
                Some(&value.0),
            );
        }
        Self::message(MessageType::MAP, &map)
    }

    /// A text that need not be UTF-8: one that was taken from another attribute.
    #[must_use]
    pub fn text(text: &[u8]) -> Self {
        Self::message(MessageType::TEXT, text)
    }

    fn message(number: u32, content: &[u8]) -> Self {
        let len = len_field_head_len(number, content.len()) + content.len();
        let mut encoded = Vec::with_capacity(len);
        push_len_field(&mut encoded, number, content);
        Self(encoded)
    }

    fn number(number: u32, wire_type: u32) -> Vec<u8> {
        let mut encoded = Vec::new();
        push_varint(&mut encoded, u64::from(number << 3 | wire_type));
        encoded
    }

    /// Its protobuf.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as one that can be read.
    #[must_use]
    pub fn as_any_value(&self) -> AnyValue<'_> {
        AnyValue::encoded(&self.0)
    }
}

impl From<&str> for EncodedValue {
    fn from(text: &str) -> Self {
        Self::text(text.as_bytes())
    }
}

impl From<bool> for EncodedValue {
    fn from(value: bool) -> Self {
        let mut encoded = Self::number(MessageType::BOOL, VARINT);
        push_varint(&mut encoded, u64::from(value));
        Self(encoded)
    }
}

impl From<i64> for EncodedValue {
    fn from(number: i64) -> Self {
        let mut encoded = Self::number(MessageType::INT, VARINT);
        // int64 is the two's complement, not zigzag.
        push_varint(&mut encoded, number as u64);
        Self(encoded)
    }
}

impl From<f64> for EncodedValue {
    fn from(number: f64) -> Self {
        let mut encoded = Self::number(MessageType::DOUBLE, FIXED64);
        encoded.extend_from_slice(&number.to_le_bytes());
        Self(encoded)
    }
}

/// Appends a field that is a `KeyValue`.
pub(crate) fn push_key_value(out: &mut Vec<u8>, number: u32, key: &[u8], value: Option<&[u8]>) {
    let len_of = |number, content: &[u8]| len_field_head_len(number, content.len()) + content.len();
    let value_len = value.map_or(0, |value| len_of(MessageType::VALUE, value));
    push_len_field_head(out, number, len_of(MessageType::KEY, key) + value_len);
    push_len_field(out, MessageType::KEY, key);
    if let Some(value) = value {
        push_len_field(out, MessageType::VALUE, value);
    }
}

#[cfg(test)]
mod tests {
    use otapbridge_test_support::otlp::field;

    use super::*;

    #[test]
    fn key_and_value_are_found_in_either_order_and_otherwise_written() {
        let (key, value) = (field(1, b"key"), field(2, &field(1, b"value")));
        let long = field(2, &field(1, &[b'x'; 200]));
        for key_value in [
            [&key[..], &value].concat(),
            [&value[..], &key].concat(),
            [&key[..], &long].concat(),
            [&long[..], &key].concat(),
            [&field(1, b"earlier")[..], &value, &key].concat(),
            [&value[..], &key, &field(9, b"unknown")].concat(),
            // A length of two bytes that one would do for.
            [&key[..], &[2 << 3 | 2, 0x87, 0], &field(1, b"value")].concat(),
        ] {
            let whole = field(9, &key_value);
            let attribute = Reader::new(&whole).next_field().unwrap().unwrap();
            assert_eq!(attribute.key().unwrap(), b"key", "{key_value:?}");
            let read = attribute.message().unwrap();
            assert_eq!(super::key(read.clone()).unwrap(), b"key");
            assert_eq!(any_key_place(read.clone()), key_place(read.clone()));
            let is_long = key_value.len() > 200;
            let text: &[u8] = if is_long { &[b'x'; 200] } else { b"value" };
            let found = AnyValue::of(read.clone()).unwrap();
            assert_eq!(found.value().unwrap(), Value::Text(text), "{key_value:?}");
            assert_eq!(Value::of(read).unwrap(), Value::Text(text));
        }
    }
}
