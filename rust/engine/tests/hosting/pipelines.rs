// SPDX-License-Identifier: Apache-2.0

//! Which of a component's pipelines gets a call.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Bridge, Directory, logs, until};
use crate::nodes::pass;

fn shards(count: usize, node: Value) -> Value {
    let mut config = node;
    config["shards"] = json!(count);
    config
}

fn fault(config: Value) -> Value {
    json!({"type": "urn:otapbridge:processor:fault", "config": config})
}

/// A bridge that accepts all output, and notes which pipelines it came from.
struct Noting {
    bridge: Bridge,
    seen: Arc<Mutex<Vec<u64>>>,
}

impl Noting {
    fn start(config: Value) -> Self {
        let seen = Arc::<Mutex<Vec<u64>>>::default();
        let note = Arc::clone(&seen);
        let bridge = Bridge::start_with(config, move |emission| {
            // `INDEX_SHIFT` in request/state.rs.
            note.lock().unwrap().push(emission.id >> 48);
            Some(Ok(()))
        });
        Self { bridge, seen }
    }

    fn submit(&self, call: u64) {
        self.bridge.submit(call, &logs(&["x"])).unwrap();
    }

    /// Ends it, which flushes what nodes still have.
    fn pipelines(self) -> BTreeSet<u64> {
        let _ = self.bridge.finish();
        let seen = self.seen.lock().unwrap();
        seen.iter().copied().collect()
    }
}

#[test]
fn calls_stay_with_a_pipeline_that_keeps_up() {
    let bridge = Noting::start(shards(4, pass()));
    for call in 1..=100 {
        bridge.submit(call);
        bridge.bridge.host.done(call).unwrap();
    }
    assert_eq!(bridge.pipelines().len(), 1);
}

#[test]
fn calls_that_nodes_wait_with_go_to_all_pipelines() {
    let bridge = Noting::start(shards(4, fault(json!({"delay": "50ms"}))));
    for call in 1..=4 {
        bridge.submit(call);
    }
    for call in 1..=4 {
        bridge.bridge.host.done(call).unwrap();
    }
    assert_eq!(bridge.pipelines().len(), 4);
}

#[test]
fn calls_leave_a_pipeline_that_a_node_blocks() {
    let hundred_first = json!({"block": "2s", "every": 101});
    let bridge = Noting::start(shards(2, fault(hundred_first)));
    for call in 1..=100 {
        bridge.submit(call);
        bridge.bridge.host.done(call).unwrap();
    }
    bridge.submit(101);
    bridge.bridge.outlast(Duration::from_millis(5));
    for call in 102..=110 {
        bridge.submit(call);
        bridge.bridge.host.done(call).unwrap();
    }
    let blocked = bridge
        .bridge
        .host
        .seen(|seen| !seen.results.contains_key(&101));
    assert!(blocked, "the others did not wait for it");
    bridge.bridge.host.done(101).unwrap();
    assert_eq!(bridge.pipelines().len(), 2);
}

#[test]
fn calls_take_turns_before_a_durable_buffer() {
    let directory = Directory::new("turns");
    let bridge = Noting::start(shards(
        3,
        json!({"type": "processor:durable_buffer", "config": {
            "path": directory.path(), "retention_size_cap": "1 GiB", "poll_interval": "10ms",
            "max_segment_open_duration": "20ms",
        }}),
    ));
    for call in 1..=6 {
        bridge.submit(call);
        bridge.bridge.host.done(call).unwrap();
    }
    // The buffer acks before it sends.
    until("output of each call", || {
        bridge.seen.lock().unwrap().len() >= 6
    });
    assert_eq!(bridge.pipelines().len(), 3);
}
