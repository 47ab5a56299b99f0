// SPDX-License-Identifier: Apache-2.0

//! Values that a host has read from texts, secrets, and what users are warned of.

use otapbridge_context::{ContextBlock, Signal};
use otapbridge_engine::ComponentSpec;
use otapbridge_engine::{secrets, validate, warnings};
use serde_json::{Value, json};

use crate::harness::{Bridge, spec};
use crate::otlp::{decode, encode, request};

fn expanded(at: Value, text: &str) -> Value {
    json!({"at": at, "text": text})
}

#[test]
fn a_text_of_a_variable_stays_a_text() {
    let bridge = Bridge::start(json!({
        "type": "processor:attribute",
        "config": {"apply_to": ["resource"], "actions": [
            {"action": "upsert", "key": "build", "value": 83},
            {"action": "upsert", "key": "count", "value": 5},
            {"action": "upsert", "key": "on", "value": true},
            {"action": "upsert", "key": 7, "value": 1},
            {"action": "hash", "key": "mail", "salt": 20_261_126},
        ]},
        "expanded": [
            expanded(json!(["actions", 0, "value"]), "0123"),
            expanded(json!(["actions", 1, "value"]), "5"),
            expanded(json!(["actions", 2, "value"]), "true"),
            expanded(json!(["actions", 3, "key"]), "007"),
            expanded(json!(["actions", 4, "salt"]), "20261126"),
        ],
    }));
    let payload = encode(
        request(Signal::Logs),
        &json!({"resource_logs": [{"resource": {}, "scope_logs": [{"log_records": [{"time_unix_nano": 1}]}]}]}),
    );
    bridge
        .submit_signal(1, Signal::Logs, &payload.into(), ContextBlock::empty())
        .unwrap();
    let emission = bridge.host.emission();
    let out = decode(request(Signal::Logs), &emission.payload);
    let found = &out["resource_logs"][0]["resource"]["attributes"];
    for (key, value) in [
        ("build", json!({"string_value": "0123"})),
        ("count", json!({"int_value": 5})),
        ("on", json!({"bool_value": 1})),
        ("007", json!({"int_value": 1})),
    ] {
        let attribute = json!({"key": key, "value": value});
        assert!(
            found.as_array().unwrap().contains(&attribute),
            "{attribute} in {found}"
        );
    }
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn nodes_of_ours_get_texts_as_well() {
    let fault = |config: Value, at: Value, text: &str| {
        validate(&spec(json!({
            "nodes": {"a": {
                "type": "urn:otapbridge:processor:fault", "config": config, "expanded": [expanded(at, text)],
            }},
        })))
    };
    let error = |key: &str, value: Value| {
        let mut error = json!({"kind": "permanent", "message": "no"});
        error[key] = value;
        json!({"error": error})
    };
    fault(
        error("message", json!(7)),
        json!(["error", "message"]),
        "007",
    )
    .expect("a text");
    fault(
        error("grpc_code", json!(7)),
        json!(["error", "grpc_code"]),
        "7",
    )
    .expect("a number");
    fault(
        json!({"log_refusals": true}),
        json!(["log_refusals"]),
        "true",
    )
    .expect("a truth value");
    let errors = fault(json!({"every": [1]}), json!(["every"]), "[1]").expect_err("no number");
    assert!(
        errors[0]
            .field()
            .unwrap_or_default()
            .ends_with("config::every"),
        "{}",
        errors[0]
    );
}

/// The nodes whose actions have salts.
const SALTED: [&str; 2] = ["processor:attribute", "urn:otapbridge:processor:attributes"];

fn salted(node: &str, salt: Value) -> Value {
    json!({"type": node, "config": {"actions": [
        {"action": "delete", "key": "x"}, {"action": "hash", "key": "mail", "salt": salt},
    ]}})
}

#[test]
fn secrets_are_known_and_not_told() {
    for node in SALTED {
        secrets_of_a_node_are_known_and_not_told(node);
    }
}

fn secrets_of_a_node_are_known_and_not_told(node: &str) {
    let salted = |salt| salted(node, salt);
    let _bridge_installs_the_nodes = Bridge::start(salted(json!("x")));
    let one = spec(salted(json!("TOPSECRET")));
    assert_eq!(secrets(&one), ["config::actions::1::salt"]);
    let several = spec(
        json!({"nodes": {"a": salted(json!("x")), "b": salted(json!("y"))}, "connections": "wrong"}),
    );
    assert_eq!(secrets(&several), [""], "it cannot be read at all");
    let misspelt = spec(json!({"type": "processor:atribute", "config": {"actions": []}}));
    assert_eq!(secrets(&misspelt), ["config"]);
    let no_list =
        spec(json!({"type": node, "config": {"actions": "{action: hash, salt: TOPSECRET"}}));
    // Of ours, which has read nothing, the whole counts as well.
    assert_eq!(secrets(&no_list)[0], "config::actions");
    let errors = validate(&no_list).expect_err("no list");
    assert!(!errors[0].message().contains("TOPSECRET"), "{}", errors[0]);
    let of_variable = json!({"type": node, "config": {"actions": [{"action": "hash", "key": "mail", "salt": "x"}]},
        "expanded": [expanded(json!(["actions"]), "[{action: hash, key: mail, salt: x}]")]});
    assert_eq!(secrets(&spec(of_variable)), ["config::actions::0::salt"]);
    let several = spec(json!({"nodes": {"a": salted(json!("one")), "b": salted(json!("two"))}}));
    assert_eq!(
        secrets(&several),
        [
            "nodes::a::config::actions::1::salt",
            "nodes::b::config::actions::1::salt"
        ]
    );

    let errors = validate(&spec(salted(json!(7_654_321)))).expect_err("no text");
    for error in &errors {
        assert!(!error.message().contains("7654321"), "{error}");
        assert!(error.message().contains("[REDACTED]"), "{error}");
    }
}

#[test]
fn secrets_of_authors_nodes_are_found_by_their_type() {
    let node = spec(
        json!({"nodes": {"a": {"type": crate::nodes::SECRET_NODE, "config": {
            "url": "https://example.com", "credentials": [{"user": "u", "password": "s3cret-word"}],
        }}}}),
    );
    let _bridge_installs_the_nodes =
        Bridge::start(json!({"type": "processor:debug", "config": {}}));
    validate(&node).expect("right");
    assert_eq!(
        secrets(&node),
        ["nodes::a::config::credentials::0::password"]
    );
}

#[test]
fn batches_that_mix_are_refused() {
    let batch =
        |config: Value| validate(&spec(json!({"type": "processor:batch", "config": config})));
    let sizes =
        |min: Option<u64>, max: u64| json!({"min_size": min, "max_size": max, "sizer": "items"});
    for (config, place) in [
        (
            json!({"format": "otap", "otap": sizes(Some(3), 3)}),
            "config::otap::max_size",
        ),
        (
            json!({"format": "otap", "otap": {"max_size": 3, "sizer": "items"}}),
            "config::otap::max_size",
        ),
        (json!({"otlp": sizes(Some(3), 3)}), "config::otlp::max_size"),
        (
            json!({"format": "otlp", "otlp": sizes(Some(3), 3)}),
            "config::otlp::max_size",
        ),
        (
            json!({"format": "otap", "codecs": {"otap": sizes(Some(3), 3)}}),
            "config::codecs::otap::max_size",
        ),
        (
            json!({"format": "otap", "otap": {"min_size": 40_000, "sizer": "items"}}),
            "config::otap::min_size",
        ),
    ] {
        let errors = batch(config.clone()).expect_err("it mixes");
        let field = errors[0].field().unwrap_or_default();
        assert!(field.ends_with(place), "{config}: {field}");
    }
    for config in [
        json!({}),
        json!({"otlp": {"min_size": 10_000, "max_size": 20_000, "sizer": "bytes"}}),
        json!({"otap": sizes(Some(3), 3)}), // no Arrow data come
        json!({"format": "otap", "otap": sizes(Some(1), 3)}),
        json!({"format": "otap", "otap": sizes(Some(0), 3)}),
        json!({"format": "otap", "otap": {"min_size": 3, "sizer": "items"}}),
    ] {
        batch(config.clone()).unwrap_or_else(|errors| panic!("{config}: {}", errors[0]));
    }
    // Divided here and joined there is the same.
    let two = |first: Value, second: Value| {
        validate(&spec(json!({
            "nodes": {
                "a": {"type": "processor:batch", "config": first},
                "b": {"type": "processor:debug", "config": {}},
                "c": {"type": "processor:batch", "config": second},
            },
            "connections": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
        })))
    };
    let divides = json!({"format": "otap", "otap": sizes(Some(1), 3)});
    let joins = json!({"otap": {"min_size": 9, "sizer": "items"}});
    let errors = two(divides.clone(), joins).expect_err("it mixes");
    let field = errors[0].field().unwrap_or_default();
    assert!(
        field.ends_with("nodes::a::config::otap::max_size"),
        "{field}"
    );
    let passes = json!({"otap": {"min_size": 1, "sizer": "items"}});
    two(divides, passes).expect("nothing is joined");
    // Behind a node that converts, they do.
    let errors = validate(&spec(json!({
        "nodes": {
            "a": {"type": "processor:log_sampling", "config": {"policy": {"ratio": {"emit": 1, "out_of": 1}}}},
            "b": {"type": "processor:batch", "config": {"otap": sizes(Some(3), 3)}},
        },
        "connections": [{"from": "a", "to": "b"}],
    })))
    .expect_err("it mixes");
    assert!(
        errors[0]
            .field()
            .unwrap_or_default()
            .ends_with("nodes::b::config::otap::max_size"),
        "{}",
        errors[0]
    );
}

#[test]
fn users_are_warned_once_for_a_node_and_a_signal() {
    let told = |signal: Signal, config: Value| -> Vec<String> {
        let spec = ComponentSpec {
            signal: Some(signal),
            ..spec(config)
        };
        warnings(&spec)
            .iter()
            .map(|warning| {
                format!(
                    "{}: {}",
                    warning.field().unwrap_or_default(),
                    warning.message()
                )
            })
            .collect()
    };
    let attribute = json!({"type": "processor:attribute", "config": {"actions": [{"action": "delete", "key": "x"}]}});
    let filter = json!({"type": "processor:filter", "config": {"logs": {"exclude": {"match_type": "strict", "bodies": ["x"]}}}});
    let found = told(Signal::Metrics, attribute.clone());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("exponential histograms")
            && found[0].contains("use urn:otapbridge:processor:attributes"),
        "{found:?}"
    );
    assert!(found[0].contains("converts metrics to Arrow"), "{found:?}");
    let found = told(Signal::Traces, attribute.clone());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a span without an end"), "{found:?}");
    let inserts = json!({"type": "processor:attribute", "config": {"actions": [{"action": "insert", "key": "x", "value": 1}]}});
    let found = told(Signal::Traces, inserts);
    assert!(
        found[0].contains("use urn:otapbridge:processor:attributes with apply_to: [span]"),
        "{found:?}"
    );
    assert!(told(Signal::Logs, filter).is_empty(), "it is one of ours");
    let chain = json!({"nodes": {"a": attribute, "b": attribute}, "connections": [{"from": "a", "to": "b"}]});
    let found = told(Signal::Traces, chain);
    assert_eq!(found.len(), 1, "data are converted once: {found:?}");
    assert!(
        found[0].starts_with("processors::otap/test::nodes::a: "),
        "{found:?}"
    );
    for node in ["retry", "debug", "batch"] {
        let config = json!({"type": format!("processor:{node}"), "config": {}});
        for signal in Signal::ALL {
            assert!(told(signal, config.clone()).is_empty(), "{node}");
        }
    }
    let sampling = json!({"type": "processor:log_sampling", "config": {"policy": {"ratio": {"emit": 1, "out_of": 1}}}});
    assert!(
        told(Signal::Traces, sampling.clone()).is_empty(),
        "it leaves spans alone"
    );
    assert_eq!(told(Signal::Logs, sampling).len(), 1);
}

/// Behind a batch, a filter by tenant would drop everything.
#[test]
fn users_are_warned_of_a_context_that_was_joined() {
    let told = |batch: Value, order: [&str; 2]| -> Vec<String> {
        let context = json!([{"from_context": "metadata.X-Tenant", "value": "a"}]);
        let filter = json!({"type": "urn:otapbridge:processor:filter", "config": {"logs": {"include": {"context": context}}}});
        let spec = ComponentSpec {
            signal: Some(Signal::Logs),
            ..spec(json!({
                "nodes": {"batch": batch, "filter": filter},
                "connections": [{"from": order[0], "to": order[1]}],
            }))
        };
        let warnings = warnings(&spec);
        let text = |warning: &otapbridge_context::ProcessingError| warning.to_string();
        warnings.iter().map(text).collect()
    };
    let own = |config: Value| json!({"type": "urn:otapbridge:processor:batch", "config": config});
    let found = told(own(json!({})), ["batch", "filter"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("nodes::filter")
            && found[0].contains("asks for metadata.X-Tenant behind"),
        "{found:?}"
    );
    assert!(told(own(json!({})), ["filter", "batch"]).is_empty());
    let partitioned = own(json!({"partition": {"metadata_keys": ["x-tenant"]}}));
    assert!(told(partitioned, ["batch", "filter"]).is_empty());
    let engines = json!({"type": "processor:batch", "config": {}});
    assert_eq!(told(engines, ["batch", "filter"]).len(), 1);
}
