// SPDX-License-Identifier: Apache-2.0

//! The batch processor in a real pipeline: each caller gets its own batch's result.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use otapbridge_context::{
    BlockBuilder, CancelReason, ContextBlock, ErrorKind, ProcessingError, RequestContext,
    SpanContext,
};
use otapbridge_engine::ComponentSpec;
use serde_json::{Value, json};

use crate::harness::{Bridge, contains, deadline, logs, metadata, spec};
use crate::nodes::TEST_NODE;

const BATCH: &str = "urn:otapbridge:processor:batch";

/// Sent by size or at the drain only.
fn batch(min_size: usize, more: Value) -> Value {
    let mut config = json!({"min_size": min_size, "flush_timeout": "1h"});
    let more = more.as_object().expect("settings").clone();
    config.as_object_mut().expect("settings").extend(more);
    json!({"type": BATCH, "config": config})
}

fn refusal() -> ProcessingError {
    ProcessingError::resource_exhausted("no room", Some(Duration::from_secs(7)))
}

#[test]
fn callers_of_a_batch_get_its_result() {
    let bridge = Bridge::start(batch(2, json!({})));
    for call in 1..=4 {
        bridge
            .submit(call, &logs(&[&format!("of {call}")]))
            .unwrap();
    }
    let (first, second) = (bridge.host.emission(), bridge.host.emission());
    assert_eq!(first.call_id, None);
    assert_eq!(first.origins, [1, 2]);
    assert_eq!(second.origins, [3, 4], "under way beside the first");
    assert!(contains(&first.payload, "of 1") && contains(&first.payload, "of 2"));
    // The later one is answered first.
    assert!(bridge.emission_done(second.id, Some(refusal())));
    for call in [3, 4] {
        let error = bridge.host.done(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
    assert!(bridge.emission_done(first.id, None));
    for call in [1, 2] {
        bridge.host.done(call).unwrap();
    }
    let _ = bridge.finish();
}

fn full_context(tenant: &str, span: &str) -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block
        .timeout(Duration::from_secs(60))
        .metadata("tenant", [tenant])
        .metadata("region", ["north"])
        .metadata("host", [format!("host of {tenant}")])
        .span_context(span.parse::<SpanContext>().unwrap());
    block.build().unwrap()
}

#[test]
fn a_batchs_context_is_made_of_its_callers() {
    let config = batch(2, json!({"partition": {"metadata_keys": ["tenant"]}}));
    let bridge = Bridge::start(config);
    let spans = [
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000002-01",
    ];
    let body = logs(&["body"]);
    for (call, span) in (1..).zip(spans) {
        let context = full_context("a", span);
        bridge.submit_with(call, &body, context).unwrap();
    }
    let emission = bridge.host.emission();
    let context = RequestContext::new(emission.context);
    let remaining = context.remaining().expect("all have a deadline");
    assert!(remaining > Duration::from_secs(30), "{remaining:?}");
    let value = |key: &str| {
        let values = context.metadata().get(key);
        values.map(|value| value.as_bytes().to_vec()).next()
    };
    assert_eq!(value("tenant"), Some(b"a".to_vec()));
    assert_eq!(value("region"), Some(b"north".to_vec()));
    assert_eq!(context.span_context(), None);
    let links: Vec<u8> = context.links().map(|link| link.span_id[7]).collect();
    assert_eq!(links, [1, 2]);
    assert!(bridge.emission_done(emission.id, None));
    let _ = bridge.finish();
}

#[test]
fn a_node_behind_it_sees_the_partitions_metadata_and_deadline() {
    let mut config = batch(2, json!({"partition": {"metadata_keys": ["tenant"]}}));
    let first = config.take();
    let bridge = Bridge::accepting(json!({
        "nodes": {
            "batch": first,
            "report": {"type": TEST_NODE, "config": {"behaviour": {"report": {}}}},
        },
        "connections": [{"from": "batch", "to": "report"}],
    }));
    let span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01";
    let body = logs(&["body"]);
    for call in 1..=2 {
        bridge
            .submit_with(call, &body, full_context("a", span))
            .unwrap();
    }
    let error = bridge.host.done(1).unwrap_err();
    assert!(error.message().contains("tenant"), "{}", error.message());
    assert_eq!(bridge.host.done(2).unwrap_err().message(), error.message());
    let _ = bridge.finish();
}

#[test]
fn a_single_callers_batch_is_that_callers_own_output() {
    let bridge = Bridge::start(batch(1, json!({})));
    bridge.submit(1, &logs(&["body"])).unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.call_id, Some(1));
    assert!(emission.context.is_empty());
    assert!(bridge.emission_done(emission.id, None));
    bridge.host.done(1).unwrap();
    // Its payload is the caller's own.
    drop(emission);
    let _ = bridge.finish();
}

#[test]
fn a_caller_whose_data_is_divided_waits_for_all_of_it() {
    // A part that was accepted must not be sent again.
    for (first_refused, second_refused, permanent) in [
        (false, false, None),
        (true, false, Some(true)),
        (false, true, Some(true)),
        (true, true, Some(false)),
    ] {
        let answer = |refused: bool| refused.then(refusal);
        let bridge = Bridge::start(batch(2, json!({"max_size": 2})));
        bridge.submit(1, &logs(&["1", "2", "3", "4"])).unwrap();
        let (first, second) = (bridge.host.emission(), bridge.host.emission());
        let done = bridge.emission_done(first.id, answer(first_refused));
        assert!(done);
        assert!(
            bridge.host.seen(|seen| seen.results.is_empty()),
            "one part is not answered"
        );
        let done = bridge.emission_done(second.id, answer(second_refused));
        assert!(done);
        let result = bridge.host.done(1);
        assert_eq!(result.err().map(|error| error.is_permanent()), permanent);
        let _ = bridge.finish();
    }
}

#[test]
fn a_refused_part_lets_go_of_what_is_still_pending() {
    // Sent later and accepted, the rest would make the refusal a permanent one.
    let bridge = Bridge::start(batch(2, json!({"max_size": 2})));
    bridge.submit(1, &logs(&["1", "2", "3"])).unwrap();
    let first = bridge.host.emission();
    assert!(bridge.emission_done(first.id, Some(refusal())));
    assert!(!bridge.host.done(1).unwrap_err().is_permanent());
    bridge.submit(2, &logs(&["4", "5"])).unwrap();
    let next = bridge.host.emission();
    assert_eq!(next.call_id, Some(2), "nothing of the first is in it");
    assert!(bridge.emission_done(next.id, None));
    drop((first, next));
    let _ = bridge.finish();
}

#[test]
fn what_comes_after_the_drain_began_is_not_kept() {
    // The retry node sends what was refused once more at the end, behind the flush.
    let mut config = batch(100, json!({}));
    let batch = config.take();
    let refused = AtomicUsize::new(0);
    let bridge = Bridge::start_with(
        json!({
            "nodes": {
                "retry": {"type": "processor:retry", "config": {
                    "initial_interval": "10ms", "max_interval": "10ms", "max_elapsed_time": "1h",
                }},
                "batch": batch,
            },
            "connections": [{"from": "retry", "to": "batch"}],
        }),
        move |_| {
            let first = refused.fetch_add(1, Ordering::Relaxed) == 0;
            let error = ProcessingError::retryable("not now");
            Some(if first { Err(error) } else { Ok(()) })
        },
    );
    bridge.submit(1, &logs(&["body"])).unwrap();
    let seen = bridge.finish();
    assert!(seen.results[&1][0].is_none(), "{:?}", seen.results[&1][0]);
}

#[test]
fn a_batch_ends_when_one_caller_is_overdue_and_the_other_cancelled() {
    let mut config = batch(2, json!({}));
    let batch = config.take();
    let bridge = Bridge::start(json!({
        "nodes": {
            "batch": batch,
            "wait": {"type": "urn:otapbridge:processor:fault", "config": {"delay": "1h", "max_concurrency": 1}},
        },
        "connections": [{"from": "batch", "to": "wait"}],
    }));
    let body = logs(&["body"]);
    bridge
        .submit_with(1, &body, deadline(Duration::from_millis(20)))
        .unwrap();
    bridge.submit(2, &body).unwrap();
    assert_eq!(bridge.host.done(1).unwrap_err().kind(), ErrorKind::Timeout);
    assert!(bridge.component.cancel(2, CancelReason::Cancelled, ""));
    let _ = bridge.host.done(2).unwrap_err();
    // Otherwise the node would keep the next ones from coming in.
    bridge
        .submit_with(3, &body, deadline(Duration::from_millis(20)))
        .unwrap();
    bridge.submit(4, &body).unwrap();
    assert!(bridge.component.cancel(4, CancelReason::Cancelled, ""));
    // The drain has nothing to wait for.
    let _ = bridge.finish();
}

#[test]
fn a_cancelled_callers_data_leaves_an_unsent_batch() {
    let bridge = Bridge::start(batch(2, json!({})));
    bridge.submit(1, &logs(&["of 1"])).unwrap();
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, "bored"));
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    // Its data no longer counts: two more are needed.
    bridge
        .host
        .wait("the release", |seen| seen.released.get(&1).copied());
    bridge.submit(2, &logs(&["of 2"])).unwrap();
    bridge.submit(3, &logs(&["of 3"])).unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.origins, [2, 3]);
    assert!(!contains(&emission.payload, "of 1"));
    assert!(bridge.emission_done(emission.id, None));
    let _ = bridge.finish();
}

#[test]
fn a_batch_under_way_is_cancelled_when_all_its_callers_are() {
    let bridge = Bridge::start(batch(2, json!({})));
    bridge.submit(1, &logs(&["of 1"])).unwrap();
    bridge.submit(2, &logs(&["of 2"])).unwrap();
    let emission = bridge.host.emission();
    let cancelled = |id: u64| {
        bridge
            .host
            .seen(|seen| seen.cancelled_emissions.contains_key(&id))
    };
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, "bored"));
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Cancelled,
        "it does not wait for the others"
    );
    assert!(!cancelled(emission.id), "the other still waits");
    assert!(bridge.component.cancel(2, CancelReason::Cancelled, "too"));
    let _ = bridge.host.done(2).unwrap_err();
    let error = bridge.host.wait("the emission's cancellation", |seen| {
        seen.cancelled_emissions.remove(&emission.id)
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(bridge.emission_done(emission.id, None));
    let _ = bridge.finish();
}

#[test]
fn the_host_hears_that_a_batch_is_cancelled_although_a_node_blocks_the_pipeline() {
    let blocked = Duration::from_secs(5);
    let block = json!({"block": "5s", "every": 3});
    for kind in [ErrorKind::Cancelled, ErrorKind::Timeout] {
        let bridge = Bridge::start(json!({
            "nodes": {
                "block": {"type": "urn:otapbridge:processor:fault", "config": block},
                "batch": batch(2, json!({})),
            },
            "connections": [{"from": "block", "to": "batch"}],
        }));
        let body = logs(&["body"]);
        for call in 1..=2 {
            let context = match kind {
                ErrorKind::Timeout => deadline(Duration::from_secs(1)),
                _ => ContextBlock::empty(),
            };
            bridge.submit_with(call, &body, context).unwrap();
        }
        let emission = bridge.host.emission();
        let began = Instant::now();
        bridge.submit(3, &body).unwrap();
        // The node blocks by then.
        bridge.outlast(Duration::from_millis(50));
        if kind == ErrorKind::Cancelled {
            for call in 1..=2 {
                assert!(bridge.component.cancel(call, CancelReason::Cancelled, ""));
            }
        }
        let error = bridge.host.wait("the emission's cancellation", |seen| {
            seen.cancelled_emissions.remove(&emission.id)
        });
        assert_eq!(error.kind(), kind);
        // So long the node blocks at least.
        assert!(began.elapsed() < blocked, "it waited for the node");
        for call in 1..=2 {
            assert_eq!(bridge.host.done(call).unwrap_err().kind(), kind);
        }
        assert!(bridge.emission_done(emission.id, None));
        drop(emission);
        assert!(bridge.component.cancel(3, CancelReason::Cancelled, ""));
        let _ = bridge.host.done(3).unwrap_err();
        let seen = bridge.finish();
        assert!(seen.cancelled_emissions.is_empty(), "it was told once");
    }
}

#[test]
fn answers_to_batches_do_not_put_off_the_end_of_the_grace() {
    let grace = Duration::from_secs(6);
    // The last call blocks the pipeline's thread, so that only the reaper can complete another.
    let block = json!({"block": "14s", "every": 4});
    let spec = ComponentSpec {
        cancel_grace: grace,
        ..spec(json!({
            "nodes": {
                "block": {"type": "urn:otapbridge:processor:fault", "config": block},
                "batch": batch(2, json!({"max_size": 2})),
            },
            "connections": [{"from": "block", "to": "batch"}],
        }))
    };
    let bridge = Bridge::start_spec(&spec, |_| None).unwrap();
    // Call 2 is in two batches, each with another's.
    for (call, bodies) in [(1, &["a"][..]), (2, &["b", "c"]), (3, &["d"])] {
        bridge.submit(call, &logs(bodies)).unwrap();
    }
    let emissions = [bridge.host.emission(), bridge.host.emission()];
    assert_eq!(emissions[0].origins, [1, 2]);
    assert_eq!(emissions[1].origins, [2, 3]);
    bridge.submit(4, &logs(&["e", "f"])).unwrap();
    // The node blocks by then.
    bridge.outlast(Duration::from_millis(50));
    assert!(bridge.component.cancel(2, CancelReason::Cancelled, ""));
    bridge.outlast(Duration::from_secs(3));
    assert!(!bridge.host.seen(|seen| seen.results.contains_key(&2)));
    let answered = Instant::now();
    assert!(bridge.emission_done(emissions[0].id, None));
    let error = bridge.host.done(2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(answered.elapsed() < grace, "it began anew");
    assert!(bridge.emission_done(emissions[1].id, None));
    drop(emissions);
    bridge.host.done(1).unwrap();
    bridge.host.done(3).unwrap();
    let last = bridge.host.emission();
    assert!(bridge.emission_done(last.id, None));
    drop(last);
    bridge.host.done(4).unwrap();
    let _ = bridge.finish();
}

#[test]
fn a_batch_leaves_before_a_callers_deadline() {
    let bridge = Bridge::start(batch(100, json!({})));
    let body = logs(&["body"]);
    bridge.submit(1, &body).unwrap();
    bridge
        .submit_with(2, &body, deadline(Duration::from_secs(1)))
        .unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.origins, [1, 2]);
    assert!(bridge.emission_done(emission.id, None));
    bridge.host.done(2).unwrap();
    let _ = bridge.finish();
}

#[test]
fn partitions_do_not_mix_and_are_limited() {
    let partition = json!({"metadata_keys": ["tenant"], "cardinality_limit": 2});
    let bridge = Bridge::start(batch(2, json!({"partition": partition})));
    for (call, tenant) in [(1, "a"), (2, "b"), (3, "b")] {
        bridge
            .submit_with(call, &logs(&[tenant]), metadata("tenant", tenant))
            .unwrap();
    }
    let emission = bridge.host.emission();
    assert_eq!(emission.origins, [2, 3]);
    let third = logs(&["c"]);
    bridge
        .submit_with(4, &third, metadata("tenant", "c"))
        .unwrap();
    let error = bridge.host.done(4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    assert!(
        error.message().contains("cardinality_limit"),
        "{}",
        error.message()
    );
    assert!(error.message().contains("tenant"), "{}", error.message());
    // A partition without data makes room.
    assert!(bridge.emission_done(emission.id, None));
    bridge.host.done(3).unwrap();
    bridge
        .submit_with(5, &third, metadata("tenant", "c"))
        .unwrap();
    bridge
        .submit_with(6, &third, metadata("tenant", "c"))
        .unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.origins, [5, 6]);
    assert!(bridge.emission_done(emission.id, None));
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, ""));
    let _ = bridge.finish();
}

#[test]
fn what_is_pending_at_shutdown_is_sent_and_its_calls_completed() {
    let bridge = Bridge::accepting(batch(100, json!({})));
    for call in 1..=10 {
        bridge.submit(call, &logs(&["body"])).unwrap();
    }
    let seen = bridge.finish();
    assert_eq!(seen.results.len(), 10);
    for (call, results) in &seen.results {
        assert!(results[0].is_none(), "call {call}: {:?}", results[0]);
    }
}

#[test]
fn batches_of_batches_complete_every_call() {
    let bridge = Bridge::start(json!({
        "nodes": {
            "first": batch(2, json!({})),
            "second": batch(4, json!({})),
        },
        "connections": [{"from": "first", "to": "second"}],
    }));
    for call in 1..=4 {
        bridge.submit(call, &logs(&["body"])).unwrap();
    }
    let emission = bridge.host.emission();
    assert_eq!(emission.origins, [1, 2, 3, 4]);
    assert!(bridge.emission_done(emission.id, Some(refusal())));
    for call in 1..=4 {
        let error = bridge.host.done(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    }
    let _ = bridge.finish();
}

#[test]
fn malformed_data_is_refused_alone() {
    let bridge = Bridge::start(batch(2, json!({})));
    bridge.submit(1, &logs(&["of 1"])).unwrap();
    bridge
        .submit(2, &bytes::Bytes::from_static(b"\xff\xff"))
        .unwrap();
    let error = bridge.host.done(2).unwrap_err();
    assert_eq!(error.grpc_code(), 3, "{error}");
    bridge.submit(3, &logs(&["of 3"])).unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.origins, [1, 3]);
    assert!(bridge.emission_done(emission.id, None));
    let _ = bridge.finish();
}
