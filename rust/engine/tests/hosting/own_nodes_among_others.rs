// SPDX-License-Identifier: Apache-2.0

//! The nodes of ours that change data, attributes and filter, with others around them, and what they see of a call.

use bytes::Bytes;
use otapbridge_context::{BlockBuilder, ContextBlock, Signal};
use serde_json::json;

use crate::harness::{Bridge, contains, logs, metadata};
use crate::nodes::{LOOKED, TEST_NODE};
use crate::otlp::{encode, request};
use crate::own_nodes::{ATTRIBUTES, EVERYWHERE, FILTERS};
use crate::rich_request::rich;

#[test]
fn both_see_the_context_of_the_call() {
    let tenant = json!({"from_context": "metadata.x-tenant", "value": "acme"});
    let bridge = Bridge::start(json!({
        "nodes": {
            "whose": {"type": ATTRIBUTES, "config": {
                "actions": [
                    {"action": "upsert", "key": "tenant", "from_context": "metadata.x-tenant", "default_value": "nobody"},
                    {"action": "upsert", "key": "client", "from_context": "client.address"},
                ],
                "apply_to": ["resource"],
            }},
            "keep": {"type": FILTERS[0], "config": {"logs": {"include": {"context": [tenant]}}}},
        },
        "connections": [{"from": "keep", "to": "whose"}],
    }));
    let mut acme = BlockBuilder::new();
    let _ = acme.metadata("x-tenant", ["other", "acme"]);
    let _ = acme.address("tcp", "192.0.2.1:4317");
    bridge
        .submit_with(1, &logs(&["x"]), acme.build().unwrap())
        .unwrap();
    let emission = bridge.host.emission();
    for text in ["other;acme", "192.0.2.1"] {
        assert!(contains(&emission.payload, text), "{text}");
    }
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    for (call, context) in [
        (2, metadata("x-tenant", "other")),
        (3, ContextBlock::empty()),
    ] {
        bridge.submit_with(call, &logs(&["x"]), context).unwrap();
        assert!(bridge.host.emission_before_result(call).is_none());
        bridge.host.done(call).unwrap();
    }
    let _ = bridge.finish();
}

/// Arrow data are converted once: what a node of ours has got is OTLP for all nodes behind it, and for the host.
#[test]
fn behind_an_engine_node_data_are_converted_once() {
    for signal in Signal::ALL {
        let list = format!("converted {}", signal.as_str());
        let look = json!({"type": TEST_NODE, "config": {"behaviour": {"look": {"list": list}}}});
        let exclude = json!({"exclude": {"attributes": [{"key": "absent"}]}});
        let bridge = Bridge::start(json!({
            "nodes": {
                "arrow": {"type": "processor:attribute", "config": {
                    "actions": [{"action": "upsert", "key": "env", "value": "prod"}], "apply_to": ["resource"],
                }},
                "first": look,
                "filter": {"type": FILTERS[1], "config": {
                    "traces": exclude, "metrics": exclude, "logs": exclude,
                }},
                "second": look,
                "attributes": {"type": ATTRIBUTES, "config": {
                    "actions": [{"action": "delete", "key": "absent"}], "apply_to": EVERYWHERE,
                }},
            },
            "connections": [
                {"from": "arrow", "to": "first"}, {"from": "first", "to": "filter"},
                {"from": "filter", "to": "second"}, {"from": "second", "to": "attributes"},
            ],
        }));
        let payload = rich(signal);
        bridge
            .submit_signal(1, signal, &payload, ContextBlock::empty())
            .unwrap();
        let emission = bridge.host.emission();
        let mut places: Vec<_> = LOOKED
            .lock()
            .iter()
            .filter(|(of, _)| *of == list)
            .map(|(_, bytes)| bytes.as_ptr())
            .collect();
        places.push(emission.payload.as_ptr());
        assert_eq!(places, [places[0]; 3], "{signal:?} was converted again");
        assert_ne!(places[0], payload.as_ptr());
        assert!(contains(&emission.payload, "prod"));
        assert!(bridge.emission_done(emission.id, None));
        drop(emission);
        bridge.host.done(1).unwrap();
        let _ = bridge.finish();
    }
    LOOKED.lock().clear();
}

/// An engine node behind ours gets what it can convert, as at the entry: the divider stands there, too.
#[test]
fn an_engine_node_behind_ours_is_guarded() {
    let delete = json!({"actions": [{"action": "delete", "key": "absent"}]});
    let exclude = json!({"logs": {"exclude": {"bodies": ["absent"]}}});
    let nested = (0..200).fold(
        json!({"string_value": "leaf"}),
        |value, _| json!({"array_value": {"values": [value]}}),
    );
    let value = json!({"resource_logs": [{"scope_logs": [{"log_records": [{"time_unix_nano": 1, "body": nested}]}]}]});
    let payload: Bytes = encode(request(Signal::Logs), &value).into();
    for (node, config) in [
        (ATTRIBUTES, delete.clone()),
        (FILTERS[0], exclude.clone()),
        (FILTERS[1], exclude),
    ] {
        let bridge = Bridge::start(json!({
            "nodes": {
                "ours": {"type": node, "config": config},
                "theirs": {"type": "processor:attribute", "config": delete},
            },
            "connections": [{"from": "ours", "to": "theirs"}],
        }));
        bridge.submit(1, &payload).unwrap();
        let error = bridge.host.done(1).unwrap_err();
        assert_eq!(error.grpc_code(), 3, "{error}");
        assert!(error.message().contains("nested"), "{error}");
        let _ = bridge.finish();
    }
}
