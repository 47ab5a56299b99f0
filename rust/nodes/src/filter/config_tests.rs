// SPDX-License-Identifier: Apache-2.0

use otapbridge::{ProcessorNode, Signal};
use serde_json::{Value, json};

use super::Filter;
use super::config::Config;
use super::test_otlp::rules;

fn create(config: Value) -> Result<Filter, String> {
    let config: Config = serde_json::from_value(config).map_err(|error| error.to_string())?;
    Filter::create(config).map_err(|error| error.field().unwrap_or_default().to_owned())
}

#[test]
fn the_configuration_is_the_engine_s() {
    let whole = json!({
        "metrics": {"include": {"match_type": "strict", "metric_names": ["a"]}},
        "logs": {"include": {
            "match_type": "regexp",
            "resource_attributes": [{"key": "a", "value": "b"}],
            "record_attributes": [{"key": "a", "value": 1}, {"key": "b", "value": 1.5}],
            "severity_texts": ["WARN"],
            "severity_number": {"min": 13, "match_undefined": false},
            "bodies": ["a", true],
        }, "exclude": {"severity_number": null}},
        "traces": {"exclude": {
            "resource_attributes": [], "span_attributes": [], "span_names": ["a"],
            "event_names": ["a"], "event_attributes": [], "link_attributes": [],
        }},
    });
    assert!(create(whole).is_ok());
    assert!(create(json!({})).is_ok());
    for (config, what) in [
        (json!({"log": {}}), "log"),
        (json!({"logs": {"only": {}}}), "only"),
        (json!({"logs": {"include": {"body": []}}}), "body"),
        (
            json!({"metrics": {"include": {"bodies": ["a"]}}}),
            "metrics.include.bodies",
        ),
        (
            json!({"traces": {"include": {"match_type": "glob"}}}),
            "glob",
        ),
        (
            json!({"logs": {"include": {"severity_number": {"min": 1}}}}),
            "match_undefined",
        ),
        (
            json!({"logs": {"include": {"record_attributes": [{"key": "a", "values": 1}]}}}),
            "values",
        ),
        (
            json!({"logs": {"include": {"bodies": [["a"]]}}}),
            "expected a text, a number or a truth value",
        ),
    ] {
        let error = create(config).expect_err(what);
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_pattern_that_is_none_is_named() {
    let attribute = json!([{"key": "a", "value": "ok"}, {"key": "a", "value": "("}]);
    for (signal, field, list, path) in [
        ("logs", "bodies", json!(["("]), "bodies[0]"),
        (
            "logs",
            "severity_texts",
            json!(["a", "("]),
            "severity_texts[1]",
        ),
        (
            "logs",
            "record_attributes",
            attribute.clone(),
            "record_attributes[1].value",
        ),
        (
            "logs",
            "resource_attributes",
            attribute.clone(),
            "resource_attributes[1].value",
        ),
        ("metrics", "metric_names", json!(["("]), "metric_names[0]"),
        ("traces", "span_names", json!(["("]), "span_names[0]"),
        ("traces", "event_names", json!(["("]), "event_names[0]"),
        (
            "traces",
            "resource_attributes",
            attribute.clone(),
            "resource_attributes[1].value",
        ),
        (
            "traces",
            "span_attributes",
            attribute.clone(),
            "span_attributes[1].value",
        ),
        (
            "traces",
            "event_attributes",
            attribute.clone(),
            "event_attributes[1].value",
        ),
        (
            "traces",
            "link_attributes",
            attribute.clone(),
            "link_attributes[1].value",
        ),
    ] {
        for rule in ["include", "exclude"] {
            let config = |how| json!({signal: {rule: {"match_type": how, field: list.clone()}}});
            let error = create(config("regexp")).expect_err("no pattern");
            assert_eq!(error, format!("{signal}.{rule}.{path}"));
            assert!(create(config("strict")).is_ok());
        }
    }
}

#[test]
fn without_conditions_nothing_is_read() {
    for config in [
        json!({}),
        json!({"logs": {"include": {}, "exclude": {"match_type": "regexp", "bodies": []}}}),
        json!({"traces": {"include": {"span_names": []}}, "metrics": {"exclude": {}}}),
    ] {
        for signal in Signal::ALL {
            assert!(rules(signal, config.clone()).is_empty());
        }
    }
    let other = json!({"logs": {"include": {"bodies": ["a"]}}});
    assert!(!rules(Signal::Logs, other.clone()).is_empty());
    assert!(rules(Signal::Traces, other).is_empty());
}
