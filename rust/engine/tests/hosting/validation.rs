// SPDX-License-Identifier: Apache-2.0

//! Wrong configurations, and where they say they are wrong.

use otapbridge_context::ErrorKind;
use otapbridge_engine::{catalogue, validate};
use serde_json::{Value, json};

use crate::harness::spec;
use crate::nodes::{self, TEST_NODE, pass};

/// The paths of all findings.
fn findings(config: Value) -> Vec<String> {
    catalogue::install(nodes::factories);
    match validate(&spec(config)) {
        Ok(()) => Vec::new(),
        Err(errors) => errors
            .iter()
            .map(|error| {
                assert_eq!(error.kind(), ErrorKind::Configuration);
                assert!(!error.message().is_empty());
                let field = error.field().unwrap_or("");
                field
                    .strip_prefix("processors::otap/test")
                    .unwrap_or(field)
                    .to_owned()
            })
            .collect(),
    }
}

fn attribute(config: Value) -> Value {
    json!({"type": "processor:attribute", "config": config})
}

#[test]
fn right_configurations_have_no_findings() {
    let none: Vec<String> = Vec::new();
    assert_eq!(findings(pass()), none);
    let action = json!({"action": "insert", "key": "a", "value": "b"});
    assert_eq!(
        findings(attribute(
            json!({"actions": [action], "apply_to": ["resource"]})
        )),
        none
    );
    assert_eq!(
        findings(json!({"nodes": {"a": pass(), "b": pass(), "c": pass()},
            "connections": [{"from": "a", "to": ["b"]}, {"from": ["b"], "to": "c"}]})),
        none
    );
    assert_eq!(findings(json!({"nodes": {"a": pass()}})), none);
    assert_eq!(findings(json!({"type": "processor:debug"})), none);
    assert_eq!(
        findings(json!({"nodes": {"a": {"type": "processor:retry"}}})),
        none
    );
}

#[test]
fn each_mistake_is_named_with_its_path() {
    let two = |connections: Value| json!({"nodes": {"a": pass(), "b": pass()}, "connections": connections});
    let rename = json!({"action": "insert", "key": "a", "value": "b"});
    let cases = [
        (json!({"typo": 1}), "::typo"),
        (json!({}), ""),
        (json!({"type": "processor:no_such"}), "::type"),
        (json!({"type": "no urn at all"}), "::type"),
        (json!({"type": "exporter:noop"}), "::type"),
        (
            json!({"type": TEST_NODE, "config": {"behaviour": {"pass": {"x": 1}}}}),
            "::config::behaviour::pass::x",
        ),
        (
            json!({"type": TEST_NODE, "config": {"behaviour": {"refuse": {"message": "", "retry_after_milliseconds": 1}}}}),
            "::config::behaviour::refuse::message",
        ),
        (
            attribute(json!({"actions": [rename], "apply_to": ["resource"], "typo": 1})),
            "::config::typo",
        ),
        (attribute(json!({"actions": "none"})), "::config::actions"),
        (
            json!({"nodes": {"a": {"type": "processor:no_such"}}}),
            "::nodes::a::type",
        ),
        (
            json!({"nodes": {"a": {"type": TEST_NODE, "config": {"behaviour": 1}}}}),
            "::nodes::a::config::behaviour",
        ),
        (
            attribute(json!({"actions": [{"action": "remove", "key": "a"}]})),
            "::config::actions::0::action",
        ),
        (
            attribute(
                json!({"actions": [{"action": "delete", "key": "a"}], "apply_to": ["resources"]}),
            ),
            "::config::apply_to::0",
        ),
        (
            json!({"nodes": {":host-receiver": pass()}}),
            "::nodes:::host-receiver",
        ),
        (two(json!([{"from": "a", "to": 1}])), "::connections::0::to"),
        (two(json!([{"from": "a"}])), "::connections::0"),
        (
            json!({"nodes": {"a": attribute(json!({"actions": [{"action": "delete", "key": "k"}]})), "b": pass()},
            "connections": [{"from": "a", "port": "nope", "to": "b"}]}),
            "::connections::0::port",
        ),
        (
            json!({"nodes": {"a": pass(), "b": pass(), "c": pass()},
            "connections": [{"from": "a", "to": ["b", "c"]}]}),
            "::connections::0::to",
        ),
        (
            two(
                json!([{"from": "a", "port": "x", "to": "b"}, {"from": "a", "port": "y", "to": "b"}]),
            ),
            "::connections::1::to",
        ),
        (json!({"nodes": {}}), "::nodes"),
        (
            two(json!([{"from": "a", "to": "c"}])),
            "::connections::0::to",
        ),
        (
            two(json!([{"from": "a", "to": "b"}, {"from": "b", "to": "a"}])),
            "::connections",
        ),
        (
            json!({"nodes": {"a": pass(), "b": pass(), "c": pass()},
            "connections": [{"from": ["a", "b"], "to": "c"}]}),
            "::connections",
        ),
        (
            json!({"type": TEST_NODE, "config": {"behaviour": {"pass": {}}}, "shards": 0}),
            "::shards",
        ),
    ];
    for (config, path) in cases {
        let found = findings(config.clone());
        assert!(
            found.iter().any(|found| found == path),
            "{config}: expected {path}, found {found:?}"
        );
    }
}

/// The nodes of ours that change data: places as their authors write them, and those that only serde knows.
#[test]
fn mistakes_in_attributes_and_filter_are_named_with_their_paths() {
    let delete = || json!({"action": "delete", "key": "a"});
    let regexp = |field: &str, of: Value| json!({"match_type": "regexp", field: of});
    let wrong = |node: &str, config: &Value, path: &str| {
        let found = findings(json!({"type": node, "config": config}));
        assert_eq!(found, [format!("::config::{path}")], "{node} {config}");
    };
    for (config, path) in [
        (json!({}), "actions"),
        (
            json!({"actions": [delete()], "apply_to": ["span", "resources"]}),
            "apply_to::1",
        ),
        (
            json!({"actions": [delete(), {"action": "remove", "key": "a"}]}),
            "actions::1::action",
        ),
        (
            json!({"actions": [delete(), {"action": "delete", "pattern": "("}]}),
            "actions::1::pattern",
        ),
        (
            json!({"actions": [{"action": "insert", "key": "a", "value": {"string": "b"}}]}),
            "actions::0::value",
        ),
        (
            json!({"actions": [{"action": "insert", "key": "a", "from_context": "weather"}]}),
            "actions::0::from_context",
        ),
        (json!({"actions": [delete()], "include": {}}), "include"),
        (
            json!({"actions": [delete()], "include": {"span_name": ["a"]}}),
            "include::span_name",
        ),
        (
            json!({"actions": [delete()], "exclude": regexp("attributes", json!([{"key": "a", "value": "("}]))}),
            "exclude::attributes::0::value",
        ),
        (
            json!({"actions": [delete()], "apply_to": ["resource"], "include": {"span_names": ["a"]}}),
            "include::span_names",
        ),
    ] {
        wrong("urn:otapbridge:processor:attributes", &config, path);
    }
    for (config, path) in [
        (json!({"log": {}}), "log"),
        (
            json!({"logs": {"include": {"bodys": []}}}),
            "logs::include::bodys",
        ),
        (
            json!({"logs": {"include": regexp("bodies", json!(["a", "("]))}}),
            "logs::include::bodies::1",
        ),
        (
            json!({"traces": {"exclude": {"metric_names": ["a"]}}}),
            "traces::exclude::metric_names",
        ),
        (
            json!({"traces": {"exclude": {"span_kinds": ["server", "guest"]}}}),
            "traces::exclude::span_kinds::1",
        ),
        (
            json!({"metrics": {"include": {"context": [{"from_context": "weather"}]}}}),
            "metrics::include::context::0::from_context",
        ),
        (
            json!({"span_events": {"include": regexp("event_names", json!(["("]))}}),
            "span_events::include::event_names::0",
        ),
    ] {
        for filter in ["urn:otapbridge:processor:filter", "processor:filter"] {
            wrong(filter, &config, path);
        }
    }
    // They have one output.
    for node in [
        json!({"type": "urn:otapbridge:processor:attributes", "config": {"actions": [delete()]}}),
        json!({"type": "urn:otapbridge:processor:filter"}),
        json!({"type": "processor:filter"}),
    ] {
        let found = findings(json!({
            "nodes": {"a": node, "b": pass()}, "connections": [{"from": "a", "port": "other", "to": "b"}],
        }));
        assert_eq!(found, ["::connections::0::port"], "{node}");
    }
}

#[test]
fn several_mistakes_are_all_named() {
    let found = findings(json!({
        "nodes": {"a": {"type": "processor:no_such"}, "b": pass(), "alone": pass()},
        "connections": [{"from": "a", "to": "b"}],
        "shards": 1000,
    }));
    assert_eq!(found, ["::shards", "::nodes::a::type", "::nodes::alone"]);
}

#[test]
fn several_mistakes_in_one_node_are_all_named() {
    for (config, mut expected) in [
        (
            json!({"type": "processor:retry", "config": {
                "initial_interval": "soon", "multiplier": "fast", "max_elapsed_time": [1],
            }}),
            vec!["initial_interval", "max_elapsed_time", "multiplier"],
        ),
        (
            json!({"type": "urn:otapbridge:processor:fault", "config": {
                "delay": "soon", "every": 0, "error": {"kind": "bad", "message": 5}, "what": 1,
            }}),
            vec!["delay", "error::kind", "error::message", "every", "what"],
        ),
    ] {
        let mut found = findings(config.clone());
        found.sort();
        expected.sort_unstable();
        let expected: Vec<_> = expected
            .iter()
            .map(|place| format!("::config::{place}"))
            .collect();
        assert_eq!(found, expected, "{config}");
    }
}

#[test]
fn keys_deep_in_an_engine_nodes_configuration_are_checked() {
    let found = findings(
        json!({"type": "processor:retry", "config": {"multiplier": 2.0, "initial_intervall": "1s"}}),
    );
    assert_eq!(found, ["::config::initial_intervall"]);
}
