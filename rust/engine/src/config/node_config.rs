// SPDX-License-Identifier: Apache-2.0

//! Checks one node's configuration, and says where it is wrong.
//!
//! The engine's nodes give no path with an error, and many ignore keys that
//! they do not know. Both are found out from outside: a key is read if some
//! wrong value in its place is refused, and an error is at the deepest place
//! whose removal changes what the node complains about.

use otapbridge_context::ProcessingError;
use serde_json::{Value, json};

use crate::base::spec::{Path, Place};
use crate::node::factory::{Check, NodeType};

/// What a node says first of a configuration; nothing if it is right.
pub(crate) fn complaint(node: &NodeType, config: &Value) -> Option<String> {
    match node.check {
        Check::Own(check) => check(config).err().map(|error| error.message().to_owned()),
        Check::Engine(check) => check(config).err().map(|error| error.to_string()),
    }
}

/// Everything that is wrong with a node's configuration.
pub(crate) fn check(node: &NodeType, config: &Value, path: &Path) -> Vec<ProcessingError> {
    let complaint = |config: &Value| complaint(node, config);
    let wrong = each(config, |config| match node.check {
        Check::Own(check) => {
            let error = check(config).err()?;
            let names = error.field().unwrap_or_default().split("::");
            let place = names.filter(|name| !name.is_empty()).map(str::to_owned);
            Some((error.message().to_owned(), place.collect()))
        }
        Check::Engine(_) => {
            let message = complaint(config)?;
            let place = culprit(config, &message, &complaint);
            Some((message, place))
        }
    });
    if !wrong.is_empty() || matches!(node.check, Check::Own(_)) {
        return wrong
            .into_iter()
            .map(|(message, place)| path.at(&place).error(message))
            .collect();
    }
    let mut unknown = Vec::new();
    for (place, _) in all_in(config) {
        let is_key = remove(&mut config.clone(), &place);
        let below_unknown = unknown.iter().any(|known: &Place| place.starts_with(known));
        if is_key && !below_unknown && !is_read(config, &place, &complaint) {
            unknown.push(place);
        }
    }
    unknown
        .iter()
        .map(|place| {
            path.at(place)
                .error("unknown key: the node does not read it")
        })
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
    Some(path.at(&place).error(message))
}

/// What is complained about, one after the other: each time without what was
/// complained about before, as far as that can be told.
fn each(
    config: &Value,
    complaint: impl Fn(&Value) -> Option<(String, Place)>,
) -> Vec<(String, Place)> {
    const MAX: usize = 32;
    let mut config = config.clone();
    let mut found: Vec<(String, Place)> = Vec::new();
    for _ in 0..MAX {
        let Some((message, place)) = complaint(&config) else {
            break;
        };
        // What was removed above has been complained about: now it is missing, or what it was in lacks something.
        let is_missing = message.contains("missing field") || message.starts_with("is missing");
        let is_known = found.iter().any(|(_, removed)| {
            let around = |place: &Place| place.split_last().map(|(_, around)| around.to_vec());
            let is_beside = || around(removed) == around(&place);
            *removed == place
                || around(removed).as_ref() == Some(&place)
                || is_missing && is_beside()
        });
        let removed = remove(&mut config, &place);
        if !is_known {
            found.push((message, place));
        }
        if !removed {
            break;
        }
    }
    found
}

/// Takes a key out of its object. False if there is none.
fn remove(config: &mut Value, place: &[String]) -> bool {
    let Some((key, parent)) = place.split_last() else {
        return false;
    };
    match value_at(config, parent) {
        Some(Value::Object(map)) => map.remove(key).is_some(),
        _ => false,
    }
}

fn is_read(
    config: &Value,
    place: &[String],
    complaint: &impl Fn(&Value) -> Option<String>,
) -> bool {
    // Only a setting that takes any value accepts all of these.
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

/// The deepest key without which the node does not complain; if there is none, without
/// which it complains about something else.
fn culprit(config: &Value, message: &str, complaint: &impl Fn(&Value) -> Option<String>) -> Place {
    all_in(config)
        .into_iter()
        .filter_map(|(place, _)| {
            let mut changed = config.clone();
            if !remove(&mut changed, &place) {
                return None;
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
pub(crate) fn value_at<'a>(value: &'a mut Value, place: &[String]) -> Option<&'a mut Value> {
    place.iter().try_fold(value, |value, key| match value {
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        value => value.get_mut(key),
    })
}

/// A value and all that are in it, with their places, outer ones first.
pub(crate) fn all_in(value: &Value) -> Vec<(Place, &Value)> {
    let mut found = Vec::new();
    let mut open = vec![(Place::new(), value)];
    while let Some((place, value)) = open.pop() {
        let below = |key: String, value| ([&place[..], &[key]].concat(), value);
        match value {
            Value::Object(map) => {
                let items = map.iter().rev();
                open.extend(items.map(|(key, value)| below(key.clone(), value)));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate().rev();
                open.extend(items.map(|(index, value)| below(index.to_string(), value)));
            }
            _ => {}
        }
        found.push((place, value));
    }
    found
}
