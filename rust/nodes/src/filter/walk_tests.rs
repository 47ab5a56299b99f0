// SPDX-License-Identifier: Apache-2.0

use otapbridge::Signal;
use otapbridge_test_support::otlp::field;
use prost::Message;
use serde_json::{Value, json};

use super::test_otlp::{self, *};
use otapbridge_otlp::Outcome;

/// The value below these fields.
fn below(path: &[u32], content: &[u8]) -> Vec<u8> {
    let fields = path.iter().rev();
    fields.fold(content.to_vec(), |content, number| field(*number, &content))
}

fn body(text: &str) -> Vec<u8> {
    let record = LogRecord {
        body: value(text),
        ..LogRecord::default()
    };
    record.encode_to_vec()
}

/// Drops the records whose body is "drop".
fn drop_logs(request: &[u8]) -> Outcome {
    let rules = test_otlp::rules(
        Signal::Logs,
        json!({"logs": {"exclude": {"bodies": ["drop"]}}}),
    );
    rules.apply(request).expect("well-formed")
}

fn excluded(signal: Signal, conditions: Value, request: &[u8]) -> bool {
    let mut config = json!({});
    config[signal.as_str()] = json!({"exclude": conditions});
    match test_otlp::rules(signal, config)
        .apply(request)
        .expect("well-formed")
    {
        Outcome::Unchanged => false,
        Outcome::Nothing => true,
        Outcome::Changed(_) => panic!("an item was changed"),
    }
}

#[test]
fn what_becomes_empty_leaves_and_what_was_empty_stays() {
    let before = request(vec![
        container(vec![], vec![]),
        container(vec![], vec![scope(vec![body("drop")]), scope(vec![])]),
        container(
            vec![],
            vec![scope(vec![body("drop")]), scope(vec![body("drop")])],
        ),
        container(
            vec![attribute("a", 1)],
            vec![
                scope(vec![body("drop"), body("keep"), body("drop")]),
                scope(vec![body("drop")]),
                scope(vec![body("keep")]),
            ],
        ),
    ]);
    let after = request(vec![
        container(vec![], vec![]),
        container(vec![], vec![scope(vec![])]),
        container(
            vec![attribute("a", 1)],
            vec![scope(vec![body("keep")]), scope(vec![body("keep")])],
        ),
    ]);
    let outcome = drop_logs(&before.encode_to_vec());
    assert_eq!(outcome, Outcome::Changed(after.encode_to_vec()));
}

#[test]
fn a_request_without_an_item_left_is_nothing() {
    let all = vec![scope(vec![body("drop")]), scope(vec![body("drop")])];
    let before = request(vec![container(vec![], all), container(vec![], vec![])]);
    assert_eq!(drop_logs(&before.encode_to_vec()), Outcome::Nothing);
}

#[test]
fn a_request_that_loses_nothing_is_unchanged() {
    let kept = container(vec![], vec![scope(vec![body("keep")]), scope(vec![])]);
    for containers in [vec![], vec![container(vec![], vec![])], vec![kept]] {
        assert_eq!(
            drop_logs(&request(containers).encode_to_vec()),
            Outcome::Unchanged
        );
    }
}

#[test]
fn what_stays_keeps_its_bytes() {
    // Unknown fields, a zero written out, an attribute before the body, a long length.
    let unknown = field(99, b"later version");
    let group = [0xa3, 6, 8, 1, 0xa4, 6];
    let item = [&unknown[..], &[2 << 3, 0], &body("keep"), &group].concat();
    let around = |items: &[u8]| {
        let scope = [items, &unknown, &group].concat();
        let container = [&unknown[..], &field(2, &scope), &field(1, b""), &group].concat();
        [&unknown[..], &field(1, &container), &unknown].concat()
    };
    let kept = field(2, &item);
    let dropped = field(2, &body("drop"));
    let before = around(&[&dropped[..], &kept, &dropped, &dropped].concat());
    assert_eq!(drop_logs(&before), Outcome::Changed(around(&kept)));
}

#[test]
fn lengths_that_are_written_long_are_understood() {
    let dropped = field(2, &body("drop"));
    let kept = field(2, &body("keep"));
    let items = [&dropped[..], &kept].concat();
    // A length in three bytes, where one is enough.
    let long = |number: u8, content: &[u8]| {
        let len = content.len() as u8;
        [&[number << 3 | 2, len | 0x80, 0x80, 0], content].concat()
    };
    let before = long(1, &long(2, &items));
    assert_eq!(drop_logs(&before), Outcome::Changed(below(&[1, 2], &kept)));
}

#[test]
fn lengths_shrink_with_their_content() {
    let long = "k".repeat(100);
    let item = LogRecord {
        severity_text: long.clone(),
        ..LogRecord::default()
    };
    let dropped = LogRecord {
        body: value("drop"),
        ..item.clone()
    };
    let items = |records: &[&LogRecord]| {
        let items = records.iter().map(|record| record.encode_to_vec());
        request(vec![container(vec![], vec![scope(items.collect())])]).encode_to_vec()
    };
    let outcome = drop_logs(&items(&[&dropped, &item]));
    assert_eq!(outcome, Outcome::Changed(items(&[&item])));
}

#[test]
fn the_last_occurrence_counts() {
    let item = |record: &[u8]| below(&[1, 2, 2], record);
    let yes = json!({"bodies": ["drop"]});
    let twice = |first: &[u8], second: &[u8]| item(&[first, second].concat());
    assert!(excluded(
        Signal::Logs,
        yes.clone(),
        &twice(&body("keep"), &body("drop"))
    ));
    assert!(!excluded(
        Signal::Logs,
        yes.clone(),
        &twice(&body("drop"), &body("keep"))
    ));
    // A value without any does not take back what was said before.
    assert!(excluded(
        Signal::Logs,
        yes.clone(),
        &twice(&body("drop"), &field(5, b""))
    ));
    let list = field(5, &field(5, b""));
    assert!(!excluded(Signal::Logs, yes, &twice(&body("drop"), &list)));

    let text = json!({"severity_texts": ["b"]});
    assert!(excluded(
        Signal::Logs,
        text,
        &twice(&field(3, b"a"), &field(3, b"b"))
    ));
    let number = json!({"severity_number": {"min": 5, "match_undefined": false}});
    assert!(excluded(
        Signal::Logs,
        number.clone(),
        &twice(&[2 << 3, 1], &[2 << 3, 9])
    ));
    assert!(!excluded(
        Signal::Logs,
        number,
        &twice(&[2 << 3, 9], &[2 << 3, 0])
    ));
    let key = json!({"record_attributes": [{"key": "b", "value": "v"}]});
    let value = field(2, &field(1, b"v"));
    let attribute = [field(1, b"a"), value, field(1, b"b")].concat();
    assert!(excluded(Signal::Logs, key, &item(&field(6, &attribute))));
}

#[test]
fn the_resource_counts_wherever_it_is() {
    let wanted =
        json!({"resource_attributes": [{"key": "a", "value": 1}, {"key": "b", "value": 2}]});
    let resource = |key: &str, of: i64| {
        let resource = Resource {
            attributes: vec![attribute(key, of)],
            ..Resource::default()
        };
        field(1, &resource.encode_to_vec())
    };
    let scopes = below(&[2, 2], &body("x"));
    let apart = [resource("a", 1), scopes.clone(), resource("b", 2)].concat();
    assert!(excluded(Signal::Logs, wanted.clone(), &field(1, &apart)));
    let half = [scopes, resource("a", 1), resource("b", 1)].concat();
    assert!(!excluded(Signal::Logs, wanted, &field(1, &half)));
}

#[test]
fn values_of_any_depth_are_passed_by() {
    let mut nested = Vec::new();
    for _ in 0..20_000 {
        nested = below(&[5, 1], &nested);
    }
    let attribute = [field(1, b"a"), field(2, &nested)].concat();
    let record = [field(5, &nested), field(6, &attribute)].concat();
    let conditions = json!({"bodies": ["x"], "record_attributes": [{"key": "a", "value": "x"}]});
    assert!(!excluded(
        Signal::Logs,
        conditions,
        &below(&[1, 2, 2], &record)
    ));
}

#[test]
fn what_is_looked_at_has_to_be_otlp() {
    let logs = json!({"logs": {"exclude": {
        "resource_attributes": [{"key": "a", "value": 1}],
        "record_attributes": [{"key": "a", "value": 1}],
        "severity_texts": ["x"],
        "severity_number": {"min": 0, "match_undefined": true},
        "bodies": ["x"],
    }}});
    let metrics = json!({"metrics": {"include": {"metric_names": ["x"]}}});
    let traces = json!({"traces": {"include": {
        "span_names": ["x"], "event_names": ["x"],
        "span_attributes": [{"key": "a", "value": 1}],
        "link_attributes": [{"key": "a", "value": 1}],
    }}});
    let number = |number: u8| vec![number << 3, 1];
    let cut_off = |number: u8| vec![number << 3 | 2, 9];
    // Of a resource that is right, so that its records are looked at.
    let right = field(1, &field(1, &attribute("a", 1).encode_to_vec()));
    let record = |record: &[u8]| field(1, &[&right[..], &below(&[2, 2], record)].concat());
    let any_value = |content: &[u8]| record(&field(5, content));
    for (signal, config, request) in [
        (Signal::Logs, &logs, number(1)),
        (Signal::Logs, &logs, cut_off(1)),
        (Signal::Logs, &logs, cut_off(9)),
        (Signal::Logs, &logs, field(1, &number(1))),
        (
            Signal::Logs,
            &logs,
            field(1, &[&right[..], &number(2)].concat()),
        ),
        (Signal::Logs, &logs, below(&[1, 1], &number(1))),
        (Signal::Logs, &logs, below(&[1, 1, 1], &number(1))),
        (
            Signal::Logs,
            &logs,
            field(1, &[&right[..], &below(&[2], &number(2))].concat()),
        ),
        (Signal::Logs, &logs, record(&cut_off(99))),
        (Signal::Logs, &logs, record(&field(2, b"x"))),
        (Signal::Logs, &logs, record(&[2 << 3 | 5, 0, 0, 0, 0])),
        (Signal::Logs, &logs, record(&number(3))),
        (Signal::Logs, &logs, record(&number(5))),
        (Signal::Logs, &logs, record(&number(6))),
        (Signal::Logs, &logs, any_value(&number(1))),
        (Signal::Logs, &logs, any_value(&field(2, b""))),
        (Signal::Logs, &logs, any_value(&field(3, b""))),
        (Signal::Logs, &logs, any_value(&number(4))),
        (Signal::Logs, &logs, any_value(&number(5))),
        (Signal::Logs, &logs, any_value(&number(7))),
        (Signal::Metrics, &metrics, below(&[1, 2, 2], &number(1))),
        (Signal::Traces, &traces, below(&[1, 2, 2], &number(5))),
        (Signal::Traces, &traces, below(&[1, 2, 2], &number(9))),
        (Signal::Traces, &traces, below(&[1, 2, 2], &number(11))),
        (Signal::Traces, &traces, below(&[1, 2, 2, 11], &number(2))),
        (Signal::Traces, &traces, below(&[1, 2, 2, 13], &number(4))),
    ] {
        let rules = test_otlp::rules(signal, config.clone());
        let error = rules.apply(&request).expect_err("malformed");
        assert_eq!(error.grpc_code(), 3, "{request:?}");
        assert!(
            error.message().starts_with("malformed OTLP at byte "),
            "{error}"
        );
    }
}
