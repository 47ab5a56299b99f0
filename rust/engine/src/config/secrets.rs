// SPDX-License-Identifier: Apache-2.0

//! Settings that nobody should read: which they are, so that hosts can hide them, and how they
//! stay out of error messages.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::base::spec::{ComponentSpec, NodeConfig, Path, Place, parse};
use crate::config::expanded;
use crate::config::node_config::{self, all_in};
use crate::guard::engine_nodes;
use crate::node::factory::Check;
use crate::pipeline::catalogue;

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

/// The places of secrets in a component's configuration, such as `config::actions::0::salt`. A place above
/// settings, or an empty one for the whole, stands for every text below: of a configuration that cannot be read nobody
/// can tell.
#[must_use]
pub fn secrets(spec: &ComponentSpec) -> Vec<String> {
    let Ok(config) = parse(spec) else {
        return vec![String::new()];
    };
    let root = Path::new("");
    let mut found = Vec::new();
    if let Some(node) = config.only_node() {
        found.extend(of_node(&node, &root));
    } else if config.config.is_some() {
        found.extend(root.key("config").into_field());
    }
    for (name, node) in config.nodes.iter().flatten() {
        found.extend(of_node(node, &root.key("nodes").key(name)));
    }
    found
}

fn of_node(node: &NodeConfig, path: &Path) -> Vec<String> {
    let path = path.key("config");
    let places = match catalogue::find(&node.r#type) {
        Some((urn, node_type)) => {
            let mut config = node.config.clone();
            expanded::resolve(&mut config, &node.expanded, |config| {
                node_config::complaint(node_type, config)
            });
            places(urn.as_str(), &config)
        }
        // Nobody knows this node's settings.
        None => vec![Place::new()],
    };
    let fields = places.iter().map(|place| path.at(place).into_field());
    fields.flatten().collect()
}

/// Where a node's secrets are in its configuration.
fn places(urn: &str, config: &Value) -> Vec<Place> {
    let mut found = Vec::new();
    for pattern in engine_nodes::secrets(urn) {
        matching(config, pattern, &mut Vec::new(), &mut found);
    }
    let check = catalogue::get().node_type(urn).map(|node| node.check);
    if let Some(Check::Own(check)) = check {
        READ.with_borrow_mut(|read| *read = Some(Vec::new()));
        let right = check(config).is_ok();
        let read = READ.with_borrow_mut(Option::take).unwrap_or_default();
        if right {
            let is_secret = |text: &str| read.iter().any(|read| read == text);
            let all = all_in(config).into_iter();
            let secrets = all.filter(|(_, value)| value.as_str().is_some_and(is_secret));
            // A pattern may have led to them.
            let known: HashSet<Place> = found.iter().cloned().collect();
            let others = secrets.map(|(place, _)| place);
            found.extend(others.filter(|place| !known.contains(place)));
        } else {
            // The check may have stopped before it read all secrets: every text counts as one.
            found.push(Vec::new());
        }
    }
    found
}

/// Finds what a pattern leads to. If its way ends before that, such as at a text where a map should be,
/// what stands there counts: the secret may have been written there by mistake.
fn matching(value: &Value, pattern: &[&str], at: &mut Place, found: &mut Vec<Place>) {
    match (value, pattern.split_first()) {
        (Value::Null, _) | (Value::Bool(_) | Value::Number(_), Some(_)) => {}
        (Value::Array(items), Some((&"*", rest))) => {
            for (index, item) in items.iter().enumerate() {
                at.push(index.to_string());
                matching(item, rest, at, found);
                let _ = at.pop();
            }
        }
        (Value::Object(map), Some((key, rest))) if *key != "*" => {
            if let Some(value) = map.get(*key) {
                at.push((*key).to_owned());
                matching(value, rest, at, found);
                let _ = at.pop();
            }
        }
        _ => found.push(at.clone()),
    }
}

/// Takes a node's secrets out of what is said about its configuration.
pub(crate) fn hide(urn: &str, config: &Value, message: &str) -> String {
    let secrets = places(urn, config);
    // Of a node whose configuration is wrong only what is known to be a secret is hidden: its
    // errors have to say what is wrong.
    let is_secret = |place: &Place| {
        let is_at = |secret: &Place| !secret.is_empty() && place.starts_with(secret);
        secrets.iter().any(is_at)
    };
    let texts = all_in(config)
        .into_iter()
        .filter(|(place, _)| is_secret(place))
        .filter_map(|(_, value)| match value {
            Value::Array(_) | Value::Object(_) => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
    let mut message = message.to_owned();
    for text in texts {
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
