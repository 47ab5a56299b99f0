// SPDX-License-Identifier: Apache-2.0

//! Converts values to another type, as Go's attributes processor does.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use otapbridge::ProcessingError;
use otapbridge_otlp::{AnyValue, Content, EncodedValue};
use serde::Deserialize;
use serde_json::Value as Json;

/// What an attribute becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConvertedType {
    Int,
    Double,
    String,
}

/// The converted value; `None` if it is of this type already, or cannot be converted.
///
/// # Errors
/// InvalidArgument, if the value is malformed or nested too deep.
pub(super) fn convert(
    value: &AnyValue<'_>,
    to: ConvertedType,
) -> Result<Option<EncodedValue>, ProcessingError> {
    let content = value.content()?;
    if matches!(content, Content::None) && !value.reader().rest().is_empty() {
        // Something of a later protocol.
        return Ok(None);
    }
    Ok(match to {
        ConvertedType::Int => int(&content).map(EncodedValue::from),
        ConvertedType::Double => double(&content).map(EncodedValue::from),
        ConvertedType::String => text(content)?.map(|text| EncodedValue::from(text.as_str())),
    })
}

fn int(content: &Content<'_>) -> Option<i64> {
    match content {
        Content::Bool(value) => Some(i64::from(*value)),
        Content::Double(number) => {
            let whole = number.trunc();
            // 2^63 is the first that does not fit, and a double; what is not a number fails both.
            let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
            fits.then_some(whole as i64)
        }
        Content::Text(text) => str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

fn double(content: &Content<'_>) -> Option<f64> {
    match content {
        Content::Bool(value) => Some(f64::from(u8::from(*value))),
        Content::Int(number) => Some(*number as f64),
        Content::Text(text) => {
            let text = str::from_utf8(text).ok()?;
            let number: f64 = text.parse().ok()?;
            // A number that is too large is none; infinity is written in letters.
            let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
            (number.is_finite() || !has_digits).then_some(number)
        }
        _ => None,
    }
}

fn text(content: Content<'_>) -> Result<Option<String>, ProcessingError> {
    Ok(Some(match content {
        Content::Text(_) => return Ok(None),
        Content::None => String::new(),
        Content::Bool(value) => value.to_string(),
        Content::Int(number) => number.to_string(),
        Content::Double(number) => double_text(number),
        Content::Bytes(bytes) => BASE64.encode(bytes),
        content @ (Content::List(_) | Content::Map(_)) => {
            let mut text = String::new();
            push_json(content, 1, &mut text)?;
            text
        }
    }))
}

/// As JSON writes it: with an exponent only if the number is very small or very large.
fn double_text(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => text,
        };
    }
    number.to_string()
}

/// Appends a value as JSON. Keys are in order; numbers are as in [`double_text`]. What JSON cannot say is null, and what is
/// not UTF-8 is replaced.
fn push_json(content: Content<'_>, depth: usize, out: &mut String) -> Result<(), ProcessingError> {
    content.check_depth(depth)?;
    let quoted = |text: &[u8]| Json::String(String::from_utf8_lossy(text).into_owned()).to_string();
    match content {
        Content::None => out.push_str("null"),
        Content::Text(text) => out.push_str(&quoted(text)),
        Content::Bool(value) => out.push_str(&value.to_string()),
        Content::Int(number) => out.push_str(&number.to_string()),
        Content::Double(number) if number.is_finite() => out.push_str(&double_text(number)),
        Content::Double(_) => out.push_str("null"),
        Content::Bytes(bytes) => out.push_str(&quoted(BASE64.encode(bytes).as_bytes())),
        Content::List(list) => {
            out.push('[');
            let mut separator = "";
            list.for_each(|value| {
                out.push_str(separator);
                separator = ",";
                push_json(Content::of(value)?, depth + 1, out)
            })?;
            out.push(']');
        }
        Content::Map(map) => {
            // Of a key that stands several times, the last one counts.
            let entries: BTreeMap<_, _> = map.entries()?.into_iter().collect();
            out.push('{');
            let mut separator = "";
            for (key, value) in entries {
                out.push_str(separator);
                separator = ",";
                out.push_str(&quoted(key));
                out.push(':');
                push_json(value.content()?, depth + 1, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a value is as a text.
    fn text_of(value: impl Into<EncodedValue>) -> EncodedValue {
        let converted = convert(&value.into().as_any_value(), ConvertedType::String);
        converted.expect("well-formed").expect("no text yet")
    }

    #[test]
    fn numbers_are_written_as_the_collector_writes_them() {
        for (number, text) in [
            (1.0, "1"),
            (-0.5, "-0.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text_of(number), EncodedValue::from(text), "{number}");
        }
    }

    #[test]
    fn lists_and_maps_are_written_as_the_collector_writes_them() {
        let list = EncodedValue::list([
            EncodedValue::from(1.0),
            EncodedValue::from(1e21),
            EncodedValue::from(7_i64),
            EncodedValue::from("<\"&>\n"),
            EncodedValue::default(),
        ]);
        let map = EncodedValue::map([
            ("b", list),
            ("a", EncodedValue::from(true)),
            ("a", EncodedValue::from(false)),
        ]);
        let expected = r#"{"a":false,"b":[1,1e+21,7,"<\"&>\n",null]}"#;
        assert_eq!(text_of(map), EncodedValue::from(expected));
    }
}
