// SPDX-License-Identifier: Apache-2.0

//! Nodes that work on several requests at a time.

use std::time::Duration;

use otapbridge_context::{CancelReason, ErrorKind};
use serde_json::{Value, json};

use crate::harness::{Bridge, PATIENCE, deadline, logs};
use crate::nodes::MEETING_NODE;

fn meeting(at_a_time: usize) -> Bridge {
    Bridge::accepting(json!({"type": MEETING_NODE, "config": {"at_a_time": at_a_time}}))
}

#[test]
fn as_many_messages_as_the_node_allows_are_inside_together() {
    // The node lets nobody go before all are inside, and counts them.
    let bridge = meeting(32);
    for calls in [1..=32, 33..=64] {
        for call in calls.clone() {
            bridge.submit(call, &logs(&["body"])).unwrap();
        }
        for call in calls {
            bridge.host.done(call).unwrap();
        }
    }
    let _ = bridge.finish();
}

#[test]
fn the_end_of_one_request_makes_room_for_the_next() {
    let bridge = meeting(2);
    bridge.submit(1, &logs(&["body"])).unwrap();
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, "bored"));
    assert_eq!(
        bridge.host.done(1).unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    bridge
        .submit_with(2, &logs(&["body"]), deadline(Duration::from_millis(20)))
        .unwrap();
    assert_eq!(bridge.host.done(2).unwrap_err().kind(), ErrorKind::Timeout);
    bridge.submit(3, &logs(&["body"])).unwrap();
    bridge.submit(4, &logs(&["body"])).unwrap();
    bridge.host.done(3).unwrap();
    bridge.host.done(4).unwrap();
    let _ = bridge.finish();
}

/// One message at a time, for a while.
fn slow() -> Value {
    json!({"type": "urn:otapbridge:processor:fault", "config": {"delay": "20ms", "max_concurrency": 1}})
}

#[test]
fn a_drain_passes_a_node_that_is_full() {
    let batch =
        json!({"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "1h"}});
    for node in [
        slow(),
        json!({"nodes": {"slow": slow(), "batch": batch}, "connections": [{"from": "slow", "to": "batch"}]}),
    ] {
        let bridge = Bridge::accepting(node);
        for call in 1..=4 {
            bridge.submit(call, &logs(&["body"])).unwrap();
        }
        let began = std::time::Instant::now();
        bridge.component.shutdown(PATIENCE);
        for call in 1..=4 {
            bridge.host.done(call).unwrap();
        }
        assert!(began.elapsed() < PATIENCE / 2, "it took all its time");
        let _ = bridge.finish();
    }
}
