// SPDX-License-Identifier: Apache-2.0

//! What becomes of values: hashed, converted, or written in a configuration.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use otapbridge_test_support::protocol::{AnyValue, ArrayValue, KeyValue, KeyValueList, OneOf};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::value_of;

/// A value that is written in a configuration.
pub(super) fn written(value: &Value) -> AnyValue {
    let value = match value {
        Value::Null => panic!("no value"),
        Value::Bool(value) => OneOf::Bool(*value),
        Value::Number(number) if number.is_f64() => OneOf::Double(number.as_f64().expect("f64")),
        Value::Number(number) => OneOf::Int(number.as_i64().expect("i64")),
        Value::String(text) => OneOf::Text(text.clone().into_bytes()),
        Value::Array(values) => OneOf::List(ArrayValue {
            values: values.iter().map(written).collect(),
        }),
        Value::Object(entries) => OneOf::Map(KeyValueList {
            values: (entries.iter())
                .map(|(key, value)| KeyValue::new(key.as_bytes(), &written(value)))
                .collect(),
        }),
    };
    value.into()
}

/// The text that replaces a value; `None` if it is left.
pub(super) fn hash(salt: &str, attribute: &KeyValue) -> Option<AnyValue> {
    let encoded = attribute.value_bytes();
    if encoded.is_empty() {
        return None;
    }
    let value = value_of(attribute);
    let bytes = match &value.value {
        None => encoded,
        Some(OneOf::Text(text) | OneOf::Bytes(text)) => text.clone(),
        Some(OneOf::Bool(value)) => vec![u8::from(*value)],
        Some(OneOf::Int(number)) => number.to_le_bytes().to_vec(),
        Some(OneOf::Double(number)) => number.to_le_bytes().to_vec(),
        Some(OneOf::List(_) | OneOf::Map(_)) => canonical(&value),
    };
    let hash = Sha256::digest([salt.as_bytes(), &bytes].concat());
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(OneOf::Text(digits.into_bytes()).into())
}

fn canonical(value: &AnyValue) -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
    match &value.value {
        None => vec![0],
        Some(OneOf::Text(text)) => [&[1][..], &with_length(text)].concat(),
        Some(OneOf::Bool(value)) => vec![2, u8::from(*value)],
        Some(OneOf::Int(number)) => [&[3][..], &number.to_le_bytes()].concat(),
        Some(OneOf::Double(number)) => [&[4][..], &number.to_le_bytes()].concat(),
        Some(OneOf::List(list)) => {
            let count = (list.values.len() as u64).to_le_bytes();
            let values = list.values.iter().flat_map(canonical);
            [5].into_iter().chain(count).chain(values).collect()
        }
        Some(OneOf::Map(map)) => {
            let count = (map.values.len() as u64).to_le_bytes();
            let mut entries: Vec<_> = map.values.iter().collect();
            // Those of one key in their order.
            entries.sort_by(|one, other| one.key.cmp(&other.key));
            let entries = entries
                .into_iter()
                .flat_map(|entry| [with_length(&entry.key), canonical(&value_of(entry))].concat());
            [6].into_iter().chain(count).chain(entries).collect()
        }
        Some(OneOf::Bytes(bytes)) => [&[7][..], &with_length(bytes)].concat(),
    }
}

/// The converted value; `None` if it is left.
pub(super) fn convert(attribute: &KeyValue, to: &str) -> Option<AnyValue> {
    let value = &value_of(attribute);
    if value.value.is_none() && !attribute.value_bytes().is_empty() {
        return None;
    }
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).ok();
    let new = match (to, value.value.as_ref()) {
        ("int", Some(OneOf::Bool(value))) => OneOf::Int(i64::from(*value)),
        ("int", Some(OneOf::Double(number))) => {
            // As a whole number it has to be one of 64 bits: that is seen in more.
            let whole = number.is_finite().then(|| number.trunc() as i128)?;
            OneOf::Int(i64::try_from(whole).ok()?)
        }
        ("int", Some(OneOf::Text(of))) => OneOf::Int(text(of)?.parse().ok()?),
        ("double", Some(OneOf::Bool(value))) => OneOf::Double(if *value { 1.0 } else { 0.0 }),
        ("double", Some(OneOf::Int(number))) => OneOf::Double(*number as f64),
        ("double", Some(OneOf::Text(of))) => {
            let text = text(of)?;
            let number: f64 = text.parse().ok()?;
            if number.is_infinite() && !text.to_lowercase().contains("inf") {
                return None;
            }
            OneOf::Double(number)
        }
        ("string", Some(OneOf::Text(_))) => return None,
        ("string", _) => OneOf::Text(as_text(value).into_bytes()),
        _ => return None,
    };
    Some(new.into())
}

fn as_text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(OneOf::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(OneOf::Bool(value)) => value.to_string(),
        Some(OneOf::Int(number)) => number.to_string(),
        Some(OneOf::Double(number)) => double(*number),
        Some(OneOf::Bytes(bytes)) => BASE64.encode(bytes),
        Some(OneOf::List(_) | OneOf::Map(_)) => as_json(value),
    }
}

/// As Go's JSON writes it.
fn double(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ if number == 0.0 || (1e-6 <= number.abs() && number.abs() < 1e21) => number.to_string(),
        _ => {
            let text = format!("{number:e}");
            match text.contains("e-") {
                true => text,
                false => text.replace('e', "e+"),
            }
        }
    }
}

fn as_json(value: &AnyValue) -> String {
    let text = |text: &[u8]| json!(String::from_utf8_lossy(text)).to_string();
    match &value.value {
        None => "null".to_owned(),
        Some(OneOf::Text(of)) => text(of),
        Some(OneOf::Bool(_) | OneOf::Int(_)) => as_text(value),
        Some(OneOf::Double(number)) if number.is_finite() => double(*number),
        Some(OneOf::Double(_)) => "null".to_owned(),
        Some(OneOf::Bytes(bytes)) => format!("\"{}\"", BASE64.encode(bytes)),
        Some(OneOf::List(list)) => {
            let values: Vec<_> = list.values.iter().map(as_json).collect();
            format!("[{}]", values.join(","))
        }
        Some(OneOf::Map(map)) => {
            // In the order of keys, and the last of each.
            let entries: BTreeMap<_, _> = (map.values.iter())
                .map(|entry| (&entry.key, as_json(&value_of(entry))))
                .collect();
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}:{value}", text(key)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }
}
