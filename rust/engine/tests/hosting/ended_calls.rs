// SPDX-License-Identifier: Apache-2.0

//! What becomes of a call's work when its time stands still, or when it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otapbridge_context::{CancelReason, ErrorKind};
use serde_json::{Value, json};

use crate::harness::{AMPLE, Bridge, LONGER_THAN_AMPLE, deadline, logs, timeout};
use crate::nodes::{LEAVE_TO_END, LEAVE_TO_SEND, behave};

fn batch(min_size: usize, max_size: usize) -> Value {
    json!({"type": "urn:otapbridge:processor:batch",
        "config": {"min_size": min_size, "max_size": max_size, "flush_timeout": "1h"}})
}

fn fault(config: Value) -> Value {
    json!({"type": "urn:otapbridge:processor:fault", "config": config})
}

fn chain(first: Value, second: Value) -> Value {
    json!({"nodes": {"a": first, "b": second}, "connections": [{"from": "a", "to": "b"}]})
}

/// Both get the same data, and both have to accept them.
fn both(first: Value, second: Value) -> Value {
    json!({
        "nodes": {
            "fanout": {"type": "processor:fanout", "config": {"mode": "parallel", "await_ack": "all",
                "destinations": [{"port": "a", "primary": true}, {"port": "b"}]}},
            "a": first,
            "b": second,
        },
        "connections": [{"from": "fanout", "port": "a", "to": "a"}, {"from": "fanout", "port": "b", "to": "b"}],
    })
}

#[test]
fn time_at_the_host_does_not_count_for_a_batch_before_a_batch() {
    for (calls, second) in [(2, batch(2, 0)), (4, batch(4, 0))] {
        let bridge = Bridge::start(chain(batch(2, 0), second));
        for call in 1..=calls {
            bridge
                .submit_with(call, &logs(&["body"]), timeout(AMPLE))
                .unwrap();
        }
        let emission = bridge.host.emission();
        bridge.outlast(LONGER_THAN_AMPLE);
        bridge.host.seen(|seen| {
            assert!(seen.cancelled_emissions.is_empty());
            let ended = |call| seen.results.contains_key(&call);
            assert!(!(1..=calls).any(ended), "{:?}", seen.results);
        });
        assert!(bridge.emission_done(emission.id, None));
        drop(emission);
        for call in 1..=calls {
            bridge.host.done(call).unwrap();
        }
        let _ = bridge.finish();
    }
}

#[test]
fn time_at_the_host_does_not_count_for_other_work_on_the_call() {
    let late = behave(json!({"wait_for_leave": {}}));
    let bridge = Bridge::start(both(fault(json!({})), late));
    bridge
        .submit_with(1, &logs(&["body"]), timeout(AMPLE))
        .unwrap();
    let first = bridge.host.emission();
    bridge.outlast(LONGER_THAN_AMPLE);
    // The other branch goes on meanwhile, and its output passes the gates.
    LEAVE_TO_SEND.notify_one();
    let second = bridge.host.emission();
    bridge
        .host
        .seen(|seen| assert!(!seen.results.contains_key(&1), "{:?}", seen.results));
    for emission in [first, second] {
        assert!(bridge.emission_done(emission.id, None));
    }
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn time_at_the_host_does_not_count_for_a_node_that_works_on_meanwhile() {
    let bridge = Bridge::start(behave(json!({"linger": {}})));
    bridge
        .submit_with(1, &logs(&["body"]), timeout(AMPLE))
        .unwrap();
    let emission = bridge.host.emission();
    bridge.outlast(LONGER_THAN_AMPLE);
    bridge
        .host
        .seen(|seen| assert!(!seen.results.contains_key(&1), "{:?}", seen.results));
    LEAVE_TO_END.notify_one();
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn parts_of_a_call_that_are_joined_again_are_that_calls_own() {
    let bridge = Bridge::start(chain(batch(1, 1), batch(2, 0)));
    bridge.submit(1, &logs(&["x", "y"])).unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.call_id, Some(1));
    // What the host has counts with its answer.
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, ""));
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn work_for_a_call_that_was_refused_ends() {
    let bridge = Bridge::accepting(both(
        fault(json!({"error": {"kind": "permanent"}})),
        fault(json!({"delay": "1h"})),
    ));
    bridge.submit(1, &logs(&["body"])).unwrap();
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
    // What the other branch works on is let go of.
    bridge
        .host
        .wait("the release", |seen| seen.released.get(&1).copied());
    let _ = bridge.finish();
}

#[test]
fn calls_behind_a_full_pipeline_end_although_it_has_nothing_to_do() {
    // The engine joins two requests at a time, and the host takes no more of them.
    let config = json!({"type": "processor:batch", "config": {
        "otap": {"min_size": 2, "sizer": "items"}, "format": "otap", "max_batch_duration": "1h"}});
    let accepts = Arc::new(AtomicBool::new(false));
    let accepting = Arc::clone(&accepts);
    let bridge = Bridge::start_with(config, move |_| {
        accepting.load(Ordering::SeqCst).then_some(Ok(()))
    });
    let body = logs(&["body"]);
    const FILLERS: u64 = 1600;
    for call in 1..=FILLERS {
        bridge.submit(call, &body).unwrap();
    }
    bridge.host.wait("a host that is full", |seen| {
        (seen.emissions.len() >= 256).then_some(())
    });
    for call in 1..=FILLERS {
        assert!(bridge.component.cancel(call, CancelReason::Cancelled, ""));
    }
    for call in 1..=FILLERS {
        let _ = bridge.host.done(call).unwrap_err();
    }
    let late = Duration::from_millis(50);
    bridge.submit(10_001, &body).unwrap();
    bridge.submit_with(10_002, &body, deadline(late)).unwrap();
    assert!(bridge.component.cancel(10_001, CancelReason::Cancelled, ""));
    let error = bridge.host.done(10_001).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let error = bridge.host.done(10_002).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    accepts.store(true, Ordering::SeqCst);
    let emissions = bridge.host.wait("emissions", |seen| {
        Some(std::mem::take(&mut seen.emissions))
    });
    for emission in emissions {
        assert!(bridge.emission_done(emission.id, None));
    }
    let _ = bridge.finish();
}

#[test]
fn the_host_hears_that_a_pipeline_ended_whose_batch_it_has() {
    let bridge = Bridge::start(json!({
        "nodes": {
            "batch": batch(2, 0),
            "fanout": {"type": "processor:fanout", "config": {"mode": "parallel", "await_ack": "all",
                "destinations": [{"port": "a", "primary": true}, {"port": "b"}]}},
            "a": fault(json!({})),
            "b": fault(json!({"delay": "50ms"})),
            "c": behave(json!({"break_pipeline": {}})),
        },
        "connections": [{"from": "batch", "to": "fanout"}, {"from": "fanout", "port": "a", "to": "a"},
            {"from": "fanout", "port": "b", "to": "b"}, {"from": "b", "to": "c"}],
    }));
    for call in 1..=2 {
        bridge.submit(call, &logs(&["body"])).unwrap();
    }
    let emission = bridge.host.emission();
    assert_eq!(emission.call_id, None);
    let error = bridge.host.wait("that it is cancelled", |seen| {
        seen.cancelled_emissions.get(&emission.id).cloned()
    });
    assert_eq!(error.kind(), ErrorKind::Retryable);
    for call in 1..=2 {
        let error = bridge.host.done(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retryable);
    }
    // Nobody waits for the answer any more.
    assert!(!bridge.emission_done(emission.id, None));
    drop(emission);
    let _ = bridge.finish();
}
