// SPDX-License-Identifier: Apache-2.0

//! What the engine's processors do to data although their configuration asks for no change: each
//! cell of the tables in `docs/nodes.md`, found out anew with requests that have every field of the protocol,
//! and compared with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use otapbridge_context::{ContextBlock, ProcessingError, Signal};
use serde_json::{Value, json};

use crate::harness::{Bridge, Directory};
use crate::nodes::TEST_NODE;
use crate::otlp::{attributes, decode, differences, encode, request};

const DOCUMENT: &str = "../../docs/nodes.md";

/// A processor in a configuration that should change nothing.
struct Case {
    name: &'static str,
    /// What is special about this row, if the processor has several.
    variant: &'static str,
    config: Value,
    /// Its output ports; none is the default one.
    ports: &'static [&'static str],
    /// It answers before it puts out.
    answers_at_once: bool,
}

fn case(name: &'static str, config: Value) -> Case {
    Case {
        name,
        variant: "",
        config,
        ports: &[],
        answers_at_once: false,
    }
}

fn cases(directory: &str) -> Vec<Case> {
    let delete_absent = json!({"actions": [{"action": "delete", "key": "absent"}]});
    let limits = json!({
        "max_input_bytes": 1024, "max_scratch_bytes": 65536, "max_pattern_bytes": 1024,
        "max_compiled_regex_bytes": 1_048_576, "max_json_depth": 8, "max_entries": 8,
    });
    let exclude = |of: Value| json!({"exclude": of});
    let buffer = |folder: &str, handling: &str| {
        json!({
            "path": format!("{directory}/{folder}"), "retention_size_cap": "256 MiB", "poll_interval": "10ms",
            "max_segment_open_duration": "20ms", "otlp_handling": handling,
        })
    };
    vec![
        case("attribute", delete_absent),
        case("batch", json!({"otlp": {"min_size": 1, "sizer": "bytes"}})),
        Case {
            variant: ", by items",
            ..case("batch", json!({"otlp": {"min_size": 1, "sizer": "items"}}))
        },
        Case {
            variant: ", `format: otap`",
            ..case(
                "batch",
                json!({"format": "otap", "otap": {"min_size": 1, "sizer": "items"}}),
            )
        },
        Case {
            ports: &["a"],
            ..case(
                "content_router",
                json!({"routing_key": {"resource_attribute": "absent"}, "routes": {"x": "a"}, "default_output": "a"}),
            )
        },
        case("debug", json!({"verbosity": "basic"})),
        Case {
            answers_at_once: true,
            ..case("durable_buffer", buffer("pass", "pass_through"))
        },
        Case {
            variant: ", `convert_to_arrow`",
            answers_at_once: true,
            ..case("durable_buffer", buffer("arrow", "convert_to_arrow"))
        },
        Case {
            ports: &["a"],
            ..case(
                "fanout",
                json!({"await_ack": "all", "destinations": [{"port": "a", "primary": true}]}),
            )
        },
        case("filter", json!({})),
        Case {
            variant: ", excluding what is not there",
            ..case(
                "filter",
                json!({
                    "traces": exclude(json!({"match_type": "strict", "span_names": ["absent"]})),
                    "metrics": exclude(json!({"match_type": "strict", "metric_names": ["absent"]})),
                    "logs": exclude(json!({"match_type": "strict", "severity_texts": ["absent"]})),
                }),
            )
        },
        case(
            "log_parser",
            json!({"format": "json", "on_error": "preserve", "body": {"source": "/body"}, "limits": limits}),
        ),
        case(
            "log_sampling",
            json!({"policy": {"ratio": {"emit": 1, "out_of": 1}}}),
        ),
        case(
            "partition",
            json!({"partition_by": {"opl_expression": "resource.attributes[\"absent\"]"}, "partition_header_name": "part"}),
        ),
        case(
            "retry",
            json!({"initial_interval": "5ms", "max_interval": "5ms", "max_elapsed_time": "20ms", "multiplier": 1.0}),
        ),
        case("temporal_reaggregation", json!({"period": "100ms"})),
        case(
            "transform",
            json!({"opl_query": "logs | where severity_text != \"absent\""}),
        ),
        Case {
            ports: &["traces", "metrics", "logs"],
            ..case("type_router", json!({}))
        },
    ]
}

impl Case {
    fn pipeline(&self) -> Value {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let mut config = self.config.clone();
        if let Some(path) = config.get_mut("path") {
            // What one run left must not come out of the next one.
            let run = RUNS.fetch_add(1, Ordering::Relaxed);
            *path = json!(format!("{}/{run}", path.as_str().expect("a path")));
        }
        let mut nodes = json!({
            "it": {"type": format!("processor:{}", self.name), "config": config},
        });
        let mut connections = Vec::new();
        for (index, port) in self.ports.iter().enumerate() {
            let name = format!("pass{index}");
            nodes[&name] = json!({"type": TEST_NODE, "config": {"behaviour": {"pass": {}}}});
            connections.push(json!({"from": "it", "port": port, "to": name}));
        }
        json!({"nodes": nodes, "connections": connections})
    }

    /// What comes out of a request.
    fn outputs(&self, signal: Signal, payload: &Bytes) -> Result<Vec<Bytes>, ProcessingError> {
        let bridge = Bridge::start(self.pipeline());
        bridge
            .submit_signal(1, signal, payload, ContextBlock::empty())
            .unwrap();
        let mut outputs = Vec::new();
        let mut answer = None;
        while answer.is_none()
            || self.answers_at_once && matches!(answer, Some(Ok(()))) && outputs.is_empty()
        {
            let emission = bridge.host.wait("an answer or an output", |seen| {
                if !seen.emissions.is_empty() {
                    return Some(Some(seen.emissions.remove(0)));
                }
                (answer.is_none() && seen.answers.contains_key(&1)).then_some(None)
            });
            match emission {
                Some(emission) => {
                    assert!(bridge.component.emission_done(emission.id, None));
                    outputs.push(Bytes::copy_from_slice(&emission.payload));
                }
                None => answer = Some(bridge.host.done(1)),
            }
        }
        let _ = bridge.finish();
        answer.expect("it was awaited").map(|()| outputs)
    }
}

fn joined(signal: Signal, outputs: &[Bytes]) -> Value {
    decode(request(signal), &outputs.concat())
}

/// The difference that a conversion makes is told once.
fn cell(case: &Case, signal: Signal, conversion: &BTreeSet<String>) -> (String, BTreeSet<String>) {
    let payload = rich(signal);
    let outputs = match case.outputs(signal, &payload) {
        Ok(outputs) => outputs,
        Err(error) => return (format!("refused: {error}"), BTreeSet::new()),
    };
    if outputs.len() == 1 && outputs[0] == payload {
        return ("exact".to_owned(), BTreeSet::new());
    }
    let before = decode(request(signal), &payload);
    let found = differences(signal, &before, &joined(signal, &outputs));
    let more: Vec<&String> = found.difference(conversion).collect();
    let less = conversion.difference(&found).count();
    let text = if found.is_empty() {
        "same".to_owned()
    } else if less == 0 && more.is_empty() {
        "converted".to_owned()
    } else if less == 0 {
        format!("converted; {}", list(more))
    } else {
        list(found.iter())
    };
    (text, found)
}

fn list<'a>(of: impl IntoIterator<Item = &'a String>) -> String {
    let items: Vec<String> = of.into_iter().map(|item| told(item)).collect();
    items.join(", ")
}

/// `Span.status: added` as `Span.status` added.
fn told(difference: &str) -> String {
    let (place, what) = difference
        .split_once(": ")
        .expect("a place and what became of it");
    format!("`{place}` {what}")
}

/// What becomes of text that is not UTF-8, in attributes and in plain fields.
fn not_text_cell(case: &Case) -> String {
    let mut found = BTreeSet::new();
    for signal in Signal::ALL {
        let payload = not_text(signal);
        let _ = found.insert(match case.outputs(signal, &payload) {
            Err(error) if error.grpc_code() == 3 => "refused",
            Err(_) => "refused as another error",
            Ok(outputs) if outputs.len() == 1 && outputs[0] == payload => "kept",
            Ok(outputs) if outputs.is_empty() => "dropped",
            Ok(_) => "replaced",
        });
    }
    let found: Vec<&str> = found.into_iter().collect();
    found.join(" or ")
}

#[test]
fn the_document_tells_what_each_processor_changes() {
    let directory = Directory::new("fidelity");
    let cases = cases(directory.path());
    let processors: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(processors.len(), 14, "every processor of the engine");

    let mut conversions = BTreeMap::new();
    let (mut expected, mut conversion) = (Vec::new(), Vec::new());
    for signal in Signal::ALL {
        let (_, found) = cell(&cases[0], signal, &BTreeSet::new());
        assert!(
            !found.is_empty(),
            "the engine's conversion of {} is exact now",
            signal.as_str()
        );
        for difference in &found {
            let (place, what) = difference.split_once(": ").expect("a place");
            conversion.push(format!("| {} | `{place}` | {what} |", signal.as_str()));
        }
        let _ = conversions.insert(signal.as_str(), found);
    }
    for case in &cases {
        let of = |signal: Signal| cell(case, signal, &conversions[signal.as_str()]).0;
        expected.push(format!(
            "| `{}`{} | {} | {} | {} | {} |",
            case.name,
            case.variant,
            of(Signal::Traces),
            of(Signal::Metrics),
            of(Signal::Logs),
            not_text_cell(case),
        ));
    }
    expected.append(&mut conversion);
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/nodes.md");
    let (_, section) = document.split_once("\n## Fidelity\n").expect("the section");
    let section = section
        .split_once("\n## ")
        .map_or(section, |(section, _)| section);
    let documented: Vec<&str> = section
        .lines()
        .filter(|line| {
            line.starts_with("| `")
                || Signal::ALL
                    .iter()
                    .any(|s| line.starts_with(&format!("| {} |", s.as_str())))
        })
        .collect();
    assert!(
        documented == expected,
        "docs/nodes.md is not true any more; its tables of fidelity should be\n{}",
        expected.join("\n")
    );
}

#[test]
fn nodes_of_otapbridge_change_nothing() {
    for (node, config) in [
        ("urn:otapbridge:processor:batch", json!({"min_size": 1})),
        ("urn:otapbridge:processor:fault", json!({})),
    ] {
        for signal in Signal::ALL {
            for payload in [rich(signal), not_text(signal)] {
                let bridge = Bridge::start(json!({"type": node, "config": config}));
                bridge
                    .submit_signal(1, signal, &payload, ContextBlock::empty())
                    .unwrap();
                let emission = bridge.host.emission();
                assert!(
                    emission.payload == payload,
                    "{node} changes {}",
                    signal.as_str()
                );
                assert!(bridge.component.emission_done(emission.id, None));
                drop(emission);
                bridge.host.done(1).unwrap();
                let _ = bridge.finish();
            }
        }
    }
}

/// What the warning says: where this ends, so should the warning.
#[test]
fn attribute_leaves_exponential_histograms_in_clear() {
    let secret = attributes(json!({"password": "in clear"}));
    let exemplar = json!({"time_unix_nano": 1, "as_int": 1, "filtered_attributes": secret});
    let point =
        json!({"time_unix_nano": 1, "count": 1, "attributes": secret, "exemplars": [exemplar]});
    let of = |kind: &str| json!({"name": kind, kind: {"aggregation_temporality": 2, "data_points": [point]}});
    let metrics = json!([of("histogram"), of("exponential_histogram")]);
    let value = json!({"resource_metrics": [{"scope_metrics": [{"metrics": metrics}]}]});
    let payload: Bytes = encode(request(Signal::Metrics), &value).into();
    let config = json!({"actions": [{"action": "delete", "key": "password"}]});
    let outputs = case("attribute", config)
        .outputs(Signal::Metrics, &payload)
        .unwrap();
    let out = joined(Signal::Metrics, &outputs);
    let metrics = &out["resource_metrics"][0]["scope_metrics"][0]["metrics"];
    let left = |metric: usize, kind: &str| {
        let point = &metrics[metric][kind]["data_points"][0];
        [
            &point["attributes"],
            &point["exemplars"][0]["filtered_attributes"],
        ]
        .map(|of| !of.is_null())
    };
    assert_eq!(left(0, "histogram"), [false, false]);
    assert_eq!(left(1, "exponential_histogram"), [true, true]);
}

/// A request with every field.
pub(crate) fn rich(signal: Signal) -> Bytes {
    let value = match signal {
        Signal::Traces => traces(),
        Signal::Metrics => metrics(),
        Signal::Logs => logs(),
    };
    encode(request(signal), &value).into()
}

/// Attribute values of every kind.
fn values() -> Value {
    let nested = json!({"values": [
        {"string_value": "in"}, {"int_value": -1}, {"kvlist_value": {"values": [{"key": "k", "value": {"bool_value": 0}}]}},
    ]});
    json!([
        {"key": "text", "value": {"string_value": "a"}},
        {"key": "empty", "value": {"string_value": ""}},
        {"key": "", "value": {"string_value": "no key"}},
        {"key": "true", "value": {"bool_value": 1}},
        {"key": "false", "value": {"bool_value": 0}},
        {"key": "int", "value": {"int_value": -7}},
        {"key": "zero", "value": {"int_value": 0}},
        {"key": "double", "value": {"double_value": 1.5}},
        {"key": "no double", "value": {"double_value": 0.0}},
        {"key": "bytes", "value": {"bytes_value": "00ff"}},
        {"key": "no bytes", "value": {"bytes_value": ""}},
        {"key": "list", "value": {"array_value": nested}},
        {"key": "no list", "value": {"array_value": {}}},
        {"key": "map", "value": {"kvlist_value": {"values": [{"key": "x", "value": {"array_value": nested}}]}}},
        {"key": "no map", "value": {"kvlist_value": {}}},
        {"key": "empty value", "value": {}},
        {"key": "twice", "value": {"int_value": 1}},
        {"key": "twice", "value": {"int_value": 2}},
    ])
}

fn resource() -> Value {
    json!({
        "attributes": values(),
        "dropped_attributes_count": 3,
        "entity_refs": [{"schema_url": "e", "type": "service", "id_keys": ["text"], "description_keys": ["int"]}],
    })
}

fn scope() -> Value {
    json!({"name": "scope", "version": "1.0", "attributes": values(), "dropped_attributes_count": 4})
}

/// The levels around `items` in all their forms; `of` makes the items of one scope from its
/// number.
fn levels(resources: &str, scopes: &str, items: &str, of: impl Fn(u64) -> Value) -> Value {
    json!({resources: [
        {"resource": resource(), "schema_url": "r1", scopes: [
            {"scope": scope(), "schema_url": "s1", items: of(1)},
            {"scope": {"name": "bare"}, "schema_url": "s2", items: of(2)},
            {"scope": {}, "schema_url": "s3", items: of(3)},
            {"schema_url": "s4", items: of(4)},
            {"scope": {"name": "without items"}, "schema_url": "s5"},
        ]},
        {"resource": {}, "schema_url": "r2", scopes: [{"scope": {"name": "x"}, items: of(5)}]},
        {"schema_url": "r3", scopes: [{"scope": {"name": "x"}, items: of(6)}]},
        {"resource": {"attributes": attributes(json!({"no": "scopes"}))}, "schema_url": "r4"},
    ]})
}

const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";
const SPAN: &str = "0102030405060708";
/// Nanoseconds since 1970.
const TIME: u64 = 1_764_000_000_000_000_000;

fn traces() -> Value {
    let span = |scope: u64, name: &str, more: Value| {
        let mut span = json!({
            "trace_id": TRACE, "span_id": SPAN, "name": format!("{name}{scope}"),
            "start_time_unix_nano": TIME, "end_time_unix_nano": TIME + 1000,
        });
        for (key, value) in more.as_object().expect("an object") {
            match value {
                Value::Null => drop(span.as_object_mut().expect("an object").remove(key)),
                value => span[key] = value.clone(),
            }
        }
        span
    };
    levels("resource_spans", "scope_spans", "spans", |scope| {
        json!([
            span(
                scope,
                "whole",
                json!({
                    "trace_state": "a=b", "parent_span_id": "1112131415161718", "kind": 3, "attributes": values(),
                    "dropped_attributes_count": 1, "dropped_events_count": 2, "dropped_links_count": 3,
                    "flags": 257, "status": {"message": "failed", "code": 2},
                    "events": [
                        {"time_unix_nano": 1500, "name": "event", "attributes": values(), "dropped_attributes_count": 5},
                        {"name": "bare event"},
                    ],
                    "links": [
                        {"trace_id": TRACE, "span_id": SPAN, "trace_state": "c=d", "attributes": values(),
                            "dropped_attributes_count": 6, "flags": 1},
                        {"trace_id": TRACE, "span_id": SPAN},
                    ],
                })
            ),
            span(scope, "bare", json!({})),
            span(scope, "no end", json!({"end_time_unix_nano": null})),
            span(scope, "no start", json!({"start_time_unix_nano": null})),
            span(
                scope,
                "no times",
                json!({"start_time_unix_nano": null, "end_time_unix_nano": null})
            ),
            span(scope, "zero end", json!({"end_time_unix_nano": 0})),
            span(scope, "zero start", json!({"start_time_unix_nano": 0})),
            span(
                scope,
                "with status",
                json!({"status": {}, "attributes": attributes(json!({"a": 1}))})
            ),
        ])
    })
}

fn exemplars() -> Value {
    json!([
        {"time_unix_nano": 5, "as_double": 1.5, "trace_id": TRACE, "span_id": SPAN, "filtered_attributes": values()},
        {"time_unix_nano": 6, "as_int": 7},
        {"time_unix_nano": 7, "as_double": 0.0},
    ])
}

fn metrics() -> Value {
    let times = json!({"start_time_unix_nano": 1, "time_unix_nano": 2});
    let point = |more: Value| {
        let mut point = times.clone();
        for (key, value) in more.as_object().expect("an object") {
            point[key] = value.clone();
        }
        point
    };
    levels("resource_metrics", "scope_metrics", "metrics", |scope| {
        let named = |name: &str, more: Value| {
            let mut metric = json!({"name": format!("{name}{scope}")});
            for (key, value) in more.as_object().expect("an object") {
                metric[key] = value.clone();
            }
            metric
        };
        json!([
            named(
                "gauge",
                json!({"description": "d", "unit": "s", "metadata": values(), "gauge": {"data_points": [
                    point(json!({"as_double": 1.5, "attributes": values(), "flags": 1, "exemplars": exemplars()})),
                    point(json!({"as_int": -3})),
                    point(json!({"as_int": 0})),
                    point(json!({"as_double": 0.0})),
                    point(json!({})),
                    {"as_int": 1},
                ]}})
            ),
            named(
                "sum",
                json!({"sum": {"aggregation_temporality": 2, "is_monotonic": 1, "data_points": [
                    point(json!({"as_int": 5, "attributes": attributes(json!({"a": 1}))})),
                ]}})
            ),
            named(
                "delta",
                json!({"sum": {"aggregation_temporality": 1, "data_points": [point(json!({"as_int": 5}))]}})
            ),
            named(
                "histogram",
                json!({"histogram": {"aggregation_temporality": 2, "data_points": [
                    point(json!({"count": 3, "sum": 0.0, "min": 0.0, "max": 0.0, "bucket_counts": [1, 0, 2],
                        "explicit_bounds": [0.0, 1.5], "attributes": values(), "flags": 1, "exemplars": exemplars()})),
                    point(json!({"count": 0})),
                ]}})
            ),
            named(
                "exponential",
                json!({"exponential_histogram": {"aggregation_temporality": 1, "data_points": [
                    point(json!({"count": 3, "sum": 9.5, "min": 1.0, "max": 4.0, "scale": -2, "zero_count": 1, "zero_threshold": 0.5,
                        "positive": {"offset": -3, "bucket_counts": [0, 2]}, "negative": {"offset": 2, "bucket_counts": [1]},
                        "attributes": values(), "flags": 1, "exemplars": exemplars()})),
                    point(json!({"count": 0})),
                ]}})
            ),
            named(
                "summary",
                json!({"summary": {"data_points": [
                    point(json!({"count": 2, "sum": 3.5, "attributes": values(), "flags": 1,
                        "quantile_values": [{"quantile": 0.5, "value": 1.0}, {"quantile": 1.0}]})),
                    point(json!({})),
                ]}})
            ),
            named("no points", json!({"gauge": {}})),
            named("no data", json!({})),
        ])
    })
}

fn logs() -> Value {
    levels("resource_logs", "scope_logs", "log_records", |scope| {
        let record = |number: u64, more: Value| {
            let mut record = json!({"time_unix_nano": 100 * scope + number});
            for (key, value) in more.as_object().expect("an object") {
                record[key] = value.clone();
            }
            record
        };
        json!([
            record(1, json!({
                "severity_number": 9, "severity_text": "info", "body": {"string_value": "body"}, "attributes": values(),
                "dropped_attributes_count": 2, "flags": 1, "trace_id": TRACE, "span_id": SPAN,
                "observed_time_unix_nano": 77, "event_name": "event",
            })),
            record(2, json!({})),
            record(3, json!({"body": {"int_value": 0}, "attributes": attributes(json!({"a": 1}))})),
            record(4, json!({"body": {"double_value": 2.5}})),
            record(5, json!({"body": {"bool_value": 0}})),
            record(6, json!({"body": {"bytes_value": "00ff"}})),
            record(7, json!({"body": {"array_value": {"values": [{"string_value": "a"}, {}]}}})),
            record(8, json!({"body": {"kvlist_value": {"values": values()}}})),
            record(9, json!({"body": {}})),
            record(10, json!({"body": {"string_value": ""}, "attributes": attributes(json!({"b": "c"}))})),
            {"observed_time_unix_nano": 5, "body": {"string_value": "no time"}},
        ])
    })
}

/// A request in which a plain field and an attribute are no text.
fn not_text(signal: Signal) -> Bytes {
    let wrong = json!({"hex": "61ff62"});
    let list = json!([{"key": wrong, "value": {"string_value": wrong}}]);
    let value = match signal {
        Signal::Traces => json!({"resource_spans": [{"scope_spans": [{"spans": [
            {"trace_id": TRACE, "span_id": SPAN, "name": wrong, "attributes": list},
        ]}]}]}),
        Signal::Metrics => json!({"resource_metrics": [{"scope_metrics": [{"metrics": [
            {"name": wrong, "gauge": {"data_points": [{"as_int": 1, "attributes": list}]}},
        ]}]}]}),
        Signal::Logs => json!({"resource_logs": [{"scope_logs": [{"log_records": [
            {"time_unix_nano": 1, "severity_text": wrong, "body": {"string_value": "a"}, "attributes": list},
        ]}]}]}),
    };
    encode(request(signal), &value).into()
}
