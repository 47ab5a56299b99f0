// SPDX-License-Identifier: Apache-2.0

//! Converts values to another type, as Go's attributes processor does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use otapbridge::ProcessingError;
use otapbridge_otlp::{AnyValue, Content, EncodedValue, MAX_VALUE_DEPTH};
use serde::Deserialize;
use serde_json::{Map, Number, Value as Json};

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
        content @ (Content::List(_) | Content::Map(_)) => json(content, 1)?.to_string(),
    }))
}

/// As JSON writes it: with an exponent only if the number is very small or very large.
fn double_text(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
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

/// Keys are in order. What JSON cannot say is null, and what is not UTF-8 is replaced.
fn json(content: Content<'_>, depth: usize) -> Result<Json, ProcessingError> {
    if depth > MAX_VALUE_DEPTH {
        return Err(ProcessingError::invalid_argument(format!(
            "a value is nested deeper than {MAX_VALUE_DEPTH} levels"
        )));
    }
    Ok(match content {
        Content::None => Json::Null,
        Content::Text(text) => Json::String(String::from_utf8_lossy(text).into_owned()),
        Content::Bool(value) => Json::Bool(value),
        Content::Int(number) => Json::Number(number.into()),
        Content::Double(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Content::Bytes(bytes) => Json::String(BASE64.encode(bytes)),
        Content::List(list) => {
            let mut values = Vec::new();
            list.for_each(|value| {
                values.push(json(Content::of(value)?, depth + 1)?);
                Ok(())
            })?;
            Json::Array(values)
        }
        Content::Map(map) => {
            let mut entries = Map::new();
            for (key, value) in map.entries()? {
                let key = String::from_utf8_lossy(key).into_owned();
                let _ = entries.insert(key, json(value.content()?, depth + 1)?);
            }
            Json::Object(entries)
        }
    })
}
