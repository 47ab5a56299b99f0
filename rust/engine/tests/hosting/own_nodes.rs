// SPDX-License-Identifier: Apache-2.0

//! The nodes of ours that change data, attributes and filter, with requests that have every field of the protocol:
//! what is asked for happens wherever it should, and nothing else.

use bytes::Bytes;
use otapbridge_context::{ContextBlock, ErrorKind, ProcessingError, Signal};
use serde_json::{Value, json};

use crate::harness::Bridge;
use crate::otlp::{decode, differences, request};
use crate::rich_request::{not_text, rich};

pub(crate) const ATTRIBUTES: &str = "urn:otapbridge:processor:attributes";
/// The two names of the filter.
pub(crate) const FILTERS: [&str; 2] = [
    "urn:otapbridge:processor:filter",
    "urn:otel:processor:filter",
];
pub(crate) const EVERYWHERE: [&str; 3] = ["resource", "scope", "signal"];

/// What comes out of a node.
#[derive(Debug)]
struct Output {
    bytes: Bytes,
    /// Where the host sees them.
    start: *const u8,
}

/// What comes out of a node, or why it refuses; `None` if nothing comes out.
fn output(
    node: &str,
    config: &Value,
    signal: Signal,
    payload: &Bytes,
) -> Result<Option<Output>, ProcessingError> {
    let bridge = Bridge::start(json!({"type": node, "config": config}));
    bridge
        .submit_signal(1, signal, payload, ContextBlock::empty())
        .unwrap();
    let output = bridge.host.emission_before_result(1).map(|emission| {
        assert!(bridge.emission_done(emission.id, None));
        Output {
            bytes: Bytes::copy_from_slice(&emission.payload),
            start: emission.payload.as_ptr(),
        }
    });
    let result = bridge.host.done(1);
    let seen = bridge.finish();
    assert!(seen.emissions.is_empty(), "a second output");
    result.map(|()| output)
}

/// Makes the change at each message of a decoded request that can have attributes: its place, its fields, and the name of
/// the field in which attributes are.
fn at_each(value: &mut Value, change: &impl Fn(&str, &mut Value, &str)) {
    let Value::Object(fields) = value else {
        return;
    };
    for (name, inner) in fields {
        let list = match name.as_str() {
            "metrics" => "metadata",
            "exemplars" => "filtered_attributes",
            _ => "attributes",
        };
        match (name.as_str(), inner) {
            (
                "spans" | "events" | "links" | "log_records" | "metrics" | "data_points"
                | "exemplars",
                Value::Array(items),
            ) => {
                for item in items {
                    change(name, item, list);
                    at_each(item, change);
                }
            }
            ("resource" | "scope", inner) => change(name, inner, list),
            (_, Value::Array(items)) => items.iter_mut().for_each(|item| at_each(item, change)),
            (_, inner) => at_each(inner, change),
        }
    }
}

/// Resources and scopes that are not there are made if something is inserted.
fn with_all_descriptions(value: &mut Value) {
    let Value::Object(fields) = value else {
        return;
    };
    for (name, inner) in fields {
        let description = match name.as_str() {
            "resource_spans" | "resource_metrics" | "resource_logs" => "resource",
            "scope_spans" | "scope_metrics" | "scope_logs" => "scope",
            _ => continue,
        };
        for container in inner.as_array_mut().expect("a list") {
            if container.get(description).is_none() {
                container[description] = json!({});
            }
            with_all_descriptions(container);
        }
    }
}

fn has_key(attribute: &Value, key: &str) -> bool {
    attribute["key"].as_str().unwrap_or_default() == key
}

fn expect(node: &str, config: &Value, signal: Signal, change: impl Fn(&mut Value)) {
    let payload = rich(signal);
    let output = output(node, config, signal, &payload).unwrap();
    let output = decode(request(signal), &output.expect("an output").bytes);
    let mut expected = decode(request(signal), &payload);
    let before = expected.clone();
    change(&mut expected);
    assert_ne!(expected, before, "nothing was asked for");
    let found = differences(signal, &expected, &output);
    assert!(found.is_empty(), "{node} {config}: {found:?}");
    assert!(expected == output, "{node} {config}: another order");
}

#[test]
fn what_nothing_is_asked_of_is_passed_on_as_the_same_memory() {
    let delete =
        json!({"actions": [{"action": "delete", "key": "absent"}], "apply_to": EVERYWHERE});
    let absent = json!([{"key": "absent"}]);
    let mut cases = vec![
        (ATTRIBUTES, delete),
        (
            ATTRIBUTES,
            json!({
                "actions": [
                    {"action": "upsert", "key": "a", "from_context": "metadata.absent"},
                    {"action": "update", "key": "absent", "value": 1},
                    {"action": "rename", "source_key": "absent", "destination_key": "text"},
                    {"action": "hash", "pattern": "^absent"},
                    {"action": "convert", "key": "text", "converted_type": "int"},
                    {"action": "extract", "key": "text", "pattern": "(?P<digits>[0-9]+)"},
                ],
                "apply_to": EVERYWHERE,
            }),
        ),
        (
            ATTRIBUTES,
            json!({
                "actions": [{"action": "delete", "key": "text"}],
                "include": {"resource_attributes": absent},
            }),
        ),
    ];
    for filter in FILTERS {
        cases.push((filter, json!({})));
        let exclude = json!({"exclude": {"attributes": absent}});
        let everything = json!({
            "traces": exclude, "metrics": exclude, "logs": exclude, "span_events": exclude, "span_links": exclude,
        });
        cases.push((filter, everything));
    }
    for (node, config) in cases {
        for signal in Signal::ALL {
            for payload in [rich(signal), not_text(signal)] {
                let output = output(node, &config, signal, &payload).unwrap();
                let output = output.expect("an output");
                assert!(
                    output.bytes == payload,
                    "{node} {config} changes {signal:?}"
                );
                assert_eq!(output.start, payload.as_ptr(), "{node} {config} copies");
            }
        }
    }
}

#[test]
fn a_deleted_attribute_is_gone_wherever_it_may_be_and_nothing_else_is() {
    for (apply_to, places) in [
        (json!(EVERYWHERE), None),
        (json!(["resource"]), Some(vec!["resource"])),
        (json!(["scope"]), Some(vec!["scope"])),
        (json!(["span", "log"]), Some(vec!["spans", "log_records"])),
        (
            json!(["spanevent", "datapoint"]),
            Some(vec!["events", "data_points"]),
        ),
        (
            json!(["spanlink", "exemplar"]),
            Some(vec!["links", "exemplars"]),
        ),
    ] {
        // One of them is there twice.
        let actions = ["text", "twice", "map"].map(|key| json!({"action": "delete", "key": key}));
        let config = json!({"actions": actions, "apply_to": apply_to});
        for signal in Signal::ALL {
            let has = |place: &str| places.as_ref().is_none_or(|of| of.contains(&place));
            let concerned = match signal {
                Signal::Traces => has("spans") || has("events") || has("links"),
                Signal::Metrics => has("data_points") || has("exemplars"),
                Signal::Logs => has("log_records"),
            };
            if !concerned && !has("resource") && !has("scope") {
                continue;
            }
            expect(ATTRIBUTES, &config, signal, |value| {
                at_each(value, &|place, message, list| {
                    let Some(attributes) = message.get_mut(list).and_then(Value::as_array_mut)
                    else {
                        return;
                    };
                    let gone = ["text", "twice", "map"];
                    if has(place) {
                        attributes.retain(|of| !gone.iter().any(|key| has_key(of, key)));
                    }
                });
            });
        }
    }
}

#[test]
fn an_attribute_is_added_to_all_that_can_have_one() {
    let action = json!({"action": "upsert", "key": "env", "value": "prod"});
    let config = json!({"actions": [action], "apply_to": EVERYWHERE});
    for signal in Signal::ALL {
        expect(ATTRIBUTES, &config, signal, |value| {
            with_all_descriptions(value);
            at_each(value, &|_, message, list| {
                let added = json!({"key": "env", "value": {"string_value": "prod"}});
                match message.get_mut(list).and_then(Value::as_array_mut) {
                    Some(attributes) => attributes.push(added),
                    None => message[list] = json!([added]),
                }
            });
        });
    }
}

#[test]
fn a_value_is_changed_where_it_stands() {
    let config = json!({
        "actions": [
            {"action": "hash", "key": "text"},
            {"action": "convert", "key": "int", "converted_type": "string"},
            {"action": "rename", "source_key": "double", "destination_key": "renamed"},
        ],
        "apply_to": EVERYWHERE,
    });
    for signal in Signal::ALL {
        expect(ATTRIBUTES, &config, signal, |value| {
            at_each(value, &|_, message, list| {
                let attributes = message.get_mut(list).and_then(Value::as_array_mut);
                for attribute in attributes.into_iter().flatten() {
                    match attribute["key"].as_str().unwrap_or_default() {
                        "text" => {
                            // Of "a".
                            let hash =
                                "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
                            attribute["value"] = json!({"string_value": hash});
                        }
                        "int" => attribute["value"] = json!({"string_value": "-7"}),
                        "double" => attribute["key"] = json!("renamed"),
                        _ => {}
                    }
                }
            });
        });
    }
}

/// Takes items out of a decoded request, and scopes and resources that have lost their last one.
fn without(value: &mut Value, signal: Signal, leaves: &impl Fn(&mut Value) -> bool) {
    let (resources, scopes, items) = match signal {
        Signal::Traces => ("resource_spans", "scope_spans", "spans"),
        Signal::Metrics => ("resource_metrics", "scope_metrics", "metrics"),
        Signal::Logs => ("resource_logs", "scope_logs", "log_records"),
    };
    below(value, resources, &|resource| {
        below(resource, scopes, &|scope| below(scope, items, leaves))
    });
}

/// Takes out of a list what leaves. Whether that was all.
fn below(value: &mut Value, list: &str, leaves: &impl Fn(&mut Value) -> bool) -> bool {
    let Some(items) = value.get_mut(list).and_then(Value::as_array_mut) else {
        return false;
    };
    let before = items.len();
    items.retain_mut(|item| !leaves(item));
    before > 0 && items.is_empty()
}

fn has_attribute(message: &Value, key: &str) -> bool {
    let attributes = message["attributes"].as_array().into_iter().flatten();
    attributes
        .into_iter()
        .any(|attribute| has_key(attribute, key))
}

#[test]
fn items_leave_and_nothing_else_changes() {
    for filter in FILTERS {
        let names = json!({"exclude": {"match_type": "regexp", "span_names": ["^(bare|no)"]}});
        expect(filter, &json!({"traces": names}), Signal::Traces, |value| {
            without(value, Signal::Traces, &|span| {
                let name = span["name"].as_str().unwrap_or_default();
                name.starts_with("bare") || name.starts_with("no")
            });
        });
        let severity =
            json!({"include": {"severity_number": {"min": 9, "match_undefined": false}}});
        expect(filter, &json!({"logs": severity}), Signal::Logs, |value| {
            without(value, Signal::Logs, &|record| {
                record.get("severity_number").is_none()
            });
        });
        let whose = json!({"include": {"match_type": "strict", "scope_names": ["bare"]}});
        expect(filter, &json!({"logs": whose}), Signal::Logs, |value| {
            below(value, "resource_logs", &|resource| {
                below(resource, "scope_logs", &|scope| {
                    scope["scope"]["name"] != "bare" && scope.get("log_records").is_some()
                })
            });
        });
    }
}

#[test]
fn data_points_leave_by_themselves_and_metrics_with_their_last() {
    let attribute = json!([{"key": "text", "value": "a"}]);
    for filter in FILTERS {
        let points = json!({"metrics": {"exclude": {"datapoint_attributes": attribute}}});
        expect(filter, &points, Signal::Metrics, |value| {
            without(value, Signal::Metrics, &|metric| {
                let kinds = [
                    "gauge",
                    "sum",
                    "histogram",
                    "exponential_histogram",
                    "summary",
                ];
                let kind = kinds.iter().find(|kind| metric.get(**kind).is_some());
                kind.is_some_and(|kind| {
                    below(&mut metric[*kind], "data_points", &|point| {
                        has_attribute(point, "text")
                    })
                })
            });
        });
        let types = json!({"metrics": {"include": {"metric_types": ["gauge", "summary"]}}});
        expect(filter, &types, Signal::Metrics, |value| {
            without(value, Signal::Metrics, &|metric| {
                metric.get("gauge").or(metric.get("summary")).is_none()
            });
        });
    }
}

#[test]
fn events_and_links_leave_and_their_spans_stay() {
    let attribute = json!([{"key": "text"}]);
    for filter in FILTERS {
        let parts = json!({
            "span_events": {"exclude": {"event_names": ["bare event"]}},
            "span_links": {"include": {"link_attributes": attribute}},
        });
        expect(filter, &parts, Signal::Traces, |value| {
            without(value, Signal::Traces, &|span| {
                let _ = below(span, "events", &|event| event["name"] == "bare event");
                let _ = below(span, "links", &|link| !has_attribute(link, "text"));
                false
            });
        });
    }
}

#[test]
fn a_request_of_which_nothing_is_left_is_accepted_and_goes_no_further() {
    let nothing = json!({"include": {"resource_attributes": [{"key": "absent"}]}});
    let config = json!({"traces": nothing, "metrics": nothing, "logs": nothing});
    for filter in FILTERS {
        for signal in Signal::ALL {
            let output = output(filter, &config, signal, &rich(signal)).unwrap();
            assert!(output.is_none(), "{filter} {signal:?}");
        }
    }
}

#[test]
fn malformed_data_is_refused_where_it_has_to_be_looked_at() {
    let delete = json!({"actions": [{"action": "delete", "key": "a"}]});
    let exclude = json!({"logs": {"exclude": {"bodies": ["a"]}}});
    // A record whose length is more than there is.
    let cut_off = Bytes::from_static(b"\x0a\x06\x12\x04\x12\x02\x0a\x7f");
    for (node, config) in [
        (ATTRIBUTES, &delete),
        (FILTERS[0], &exclude),
        (FILTERS[1], &exclude),
    ] {
        let error = output(node, config, Signal::Logs, &cut_off).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
        assert_eq!(error.grpc_code(), 3, "{error}");
        assert!(
            error.message().contains("malformed OTLP at byte"),
            "{error}"
        );
        // Of another signal nothing is looked at.
        if node != ATTRIBUTES {
            let output = output(node, config, Signal::Traces, &cut_off).unwrap();
            assert_eq!(output.expect("an output").bytes, cut_off);
        }
    }
}
