// SPDX-License-Identifier: Apache-2.0

//! The conditions that the engine's filter does not have.

use otapbridge::{BlockBuilder, RequestContext, Signal};
use otapbridge_otlp::Outcome;
use prost::Message;
use serde_json::{Value, json};

use super::config::Config;
use super::rules::{Counts, Rules};
use super::test_otlp::*;

pub(super) fn compiled(config: Value) -> Rules {
    let config: Config = serde_json::from_value(config).expect("the right shape");
    config.rules().expect("valid configuration")
}

pub(super) fn apply(
    config: &Value,
    signal: Signal,
    request: &[u8],
    context: &RequestContext,
) -> (Outcome, Counts) {
    let rules = compiled(config.clone());
    rules.apply(signal, request, context).expect("well-formed")
}

/// Whether all of a request matches the conditions: as `include`, and as `exclude`.
fn matches_in(
    signal: Signal,
    conditions: &Value,
    request: &[u8],
    context: &RequestContext,
) -> bool {
    let [included, kept] = ["include", "exclude"].map(|rule| {
        let config = json!({signal.as_str(): {rule: conditions}});
        match apply(&config, signal, request, context).0 {
            Outcome::Unchanged => true,
            Outcome::Nothing => false,
            Outcome::Changed(_) => panic!("a part of it matches: {conditions}"),
        }
    });
    assert_ne!(included, kept, "{conditions}");
    included
}

fn matches(signal: Signal, conditions: &Value, request: &[u8]) -> bool {
    matches_in(signal, conditions, request, &RequestContext::empty())
}

fn expect(signal: Signal, request: &[u8], cases: Vec<(Value, bool)>) {
    for (conditions, expected) in cases {
        let found = matches(signal, &conditions, request);
        assert_eq!(found, expected, "{conditions}");
    }
}

/// The value below these fields.
pub(super) fn below(path: &[u32], content: &[u8]) -> Vec<u8> {
    let fields = path.iter().rev();
    fields.fold(content.to_vec(), |content, number| field(*number, &content))
}

/// A number in a field.
fn number(field: u32, value: u8) -> Vec<u8> {
    vec![(field << 3) as u8, value]
}

pub(super) fn with_attributes(number: u32, attributes: &[KeyValue]) -> Vec<u8> {
    let fields = attributes
        .iter()
        .flat_map(|of| field(number, &of.encode_to_vec()));
    fields.collect()
}

fn span(fields: &[u8]) -> Vec<u8> {
    below(&[1, 2, 2], fields)
}

#[test]
fn the_context_has_to_have_all_that_is_asked() {
    let mut block = BlockBuilder::new();
    let _ = block.metadata("X-Tenant", ["acme", "umbrella"]);
    let _ = block.address("tcp", "192.0.2.1:4317");
    let context = RequestContext::new(block.build().expect("valid block"));
    let tenant = |value: &str| json!({"from_context": "metadata.x-tenant", "value": value});
    let client = json!({"from_context": "client.address", "value": "192.0.2.1"});
    let there = json!({"from_context": "metadata.x-tenant"});
    let request = span(&[]);
    for (how, conditions, expected) in [
        ("strict", json!([there]), true),
        ("strict", json!([tenant("acme")]), true),
        // One of several values is enough.
        ("strict", json!([tenant("umbrella")]), true),
        ("strict", json!([tenant("acme;umbrella")]), false),
        ("strict", json!([tenant("Acme")]), false),
        ("regexp", json!([tenant("^umb")]), true),
        ("regexp", json!([tenant("^x")]), false),
        ("strict", json!([tenant("acme"), client]), true),
        ("strict", json!([tenant("acme"), tenant("umbrella")]), true),
        ("strict", json!([tenant("other"), client]), false),
        (
            "strict",
            json!([{"from_context": "metadata.absent"}]),
            false,
        ),
    ] {
        let conditions = json!({"match_type": how, "context": conditions});
        let found = matches_in(Signal::Traces, &conditions, &request, &context);
        assert_eq!(found, expected, "{conditions}");
        let nothing = RequestContext::empty();
        assert!(!matches_in(Signal::Traces, &conditions, &request, &nothing));
    }
    // With another condition, both have to hold.
    let named = json!({"context": [there], "span_names": ["a"]});
    assert!(!matches_in(Signal::Traces, &named, &request, &context));
    let request = span(&field(5, b"a"));
    assert!(matches_in(Signal::Traces, &named, &request, &context));
}

#[test]
fn scopes_are_asked_for_name_version_and_attributes() {
    let scope = [
        field(1, b"lib"),
        field(2, b"1.2"),
        with_attributes(3, &[attribute("a", 1), attribute("b", "x")]),
    ];
    for signal in Signal::ALL {
        let request = below(
            &[1, 2],
            &[field(1, &scope.concat()), field(2, &[])].concat(),
        );
        expect(
            signal,
            &request,
            vec![
                (json!({"scope_names": ["lib"]}), true),
                (json!({"scope_names": ["x", "lib"]}), true),
                (json!({"scope_names": ["li"]}), false),
                (
                    json!({"match_type": "regexp", "scope_names": ["^li"]}),
                    true,
                ),
                (json!({"scope_versions": ["1.2"]}), true),
                (json!({"scope_versions": ["1.3"]}), false),
                (
                    json!({"scope_attributes": [{"key": "a", "value": 1}]}),
                    true,
                ),
                (
                    json!({"scope_attributes": [{"key": "a", "value": "1"}]}),
                    false,
                ),
                // One of them is enough.
                (
                    json!({"scope_attributes": [{"key": "c"}, {"key": "b"}]}),
                    true,
                ),
                (
                    json!({"scope_names": ["lib"], "scope_versions": ["1.2"]}),
                    true,
                ),
                (
                    json!({"scope_names": ["lib"], "scope_versions": ["2"]}),
                    false,
                ),
                (json!({"libraries": [{"name": "lib"}]}), true),
                (
                    json!({"libraries": [{"name": "x"}, {"name": "lib", "version": "1.2"}]}),
                    true,
                ),
                // Of one library both.
                (
                    json!({"libraries": [{"name": "x", "version": "1.2"}, {"name": "lib", "version": "2"}]}),
                    false,
                ),
                (
                    json!({"libraries": [{"name": "lib", "version": ""}]}),
                    false,
                ),
                (
                    json!({"match_type": "regexp", "libraries": [{"name": "^l", "version": "^1\\."}]}),
                    true,
                ),
            ],
        );
        // What is not there is the empty text.
        let without = below(&[1, 2, 2], &[]);
        expect(
            signal,
            &without,
            vec![
                (json!({"scope_names": [""]}), true),
                (json!({"scope_versions": [""]}), true),
                (json!({"libraries": [{"name": "", "version": ""}]}), true),
                (json!({"libraries": [{"name": "lib"}]}), false),
                (json!({"scope_attributes": [{"key": "a"}]}), false),
            ],
        );
    }
}

#[test]
fn services_are_the_resource_attribute_service_name() {
    for signal in Signal::ALL {
        let of = |attributes: &[KeyValue]| {
            let resource = field(1, &with_attributes(1, attributes));
            field(1, &[resource, below(&[2, 2], &[])].concat())
        };
        let shop = of(&[attribute("host", 1), attribute("service.name", "shop")]);
        expect(
            signal,
            &shop,
            vec![
                (json!({"services": ["shop"]}), true),
                (json!({"services": ["cart", "shop"]}), true),
                (json!({"services": ["cart"]}), false),
                (json!({"match_type": "regexp", "services": ["^sh"]}), true),
                (
                    json!({"services": ["shop"], "resource_attributes": [{"key": "host"}]}),
                    true,
                ),
                (
                    json!({"services": ["shop"], "resource_attributes": [{"key": "zone"}]}),
                    false,
                ),
                // Another name of the same.
                (json!({"resources": [{"key": "host", "value": 1}]}), true),
            ],
        );
        assert!(!matches(signal, &json!({"services": [""]}), &of(&[])));
        let number = of(&[attribute("service.name", 7)]);
        assert!(!matches(signal, &json!({"services": ["7"]}), &number));
    }
}

#[test]
fn spans_are_asked_for_their_kind_and_status() {
    let status = |code: u8| field(15, &number(3, code));
    let client_failed = span(&[number(6, 3), status(2)].concat());
    expect(
        Signal::Traces,
        &client_failed,
        vec![
            (json!({"span_kinds": ["SPAN_KIND_CLIENT"]}), true),
            (json!({"span_kinds": ["server", "client"]}), true),
            (
                json!({"span_kinds": ["unspecified", "internal", "server", "producer", "consumer"]}),
                false,
            ),
            (json!({"span_status_codes": ["STATUS_CODE_ERROR"]}), true),
            (json!({"span_status_codes": ["ok", "error"]}), true),
            (json!({"span_status_codes": ["unset", "ok"]}), false),
            (
                json!({"span_kinds": ["client"], "span_status_codes": ["error"]}),
                true,
            ),
            (
                json!({"span_kinds": ["server"], "span_status_codes": ["error"]}),
                false,
            ),
        ],
    );
    let neither = span(&[]);
    let empty_status = span(&field(15, &field(2, b"a message")));
    for request in [neither, empty_status] {
        expect(
            Signal::Traces,
            &request,
            vec![
                (json!({"span_kinds": ["SPAN_KIND_UNSPECIFIED"]}), true),
                (json!({"span_kinds": ["internal"]}), false),
                (json!({"span_status_codes": ["STATUS_CODE_UNSET"]}), true),
                (json!({"span_status_codes": ["ok", "error"]}), false),
            ],
        );
    }
}

#[test]
fn all_attributes_have_to_be_there_and_of_others_one_is_enough() {
    let both = [attribute("a", 1), attribute("b", "x")];
    for (signal, number, any) in [
        (Signal::Traces, 9, "span_attributes"),
        (Signal::Logs, 6, "record_attributes"),
    ] {
        let item = below(&[1, 2, 2], &with_attributes(number, &both));
        let (a, b, c) = (
            json!({"key": "a"}),
            json!({"key": "b", "value": "x"}),
            json!({"key": "c"}),
        );
        expect(
            signal,
            &item,
            vec![
                (json!({"attributes": [a, b]}), true),
                (json!({"attributes": [a, c]}), false),
                (json!({any: [a, c]}), true),
                (json!({any: [c]}), false),
                (json!({"attributes": [a], any: [c, b]}), true),
                (json!({"attributes": [c], any: [a]}), false),
            ],
        );
    }
}

/// A metric of each kind, with a point that has an attribute.
fn metric(kind: u32, point_attributes: u32) -> Vec<u8> {
    let point = with_attributes(point_attributes, &[attribute("a", 1)]);
    [field(1, b"name"), field(kind, &field(1, &point))].concat()
}

const KINDS: [(&str, u32, u32); 5] = [
    ("gauge", 5, 7),
    ("sum", 7, 7),
    ("histogram", 9, 9),
    ("exponential_histogram", 10, 1),
    ("summary", 11, 7),
];

#[test]
fn metrics_are_asked_for_their_type() {
    for (name, kind, attributes) in KINDS {
        let request = below(&[1, 2, 2], &metric(kind, attributes));
        for (other, ..) in KINDS {
            let conditions = json!({"metric_types": [other]});
            assert_eq!(
                matches(Signal::Metrics, &conditions, &request),
                other == name
            );
        }
        expect(
            Signal::Metrics,
            &request,
            vec![
                (json!({"metric_types": KINDS.map(|(name, ..)| name)}), true),
                (
                    json!({"metric_types": [name], "metric_names": ["name"]}),
                    true,
                ),
                (
                    json!({"metric_types": [name], "metric_names": ["x"]}),
                    false,
                ),
                (
                    json!({"datapoint_attributes": [{"key": "a", "value": 1}]}),
                    true,
                ),
                (
                    json!({"datapoint_attributes": [{"key": "a", "value": "1"}]}),
                    false,
                ),
                (json!({"attributes": [{"key": "a"}]}), true),
                (json!({"attributes": [{"key": "a"}, {"key": "b"}]}), false),
                (
                    json!({"metric_names": ["x"], "attributes": [{"key": "a"}]}),
                    false,
                ),
            ],
        );
    }
    let without_data = below(&[1, 2, 2], &field(1, b"name"));
    let all = json!({"metric_types": KINDS.map(|(name, ..)| name)});
    assert!(!matches(Signal::Metrics, &all, &without_data));
}

/// A condition that a section cannot fulfil is a mistake.
#[test]
fn conditions_of_other_sections_are_refused() {
    for (section, field, value) in [
        ("traces", "bodies", json!(["a"])),
        ("traces", "metric_types", json!(["sum"])),
        ("traces", "datapoint_attributes", json!([{"key": "a"}])),
        ("metrics", "span_kinds", json!(["client"])),
        ("metrics", "record_attributes", json!([{"key": "a"}])),
        ("logs", "span_status_codes", json!(["ok"])),
        ("logs", "event_names", json!(["a"])),
        ("span_events", "span_names", json!(["a"])),
        ("span_events", "link_attributes", json!([{"key": "a"}])),
        ("span_links", "event_names", json!(["a"])),
    ] {
        for rule in ["include", "exclude"] {
            let config: Config = serde_json::from_value(json!({section: {rule: {field: value}}}))
                .expect("the right shape");
            let error = config.rules().expect_err(field);
            assert_eq!(error.field(), Some(&*format!("{section}.{rule}.{field}")));
        }
    }
}
