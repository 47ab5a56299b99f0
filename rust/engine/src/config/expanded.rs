// SPDX-License-Identifier: Apache-2.0

//! Values that a host has read from a text, such as an environment variable's, and which of
//! the two a setting gets: the value, or the text.
//!
//! A setting that is a text gets the text: `0123` is a good password, and 83 is another one. A
//! setting that is a number, a list and so on gets the value. One that may be several kinds gets a list or map as
//! such, and a number or truth value if that is written just as the text is: `5`, not `0123` or `1e3`.
//! What a setting is, only the node knows. It is asked as in [`crate::config::node_config`]: by its
//! complaints about values put in its place.

use serde_json::{Value, json};

use crate::base::spec::Expanded;
use crate::config::node_config::value_at;

/// A value that the host parsed from a text into something that is not a text.
struct Leaf<'a> {
    expanded: &'a Expanded,
    value: Value,
    /// What is in its place for now.
    now: Value,
    /// It refused a number because it is one.
    refuses_numbers: bool,
}

impl Leaf<'_> {
    fn text(&self) -> Value {
        Value::String(self.expanded.text.clone())
    }
}

/// Numbers and texts that nobody else has in a configuration, by which a complaint says
/// what it is about.
fn number(index: usize) -> u64 {
    7_310_000_000 + index as u64
}

fn word(index: usize) -> String {
    format!("otapbridge-{}", number(index))
}

/// Puts the value or the text into each place of `config`, as its setting takes it. `complaint` is
/// what the node says of a configuration; `None` if it is right.
pub(crate) fn resolve(
    config: &mut Value,
    expanded: &[Expanded],
    complaint: impl Fn(&Value) -> Option<String>,
) {
    let mut leaves = Vec::new();
    for expanded in expanded {
        let Some(place) = value_at(config, &expanded.at) else {
            continue;
        };
        // It is still a text: use the original one. The host's parser may have rewritten it, such as
        // a date.
        if place.is_string() {
            *place = Value::String(expanded.text.clone());
            continue;
        }
        leaves.push(Leaf {
            expanded,
            now: place.clone(),
            value: place.clone(),
            refuses_numbers: false,
        });
    }
    if leaves.is_empty() {
        return;
    }
    let with = |config: &mut Value, leaves: &[Leaf<'_>]| {
        for leaf in leaves {
            if let Some(place) = value_at(config, &leaf.expanded.at) {
                *place = leaf.now.clone();
            }
        }
        complaint(config)
    };

    // What the node says with a leaf's value in place of what is there now.
    let with_value = |config: &mut Value, leaves: &mut [Leaf<'_>], index: usize| {
        let value = leaves[index].value.clone();
        let now = std::mem::replace(&mut leaves[index].now, value);
        let said = with(config, leaves);
        leaves[index].now = now;
        said
    };

    // Which refuse a number? Each gets another one; the node complains about one of those that refuse,
    // and its number tells which.
    for (index, leaf) in leaves.iter_mut().enumerate() {
        leaf.now = json!(number(index));
    }
    let mut open: Vec<usize> = (0..leaves.len()).collect();
    while let Some(message) = with(config, &leaves) {
        let Some(at) = open
            .iter()
            .position(|index| message.contains(&number(*index).to_string()))
        else {
            break;
        };
        let leaf = &mut leaves[open.remove(at)];
        leaf.refuses_numbers = message.contains("invalid type");
        // Another complaint, such as about a range, is one about a number.
        leaf.now = if leaf.refuses_numbers {
            leaf.text()
        } else {
            leaf.value.clone()
        };
    }
    // Which of the others refuse a text?
    for index in &open {
        leaves[*index].now = Value::String(word(*index));
    }
    while let Some(message) = with(config, &leaves) {
        let Some(at) = open
            .iter()
            .position(|index| message.contains(&word(*index)))
        else {
            break;
        };
        let leaf = &mut leaves[open.remove(at)];
        leaf.now = leaf.value.clone();
    }
    // What is left takes numbers and texts. Does it take the value?
    let before = with(config, &leaves);
    let mut chosen = Vec::with_capacity(open.len());
    for index in &open {
        let takes_value = with_value(config, &mut leaves, *index) == before;
        let leaf = &leaves[*index];
        chosen.push(if takes_value {
            either(&leaf.value, &leaf.expanded.text)
        } else {
            leaf.text()
        });
    }
    for (index, choice) in open.into_iter().zip(chosen) {
        leaves[index].now = choice;
    }
    // A truth value or a list is refused as a number is.
    for index in 0..leaves.len() {
        if !leaves[index].refuses_numbers || leaves[index].value.is_number() {
            continue;
        }
        let of_value = with_value(config, &mut leaves, index);
        let Some(of_text) = with(config, &leaves) else {
            continue;
        };
        let leaf = &mut leaves[index];
        let is_about_it = of_text.contains(&leaf.now.to_string());
        if of_value.is_none() || is_about_it && of_value.as_ref() != Some(&of_text) {
            leaf.now = leaf.value.clone();
        }
    }
    let _ = with(config, &leaves);
}

/// What a setting gets that takes both.
fn either(value: &Value, text: &str) -> Value {
    let written = value.to_string();
    match value {
        Value::Array(_) | Value::Object(_) => value.clone(),
        Value::Number(_) | Value::Bool(_) if written == text => value.clone(),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Config {
        #[serde(default)]
        password: String,
        #[serde(default)]
        count: Option<u8>,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        mode: Mode,
        #[serde(default)]
        value: Option<Any>,
        #[serde(default)]
        list: Vec<Config>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        #[default]
        Fast,
        #[serde(rename = "0123")]
        Number,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only read into")]
    enum Any {
        Bool(bool),
        Int(i64),
        Text(String),
        List(Vec<Any>),
    }

    fn complaint(config: &Value) -> Option<String> {
        Config::deserialize(config)
            .err()
            .map(|error| error.to_string())
    }

    fn at(key: &str, text: &str) -> Expanded {
        Expanded {
            at: vec![key.to_owned()],
            text: text.to_owned(),
        }
    }

    fn resolved(mut config: Value, expanded: &[Expanded]) -> Value {
        resolve(&mut config, expanded, complaint);
        config
    }

    #[test]
    fn a_setting_gets_what_it_takes() {
        for (key, value, text, expected) in [
            ("password", json!(83), "0123", json!("0123")),
            ("password", json!(true), "true", json!("true")),
            ("password", json!(null), "", json!("")),
            ("password", json!(["a-z"]), "[a-z]", json!("[a-z]")),
            ("password", json!({"a": null}), "{a}", json!("{a}")),
            ("count", json!(5), "5", json!(5)),
            ("count", json!(8), "010", json!(8)),
            ("count", json!(null), "", json!(null)),
            ("on", json!(true), "true", json!(true)),
            ("names", json!(["a"]), "[a]", json!(["a"])),
            ("mode", json!(83), "0123", json!("0123")),
            ("value", json!(83), "0123", json!("0123")),
            ("value", json!(5), "5", json!(5)),
            ("value", json!(true), "true", json!(true)),
            ("value", json!(1.5), "1.5", json!("1.5")), // no number of this kind
            ("value", json!([1]), "[1]", json!([1])),
            ("value", json!(null), "~", json!("~")),
            (
                "password",
                json!("2026-01-02T00:00:00Z"),
                "2026-01-02",
                json!("2026-01-02"),
            ),
            (
                "value",
                json!("2026-01-02T00:00:00Z"),
                "2026-01-02",
                json!("2026-01-02"),
            ),
            ("value", json!({"a": null}), "{a}", json!("{a}")),
        ] {
            let config = resolved(json!({key: value}), &[at(key, text)]);
            assert_eq!(config[key], expected, "{key} = {text}");
        }
    }

    #[test]
    fn each_of_several_gets_its_own() {
        let config = resolved(
            json!({"password": 83, "count": 7, "on": false, "value": 9,
                "list": [{"password": 83, "value": 83}, {"password": "x", "count": 83}]}),
            &[
                at("password", "0123"),
                at("count", "7"),
                at("on", "false"),
                at("value", "9"),
                Expanded {
                    at: vec!["list".into(), "0".into(), "password".into()],
                    text: "0123".into(),
                },
                Expanded {
                    at: vec!["list".into(), "0".into(), "value".into()],
                    text: "0123".into(),
                },
                Expanded {
                    at: vec!["list".into(), "1".into(), "count".into()],
                    text: "0123".into(),
                },
            ],
        );
        assert_eq!(
            config,
            json!({"password": "0123", "count": 7, "on": false, "value": 9,
                "list": [{"password": "0123", "value": "0123"}, {"password": "x", "count": 83}]}),
        );
    }

    #[test]
    fn lists_that_a_setting_does_not_take_are_texts() {
        let at = |index: usize, text: &str| Expanded {
            at: vec!["list".into(), index.to_string(), "value".into()],
            text: text.into(),
        };
        let config = resolved(
            json!({"list": [{"value": {"a": null}}, {"value": {"b": null}}, {"value": [1]}, {"value": 5}]}),
            &[at(0, "{a}"), at(1, "{b}"), at(2, "[1]"), at(3, "5")],
        );
        assert_eq!(
            config,
            json!({"list": [{"value": "{a}"}, {"value": "{b}"}, {"value": [1]}, {"value": 5}]})
        );
    }

    #[test]
    fn a_mistake_elsewhere_changes_nothing() {
        let config = resolved(
            json!({"password": 83, "unknown": 1}),
            &[at("password", "0123")],
        );
        assert_eq!(config["password"], json!("0123"));
        let config = resolved(
            json!({"count": "many", "password": 83}),
            &[at("password", "0123")],
        );
        assert_eq!(config["count"], json!("many"));
    }
}
