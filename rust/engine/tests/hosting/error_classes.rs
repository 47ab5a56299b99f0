// SPDX-License-Identifier: Apache-2.0

//! Errors of engine nodes that a retry cannot mend, provoked one by one: an upgrade of the engine that changes
//! one of their texts shows here.

use bytes::Bytes;
use otapbridge_context::{ContextBlock, ErrorKind, ProcessingError, Signal};
use otapbridge_test_support::Random;
use serde_json::{Value, json};

use crate::harness::Bridge;
use crate::otlp::{attributes, encode, request};

/// What a caller gets, and that the node works for the next one.
fn refused(config: Value, signal: Signal, payload: &Bytes, good: &Bytes) -> ProcessingError {
    let bridge = Bridge::accepting(config);
    bridge
        .submit_signal(1, signal, payload, ContextBlock::empty())
        .unwrap();
    let error = bridge.host.done(1).unwrap_err();
    bridge
        .submit_signal(2, signal, good, ContextBlock::empty())
        .unwrap();
    bridge.host.done(2).unwrap();
    let _ = bridge.finish();
    error
}

fn record(more: Value) -> Bytes {
    let mut record = json!({"time_unix_nano": 1});
    for (key, value) in more.as_object().expect("an object") {
        record[key] = value.clone();
    }
    let logs = json!({"resource_logs": [{"scope_logs": [{"log_records": [record]}]}]});
    encode(request(Signal::Logs), &logs).into()
}

fn with_attributes(of: Value) -> Bytes {
    record(json!({"attributes": attributes(of)}))
}

#[test]
fn what_a_node_can_never_do_is_permanent() {
    let cases = [
        (
            "transform",
            json!({"opl_query": "logs | set attributes[\"r\"] = attributes[\"x\"] as Integer"}),
            with_attributes(json!({"x": "true"})),
            with_attributes(json!({"x": "5"})),
            "Error executing query engine pipeline ",
        ),
        (
            "partition",
            json!({"partition_by": {"opl_expression": "severity_number / 0"}, "partition_header_name": "part"}),
            record(json!({"severity_number": 1})),
            record(json!({})),
            "Error partitioning batch: ",
        ),
    ];
    for (node, config, payload, good, text) in cases {
        let config = json!({"type": format!("processor:{node}"), "config": config});
        let error = refused(config, Signal::Logs, &payload, &good);
        assert!(error.message().contains(text), "{node}: {error}");
        assert_eq!(error.kind(), ErrorKind::Permanent, "{node}: {error}");
        assert_eq!(error.grpc_code(), 13, "{node}: {error}");
    }
}

#[test]
fn a_route_that_is_not_connected_is_permanent() {
    let query =
        "logs | if (severity_text == \"a\") { route_to \"there\" } else { route_to \"nowhere\" }";
    let config = json!({
        "nodes": {
            "it": {"type": "processor:transform", "config": {"opl_query": query}},
            "pass": {"type": "urn:otapbridge:processor:fault", "config": {}},
        },
        "connections": [{"from": "it", "port": "there", "to": "pass"}],
    });
    let error = refused(
        config,
        Signal::Logs,
        &record(json!({"severity_text": "b"})),
        &record(json!({"severity_text": "a"})),
    );
    assert!(error.message().contains("nowhere"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
}

#[test]
fn data_that_cannot_be_read_are_the_callers_fault() {
    let action = json!({"actions": [{"action": "delete", "key": "absent"}]});
    // Field number 0, and text within a list that is no UTF-8.
    let no_field = Bytes::from_static(&[0, 0]);
    let no_text =
        record(json!({"body": {"array_value": {"values": [{"string_value": {"hex": "ff"}}]}}}));
    let cut_off = Bytes::from_static(&[0x0a, 5, 1]);
    let wrong_type = record(json!({}));
    for (payload, text) in [
        (no_field, "malformed"),
        (no_text, "failed to decode"),
        (cut_off, "malformed"),
    ] {
        let config = json!({"type": "processor:attribute", "config": action});
        let error = refused(config, Signal::Logs, &payload, &wrong_type);
        assert!(error.message().contains(text), "{error}");
        assert_eq!(error.grpc_code(), 3, "{error}");
        assert!(error.is_permanent(), "{error}");
    }
}

#[test]
fn debug_passes_on_what_it_cannot_show() {
    let bridge =
        Bridge::accepting(json!({"type": "processor:debug", "config": {"verbosity": "basic"}}));
    let payload = record(json!({"body": {"string_value": {"hex": "ff"}}}));
    bridge
        .submit_signal(1, Signal::Logs, &payload, ContextBlock::empty())
        .unwrap();
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn retry_passes_on_what_has_no_items() {
    let bridge = Bridge::start(json!({"type": "processor:retry", "config": {}}));
    let metric = json!({"name": "no points", "gauge": {}});
    let payload: Bytes = encode(
        request(Signal::Metrics),
        &json!({"resource_metrics": [{"scope_metrics": [{"metrics": [metric]}]}]}),
    )
    .into();
    bridge
        .submit_signal(1, Signal::Metrics, &payload, ContextBlock::empty())
        .unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.payload, payload);
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

/// Small changes to a request of every field, wherever they hit: whatever the engine does with them, its nodes
/// do not panic, and the next request is converted.
#[test]
fn damaged_requests_do_not_break_the_conversion() {
    for signal in Signal::ALL {
        let whole = crate::rich_request::rich(signal);
        let bridge = Bridge::accepting(json!({
            "type": "processor:attribute", "config": {"actions": [{"action": "delete", "key": "absent"}]},
        }));
        let mut random = Random::new(3);
        let mut refused = 0;
        for call in 1..=3_000 {
            let mut damaged = whole.to_vec();
            for _ in 0..1 + random.below(3) {
                let at = random.below(damaged.len());
                damaged[at] = random.next() as u8;
            }
            bridge
                .submit_signal(call, signal, &damaged.into(), ContextBlock::empty())
                .unwrap();
            if let Err(error) = bridge.host.done(call) {
                assert_eq!(error.grpc_code(), 3, "{} {call}: {error}", signal.as_str());
                refused += 1;
            }
        }
        assert!(refused > 100, "{refused}");
        assert_eq!(
            bridge.runtime.stats().panics_total,
            0,
            "{}",
            signal.as_str()
        );
        assert_eq!(bridge.runtime.stats().restarts_total, 0);
        let _ = bridge.finish();
    }
}
