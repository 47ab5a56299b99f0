// SPDX-License-Identifier: Apache-2.0

//! Unmodified nodes of the engine, behind their gates.

use bytes::Bytes;
use otapbridge_context::{ErrorKind, ProcessingError};
use otapbridge_test_support::otlp::field;
use serde_json::json;

use crate::harness::{Bridge, contains, logs};
use crate::nodes::TEST_NODE;

#[test]
fn attribute_and_filter_in_one_pipeline() {
    let bridge = Bridge::start(json!({
        "nodes": {
            "keep": {"type": "processor:filter", "config": {
                "logs": {"include": {"match_type": "strict", "bodies": ["keep me"]}},
            }},
            "tag": {"type": "urn:otel:processor:attribute", "config": {
                "actions": [{"action": "insert", "key": "env", "value": "prod"}],
                "apply_to": ["resource"],
            }},
        },
        "connections": [{"from": "keep", "to": "tag"}],
    }));
    bridge.submit(1, &logs(&["keep me", "drop me"])).unwrap();
    let emission = bridge.host.emission();
    assert!(contains(&emission.payload, "keep me"));
    assert!(!contains(&emission.payload, "drop me"));
    assert!(contains(&emission.payload, "env") && contains(&emission.payload, "prod"));
    assert_eq!(emission.call_id, Some(1));
    assert!(bridge.emission_done(emission.id, None));
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn malformed_data_is_the_callers_fault() {
    let bridge = Bridge::accepting(json!({
        "type": "processor:attribute",
        "config": {"actions": [{"action": "insert", "key": "a", "value": "b"}], "apply_to": ["resource"]},
    }));
    bridge
        .submit(
            1,
            &Bytes::from_static(b"\x0a\xff\xff\xff\xff\x7fno protobuf"),
        )
        .unwrap();
    let error = bridge.host.done(1).unwrap_err();
    assert!(error.is_permanent(), "{error}");
    bridge.submit(2, &logs(&["x"])).unwrap();
    bridge.host.done(2).unwrap();
    let _ = bridge.finish();
}

#[test]
fn every_caller_gets_its_batchs_result() {
    let config = json!({
        "type": "processor:batch",
        "config": {"otlp": {"min_size": 1, "sizer": "bytes"}, "max_batch_duration": "50ms"},
    });
    let bridge = Bridge::start_with(config, |_| {
        Some(Err(ProcessingError::retryable("downstream is full")))
    });
    for call in 1..=3 {
        bridge.submit(call, &logs(&["x"])).unwrap();
    }
    for call in 1..=3 {
        let error = bridge.host.done(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retryable);
        assert!(error.message().contains("downstream is full"), "{error}");
        assert!(
            !error.message().contains("otapbridge-error"),
            "a mark got out: {error}"
        );
    }
    let _ = bridge.finish();
}

#[test]
fn an_engine_node_after_one_of_ours() {
    let bridge = Bridge::accepting(json!({
        "nodes": {
            "ours": {"type": TEST_NODE, "config": {"behaviour": {"pass": {}}}},
            "theirs": {"type": "processor:debug", "config": {"verbosity": "basic"}},
        },
        "connections": [{"from": "ours", "to": "theirs"}],
    }));
    bridge.submit(1, &logs(&["x"])).unwrap();
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

/// A body nested in this many arrays.
fn nested(depth: usize) -> Bytes {
    let body = (0..depth).fold(field(1, b"leaf"), |value, _| field(5, &field(1, &value)));
    [1, 2, 2, 5]
        .iter()
        .rev()
        .fold(body, |value, number| field(*number, &value))
        .into()
}

#[test]
fn data_nested_too_deep_for_the_engine_is_refused_and_costs_nothing_else() {
    let attribute = json!({
        "type": "processor:attribute",
        "config": {"actions": [{"action": "insert", "key": "a", "value": "b"}], "apply_to": ["resource"]},
    });
    let bridge = Bridge::accepting(attribute);
    bridge.submit(1, &nested(20_000)).unwrap();
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.grpc_code(), 3, "{error}");
    assert!(error.message().contains("nested"), "{error}");
    bridge.submit(2, &nested(50)).unwrap();
    bridge.host.done(2).unwrap();
    let _ = bridge.finish();

    let ours = json!({"type": TEST_NODE, "config": {"behaviour": {"pass": {}}}});
    let bridge = Bridge::accepting(ours);
    bridge.submit(1, &nested(20_000)).unwrap();
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn output_without_a_call_that_the_host_does_not_answer_is_bounded() {
    let config = json!({
        "type": "processor:batch",
        "config": {"otlp": {"min_size": 2_000_000, "sizer": "bytes"}, "max_batch_duration": "1s"},
    });
    let bridge = Bridge::start(config);
    let large = "x".repeat(1024 * 1024);
    for call in 1..=200 {
        bridge.submit(call, &logs(&[large.as_str()])).unwrap();
    }
    let bytes = |seen: &mut crate::harness::Seen| -> usize {
        seen.emissions
            .iter()
            .map(|emission| emission.payload.len())
            .sum()
    };
    bridge.host.wait("64 MiB", |seen| {
        (bytes(seen) >= 64 * 1024 * 1024).then_some(())
    });
    assert!(
        bridge.host.seen(|seen| seen.emissions.len()) < 60,
        "output did not wait for room"
    );
    // Answering makes room for the rest.
    for call in 1..=200 {
        while let Some(emission) = bridge.host.emission_before_result(call) {
            assert!(bridge.emission_done(emission.id, None));
        }
    }
    let _ = bridge.finish();
}
