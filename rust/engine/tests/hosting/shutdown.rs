// SPDX-License-Identifier: Apache-2.0

//! Ends with work in flight.

use std::time::Duration;

use otapbridge_context::{CancelReason, ContextBlock, ErrorKind, Signal};
use serde_json::json;

use crate::harness::{Bridge, contains, logs};
use crate::nodes::pass;

#[test]
fn calls_in_flight_finish_within_the_time_they_are_given() {
    let bridge = Bridge::start(pass());
    for call in 1..=100 {
        bridge.submit(call, &logs(&["x"])).unwrap();
    }
    std::thread::scope(|scope| {
        let _ = scope.spawn(|| bridge.component.shutdown(Duration::from_secs(30)));
        for _ in 1..=100 {
            let emission = bridge.host.emission();
            assert!(bridge.emission_done(emission.id, None));
        }
    });
    for call in 1..=100 {
        bridge.host.done(call).unwrap();
    }
    let error = bridge.submit(101, &logs(&["x"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retryable);
    let _ = bridge.finish();
}

#[test]
fn calls_that_do_not_finish_get_a_retryable_error() {
    let bridge = Bridge::start(pass());
    for call in 1..=100 {
        bridge.submit(call, &logs(&["x"])).unwrap();
    }
    // The host never answers an emission, so that nothing can finish.
    bridge.component.shutdown(Duration::from_millis(50));
    bridge.host.seen(|seen| {
        for call in 1..=100 {
            let error = seen.results[&call][0].as_ref().unwrap();
            assert_eq!(error.kind(), ErrorKind::Retryable);
        }
    });
    // What the host still looks at is released with it, without an event.
    assert!(bridge.runtime.stats().payloads_unreleased <= 100);
    bridge.host.wait("the emissions", |seen| {
        seen.emissions.clear();
        Some(())
    });
    assert_eq!(bridge.runtime.stats().payloads_unreleased, 0);
    bridge.runtime.shutdown(Duration::ZERO);
}

#[test]
fn a_component_that_never_started_ends() {
    let bridge = Bridge::start(pass());
    let other = bridge
        .runtime
        .create_component(&crate::harness::spec(pass()))
        .unwrap();
    assert_eq!(bridge.runtime.stats().components, 2);
    drop(other);
    assert_eq!(bridge.runtime.stats().components, 1);
    let _ = bridge.finish();
}

#[test]
fn starting_twice_is_an_error() {
    let bridge = Bridge::start(pass());
    let _ = bridge.component.start(Duration::from_secs(1)).unwrap_err();
    bridge.submit(1, &logs(&["x"])).unwrap();
    let emission = bridge.host.emission();
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    let _ = bridge.finish();
}

/// A batch that would wait for an hour.
fn batch() -> serde_json::Value {
    json!({
        "type": "processor:batch",
        "config": {"otlp": {"min_size": 1_000_000, "sizer": "bytes"}, "max_batch_duration": "3600s"},
    })
}

#[test]
fn what_a_batch_holds_is_flushed_and_its_callers_get_the_result() {
    let bridge = Bridge::accepting(batch());
    for call in 1..=3 {
        bridge.submit(call, &logs(&["x"])).unwrap();
    }
    let started = std::time::Instant::now();
    bridge.component.shutdown(Duration::from_secs(30));
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "the shutdown waited out its time"
    );
    for call in 1..=3 {
        bridge.host.done(call).unwrap();
    }
    let _ = bridge.finish();
}

#[test]
fn what_cancelled_callers_left_in_a_batch_is_still_sent() {
    let bridge = Bridge::start(batch());
    bridge.submit(1, &logs(&["left behind"])).unwrap();
    // Nothing tells that the batch has taken it in, but what comes behind it and does not wait: as much
    // of another signal as makes a batch.
    let much = logs(&["x".repeat(1_000_000).as_str()]);
    bridge
        .submit_signal(2, Signal::Traces, &much, ContextBlock::empty())
        .unwrap();
    let emission = bridge.host.emission();
    assert_eq!(emission.signal, Signal::Traces);
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(2).unwrap();
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, ""));
    assert_eq!(
        bridge.host.done(1).unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    std::thread::scope(|scope| {
        let _ = scope.spawn(|| bridge.component.shutdown(Duration::from_secs(30)));
        let emission = bridge.host.emission();
        assert!(contains(&emission.payload, "left behind"));
        assert_eq!(emission.call_id, None);
        assert!(bridge.emission_done(emission.id, None));
    });
    let _ = bridge.finish();
}

#[test]
fn nothing_is_created_or_started_after_the_runtimes_end() {
    let bridge = Bridge::start(pass());
    let spec = crate::harness::spec(pass());
    let created = bridge.runtime.create_component(&spec).unwrap();
    bridge.runtime.shutdown(Duration::from_secs(30));
    let _ = created.start(Duration::from_secs(1)).unwrap_err();
    assert!(bridge.runtime.create_component(&spec).is_err());
    drop(created);
    let _ = bridge.finish();
}
