// SPDX-License-Identifier: Apache-2.0

use otapbridge::Signal;
use prost::Message;
use serde_json::{Value, json};

use super::test_otlp::{self, *};
use otapbridge_otlp::Outcome;

/// Which of the items stay, below a resource with these attributes.
fn kept_below(signal: Signal, rules: Value, resource: &[KeyValue], items: &[Vec<u8>]) -> Vec<bool> {
    let mut config = json!({});
    config[signal.as_str()] = rules;
    let rules = test_otlp::rules(signal, config);
    let request = |items: Vec<Vec<u8>>| {
        request(vec![container(resource.to_vec(), vec![scope(items)])]).encode_to_vec()
    };
    let apply = |items| rules.apply(&request(items)).expect("well-formed");
    let kept: Vec<bool> = items
        .iter()
        .map(|item| match apply(vec![item.clone()]) {
            Outcome::Unchanged => true,
            Outcome::Nothing => false,
            Outcome::Changed(_) => panic!("an item was changed"),
        })
        .collect();
    let stay: Vec<_> = items.iter().zip(&kept).filter(|(_, kept)| **kept).collect();
    let stay: Vec<_> = stay.into_iter().map(|(item, _)| item.clone()).collect();
    let expected = match stay.len() {
        0 => Outcome::Nothing,
        count if count == items.len() => Outcome::Unchanged,
        _ => Outcome::Changed(request(stay)),
    };
    assert_eq!(apply(items.to_vec()), expected);
    kept
}

/// Which of the items match the conditions: as `include` and as `exclude`.
fn matching(signal: Signal, conditions: Value, items: &[Vec<u8>]) -> Vec<bool> {
    let included = kept_below(signal, json!({"include": conditions}), &[], items);
    let kept = kept_below(signal, json!({"exclude": conditions}), &[], items);
    let excluded: Vec<_> = kept.iter().map(|kept| !kept).collect();
    assert_eq!(included, excluded);
    included
}

fn logs(records: &[LogRecord]) -> Vec<Vec<u8>> {
    records.iter().map(Message::encode_to_vec).collect()
}

fn spans(spans: &[Span]) -> Vec<Vec<u8>> {
    spans.iter().map(Message::encode_to_vec).collect()
}

fn with_body(body: impl Into<OneOf>) -> LogRecord {
    LogRecord {
        body: value(body),
        ..LogRecord::default()
    }
}

fn with_attributes(attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord {
        attributes,
        ..LogRecord::default()
    }
}

#[test]
fn values_match_by_type() {
    let items = logs(&[
        with_body("1"),
        with_body(1),
        with_body(1.0),
        with_body(true),
        with_body(OneOf::Bytes(b"1".to_vec())),
        with_body(OneOf::List(vec![])),
        with_body(OneOf::Map(vec![])),
        LogRecord::default(),
        with_body(""),
    ]);
    let one = |index: usize| (0..9).map(|at| at == index).collect::<Vec<_>>();
    for how in ["strict", "regexp"] {
        for (body, index) in [
            (json!("1"), 0),
            (json!(1), 1),
            (json!(1.0), 2),
            (json!(true), 3),
        ] {
            let conditions = json!({"match_type": how, "bodies": [body]});
            assert_eq!(matching(Signal::Logs, conditions, &items), one(index));
        }
        let several = json!({"match_type": how, "bodies": [1, "1", 2]});
        let expected: Vec<_> = (0..9).map(|at| at < 2).collect();
        assert_eq!(matching(Signal::Logs, several, &items), expected);
    }
    let text = json!({"match_type": "regexp", "bodies": [".*"]});
    let expected: Vec<_> = (0..9).map(|at| at == 0 || at == 8).collect();
    assert_eq!(matching(Signal::Logs, text, &items), expected);
}

#[test]
fn patterns_are_found_anywhere_and_texts_are_equal() {
    let items = logs(&[
        with_body("abc"),
        with_body("b"),
        with_body("B"),
        with_body("a.c"),
    ]);
    let bodies = |how: &str, body: &str| {
        let conditions = json!({"match_type": how, "bodies": [body]});
        matching(Signal::Logs, conditions, &items)
    };
    assert_eq!(bodies("strict", "b"), [false, true, false, false]);
    assert_eq!(bodies("strict", "a.c"), [false, false, false, true]);
    assert_eq!(bodies("regexp", "b"), [true, true, false, false]);
    assert_eq!(bodies("regexp", "^(?i)b$"), [false, true, true, false]);
    assert_eq!(bodies("regexp", "a.c"), [true, false, false, true]);
    let default = json!({"bodies": ["b"]});
    assert_eq!(
        matching(Signal::Logs, default, &items),
        bodies("strict", "b")
    );
}

#[test]
fn one_attribute_of_an_item_is_enough() {
    let items = logs(&[
        with_attributes(vec![attribute("x", 1), attribute("a", "1")]),
        with_attributes(vec![attribute("b", true)]),
        with_attributes(vec![attribute("a", 1), attribute("b", "1")]),
        with_attributes(vec![KeyValue {
            key: "a".to_owned(),
            value: None,
        }]),
        LogRecord::default(),
    ]);
    let wanted = json!([{"key": "a", "value": "1"}, {"key": "b", "value": true}]);
    let conditions = json!({"record_attributes": wanted});
    let expected = [true, true, false, false, false];
    assert_eq!(matching(Signal::Logs, conditions, &items), expected);
}

#[test]
fn a_resource_has_to_have_all_attributes() {
    let conditions = json!({"match_type": "regexp", "resource_attributes": [
        {"key": "a", "value": "^1"}, {"key": "a", "value": "2$"}, {"key": "b", "value": 1},
    ]});
    for (resource, matches) in [
        (vec![attribute("a", "1 2"), attribute("b", 1)], true),
        (
            vec![attribute("b", 1), attribute("x", 1), attribute("a", "12")],
            true,
        ),
        (vec![attribute("a", "1"), attribute("b", 1)], false),
        (vec![attribute("a", "12"), attribute("b", 1.0)], false),
        (vec![attribute("a", "12")], false),
        (vec![], false),
    ] {
        for (signal, item) in [
            (Signal::Logs, LogRecord::default().encode_to_vec()),
            (Signal::Traces, Span::default().encode_to_vec()),
        ] {
            let kept = |rule: &str| {
                kept_below(
                    signal,
                    json!({rule: conditions}),
                    &resource,
                    std::slice::from_ref(&item),
                )
            };
            assert_eq!(kept("include"), [matches], "{resource:?}");
            assert_eq!(kept("exclude"), [!matches], "{resource:?}");
        }
    }
}

#[test]
fn severities_have_a_least_number() {
    let number = |severity_number| LogRecord {
        severity_number,
        ..LogRecord::default()
    };
    let items = logs(&[number(0), number(8), number(9), number(24), number(-1)]);
    for (min, undefined, expected) in [
        (9, false, [false, false, true, true, false]),
        (9, true, [true, false, true, true, false]),
        (0, false, [false, true, true, true, false]),
        (-5, true, [true; 5]),
    ] {
        let conditions = json!({"severity_number": {"min": min, "match_undefined": undefined}});
        assert_eq!(matching(Signal::Logs, conditions, &items), expected);
    }
    // Written out, 0 says the same.
    let conditions = json!({"severity_number": {"min": 1, "match_undefined": true}});
    assert_eq!(
        matching(Signal::Logs, conditions, &[vec![2 << 3, 0]]),
        [true]
    );
}

#[test]
fn an_absent_severity_text_matches_nothing() {
    let text = |text: &str| LogRecord {
        severity_text: text.to_owned(),
        ..LogRecord::default()
    };
    let items = logs(&[text("WARN"), text("ERROR"), text("")]);
    let any = json!({"match_type": "regexp", "severity_texts": [".*"]});
    assert_eq!(matching(Signal::Logs, any, &items), [true, true, false]);
    let one = json!({"severity_texts": ["ERROR", ""]});
    assert_eq!(matching(Signal::Logs, one, &items), [false, true, false]);
}

#[test]
fn conditions_of_a_log_record_must_all_match() {
    let right = LogRecord {
        severity_number: 13,
        severity_text: "WARN".to_owned(),
        body: value("b"),
        attributes: vec![attribute("a", 1)],
    };
    let items = logs(&[
        right.clone(),
        LogRecord {
            severity_number: 9,
            ..right.clone()
        },
        LogRecord {
            severity_text: "INFO".to_owned(),
            ..right.clone()
        },
        LogRecord {
            body: value("c"),
            ..right.clone()
        },
        LogRecord {
            attributes: vec![],
            ..right.clone()
        },
    ]);
    let conditions = json!({
        "resource_attributes": [{"key": "r", "value": true}],
        "record_attributes": [{"key": "a", "value": 1}],
        "severity_texts": ["WARN"],
        "severity_number": {"min": 13, "match_undefined": false},
        "bodies": ["b"],
    });
    let resource = [attribute("r", true)];
    let included = kept_below(
        Signal::Logs,
        json!({"include": conditions}),
        &resource,
        &items,
    );
    assert_eq!(included, [true, false, false, false, false]);
    let excluded = kept_below(
        Signal::Logs,
        json!({"exclude": conditions}),
        &resource,
        &items,
    );
    assert_eq!(excluded, [false, true, true, true, true]);
    assert_eq!(matching(Signal::Logs, conditions, &items), [false; 5]);
}

#[test]
fn metrics_match_by_name() {
    let metric = |name: &str| {
        Metric {
            name: name.to_owned(),
            gauge: None,
        }
        .encode_to_vec()
    };
    let items = [metric("http.count"), metric("internal.x"), metric("")];
    let strict = json!({"metric_names": ["http.count", "internal"]});
    assert_eq!(
        matching(Signal::Metrics, strict, &items),
        [true, false, false]
    );
    let regexp = json!({"match_type": "regexp", "metric_names": [r"^internal\.", "^$"]});
    assert_eq!(
        matching(Signal::Metrics, regexp, &items),
        [false, true, true]
    );
}

#[test]
fn spans_match_by_what_is_in_them() {
    let event = |name: &str, attributes| Event {
        name: name.to_owned(),
        attributes,
    };
    let items = spans(&[
        Span {
            name: "n".to_owned(),
            ..Span::default()
        },
        Span {
            attributes: vec![attribute("a", 1)],
            ..Span::default()
        },
        Span {
            events: vec![event("x", vec![]), event("e", vec![attribute("a", 1)])],
            ..Span::default()
        },
        Span {
            events: vec![event("e", vec![]), event("f", vec![attribute("a", 1)])],
            ..Span::default()
        },
        Span {
            links: vec![
                Link::default(),
                Link {
                    attributes: vec![attribute("a", 1)],
                },
            ],
            ..Span::default()
        },
        Span::default(),
    ]);
    let wanted = json!([{"key": "x", "value": 1}, {"key": "a", "value": 1}]);
    for (conditions, expected) in [
        (json!({"span_names": ["x", "n"]}), vec![0]),
        (
            json!({"span_names": ["."], "match_type": "regexp"}),
            vec![0],
        ),
        (json!({"span_names": [""]}), vec![1, 2, 3, 4, 5]),
        (json!({"span_attributes": wanted}), vec![1]),
        (json!({"event_names": ["e", "z"]}), vec![2, 3]),
        (json!({"event_attributes": wanted}), vec![2, 3]),
        (
            json!({"event_names": ["e"], "event_attributes": wanted}),
            vec![2],
        ),
        (json!({"link_attributes": wanted}), vec![4]),
        (
            json!({"span_names": ["n"], "span_attributes": wanted}),
            vec![],
        ),
        (
            json!({"span_names": [""], "link_attributes": wanted}),
            vec![4],
        ),
    ] {
        let expected: Vec<_> = (0..6).map(|at| expected.contains(&at)).collect();
        assert_eq!(
            matching(Signal::Traces, conditions.clone(), &items),
            expected,
            "{conditions}"
        );
    }
}

#[test]
fn include_comes_before_exclude() {
    let items = logs(&[
        with_body("a"),
        with_body("ab"),
        with_body("b"),
        LogRecord::default(),
    ]);
    let rules = json!({
        "include": {"match_type": "regexp", "bodies": ["a"]},
        "exclude": {"match_type": "regexp", "bodies": ["b"]},
    });
    assert_eq!(
        kept_below(Signal::Logs, rules, &[], &items),
        [true, false, false, false]
    );
}
