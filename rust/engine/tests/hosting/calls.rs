// SPDX-License-Identifier: Apache-2.0

//! One call, many calls, and what a node sees of them.

use otapbridge_context::{BlockBuilder, ErrorKind, SpanContext};
use serde_json::json;

use crate::harness::{Bridge, logs};
use crate::nodes::{TEST_NODE, behave};

#[test]
fn output_is_the_input_in_place_and_the_result_is_the_hosts_answer() {
    let bridge = Bridge::start(behave(json!({"pass": {}})));
    let payload = logs(&["one"]);
    bridge.submit(7, &payload).unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.call_id, Some(7));
    assert_eq!(emission.payload, payload);
    assert_eq!(
        emission.payload.as_ptr(),
        payload.as_ptr(),
        "the payload was copied"
    );
    assert!(
        bridge.host.seen(|seen| seen.results.is_empty()),
        "done before it was answered"
    );
    assert!(bridge.emission_done(emission.id, None));
    assert!(!bridge.emission_done(emission.id, None), "answered twice");
    bridge.host.done(7).unwrap();
    assert!(
        bridge.host.seen(|seen| seen.released.is_empty()),
        "released while the host looks at it"
    );
    drop(emission);
    let seen = bridge.finish();
    assert_eq!(seen.released[&7], 1);
}

#[test]
fn a_refusal_of_the_host_reaches_the_caller_unchanged() {
    use otapbridge_context::ProcessingError;
    let bridge = Bridge::start_with(behave(json!({"pass": {}})), |_| {
        Some(Err(ProcessingError::resource_exhausted("full", None)
            .with_retry_after(std::time::Duration::from_millis(1500))
            .with_host_error_id(42)))
    });
    bridge.submit(1, &logs(&["x"])).unwrap();
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    assert_eq!(error.message(), "full");
    assert_eq!(
        error.retry_after(),
        Some(std::time::Duration::from_millis(1500))
    );
    assert_eq!(error.host_error_id(), 42);
    let _ = bridge.finish();
}

#[test]
fn many_calls_from_many_threads() {
    const THREADS: u64 = 8;
    const CALLS: u64 = 2_000;
    for shards in [1, 3] {
        let bridge = Bridge::accepting(json!({
            "nodes": {
                "a": {"type": TEST_NODE, "config": {"behaviour": {"pass": {}}}},
                "b": {"type": TEST_NODE, "config": {"behaviour": {"pass": {}}}},
            },
            "connections": [{"from": "a", "to": "b"}],
            "shards": shards,
        }));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let bridge = &bridge;
                let _ = scope.spawn(move || {
                    let payload = logs(&["x"]);
                    for call in 0..CALLS {
                        bridge.submit(1 + thread * CALLS + call, &payload).unwrap();
                    }
                });
            }
        });
        for call in 1..=THREADS * CALLS {
            bridge.host.done(call).unwrap();
        }
        let _ = bridge.finish();
    }
}

#[test]
fn a_node_sees_the_context() {
    let bridge = Bridge::accepting(behave(json!({"report": {}})));
    let mut block = BlockBuilder::new();
    let _ = block
        .deadline(std::time::Duration::from_secs(60), 0)
        .metadata("X-Tenant", ["a", "b"])
        .metadata("otapbridge-call-id", ["forged"])
        .address("tcp", "192.0.2.1:4317")
        .span_context(SpanContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            trace_flags: 1,
            remote: true,
        })
        .trace_state("k=v");
    bridge
        .submit_with(1, &logs(&["x"]), block.build().unwrap())
        .unwrap();
    assert_eq!(
        bridge.host.done(1).unwrap_err().message(),
        "metadata x-tenant=a,x-tenant=b,otapbridge-call-id=forged; address Some(192.0.2.1); \
         span Some(\"0202020202020202\"); trace state Some(\"k=v\"); deadline true"
    );
    let _ = bridge.finish();
}

#[test]
fn a_swallowed_message_is_a_success() {
    let bridge = Bridge::start(behave(json!({"swallow": {}})));
    bridge.submit(1, &logs(&["x"])).unwrap();
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn a_call_id_in_flight_is_refused() {
    let bridge = Bridge::start(behave(json!({"pass": {}})));
    bridge.submit(1, &logs(&["x"])).unwrap();
    let error = bridge.submit(1, &logs(&["y"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.field(), Some("call_id"));
    let emission = bridge.host.emission();
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}
