// SPDX-License-Identifier: Apache-2.0

//! Settings that nobody should read: which they are, so that hosts can hide them, and how they
//! stay out of error messages.

use std::cell::RefCell;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::catalogue;
use crate::engine_nodes;
use crate::spec::{ComponentSpec, NodeConfig, Path, parse};
use crate::validate::urn_of;

/// A setting whose text is not to be shown: hosts hide it when they show a configuration, and
/// `Debug` does not show it.
///
/// ```
/// use otapbridge::Secret;
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Config {
///     api_key: Secret,
/// }
///
/// let config: Config = serde_json::from_str(r#"{"api_key": "s3cret"}"#).unwrap();
/// assert_eq!(config.api_key.expose(), "s3cret");
/// assert!(!format!("{config:?}").contains("s3cret"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

const HIDDEN: &str = "[REDACTED]";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

thread_local! {
    /// The secrets that are read, while somebody wants to know.
    static READ: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        READ.with_borrow_mut(|read| {
            if let Some(read) = read {
                read.push(text.clone());
            }
        });
        Ok(Self(text))
    }
}

/// The places of secrets in a component's configuration, such as `config::actions::0::salt`. What is
/// wrong with the configuration otherwise does not matter.
#[must_use]
pub fn secrets(spec: &ComponentSpec) -> Vec<String> {
    let Ok(config) = parse(spec) else {
        return Vec::new();
    };
    let root = Path::new("");
    let mut found = Vec::new();
    if let Some(r#type) = config.r#type {
        let node = NodeConfig {
            r#type,
            config: config.config.unwrap_or_default(),
            expanded: config.expanded,
        };
        found.extend(of_node(&node, &root));
    }
    for (name, node) in config.nodes.iter().flatten() {
        found.extend(of_node(node, &root.key("nodes").key(name)));
    }
    found
}

fn of_node(node: &NodeConfig, path: &Path) -> Vec<String> {
    let Some(urn) = urn_of(&node.r#type) else {
        return Vec::new();
    };
    let config = path.key("config");
    let with_texts = with_texts(node);
    let places = places(&urn, &with_texts);
    places
        .into_iter()
        .filter_map(|place| {
            place
                .iter()
                .fold(config.clone(), |at, key| at.key(key))
                .into_field()
        })
        .collect()
}

/// The configuration with the text wherever there is one: a secret is a text.
fn with_texts(node: &NodeConfig) -> Value {
    let mut config = node.config.clone();
    for expanded in &node.expanded {
        if let Some(place) = crate::node_config::value_at(&mut config, &expanded.at) {
            *place = Value::String(expanded.text.clone());
        }
    }
    config
}

/// Where a node's secrets are in its configuration.
fn places(urn: &str, config: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for pattern in engine_nodes::secrets(urn) {
        matching(config, pattern, &mut Vec::new(), &mut found);
    }
    let check = catalogue::get().node_type(urn).and_then(|node| node.check);
    if let Some(check) = check {
        READ.with_borrow_mut(|read| *read = Some(Vec::new()));
        let _ = check(config);
        let read = READ.with_borrow_mut(Option::take).unwrap_or_default();
        equal(config, &read, &mut Vec::new(), &mut found);
    }
    found
}

fn matching(value: &Value, pattern: &[&str], at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let Some((key, rest)) = pattern.split_first() else {
        if !value.is_null() {
            found.push(at.clone());
        }
        return;
    };
    match (value, *key) {
        (Value::Array(items), "*") => {
            for (index, item) in items.iter().enumerate() {
                at.push(index.to_string());
                matching(item, rest, at, found);
                let _ = at.pop();
            }
        }
        (Value::Object(map), key) => {
            if let Some(value) = map.get(key) {
                at.push(key.to_owned());
                matching(value, rest, at, found);
                let _ = at.pop();
            }
        }
        _ => {}
    }
}

fn equal(value: &Value, texts: &[String], at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match value {
        Value::String(text) if texts.contains(text) => found.push(at.clone()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push(index.to_string());
                equal(item, texts, at, found);
                let _ = at.pop();
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                at.push(key.clone());
                equal(item, texts, at, found);
                let _ = at.pop();
            }
        }
        _ => {}
    }
}

/// Takes a node's secrets out of what is said about its configuration.
pub(crate) fn hide(urn: &str, config: &Value, message: &str) -> String {
    let mut message = message.to_owned();
    for place in places(urn, config) {
        let value = place.iter().try_fold(config, |value, key| match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            value => value.get(key),
        });
        let text = match value {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => continue,
        };
        // As serde quotes them; anything else only if it cannot be part of a word.
        for quote in ["`", "\""] {
            let quoted = |text: &str| format!("{quote}{text}{quote}");
            message = message.replace(&quoted(&text), &quoted(HIDDEN));
        }
        if text.len() >= 6 {
            message = message.replace(&text, HIDDEN);
        }
    }
    message
}
