// SPDX-License-Identifier: Apache-2.0

//! Reads texts, numbers, values and attributes, and compares them with what is asked for.

use std::ops::Range;

use otapbridge::ProcessingError;
use otapbridge_otlp::wire::{Reader, last_len_field};
use regex::bytes::Regex;

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
    /// Need not be UTF-8: such an item is one like others.
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
                1 => Self::Text(&request[field.message()?]),
                2 => Self::Bool(field.varint(request)? != 0),
                3 => Self::Int(field.varint(request)? as i64),
                4 => Self::Double(field.double(request)?),
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
    let key = last_len_field(request, message.clone(), 1)?;
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
