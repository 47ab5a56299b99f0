// SPDX-License-Identifier: Apache-2.0

//! Compares texts, numbers, values and attributes with what is asked for.

use otapbridge_otlp::Value;
use std::borrow::Cow;

use otapbridge_otlp::wire::{Field, Malformed, Reader};
use regex::bytes::Regex;
use serde::Deserialize;

/// What a text has to be.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Equal(String),
    /// It has to be found somewhere in the text.
    Regexp(Regex),
}

/// Whether a pattern is found in a text. In one that is not UTF-8, what is not stands for the character U+FFFD, as in Go: otherwise
/// one wrong byte would hide a key from `.*`.
#[inline]
pub(crate) fn is_found(pattern: &Regex, text: &[u8]) -> bool {
    pattern.is_match(text) || is_found_in_replaced(pattern, text)
}

#[cold]
fn is_found_in_replaced(pattern: &Regex, text: &[u8]) -> bool {
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(_) => false,
        Cow::Owned(replaced) => pattern.is_match(replaced.as_bytes()),
    }
}

impl Pattern {
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Equal(wanted) => text == wanted.as_bytes(),
            Self::Regexp(regexp) => is_found(regexp, text),
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
pub(crate) enum ValueCondition<Text = Pattern> {
    Text(Text),
    Int(i64),
    /// Larger than any integer of OTLP: it is refused.
    TooLarge(u64),
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
pub(crate) struct AttributeCondition<Text = Pattern> {
    pub(super) key: String,
    /// Any value is right if there is none.
    pub(super) value: Option<ValueCondition<Text>>,
}

impl AttributeCondition {
    #[inline]
    fn has_key(&self, key: &[u8]) -> bool {
        self.key.as_bytes() == key
    }

    fn matches(&self, key: &[u8], value: Value<'_>) -> bool {
        let right = |wanted: &ValueCondition| wanted.matches(value);
        self.has_key(key) && self.value.as_ref().is_none_or(right)
    }
}

/// What is asked of a list of attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttributeConditions {
    /// One of them is enough, if there are any.
    pub(super) any: Vec<AttributeCondition>,
    /// It has to have all of them, at most [`AttributeConditions::MAX_ALL`].
    pub(super) all: Vec<AttributeCondition>,
}

/// What of a list of attributes has been seen.
pub(super) struct Seen<'c> {
    conditions: &'c AttributeConditions,
    any: bool,
    /// Those of `all` that are still to be seen, a bit for each.
    missing: u64,
}

impl AttributeConditions {
    pub(super) const MAX_ALL: usize = u64::BITS as usize;

    pub(super) fn is_empty(&self) -> bool {
        self.any.is_empty() && self.all.is_empty()
    }

    /// To be told of the attributes.
    pub(super) fn none_seen(&self) -> Seen<'_> {
        let missing = match self.all.len() {
            0 => 0,
            count => u64::MAX >> (Self::MAX_ALL - count),
        };
        Seen {
            conditions: self,
            any: self.any.is_empty(),
            missing,
        }
    }
}

impl Seen<'_> {
    /// Whether the list is right as far as it was seen.
    #[inline]
    pub(super) const fn is_enough(&self) -> bool {
        self.any && self.missing == 0
    }

    /// Sees a field that is a `KeyValue`.
    // Most attributes are not asked for; only of the others the value is read.
    #[inline(always)]
    pub(super) fn see(&mut self, attribute: &Field<'_>) -> Result<(), Malformed> {
        let key = attribute.key()?;
        let AttributeConditions { any, all } = self.conditions;
        let is_asked =
            |conditions: &[AttributeCondition]| conditions.iter().any(|wanted| wanted.has_key(key));
        if is_asked(any) || is_asked(all) {
            self.see_value(key, attribute.message()?)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn see_value(&mut self, key: &[u8], key_value: Reader<'_>) -> Result<(), Malformed> {
        let AttributeConditions { any, all } = self.conditions;
        let value = Value::of(key_value)?;
        self.any = self.any || any.iter().any(|wanted| wanted.matches(key, value));
        for (index, wanted) in all.iter().enumerate() {
            if wanted.matches(key, value) {
                self.missing &= !(1 << index);
            }
        }
        Ok(())
    }
}
