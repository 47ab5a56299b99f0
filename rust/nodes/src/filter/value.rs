// SPDX-License-Identifier: Apache-2.0

//! Compares texts, numbers, values and attributes with what is asked for.

use otapbridge_otlp::wire::{Malformed, Reader};
use otapbridge_otlp::{Value, key};
use regex::bytes::Regex;
use serde::Deserialize;

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

/// What a value has to be. One of another type is another value. A text is a `String` as
/// long as it is what was written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, a number or a truth value")]
pub(super) enum ValueCondition<Text = Pattern> {
    Text(Text),
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeCondition<Text = Pattern> {
    pub(super) key: String,
    pub(super) value: ValueCondition<Text>,
}

impl AttributeCondition {
    fn has_key(&self, key: &[u8]) -> bool {
        self.key.as_bytes() == key
    }

    /// Which of those asked for the KeyValue is.
    pub(super) fn matching<'a>(
        wanted: &'a [Self],
        key_value: Reader<'a>,
    ) -> Result<impl Iterator<Item = usize> + 'a, Malformed> {
        let key = key(key_value.clone())?;
        // Most attributes are not asked for; only of the others the value is read.
        let (wanted, value) = if wanted.iter().any(|wanted| wanted.has_key(key)) {
            (wanted, Value::of(key_value)?)
        } else {
            (&[][..], Value::Other)
        };
        let matching = wanted.iter().enumerate();
        Ok(matching
            .filter(move |(_, wanted)| wanted.has_key(key) && wanted.value.matches(value))
            .map(|(index, _)| index))
    }

    /// Whether the KeyValue is one of those asked for.
    pub(super) fn any_matches(wanted: &[Self], key_value: Reader<'_>) -> Result<bool, Malformed> {
        Ok(Self::matching(wanted, key_value)?.next().is_some())
    }
}
