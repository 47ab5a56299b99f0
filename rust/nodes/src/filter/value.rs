// SPDX-License-Identifier: Apache-2.0

//! Reads texts, numbers, values and attributes, and compares them with what is asked for.

use std::ops::Range;

use otapbridge::ProcessingError;
use otapbridge_otlp::wire::{Field, Reader};
use regex::bytes::Regex;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;

/// What a text has to be.
#[derive(Debug)]
pub(super) enum Pattern {
    Equal(String),
    /// It has to be found somewhere in the text.
    Regexp(Regex),
}

impl Pattern {
    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Equal(wanted) => text == wanted.as_bytes(),
            Self::Regexp(regexp) => regexp.is_match(text),
        }
    }

    /// Whether one of the patterns fits.
    pub(super) fn any_matches(patterns: &[Self], text: &[u8]) -> bool {
        patterns.iter().any(|pattern| pattern.matches(text))
    }
}

/// What a value has to be. One of another type is another value.
#[derive(Debug)]
pub(super) enum ValueCondition {
    Text(Pattern),
    Int(i64),
    Double(f64),
    Bool(bool),
}

impl ValueCondition {
    pub(super) fn matches(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(pattern), Value::Text(text)) => pattern.matches(text),
            (Self::Int(wanted), Value::Int(number)) => *wanted == number,
            (Self::Double(wanted), Value::Double(number)) => *wanted == number,
            (Self::Bool(wanted), Value::Bool(value)) => *wanted == value,
            _ => false,
        }
    }
}

/// An attribute that is asked for.
#[derive(Debug)]
pub(super) struct AttributeCondition {
    pub(super) key: String,
    pub(super) value: ValueCondition,
}

impl AttributeCondition {
    fn has_key(&self, key: &[u8]) -> bool {
        self.key.as_bytes() == key
    }

    /// Whether the KeyValue at `message` is one of those asked for.
    pub(super) fn any_matches(
        wanted: &[Self],
        request: &[u8],
        message: Range<usize>,
    ) -> Result<bool, ProcessingError> {
        let Some((key, value)) = read_attribute(request, message, wanted)? else {
            return Ok(false);
        };
        let mut of_key = wanted.iter().filter(|wanted| wanted.has_key(key));
        Ok(of_key.any(|wanted| wanted.value.matches(value)))
    }

    /// Marks those that the KeyValue at `message` fulfils.
    pub(super) fn mark_fulfilled(
        wanted: &[Self],
        request: &[u8],
        message: Range<usize>,
        fulfilled: &mut [bool],
    ) -> Result<(), ProcessingError> {
        if let Some((key, value)) = read_attribute(request, message, wanted)? {
            for (wanted, fulfilled) in wanted.iter().zip(fulfilled) {
                *fulfilled |= wanted.has_key(key) && wanted.value.matches(value);
            }
        }
        Ok(())
    }
}

/// An `AnyValue`, as far as conditions can ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Value<'a> {
    /// None at all, or one that no condition can ask for: a list, a map, bytes.
    #[default]
    Other,
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
}

impl<'a> Value<'a> {
    /// Reads the `AnyValue` at `message`. Protobuf merges the occurrences of one
    /// value, so what is found replaces what an earlier one said. Lists and maps
    /// are not looked into, so their depth does not matter.
    pub(super) fn merge(
        &mut self,
        request: &'a [u8],
        message: Range<usize>,
    ) -> Result<(), ProcessingError> {
        let mut reader = Reader::new(request, message);
        while let Some(field) = reader.next_field()? {
            *self = match field.number {
                1 => Self::Text(text(request, &field)?),
                2 => Self::Bool(varint(request, &field)? != 0),
                3 => Self::Int(varint(request, &field)? as i64),
                4 => Self::Double(double(request, &field)?),
                5..=7 => {
                    let _ = field.message()?;
                    Self::Other
                }
                _ => continue,
            };
        }
        Ok(())
    }
}

/// Key and value of the KeyValue at `message`, if the key is one of those asked for.
fn read_attribute<'a>(
    request: &'a [u8],
    message: Range<usize>,
    wanted: &[AttributeCondition],
) -> Result<Option<(&'a [u8], Value<'a>)>, ProcessingError> {
    let mut key = &[][..];
    let mut reader = Reader::new(request, message.clone());
    while let Some(field) = reader.next_field()? {
        if field.number == 1 {
            key = &request[field.message()?];
        }
    }
    if !wanted.iter().any(|wanted| wanted.has_key(key)) {
        return Ok(None);
    }
    // Most attributes are not asked for; only of the others the value is read.
    let mut value = Value::default();
    let mut reader = Reader::new(request, message);
    while let Some(field) = reader.next_field()? {
        if field.number == 2 {
            value.merge(request, field.message()?)?;
        }
    }
    Ok(Some((key, value)))
}

/// The bytes of a string field. They need not be UTF-8: such an item is one like others.
pub(super) fn text<'a>(request: &'a [u8], field: &Field) -> Result<&'a [u8], ProcessingError> {
    Ok(&request[field.message()?])
}

/// The value of an int64, int32, bool or enum field.
pub(super) fn varint(request: &[u8], field: &Field) -> Result<u64, ProcessingError> {
    let bytes = scalar(request, field, VARINT)?;
    // The reader has made sure that it fits.
    let digits = bytes.iter().rev();
    Ok(digits.fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)))
}

fn double(request: &[u8], field: &Field) -> Result<f64, ProcessingError> {
    let bytes = scalar(request, field, FIXED64)?;
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| malformed(field, "a number has the wrong length"))?;
    Ok(f64::from_le_bytes(bytes))
}

/// What follows the tag of a field, whose wire type has to be this.
fn scalar<'a>(
    request: &'a [u8],
    field: &Field,
    wire_type: u8,
) -> Result<&'a [u8], ProcessingError> {
    let bytes = &request[field.start..field.end];
    let is_right = bytes.first().is_some_and(|tag| tag & 7 == wire_type);
    let tag_len = 1 + bytes.iter().take_while(|byte| **byte >= 0x80).count();
    match bytes.get(tag_len..) {
        Some(value) if is_right => Ok(value),
        _ => Err(malformed(field, "a field has the wrong wire type")),
    }
}

fn malformed(field: &Field, what: &str) -> ProcessingError {
    // As the wire format's own errors read.
    ProcessingError::invalid_argument(format!("malformed OTLP at byte {}: {what}", field.start))
}
