// SPDX-License-Identifier: Apache-2.0

//! Cancel and deadline, at each place where work can be.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use otapbridge_context::{CancelReason, ContextBlock, ErrorKind};
use otapbridge_engine::ComponentSpec;
use serde_json::json;

use crate::harness::{Bridge, PATIENCE, deadline, logs, spec, until};
use crate::nodes::{BEGUN_WAITS, BLOCKED, DROPPED_WAITS, behave, pass};

/// One node that waits for ever. Its counters are the process's, so the
/// tests here run one after the other.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn waiting() -> Bridge {
    Bridge::accepting(behave(json!({"wait": {}})))
}

fn wait_for_begin(before: usize) {
    until("the node's begin", || {
        BEGUN_WAITS.load(Ordering::SeqCst) > before
    });
}

#[test]
fn a_cancel_drops_the_nodes_future() {
    let _guard = ONE_AT_A_TIME.lock();
    let bridge = waiting();
    let (begun, dropped) = (
        BEGUN_WAITS.load(Ordering::SeqCst),
        DROPPED_WAITS.load(Ordering::SeqCst),
    );
    bridge.submit(1, &logs(&["x"])).unwrap();
    wait_for_begin(begun);
    assert!(
        bridge
            .component
            .cancel(1, CancelReason::Cancelled, "the client hung up")
    );
    assert!(
        !bridge
            .component
            .cancel(1, CancelReason::Deadline, "too late"),
        "the first cancel counts"
    );
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.message().contains("the client hung up"), "{error}");
    assert_eq!(DROPPED_WAITS.load(Ordering::SeqCst), dropped + 1);
    assert!(
        !bridge.component.cancel(1, CancelReason::Cancelled, ""),
        "it is not in flight"
    );
    let _ = bridge.finish();
}

#[test]
fn a_deadline_drops_the_nodes_future() {
    let _guard = ONE_AT_A_TIME.lock();
    let bridge = waiting();
    let dropped = DROPPED_WAITS.load(Ordering::SeqCst);
    bridge
        .submit_with(1, &logs(&["x"]), deadline(Duration::from_millis(20)))
        .unwrap();
    assert_eq!(bridge.host.done(1).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(DROPPED_WAITS.load(Ordering::SeqCst), dropped + 1);
    let _ = bridge.finish();
}

#[test]
fn what_waits_behind_a_busy_node_is_refused_without_entering_it() {
    let _guard = ONE_AT_A_TIME.lock();
    let bridge = waiting();
    let begun = BEGUN_WAITS.load(Ordering::SeqCst);
    bridge.submit(1, &logs(&["x"])).unwrap();
    wait_for_begin(begun);
    bridge.submit(2, &logs(&["y"])).unwrap();
    assert!(bridge.component.cancel(2, CancelReason::Cancelled, ""));
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, ""));
    assert_eq!(
        bridge.host.done(1).unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    assert_eq!(
        bridge.host.done(2).unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    assert_eq!(
        BEGUN_WAITS.load(Ordering::SeqCst),
        begun + 1,
        "the second message entered the node"
    );
    let _ = bridge.finish();
}

#[test]
fn a_deadline_in_the_past_is_refused_at_once() {
    let bridge = Bridge::start(pass());
    let error = bridge
        .submit_with(1, &logs(&["x"]), deadline(Duration::ZERO))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let seen = bridge.finish();
    assert!(seen.results.is_empty());
}

#[test]
fn a_call_that_is_cancelled_while_the_host_has_its_output_ends_by_the_hosts_answer() {
    let bridge = Bridge::start(pass());
    bridge
        .submit_with(1, &logs(&["x"]), ContextBlock::empty())
        .unwrap();
    let emission = bridge.host.emission();
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, ""));
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

/// The reaper looks at a call when its deadline comes: that is not the end of the grace, which began
/// with the host's cancel.
#[test]
fn a_call_that_is_cancelled_just_before_its_deadline_has_the_grace() {
    let blocked = Duration::from_secs(3);
    let spec = ComponentSpec {
        cancel_grace: PATIENCE,
        ..spec(behave(json!({"block": {"seconds": 3}})))
    };
    let bridge = Bridge::start_spec(&spec, |_| Some(Ok(()))).unwrap();
    let body = logs(&["x"]);
    let began = Instant::now();
    bridge.submit(2, &body).unwrap();
    // Before, the node could see that the other call is cancelled.
    until("the node to block", || BLOCKED.load(Ordering::SeqCst) == 1);
    let soon = deadline(Duration::from_millis(50));
    bridge.submit_with(3, &body, soon).unwrap();
    assert!(bridge.component.cancel(3, CancelReason::Deadline, ""));
    bridge.outlast(Duration::from_millis(100));
    let is_done = bridge.host.seen(|seen| seen.results.contains_key(&3));
    assert!(
        !is_done || began.elapsed() >= blocked,
        "the node has to refuse it"
    );
    assert_eq!(bridge.host.done(3).unwrap_err().kind(), ErrorKind::Timeout);
    bridge.host.done(2).unwrap();
    let _ = bridge.finish();
}

/// The host's answer decides, also if it comes late in the grace while a node blocks the pipeline.
#[test]
fn nodes_have_the_grace_from_the_hosts_answer_on() {
    let block = json!({"block": "8s", "every": 2});
    let fault = json!({"type": "urn:otapbridge:processor:fault", "config": block});
    let nodes = json!({"block": fault, "watch": behave(json!({"watch": {}}))});
    let connections = json!([{"from": "block", "to": "watch"}]);
    let spec = ComponentSpec {
        cancel_grace: Duration::from_secs(6),
        ..spec(json!({"nodes": nodes, "connections": connections}))
    };
    let bridge = Bridge::start_spec(&spec, |_| None).unwrap();
    let body = logs(&["x"]);
    bridge.submit(1, &body).unwrap();
    let first = bridge.host.emission();
    bridge.submit(2, &body).unwrap();
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, ""));
    bridge.outlast(Duration::from_secs(5));
    assert!(bridge.emission_done(first.id, None));
    drop(first);
    bridge.host.done(1).unwrap();
    let second = bridge.host.emission();
    assert!(bridge.emission_done(second.id, None));
    drop(second);
    bridge.host.done(2).unwrap();
    let _ = bridge.finish();
}

#[test]
fn a_call_that_a_node_forgot_is_completed_at_its_end() {
    let bridge = Bridge::accepting(behave(json!({"forget": {}})));
    bridge
        .submit_with(1, &logs(&["x"]), deadline(Duration::from_millis(20)))
        .unwrap();
    bridge.submit(2, &logs(&["x"])).unwrap();
    assert_eq!(bridge.host.done(1).unwrap_err().kind(), ErrorKind::Timeout);
    assert!(
        bridge
            .component
            .cancel(2, CancelReason::Cancelled, "enough")
    );
    assert_eq!(
        bridge.host.done(2).unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    let _ = bridge.finish();
}
