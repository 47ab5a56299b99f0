// SPDX-License-Identifier: Apache-2.0

//! Checks one node's configuration, and says where it is wrong.
//!
//! The engine's nodes give no path with an error, and many ignore keys that
//! they do not know. Both are found out from outside: a key is read if some
//! wrong value in its place is refused, and an error is at the deepest place
//! whose removal changes what the node complains about.

use otapbridge_context::ProcessingError;
use serde_json::{Map, Value, json};

use crate::base::spec::{Path, Step};
use crate::pipeline::catalogue::NodeType;

/// Where a value stands in a configuration.
type Steps = Vec<Step>;

/// What a node says first of a configuration; nothing if it is right.
pub(crate) fn complaint(node: &NodeType, config: &Value) -> Option<String> {
    match node.check {
        Some(check) => check(config).err().map(|error| error.message().to_owned()),
        None => (node.validate)(config).err().map(|error| error.to_string()),
    }
}

/// Everything that is wrong with a node's configuration.
pub(crate) fn check(node: &NodeType, config: &Value, path: &Path) -> Vec<ProcessingError> {
    if let Some(check) = node.check {
        let complaint = |config: &Value| {
            let error = check(config).err()?;
            let place = steps(config, error.field().unwrap_or_default());
            Some((error.message().to_owned(), place))
        };
        return each(config, complaint)
            .into_iter()
            .map(|(message, place)| at(path, &place).error(message))
            .collect();
    }
    let complaint = |config: &Value| complaint(node, config);
    let wrong = each(config, |config| {
        let message = complaint(config)?;
        let place = culprit(config, &message, &complaint);
        Some((message, place))
    });
    if !wrong.is_empty() {
        return wrong
            .into_iter()
            .map(|(message, place)| at(path, &place).error(message))
            .collect();
    }
    let mut unknown = Vec::new();
    let mut places = Vec::new();
    keys(config, &mut Vec::new(), &mut places);
    for place in places {
        let below_unknown = unknown.iter().any(|known: &Steps| place.starts_with(known));
        if !below_unknown && !is_read(config, &place, &complaint) {
            unknown.push(place);
        }
    }
    unknown
        .iter()
        .map(|place| at(path, place).error("unknown key: the node does not read it"))
        .collect()
}

/// What is wrong with a configuration that reads well, but of which the node cannot be
/// built.
pub(crate) fn check_built(
    config: &Value,
    path: &Path,
    complaint: impl Fn(&Value) -> Option<String>,
) -> Option<ProcessingError> {
    let message = complaint(config)?;
    let place = culprit(config, &message, &complaint);
    Some(at(path, &place).error(message))
}

/// What is complained about, one after the other: each time without what was
/// complained about before, as far as that can be told.
fn each(
    config: &Value,
    complaint: impl Fn(&Value) -> Option<(String, Steps)>,
) -> Vec<(String, Steps)> {
    const MAX: usize = 32;
    let mut config = config.clone();
    let mut found: Vec<(String, Steps)> = Vec::new();
    for _ in 0..MAX {
        let Some((message, place)) = complaint(&config) else {
            break;
        };
        let removed = remove(&mut config, &place);
        // What is missing now was there, and has been complained about.
        if found.is_empty() || !message.contains("missing field") {
            found.push((message, place));
        }
        if !removed {
            break;
        }
    }
    found
}

/// Takes a key out of its object.
fn remove(config: &mut Value, place: &[Step]) -> bool {
    let Some((Step::Key(key), parent)) = place.split_last() else {
        return false;
    };
    match value_at(config, parent) {
        Some(Value::Object(map)) => map.remove(key).is_some(),
        _ => false,
    }
}

/// The steps of a path as errors of our own nodes write it, `a::1::b`.
fn steps(config: &Value, field: &str) -> Steps {
    let mut value = Some(config);
    let mut steps = Vec::new();
    for name in field.split("::").filter(|name| !name.is_empty()) {
        let index = value.and_then(Value::as_array).and(name.parse().ok());
        let step = match index {
            Some(index) => Step::Index(index),
            None => Step::Key(name.to_owned()),
        };
        value = value.and_then(|value| match &step {
            Step::Index(index) => value.get(index),
            Step::Key(key) => value.get(key),
        });
        steps.push(step);
    }
    steps
}

fn at(path: &Path, place: &[Step]) -> Path {
    place.iter().fold(path.clone(), |at, step| match step {
        Step::Key(key) => at.key(key),
        Step::Index(index) => at.index(*index),
    })
}

/// Every key of every object, outer ones first.
fn keys(value: &Value, place: &mut Steps, found: &mut Vec<Steps>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                place.push(Step::Key(key.clone()));
                found.push(place.clone());
                keys(value, place, found);
                let _ = place.pop();
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                place.push(Step::Index(index));
                keys(value, place, found);
                let _ = place.pop();
            }
        }
        _ => {}
    }
}

fn is_read(config: &Value, place: &[Step], complaint: &impl Fn(&Value) -> Option<String>) -> bool {
    // No type accepts all of these, but one that takes any value.
    let wrong = [
        json!({"\u{1}": [null]}),
        json!([[{"\u{1}": null}]]),
        json!("\u{1}"),
        json!(-1.5),
        json!(true),
        Value::Null,
    ];
    let mut changed = config.clone();
    wrong.into_iter().any(|wrong| {
        if let Some(value) = value_at(&mut changed, place) {
            *value = wrong;
        }
        complaint(&changed).is_some()
    })
}

/// The deepest place without which the node does not complain; if there is none, without
/// which it complains about something else.
fn culprit(config: &Value, message: &str, complaint: &impl Fn(&Value) -> Option<String>) -> Steps {
    let mut places = Vec::new();
    keys(config, &mut Vec::new(), &mut places);
    places
        .into_iter()
        .filter_map(|place| {
            let mut changed = config.clone();
            let (Step::Key(key), parent) = place.split_last()? else {
                return None;
            };
            if let Some(Value::Object(map)) = value_at(&mut changed, parent) {
                let _ = map.remove(key);
            }
            let other = complaint(&changed);
            other
                .as_ref()
                .is_none_or(|other| other != message)
                .then_some((other.is_none(), place))
        })
        .max_by_key(|(silent, place)| (*silent, place.len()))
        .map(|(_, place)| place)
        .unwrap_or_default()
}

/// The value at a place.
pub(crate) fn value_at<'a>(value: &'a mut Value, place: &[Step]) -> Option<&'a mut Value> {
    place.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value
            .as_object_mut()
            .and_then(|map: &mut Map<_, _>| map.get_mut(key)),
        Step::Index(index) => value.as_array_mut().and_then(|items| items.get_mut(*index)),
    })
}
