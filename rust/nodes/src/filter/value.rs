// SPDX-License-Identifier: Apache-2.0

//! Compares texts, numbers, values and attributes with what is asked for.

use otapbridge_otlp::wire::{Malformed, Reader};
use otapbridge_otlp::{Value, key};
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

    /// Whether the KeyValue is one of those asked for.
    pub(super) fn any_matches(wanted: &[Self], key_value: Reader<'_>) -> Result<bool, Malformed> {
        let Some((key, value)) = read_attribute(key_value, wanted)? else {
            return Ok(false);
        };
        let mut of_key = wanted.iter().filter(|wanted| wanted.has_key(key));
        Ok(of_key.any(|wanted| wanted.value.matches(value)))
    }

    /// Marks those that the KeyValue fulfils.
    pub(super) fn mark_fulfilled(
        wanted: &[Self],
        key_value: Reader<'_>,
        fulfilled: &mut [bool],
    ) -> Result<(), Malformed> {
        if let Some((key, value)) = read_attribute(key_value, wanted)? {
            for (wanted, fulfilled) in wanted.iter().zip(fulfilled) {
                *fulfilled |= wanted.has_key(key) && wanted.value.matches(value);
            }
        }
        Ok(())
    }
}

/// Key and value of the KeyValue, if the key is one of those asked for.
fn read_attribute<'a>(
    key_value: Reader<'a>,
    wanted: &[AttributeCondition],
) -> Result<Option<(&'a [u8], Value<'a>)>, Malformed> {
    let key = key(key_value.clone())?;
    // Most attributes are not asked for; only of the others the value is read.
    if !wanted.iter().any(|wanted| wanted.has_key(key)) {
        return Ok(None);
    }
    Ok(Some((key, Value::of(key_value)?)))
}
