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
use crate::rich_request::{not_text, rich};

const DOCUMENT: &str = "../../docs/nodes.md";

/// A processor in a configuration that should change nothing.
struct Case {
    name: &'static str,
    /// What is special about this row, if the processor has several.
    variant: &'static str,
    config: Value,
    /// Its output ports; none is the default one.
    ports: &'static [&'static str],
    /// It acks before it puts out.
    acks_at_once: bool,
}

fn case(name: &'static str, config: Value) -> Case {
    Case {
        name,
        variant: "",
        config,
        ports: &[],
        acks_at_once: false,
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
            acks_at_once: true,
            ..case("durable_buffer", buffer("pass", "pass_through"))
        },
        Case {
            variant: ", `convert_to_arrow`",
            acks_at_once: true,
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
        let mut result = None;
        while result.is_none()
            || self.acks_at_once && matches!(result, Some(Ok(()))) && outputs.is_empty()
        {
            let emission = bridge.host.wait("a result or an output", |seen| {
                if !seen.emissions.is_empty() {
                    return Some(Some(seen.emissions.remove(0)));
                }
                (result.is_none() && seen.results.contains_key(&1)).then_some(None)
            });
            match emission {
                Some(emission) => {
                    assert!(bridge.emission_done(emission.id, None));
                    outputs.push(Bytes::copy_from_slice(&emission.payload));
                }
                None => result = Some(bridge.host.done(1)),
            }
        }
        let _ = bridge.finish();
        result.expect("it was awaited").map(|()| outputs)
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
        ("urn:otapbridge:processor:filter", json!({})),
        (
            "urn:otapbridge:processor:attributes",
            json!({"actions": [{"action": "delete", "key": "absent"}], "apply_to": ["resource", "scope", "signal"]}),
        ),
        (
            "urn:otapbridge:processor:context_attributes",
            json!({"actions": [{"key": "absent", "from_context": "metadata.absent"}]}),
        ),
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
                assert!(bridge.emission_done(emission.id, None));
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
