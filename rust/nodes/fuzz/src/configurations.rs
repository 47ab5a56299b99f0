// SPDX-License-Identifier: Apache-2.0

//! The configurations that a request's first byte chooses from. Their order stays, because the corpus goes by it.

use context::{BlockBuilder, RequestContext, SpanContext};

/// The context of all requests.
pub(crate) fn context() -> RequestContext {
    let mut builder = BlockBuilder::new();
    let span = SpanContext {
        trace_id: [0xab; 16],
        span_id: [1; 8],
        trace_flags: 1,
        remote: true,
    };
    builder
        .metadata("tenant", ["x", "y"])
        .auth("subject", "x")
        .address("tcp", "[2001:db8::1]:4317")
        .span_context(span);
    RequestContext::new(builder.build().expect("a valid block"))
}

/// Of the attributes processor, and whether doing it twice is the same as once.
pub(crate) const ATTRIBUTES: &[(&str, bool)] = &[
    (
        r#"{"apply_to": ["signal", "resource", "scope"], "actions": [
            {"action": "upsert", "key": "a", "value": {"k": [1, 0.5, true, "x", {}], "l": "y"}},
            {"action": "insert", "key": "b", "from_context": "metadata.tenant"},
            {"action": "update", "key": "c", "value": -1},
            {"action": "delete", "key": "d", "pattern": "^x"}
        ]}"#,
        true,
    ),
    (
        r#"{"apply_to": ["signal", "resource", "scope"], "actions": [
            {"action": "rename", "source_key": "a", "destination_key": "b"},
            {"action": "delete", "pattern": "^(c|d)$"}
        ]}"#,
        true,
    ),
    (
        r#"{"apply_to": ["signal", "resource", "scope"], "actions": [
            {"action": "hash", "key": "a", "pattern": "[b-d]", "salt": "salt"}
        ]}"#,
        false,
    ),
    (
        r#"{"apply_to": ["signal", "resource", "scope"], "actions": [
            {"action": "convert", "key": "a", "converted_type": "string"},
            {"action": "convert", "key": "b", "converted_type": "int"},
            {"action": "convert", "key": "c", "converted_type": "double"}
        ]}"#,
        false,
    ),
    (
        r#"{"actions": [
            {"action": "extract", "key": "a", "pattern": "^(?P<b>[a-z]+)(?P<c>[0-9]+)?"},
            {"action": "upsert", "key": "d", "from_attribute": "b", "default_value": [1]}
        ]}"#,
        false,
    ),
    (
        r#"{"apply_to": ["span", "spanevent", "spanlink", "log", "datapoint", "exemplar", "metric"],
          "include": {"match_type": "regexp", "attributes": [{"key": "a", "value": "x"}], "services": ["s"]},
          "exclude": {"scope_names": ["x"], "libraries": [{"name": "y", "version": "1"}]},
          "actions": [
            {"action": "insert", "key": "new", "value": "x"},
            {"action": "insert", "key": "gone", "value": "x"},
            {"action": "delete", "key": "gone"}
        ]}"#,
        true,
    ),
    (
        r#"{"exclude": {"span_kinds": ["server"], "span_names": ["x"]}, "actions": [
            {"action": "upsert", "key": "a", "from_context": "client.address"},
            {"action": "rename", "source_key": "a", "destination_key": "a"},
            {"action": "update", "key": "b", "from_attribute": "a"}
        ]}"#,
        true,
    ),
    (
        r#"{"apply_to": ["resource"], "include": {"resources": [{"key": "a"}], "context": [{"from_context": "trace_id"}]},
          "actions": [
            {"action": "upsert", "key": "a", "from_attribute": "b", "default_value": "x"},
            {"action": "upsert", "key": "b", "from_context": "trace_flags"}
        ]}"#,
        false,
    ),
    (
        r#"{"apply_to": ["datapoint", "metric"], "include": {"metric_types": ["gauge", "histogram"], "metric_names": ["x"],
            "datapoint_attributes": [{"key": "a"}, {"key": "b", "value": 1}]}, "actions": [
            {"action": "upsert", "key": "new", "value": true}
        ]}"#,
        true,
    ),
    (
        r#"{"apply_to": ["log"], "exclude": {"log_bodies": ["x", 1, 0.5, true], "log_severity_texts": ["INFO"],
            "log_severity_number": {"min": 9, "match_undefined": true}, "record_attributes": [{"key": "a"}]}, "actions": [
            {"action": "delete", "pattern": "."}
        ]}"#,
        true,
    ),
];

/// Of the filter. No span is asked for events or links that another section takes out: what stays, stays.
pub(crate) const FILTER: &[&str] = &[
    r#"{"traces": {"exclude": {"span_names": ["x"]}}, "logs": {"exclude": {"bodies": ["x"]}},
        "metrics": {"exclude": {"metric_names": ["x"]}}}"#,
    r#"{"traces": {"include": {"attributes": [{"key": "a"}]}}, "logs": {"include": {"attributes": [{"key": "a"}]}},
        "metrics": {"include": {"attributes": [{"key": "a"}]}}}"#,
    r#"{"traces": {"exclude": {"match_type": "regexp", "span_attributes": [{"key": "a", "value": "x"}, {"key": "b", "value": 1}],
            "span_kinds": ["server", "client"], "span_status_codes": ["error"]}},
        "logs": {"exclude": {"match_type": "regexp", "record_attributes": [{"key": "a", "value": "x"}, {"key": "b", "value": 0.5}]}},
        "metrics": {"exclude": {"datapoint_attributes": [{"key": "a", "value": "x"}, {"key": "b", "value": true}]}}}"#,
    r#"{"traces": {"include": {"event_names": ["x"], "event_attributes": [{"key": "a"}]}},
        "logs": {"include": {"severity_number": {"min": 9, "match_undefined": false}, "severity_texts": ["INFO", "x"]}},
        "metrics": {"include": {"metric_types": ["sum", "exponential_histogram"]}, "exclude": {"attributes": [{"key": "a"}]}}}"#,
    r#"{"traces": {"exclude": {"link_attributes": [{"key": "a"}]}}, "span_events": {"exclude": {"event_names": ["x"]}}}"#,
    r#"{"span_events": {"include": {"attributes": [{"key": "a"}], "event_attributes": [{"key": "b", "value": 1}]}},
        "span_links": {"exclude": {"link_attributes": [{"key": "a"}]}}}"#,
    r#"{"traces": {"include": {"resource_attributes": [{"key": "a"}, {"key": "b", "value": "x"}]}},
        "logs": {"exclude": {"services": ["x", "y"], "resources": [{"key": "a"}]}},
        "metrics": {"include": {"services": ["x"]}, "exclude": {"scope_names": ["x"]}}}"#,
    r#"{"traces": {"include": {"scope_names": ["x"], "scope_versions": ["1", ""]}},
        "logs": {"exclude": {"libraries": [{"name": "x"}, {"name": "y", "version": "1"}]}},
        "metrics": {"include": {"match_type": "regexp", "scope_attributes": [{"key": "a", "value": "^x"}]}}}"#,
    r#"{"traces": {"include": {"context": [{"from_context": "metadata.tenant", "value": "x"}], "span_names": ["x"]}},
        "logs": {"exclude": {"context": [{"from_context": "auth.subject"}], "bodies": ["x", 1, true, 0.5]}},
        "metrics": {"exclude": {"context": [{"from_context": "trace_flags", "value": 1}], "datapoint_attributes": [{"key": "a"}]}}}"#,
    r#"{"traces": {"include": {"context": [{"from_context": "client.address"}]}, "exclude": {"attributes": [{"key": "a"}]}},
        "logs": {"include": {"resource_attributes": [{"key": "a"}]}, "exclude": {"severity_texts": ["x"]}},
        "metrics": {"include": {"datapoint_attributes": [{"key": "a"}]}, "exclude": {"datapoint_attributes": [{"key": "b"}]}}}"#,
];
