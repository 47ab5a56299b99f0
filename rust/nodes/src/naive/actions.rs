// SPDX-License-Identifier: Apache-2.0

//! Actions, as they are written.

use otapbridge_test_support::protocol::{AnyValue, KeyValue, OneOf};
use prost::Message;
use serde_json::Value;

use super::{NaiveContext, Patterns, value_of, values};

/// Does an action on the attributes of one message. Returns whether it wrote anything.
pub(super) fn act(
    action: &Value,
    attributes: &mut Vec<KeyValue>,
    context: &NaiveContext,
    patterns: &Patterns,
) -> bool {
    let setting = |name: &str| action.get(name).and_then(Value::as_str);
    let bytes = |name: &str| setting(name).unwrap_or_default().as_bytes();
    let key = bytes("key");
    let is_meant = |attribute: &KeyValue| {
        let pattern = setting("pattern");
        setting("key").is_some_and(|key| attribute.key == key.as_bytes())
            || pattern.is_some_and(|pattern| patterns.is_found(pattern, &attribute.key))
    };
    let has = |attributes: &[KeyValue], key: &[u8]| attributes.iter().any(|has| has.key == key);
    match setting("action")
        .expect("an action")
        .to_lowercase()
        .as_str()
    {
        how @ ("insert" | "update" | "upsert") => {
            let is_there = has(attributes, key);
            if (how == "insert" && is_there) || (how == "update" && !is_there) {
                return false;
            }
            match source(action, attributes, context) {
                Some(value) => {
                    set(attributes, key, value);
                    true
                }
                None => false,
            }
        }
        "delete" => {
            let before = attributes.len();
            attributes.retain(|attribute| !is_meant(attribute));
            attributes.len() < before
        }
        "rename" => {
            let (from, to) = (bytes("source_key"), bytes("destination_key"));
            if from == to || !has(attributes, from) {
                return false;
            }
            attributes.retain(|attribute| attribute.key != to);
            for attribute in attributes.iter_mut().filter(|has| has.key == from) {
                attribute.key = to.to_vec();
            }
            true
        }
        "hash" => {
            let salt = setting("salt").unwrap_or_default();
            replace(attributes, is_meant, |attribute| {
                values::hash(salt, attribute)
            })
        }
        "convert" => {
            let to = setting("converted_type").expect("a type");
            replace(attributes, is_meant, |attribute| {
                values::convert(attribute, to)
            })
        }
        "extract" => {
            let pattern = patterns.get(setting("pattern").expect("a pattern"));
            let first = attributes.iter().find(|has| has.key == key);
            let Some(Some(OneOf::Text(text))) = first.map(|first| value_of(first).value) else {
                return false;
            };
            let Some(groups) = pattern.captures(&text) else {
                return false;
            };
            for name in pattern.capture_names().flatten() {
                let group = groups.name(name).map_or(&[][..], |group| group.as_bytes());
                let value: AnyValue = OneOf::Text(group.to_vec()).into();
                set(attributes, name.as_bytes(), value.encode_to_vec());
            }
            true
        }
        other => panic!("{other}"),
    }
}

/// The value that is to be set, in protobuf: one that is copied stays as it is written.
fn source(action: &Value, attributes: &[KeyValue], context: &NaiveContext) -> Option<Vec<u8>> {
    let encoded = |value: AnyValue| value.encode_to_vec();
    let found = if let Some(value) = action.get("value") {
        Some(encoded(values::written(value)))
    } else if let Some(key) = action.get("from_attribute") {
        let key = key.as_str().expect("a key").as_bytes();
        let first = attributes.iter().find(|has| has.key == key);
        first.map(KeyValue::value_bytes)
    } else if let Some(place) = action.get("from_context") {
        context
            .joined(place.as_str().expect("a place"))
            .map(encoded)
    } else {
        None
    };
    let default = || {
        action
            .get("default_value")
            .map(values::written)
            .map(encoded)
    };
    found.or_else(default)
}

/// Sets the first of a key, and removes the others.
fn set(attributes: &mut Vec<KeyValue>, key: &[u8], value: Vec<u8>) {
    let first = attributes.iter().position(|has| has.key == key);
    let Some(first) = first else {
        attributes.push(KeyValue {
            key: key.to_vec(),
            value: vec![value],
        });
        return;
    };
    attributes[first].value = vec![value];
    let mut index = 0;
    attributes.retain(|has| {
        index += 1;
        index <= first + 1 || has.key != key
    });
}

fn replace(
    attributes: &mut [KeyValue],
    is_meant: impl Fn(&KeyValue) -> bool,
    new: impl Fn(&KeyValue) -> Option<AnyValue>,
) -> bool {
    let mut has_changed = false;
    for attribute in attributes {
        if is_meant(attribute)
            && let Some(value) = new(attribute)
        {
            attribute.value = vec![value.encode_to_vec()];
            has_changed = true;
        }
    }
    has_changed
}

/// Whether an attribute of this key can be another after the action.
pub(super) fn may_change(action: &Value, key: &[u8], patterns: &Patterns) -> bool {
    let names = ["key", "source_key", "destination_key"];
    let is_named = names.iter().any(|name| match action.get(name) {
        Some(named) => named.as_str().expect("a key").as_bytes() == key,
        None => false,
    });
    let by_pattern = action.get("pattern").is_some_and(|pattern| {
        let pattern = pattern.as_str().expect("a pattern");
        match action["action"].as_str() {
            Some("extract") => {
                let pattern = patterns.get(pattern);
                (pattern.capture_names().flatten()).any(|name| name.as_bytes() == key)
            }
            _ => patterns.is_found(pattern, key),
        }
    });
    is_named || by_pattern
}
