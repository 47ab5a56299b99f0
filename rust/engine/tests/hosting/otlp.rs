// SPDX-License-Identifier: Apache-2.0

//! OTLP by its schema, for tests: requests written as JSON with the protocol's own names become
//! protobuf, protobuf becomes JSON again, and what differs between two is told by message and field.
//!
//! Nothing of the library is used here.

mod schema;

use std::collections::BTreeSet;

use otapbridge_context::Signal;
use schema::Kind::{self, Bytes, Double, Fixed32, Fixed64, Message, Text, Varint, ZigZag};
use schema::{Field, fields};
use serde_json::{Map, Value, json};

pub(crate) fn request(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "TracesData",
        Signal::Metrics => "MetricsData",
        Signal::Logs => "LogsData",
    }
}

/// An attribute list of `{"key": value}`: texts, numbers and so on as they are.
pub(crate) fn attributes(of: Value) -> Value {
    let of = of.as_object().expect("an object").iter();
    of.map(|(key, value)| json!({"key": key, "value": any_value(value)}))
        .collect()
}

fn any_value(value: &Value) -> Value {
    match value {
        Value::String(text) => json!({"string_value": text}),
        Value::Bool(bool) => json!({"bool_value": u64::from(*bool)}),
        Value::Number(number) if number.is_f64() => json!({"double_value": number}),
        Value::Number(number) => json!({"int_value": number}),
        other => panic!("write {other} by its fields"),
    }
}

/// Writes a message; every field that is there is written, zeros as well.
pub(crate) fn encode(message: &str, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("{message}: {value}"));
    for name in object.keys() {
        assert!(
            fields(message).iter().any(|field| field.name == name),
            "{message}.{name}"
        );
    }
    for field in fields(message) {
        let Some(value) = object.get(field.name) else {
            continue;
        };
        match (field.repeated, field.kind, value) {
            (true, Message(_) | Text | Bytes, Value::Array(items)) => {
                for item in items {
                    write(&mut out, field, item);
                }
            }
            (true, _, Value::Array(items)) => {
                let mut packed = Vec::new();
                for item in items {
                    scalar(&mut packed, field.kind, item);
                }
                head(&mut out, field.number, 2);
                bytes(&mut out, &packed);
            }
            (false, _, value) => write(&mut out, field, value),
            _ => panic!("{message}.{} is a list", field.name),
        }
    }
    out
}

fn head(out: &mut Vec<u8>, number: u64, wire_type: u64) {
    varint(out, number << 3 | wire_type);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, content: &[u8]) {
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn write(out: &mut Vec<u8>, field: &Field, value: &Value) {
    let wire_type = match field.kind {
        Message(_) | Text | Bytes => 2,
        Fixed64 | Double => 1,
        Fixed32 => 5,
        Varint | ZigZag => 0,
    };
    head(out, field.number, wire_type);
    match field.kind {
        Message(message) => bytes(out, &encode(message, value)),
        Text => match value {
            Value::String(text) => bytes(out, text.as_bytes()),
            hex => bytes(out, &from_hex(hex["hex"].as_str().expect("text or hex"))),
        },
        Bytes => bytes(out, &from_hex(value.as_str().expect("hexadecimal"))),
        kind => scalar(out, kind, value),
    }
}

fn scalar(out: &mut Vec<u8>, kind: Kind, value: &Value) {
    let integer = || {
        value
            .as_u64()
            .or_else(|| value.as_i64().map(|value| value as u64))
            .expect("an integer")
    };
    match kind {
        Fixed64 => out.extend(integer().to_le_bytes()),
        Fixed32 => out.extend((integer() as u32).to_le_bytes()),
        Double => out.extend(value.as_f64().expect("a number").to_le_bytes()),
        Varint => varint(out, integer()),
        ZigZag => {
            let value = value.as_i64().expect("an integer");
            varint(out, (value << 1 ^ value >> 63) as u64);
        }
        Message(_) | Text | Bytes => unreachable!("not a scalar"),
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a message, with what it does not know as `unknown`.
pub(crate) fn decode(message: &str, mut input: &[u8]) -> Value {
    let mut object = Map::new();
    while !input.is_empty() {
        let tag = read_varint(&mut input);
        let (number, wire_type) = (tag >> 3, tag & 7);
        let Some(field) = fields(message).iter().find(|field| field.number == number) else {
            let _ = object.insert(format!("unknown_{number}"), json!(true));
            let _ = read(&mut input, wire_type);
            continue;
        };
        let content = read(&mut input, wire_type);
        let packed = field.repeated && wire_type == 2;
        let values = match field.kind {
            Message(message) => vec![decode(message, content)],
            Text => vec![match std::str::from_utf8(content) {
                Ok(text) => json!(text),
                Err(_) => json!({"hex": hex(content)}),
            }],
            Bytes => vec![json!(hex(content))],
            kind => {
                let mut rest = content;
                let mut values = Vec::new();
                while !rest.is_empty() {
                    values.push(read_scalar(&mut rest, kind));
                    if !packed {
                        break;
                    }
                }
                values
            }
        };
        if field.repeated {
            if values.is_empty() {
                continue;
            }
            let list = object.entry(field.name).or_insert_with(|| json!([]));
            list.as_array_mut().expect("a list").extend(values);
            continue;
        }
        let value = values.into_iter().next().expect("a value");
        let is_zero = value == json!(0) || value == json!(0.0) || value == json!("");
        if field.explicit || !is_zero {
            let _ = object.insert(field.name.to_owned(), value);
        }
    }
    Value::Object(object)
}

fn read_varint(input: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = input[0];
        *input = &input[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("no varint");
}

/// A field's content; of a varint its bytes.
fn read<'a>(input: &mut &'a [u8], wire_type: u64) -> &'a [u8] {
    let len = match wire_type {
        0 => {
            input
                .iter()
                .position(|byte| *byte < 0x80)
                .expect("a varint")
                + 1
        }
        1 => 8,
        2 => usize::try_from(read_varint(input)).expect("a length"),
        5 => 4,
        other => panic!("wire type {other}"),
    };
    let (content, rest) = input.split_at(len);
    *input = rest;
    content
}

fn read_scalar(input: &mut &[u8], kind: Kind) -> Value {
    let mut fixed = |len: usize| {
        let (content, rest) = input.split_at(len);
        *input = rest;
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(content);
        u64::from_le_bytes(bytes)
    };
    match kind {
        Fixed64 => json!(fixed(8)),
        Fixed32 => json!(fixed(4)),
        Double => {
            let value = f64::from_bits(fixed(8));
            if value == 0.0 && value.is_sign_negative() {
                json!("-0.0")
            } else {
                json!(value)
            }
        }
        Varint => json!(read_varint(input)),
        ZigZag => {
            let value = read_varint(input);
            json!((value >> 1) as i64 ^ -((value & 1) as i64))
        }
        Message(_) | Text | Bytes => unreachable!("not a scalar"),
    }
}

/// By what an item is the same on both sides, so that a change of order or a loss is told as such.
fn identity(message: &str, item: &Value) -> Option<Value> {
    match message {
        "ResourceSpans" | "ResourceMetrics" | "ResourceLogs" | "ScopeSpans" | "ScopeMetrics"
        | "ScopeLogs" => Some(item["schema_url"].clone()),
        "Span" | "Metric" => Some(item["name"].clone()),
        "LogRecord" => Some(item["time_unix_nano"].clone()),
        _ => None,
    }
}

/// What became different: `Span.status: added` and the like.
pub(crate) fn differences(signal: Signal, before: &Value, after: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    compare(request(signal), before, after, &mut found);
    found
}

fn compare(message: &str, before: &Value, after: &Value, found: &mut BTreeSet<String>) {
    let names = |value: &Value| -> BTreeSet<String> {
        value
            .as_object()
            .expect("a message")
            .keys()
            .cloned()
            .collect()
    };
    for name in names(before).union(&names(after)) {
        let place = format!("{message}.{name}");
        let field = fields(message).iter().find(|field| field.name == name);
        let kind = field.map(|field| field.kind);
        let empty = json!([]);
        match (kind, before.get(name), after.get(name)) {
            (Some(Message(inner)), before, after) if field.is_some_and(|field| field.repeated) => {
                let list = |value: Option<&Value>| {
                    value.unwrap_or(&empty).as_array().expect("a list").clone()
                };
                compare_lists(inner, &place, &list(before), &list(after), found);
            }
            (Some(Message(inner)), Some(before), Some(after)) => {
                compare(inner, before, after, found)
            }
            (_, Some(before), Some(after)) if before == after => {}
            (_, Some(_), Some(_)) => drop(found.insert(format!("{place}: changed"))),
            (_, Some(_), None) => drop(found.insert(format!("{place}: lost"))),
            (_, None, _) => drop(found.insert(format!("{place}: added"))),
        }
    }
}

fn compare_lists(
    message: &str,
    place: &str,
    before: &[Value],
    after: &[Value],
    found: &mut BTreeSet<String>,
) {
    if before
        .first()
        .or(after.first())
        .and_then(|item| identity(message, item))
        .is_none()
    {
        if before.len() != after.len() {
            let what = if before.len() > after.len() {
                "lost"
            } else {
                "added"
            };
            let _ = found.insert(format!("{place}: {what}"));
        }
        for (before, after) in before.iter().zip(after) {
            compare(message, before, after, found);
        }
        return;
    }
    let place_of = |list: &[Value], item: &Value| {
        list.iter()
            .position(|other| identity(message, other) == identity(message, item))
    };
    for item in before {
        match place_of(after, item) {
            Some(at) => compare(message, item, &after[at], found),
            None => drop(found.insert(format!("{place}: lost"))),
        }
    }
    let mut places = Vec::new();
    for item in after {
        match place_of(before, item) {
            Some(at) => places.push(at),
            None => drop(found.insert(format!("{place}: added"))),
        }
    }
    if !places.is_sorted() {
        let _ = found.insert(format!("{place}: order changed"));
    }
}
