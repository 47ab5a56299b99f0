// SPDX-License-Identifier: Apache-2.0

//! Nodes that fail: what it costs, and whom.

use std::time::Duration;

use otapbridge_context::ErrorKind;
use otapbridge_engine::ComponentStatus;
use serde_json::json;

use crate::harness::{Bridge, logs};
use crate::nodes::{behave, pass};

#[test]
fn a_panic_costs_one_call() {
    let bridge = Bridge::accepting(behave(json!({"panic": {}})));
    for call in 1..=3 {
        bridge.submit(call, &logs(&["x"])).unwrap();
        let error = bridge.host.done(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.message().contains("panic on purpose"), "{error}");
    }
    assert_eq!(bridge.runtime.stats().panics_total, 3);
    assert_eq!(bridge.runtime.stats().restarts_total, 0);
    let _ = bridge.finish();
}

#[test]
fn a_nodes_error_keeps_its_kind_code_and_delay() {
    let refuse = json!({"refuse": {"message": "not now", "retry_after_milliseconds": 1500}});
    let bridge = Bridge::accepting(behave(refuse));
    bridge.submit(1, &logs(&["x"])).unwrap();
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retryable);
    assert_eq!(error.message(), "not now");
    assert_eq!(error.grpc_code(), 9);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
    let _ = bridge.finish();
}

#[test]
fn a_node_that_ends_a_message_twice_is_heard_once() {
    let bridge = Bridge::start(behave(json!({"send_and_fail": {}})));
    bridge.submit(1, &logs(&["x"])).unwrap();
    // Whichever comes first counts: the host waits with its answer until then.
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.message(), "failed after all");
    let late = bridge.runtime.stats().late_completions_total;
    let emission = bridge.host.emission();
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    assert_eq!(late, 0);
    let seen = bridge.finish();
    assert_eq!(seen.results[&1].len(), 1);
}

#[test]
fn a_pipeline_that_dies_completes_its_calls_and_comes_back() {
    let config = json!({
        "nodes": {
            "breaks": behave(json!({"break_pipeline": {}})),
            "passes": pass(),
        },
        "connections": [{"from": "breaks", "to": "passes"}],
    });
    let bridge = Bridge::accepting(config);
    for call in 1..=2 {
        bridge.submit(call, &logs(&["x"])).unwrap();
        let error = bridge.host.done(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retryable);
        assert!(error.message().contains("broken on purpose"), "{error}");
        bridge.host.wait("the restart", |seen| {
            let restarts = seen
                .statuses
                .iter()
                .filter(|status| **status == ComponentStatus::Ok);
            (restarts.count() as u64 == call).then_some(())
        });
    }
    let statuses = bridge.host.seen(|seen| seen.statuses.clone());
    assert_eq!(statuses[0], ComponentStatus::RecoverableError);
    assert_eq!(bridge.runtime.stats().restarts_total, 2);
    let _ = bridge.finish();
}
