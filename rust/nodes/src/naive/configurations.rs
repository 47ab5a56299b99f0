// SPDX-License-Identifier: Apache-2.0

//! Random configurations.

use otapbridge::Signal;
use otapbridge_test_support::Random;
use serde_json::{Map, Value, json};

use super::conditions::{CODES, KINDS, ON_SCOPES, SECTIONS};
use super::context::SOURCES;
use super::random_key;

const TEXTS: [&str; 6] = ["", "x", "y", "xy", "1", "größe"];
const PATTERNS: [&str; 7] = ["x", "^x$", "y|1", "^$", "", "[^x]", "(?-u:\\xff)"];
const KEY_PATTERNS: [&str; 6] = ["^a", "b$", "^(a|c)$", "service\\.", ".", "(?i)^[A-B]$"];
const EXTRACTED: [&str; 5] = [
    "(?P<a>x)(?P<new>y)?",
    "^(?P<b>.*)$",
    "(?P<c>[0-9]+)",
    "(?s-u)(?P<a>.)(?P<raw>.+)",
    "^(?P<new>)$",
];

/// A condition on another signal is one that nothing fulfils: with it there is seldom anything to compare.
const FOREIGN_ONE_IN: usize = 12;

/// A configuration of the attributes processor; conditions are mostly on this signal.
pub(crate) fn attributes_config(random: &mut Random, signal: Signal) -> Value {
    let mut config = Map::new();
    let names = [
        "signal",
        "resource",
        "scope",
        "span",
        "spanevent",
        "spanlink",
        "metric",
        "datapoint",
        "exemplar",
        "log",
    ];
    let apply_to = random.list(4, |random| random.one_of(&names));
    if !apply_to.is_empty() || random.chance(2) {
        config.insert("apply_to".to_owned(), json!(apply_to));
    }
    // The others are mostly refused.
    let has_outer = apply_to.contains(&"resource") || apply_to.contains(&"scope");
    for name in ["include", "exclude"] {
        if random.chance(3) {
            let mut conditions = random_conditions(random, signal.as_str(), FOREIGN_ONE_IN);
            if has_outer && !random.chance(8) {
                let on_items = SECTIONS.iter().map(|(field, _)| *field);
                for field in on_items.chain(ON_SCOPES) {
                    let is_on_scope = ON_SCOPES.contains(&field);
                    if !is_on_scope || apply_to.contains(&"resource") {
                        let _ = conditions.remove(field);
                        let _ = conditions.remove(&format!("log_{field}"));
                    }
                }
            }
            config.insert(name.to_owned(), Value::Object(conditions));
        }
    }
    let count = 1 + random.below(5);
    let actions: Vec<_> = (0..count).map(|_| random_action(random)).collect();
    config.insert("actions".to_owned(), json!(actions));
    Value::Object(config)
}

/// A configuration of the filter, for this signal.
pub(crate) fn filter_config(random: &mut Random, signal: Signal) -> Value {
    let sections: &[&str] = match signal {
        Signal::Traces => &["traces", "span_events", "span_links"],
        Signal::Metrics => &["metrics"],
        Signal::Logs => &["logs"],
    };
    let mut config = Map::new();
    for section in sections {
        let mut rules = Map::new();
        for rule in ["include", "exclude"] {
            if random.chance(if sections.len() == 1 { 2 } else { 3 }) {
                let conditions = random_conditions(random, section, usize::MAX);
                rules.insert(rule.to_owned(), Value::Object(conditions));
            }
        }
        config.insert((*section).to_owned(), Value::Object(rules));
    }
    Value::Object(config)
}

fn random_conditions(random: &mut Random, section: &str, foreign: usize) -> Map<String, Value> {
    let mut conditions = Map::new();
    let how = random.one_of(&["strict", "regexp"]);
    if how == "regexp" || random.chance(2) {
        conditions.insert("match_type".to_owned(), json!(how));
    }
    let around = [
        "context",
        "resource_attributes",
        "services",
        "scope_names",
        "scope_versions",
        "scope_attributes",
        "libraries",
    ];
    let around = around.into_iter().map(|field| (field, 8));
    let on_items = SECTIONS.into_iter().map(|(field, sections)| {
        let one_in = match sections.contains(&section) {
            true if sections.len() == 1 => 4,
            true => 5,
            false => foreign,
        };
        (field, one_in)
    });
    for (field, one_in) in around.chain(on_items) {
        if one_in == usize::MAX || !random.chance(one_in * 3 / 2) {
            continue;
        }
        let alias = match field {
            "resource_attributes" => "resources",
            "severity_texts" => "log_severity_texts",
            "severity_number" => "log_severity_number",
            "bodies" => "log_bodies",
            other => other,
        };
        let name = random.one_of(&[field, alias]);
        conditions.insert(name.to_owned(), random_condition(random, field, how));
    }
    conditions
}

fn random_condition(random: &mut Random, field: &str, how: &str) -> Value {
    let texts: &[&str] = if how == "strict" { &TEXTS } else { &PATTERNS };
    match field {
        "severity_number" => {
            json!({"min": random.one_of(&[-1, 0, 5, 10]), "match_undefined": random.chance(2)})
        }
        "context" => json!(random.list(3, |random| {
            let mut condition = json!({"from_context": random.one_of(&SOURCES)});
            if random.chance(2) {
                condition["value"] = random_value_condition(random, texts);
            }
            condition
        })),
        "libraries" => json!(random.list(4, |random| {
            let mut library = json!({"name": random.one_of(texts)});
            if random.chance(2) {
                library["version"] = json!(random.one_of(texts));
            }
            library
        })),
        "bodies" => json!(random.list(5, |random| random_value_condition(random, texts))),
        "span_kinds" => json!(random.list(4, |random| {
            let kind = random.one_of(&KINDS);
            match random.chance(2) {
                true => kind.to_owned(),
                false => format!("SPAN_KIND_{}", kind.to_uppercase()),
            }
        })),
        "span_status_codes" => json!(random.list(3, |random| {
            let code = random.one_of(&CODES);
            match random.chance(2) {
                true => code.to_owned(),
                false => format!("STATUS_CODE_{}", code.to_uppercase()),
            }
        })),
        "metric_types" => json!(random.list(4, |random| {
            let all = [
                "gauge",
                "sum",
                "histogram",
                "exponential_histogram",
                "summary",
            ];
            random.one_of(&all)
        })),
        field if field.ends_with("attributes") || field == "resources" => {
            let most = match field {
                "attributes" | "resource_attributes" => 2,
                _ => 5,
            };
            json!(random.list(most + 1, |random| {
                let mut condition = json!({"key": random_key(random)});
                if random.chance(2) {
                    condition["value"] = random_value_condition(random, texts);
                }
                condition
            }))
        }
        _ => {
            let mut list = random.list(5, |random| random.one_of(texts));
            if !random.chance(8) {
                list.push(random.one_of(texts));
            }
            json!(list)
        }
    }
}

fn random_value_condition(random: &mut Random, texts: &[&str]) -> Value {
    match random.below(6) {
        0 => json!(random.chance(2)),
        1 => json!(random.one_of(&[0.0, 0.5, 1.0, -1.5])),
        2 => json!(random.one_of(&[0_i64, 1, -1, i64::MIN])),
        _ => json!(random.one_of(texts)),
    }
}

fn random_action(random: &mut Random) -> Value {
    let key = random_key(random);
    match random.below(14) {
        0..=5 => {
            let how = random.one_of(&["insert", "update", "upsert", "UPSERT"]);
            let key = random.one_of(&[key.as_str(), "new"]);
            let mut action = json!({"action": how, "key": key});
            let has_default = random.chance(3);
            match random.below(4) {
                0 => action["value"] = random_value(random, 0),
                1 => action["from_attribute"] = json!(random_key(random)),
                2 => action["from_context"] = json!(random.one_of(&SOURCES)),
                _ if has_default => {}
                _ => action["value"] = random_value(random, 0),
            }
            if has_default {
                action["default_value"] = random_value(random, 0);
            }
            action
        }
        6 | 7 => {
            let keys = random_keys(random);
            action("delete", keys)
        }
        8 | 9 => {
            let other = random_key(random);
            let to = random.one_of(&[other.as_str(), "new"]);
            json!({"action": "rename", "source_key": key, "destination_key": to})
        }
        10 | 11 => {
            let mut keys = random_keys(random);
            if random.chance(2) {
                keys["salt"] = json!(random.one_of(&["", "salt", "größe"]));
            }
            if random.chance(4) {
                keys["algorithm"] = json!("sha256");
            }
            action("hash", keys)
        }
        12 => {
            let to = random.one_of(&["int", "double", "string"]);
            json!({"action": "convert", "key": key, "converted_type": to})
        }
        _ => json!({"action": "extract", "key": key, "pattern": random.one_of(&EXTRACTED)}),
    }
}

fn action(name: &str, mut settings: Value) -> Value {
    settings["action"] = json!(name);
    settings
}

/// A key, a pattern or both.
fn random_keys(random: &mut Random) -> Value {
    let key = random_key(random);
    let pattern = random.one_of(&KEY_PATTERNS);
    match random.below(4) {
        0 => json!({"pattern": pattern}),
        1 => json!({"key": key, "pattern": pattern}),
        _ => json!({"key": key}),
    }
}

fn random_value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth < 3 { 8 } else { 6 }) {
        0 => json!(random.chance(2)),
        1 => json!(random.one_of(&[0.0, 0.5, -1e300])),
        2 => json!(random.one_of(&[0, 1, -1, i64::MIN, i64::MAX])),
        6 => json!(random.list(3, |random| random_value(random, depth + 1))),
        7 => {
            let mut map = Map::new();
            for key in ["k", "größe"] {
                if random.chance(2) {
                    map.insert(key.to_owned(), random_value(random, depth + 1));
                }
            }
            Value::Object(map)
        }
        _ => json!(random.one_of(&TEXTS)),
    }
}
