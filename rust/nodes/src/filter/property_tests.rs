// SPDX-License-Identifier: Apache-2.0

//! Random requests and configurations, for the filter and for the naive one.

use otapbridge::Signal;
use prost::Message;
use serde_json::{Map, Value, json};

use super::test_otlp::*;
use super::test_reference::reference;
use otapbridge_otlp::Outcome;
use otapbridge_test_support::Random;

const KEYS: [&str; 3] = ["a", "b", "c"];
const TEXTS: [&str; 5] = ["", "x", "y", "xy", "1"];
const PATTERNS: [&str; 6] = ["x", "^x$", "y|1", "^$", "", "[^x]"];

fn random_text(random: &mut Random) -> String {
    random.one_of(&TEXTS).to_owned()
}

fn random_value(random: &mut Random) -> Option<AnyValue> {
    let value = match random.below(12) {
        0 => return None,
        1 => None,
        2 => Some(OneOf::List(vec![])),
        3 => Some(OneOf::Map(vec![])),
        4 => Some(OneOf::Bytes(b"x".to_vec())),
        5 => Some(OneOf::Bool(random.chance(2))),
        6 => Some(OneOf::Double(random.below(3) as f64 / 2.0)),
        7 => Some(OneOf::Int(random.below(3) as i64 - 1)),
        _ => Some(OneOf::Text(random_text(random))),
    };
    Some(AnyValue { value })
}

fn random_attributes(random: &mut Random) -> Vec<KeyValue> {
    random.list(4, |random| KeyValue {
        key: random.one_of(&KEYS).to_owned(),
        value: random_value(random),
    })
}

fn random_item(random: &mut Random, signal: Signal) -> Vec<u8> {
    match signal {
        Signal::Logs => LogRecord {
            severity_number: random.one_of(&[0, 0, 5, 9, 13, -1]),
            severity_text: random_text(random),
            body: random_value(random),
            attributes: random_attributes(random),
        }
        .encode_to_vec(),
        Signal::Traces => Span {
            name: random_text(random),
            attributes: random_attributes(random),
            events: random.list(3, |random| Event {
                name: random_text(random),
                attributes: random_attributes(random),
            }),
            links: random.list(3, |random| Link {
                attributes: random_attributes(random),
            }),
        }
        .encode_to_vec(),
        Signal::Metrics => Metric {
            name: random_text(random),
            gauge: random.chance(2).then(|| Gauge {
                points: random.list(3, |random| random.bytes(9)),
            }),
        }
        .encode_to_vec(),
    }
}

fn random_request(random: &mut Random, signal: Signal) -> Request {
    Request {
        containers: random.list(4, |random| Container {
            resources: random.list(3, |random| {
                let resource = Resource {
                    attributes: random_attributes(random),
                    dropped_attributes_count: random.below(2) as u32,
                    ..Resource::default()
                };
                resource.encode_to_vec()
            }),
            scopes: random.list(4, |random| Scope {
                scope: random.chance(2).then(|| random.bytes(20)),
                items: random.list(6, |random| {
                    let mut item = random_item(random, signal);
                    if random.chance(5) {
                        // Protobuf merges messages that are written one after the other.
                        item.extend(random_item(random, signal));
                    }
                    item
                }),
                schema_url: "s".repeat(random.below(3)),
            }),
            schema_url: "r".repeat(random.below(3)),
            unknown: random.next() % 2,
        }),
        unknown: "later version".repeat(random.below(5) / 4),
    }
}

fn random_conditions(random: &mut Random, signal: Signal) -> Value {
    let how = random.one_of(&["strict", "regexp"]);
    let texts: &[&str] = if how == "strict" { &TEXTS } else { &PATTERNS };
    let value = |random: &mut Random| match random.below(6) {
        0 => json!(random.chance(2)),
        1 => json!(random.below(3) as f64 / 2.0),
        2 => json!(random.below(3) as i64 - 1),
        _ => json!(random.one_of(texts)),
    };
    let fields: &[&str] = match signal {
        Signal::Logs => &[
            "resource_attributes",
            "record_attributes",
            "severity_texts",
            "severity_number",
            "bodies",
        ],
        Signal::Traces => &[
            "resource_attributes",
            "span_attributes",
            "span_names",
            "event_names",
            "event_attributes",
            "link_attributes",
        ],
        Signal::Metrics => &["metric_names"],
    };
    let mut conditions = Map::new();
    conditions.insert("match_type".to_owned(), json!(how));
    for field in fields {
        if !random.chance(3) {
            continue;
        }
        let condition = if *field == "severity_number" {
            json!({"min": random.one_of(&[0, 5, 10]), "match_undefined": random.chance(2)})
        } else if field.ends_with("attributes") {
            let attribute =
                |random: &mut Random| json!({"key": random.one_of(&KEYS), "value": value(random)});
            json!(random.list(4, attribute))
        } else if *field == "bodies" {
            json!(random.list(4, value))
        } else {
            json!(random.list(4, |random| random.one_of(texts)))
        };
        conditions.insert((*field).to_owned(), condition);
    }
    Value::Object(conditions)
}

fn random_config(random: &mut Random, signal: Signal) -> Value {
    let mut rules = Map::new();
    for rule in ["include", "exclude"] {
        if random.chance(2) {
            rules.insert(rule.to_owned(), random_conditions(random, signal));
        }
    }
    json!({signal.as_str(): rules})
}

#[test]
fn the_same_is_left_as_by_decoding_everything() {
    let mut random = Random::new(1);
    let mut seen = [0_usize; 3];
    for round in 0..30_000 {
        let signal = Signal::ALL[random.below(3)];
        let config = random_config(&mut random, signal);
        let request = random_request(&mut random, signal);
        let outcome = rules(signal, config.clone())
            .apply(&request.encode_to_vec())
            .expect("well-formed");
        let (left, before, after) = reference(signal, &config, request).expect("well-formed");
        let expected = match after {
            _ if after == before => Outcome::Unchanged,
            0 => Outcome::Nothing,
            _ => Outcome::Changed(left.encode_to_vec()),
        };
        assert_eq!(outcome, expected, "round {round}: {config}");
        seen[match outcome {
            Outcome::Unchanged => 0,
            Outcome::Changed(_) => 1,
            Outcome::Nothing => 2,
        }] += 1;
    }
    assert!(seen.iter().all(|count| *count > 2_000), "{seen:?}");
}

#[test]
fn damaged_requests_are_read_as_prost_reads_them() {
    let mut random = Random::new(2);
    let mut compared = 0;
    for round in 0..100_000 {
        let signal = Signal::ALL[random.below(3)];
        let config = random_config(&mut random, signal);
        let mut bytes = random_request(&mut random, signal).encode_to_vec();
        random.damage(&mut bytes);
        let outcome = rules(signal, config.clone()).apply(&bytes);
        // Prost looks at more, so it refuses more.
        let Ok(request) = Request::decode(&bytes[..]) else {
            continue;
        };
        let Ok((left, before, after)) = reference(signal, &config, request.clone()) else {
            continue;
        };
        let outcome = outcome.unwrap_or_else(|error| panic!("round {round}: {config}: {error}"));
        let decode = |bytes: &[u8]| Request::decode(bytes).expect("what is left is a request");
        match outcome {
            Outcome::Unchanged => assert_eq!(after, before, "round {round}: {config}"),
            Outcome::Nothing => assert!(after == 0 && before > 0, "round {round}: {config}"),
            Outcome::Changed(bytes) => {
                assert_eq!(decode(&bytes), left, "round {round}: {config}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
}
