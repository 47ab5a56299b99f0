// SPDX-License-Identifier: Apache-2.0

//! The engine's retry processor with errors that the host or a node of ours gave.

use std::time::{Duration, Instant};

use otapbridge_context::{CancelReason, ErrorKind, ProcessingError};
use serde_json::{Value, json};

use crate::harness::{Bridge, deadline, logs};
use crate::nodes::TEST_NODE;

/// Retries each `interval` until `elapsed` is over.
fn retry(interval: &str, elapsed: &str) -> Value {
    json!({"type": "processor:retry", "config": {
        "initial_interval": interval, "max_interval": interval, "max_elapsed_time": elapsed,
        "multiplier": 1.0,
    }})
}

fn no_room(host_error_id: u64) -> ProcessingError {
    ProcessingError::retryable("no room").with_host_error_id(host_error_id)
}

/// Refuses the next emission; says when.
fn refuse(bridge: &Bridge, error: ProcessingError) -> Instant {
    let emission = bridge.host.emission();
    let refused = Instant::now();
    assert!(bridge.emission_done(emission.id, Some(error)));
    refused
}

fn accept(bridge: &Bridge) {
    let emission = bridge.host.emission();
    assert!(bridge.emission_done(emission.id, None));
}

/// Returns once the refusals so far have reached the node: they come in order.
fn refusals_are_through(bridge: &Bridge, call: u64) {
    bridge.submit(call, &logs(&["x"])).unwrap();
    let _ = refuse(bridge, ProcessingError::permanent("never"));
    let _ = bridge.host.done(call).unwrap_err();
}

fn emissions_left(bridge: &Bridge) -> usize {
    bridge.host.seen(|seen| seen.emissions.len())
}

#[test]
fn what_the_host_may_take_later_is_sent_again() {
    let bridge = Bridge::start(retry("10ms", "60s"));
    let payload = logs(&["x"]);
    bridge.submit(1, &payload).unwrap();
    let _ = refuse(&bridge, no_room(1));
    let _ = refuse(&bridge, no_room(2));
    let emission = bridge.host.emission();
    assert_eq!(emission.payload, payload);
    assert_eq!(emission.call_id, Some(1));
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn what_the_host_never_takes_is_not_sent_again() {
    let bridge = Bridge::start(retry("10ms", "60s"));
    bridge.submit(1, &logs(&["x"])).unwrap();
    let error = ProcessingError::permanent("never").with_host_error_id(7);
    let _ = refuse(&bridge, error);
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert_eq!((error.message(), error.host_error_id()), ("never", 7));
    assert_eq!(emissions_left(&bridge), 0);
    let _ = bridge.finish();
}

#[test]
fn a_retry_waits_as_long_as_the_error_says() {
    let bridge = Bridge::start(retry("10ms", "60s"));
    let asked = Duration::from_secs(1);
    bridge.submit(1, &logs(&["x"])).unwrap();
    let refused = refuse(&bridge, no_room(1).with_retry_after(asked));
    let emission = bridge.host.emission();
    assert!(refused.elapsed() >= asked, "{:?}", refused.elapsed());
    // Without a delay of its own, the next error waits as the node is configured.
    let refused = Instant::now();
    assert!(bridge.emission_done(emission.id, Some(no_room(2))));
    drop(emission);
    accept(&bridge);
    assert!(refused.elapsed() < asked, "{:?}", refused.elapsed());
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn a_delay_of_a_node_behind_it_counts_too() {
    // The last of them would end after `max_elapsed_time`, which nothing else comes near to.
    let beyond = Duration::from_secs(3600);
    let delays = json!([150, 150, beyond.as_millis() as u64]);
    let refuse = json!({"refuse_in_turn": {"retry_after_milliseconds": delays}});
    let bridge = Bridge::accepting(json!({
        "nodes": {
            "again": retry("10ms", "10m"),
            "refuses": {"type": TEST_NODE, "config": {"behaviour": refuse}},
        },
        "connections": [{"from": "again", "to": "refuses"}],
    }));
    let submitted = Instant::now();
    bridge.submit(1, &logs(&["x"])).unwrap();
    let error = bridge.host.done(1).unwrap_err();
    // Tries at 0, 150 and 300 ms at the earliest; the next would be too late.
    assert!(submitted.elapsed() >= Duration::from_millis(300));
    assert_eq!((error.message(), error.grpc_code()), ("not now", 9));
    assert_eq!(error.retry_after(), Some(beyond));
    let _ = bridge.finish();
}

#[test]
fn a_delay_beyond_the_nodes_time_is_the_senders_business() {
    let bridge = Bridge::start(retry("10ms", "5s"));
    bridge.submit(1, &logs(&["x"])).unwrap();
    let asked = Duration::from_secs(3600);
    let refused = refuse(&bridge, no_room(7).with_retry_after(asked));
    let error = bridge.host.done(1).unwrap_err();
    assert!(refused.elapsed() < Duration::from_secs(5));
    assert_eq!(error.kind(), ErrorKind::Retryable);
    assert_eq!((error.message(), error.host_error_id()), ("no room", 7));
    assert_eq!(error.retry_after(), Some(asked));
    assert_eq!(emissions_left(&bridge), 0);
    let _ = bridge.finish();
}

#[test]
fn a_retry_after_the_requests_deadline_is_not_waited_for() {
    for (interval, asked) in [("10ms", Some(Duration::from_secs(60))), ("60s", None)] {
        let bridge = Bridge::start(retry(interval, "10m"));
        let remaining = Duration::from_secs(30);
        bridge
            .submit_with(1, &logs(&["x"]), deadline(remaining))
            .unwrap();
        let mut error = no_room(7);
        if let Some(asked) = asked {
            error = error.with_retry_after(asked);
        }
        let refused = refuse(&bridge, error);
        let error = bridge.host.done(1).unwrap_err();
        assert!(refused.elapsed() < remaining);
        assert_eq!(
            (error.kind(), error.host_error_id()),
            (ErrorKind::Retryable, 7)
        );
        let _ = bridge.finish();
    }
}

#[test]
fn a_call_that_is_cancelled_while_its_data_waits_is_completed_and_its_data_let_go() {
    for asked in [None, Some(Duration::from_secs(2))] {
        let bridge = Bridge::start(retry("1s", "60s"));
        bridge.submit(1, &logs(&["x"])).unwrap();
        let mut error = no_room(1);
        if let Some(asked) = asked {
            error = error.with_retry_after(asked);
        }
        let refused = refuse(&bridge, error);
        refusals_are_through(&bridge, 2);
        assert!(bridge.component.cancel(1, CancelReason::Cancelled, "gone"));
        let error = bridge.host.done(1).unwrap_err();
        assert!(
            refused.elapsed() < asked.unwrap_or(Duration::from_secs(1)),
            "it waited for the retry: {:?}",
            refused.elapsed()
        );
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(error.message().contains("gone"), "{error}");
        // When its time comes, it is dropped instead of sent.
        bridge.host.wait("the release", |seen| {
            seen.released.contains_key(&1).then_some(())
        });
        assert_eq!(emissions_left(&bridge), 0);
        let _ = bridge.finish();
    }
}

#[test]
fn a_deadline_ends_a_retry_that_waits() {
    let bridge = Bridge::start(retry("300ms", "60s"));
    bridge
        .submit_with(1, &logs(&["x"]), deadline(Duration::from_millis(1800)))
        .unwrap();
    let mut tries = 0;
    while let Some(emission) = bridge.host.emission_before_result(1) {
        tries += 1;
        assert!(bridge.emission_done(emission.id, Some(no_room(3))));
    }
    let error = bridge.host.done(1).unwrap_err();
    assert!((2..=7).contains(&tries), "{tries} tries");
    assert_eq!(
        (error.kind(), error.host_error_id()),
        (ErrorKind::Retryable, 3)
    );
    let _ = bridge.finish();
}

#[test]
fn a_node_marks_what_it_gives_up_as_permanent_if_told_to() {
    let mut config = retry("1ms", "5ms");
    config["config"]["exhaustion_action"] = json!("mark_permanent");
    let bridge = Bridge::start_with(config, |_| Some(Err(no_room(7).with_grpc_code(8))));
    bridge.submit(1, &logs(&["x"])).unwrap();
    let error = bridge.host.done(1).unwrap_err();
    assert!(error.is_permanent());
    assert_eq!((error.grpc_code(), error.host_error_id()), (8, 7));
    let _ = bridge.finish();
}

#[test]
fn what_the_collector_never_sends_again_is_not_sent_again_here() {
    let bridge = Bridge::start(retry("1ms", "60s"));
    let forbidden = [3, 7, 12, 16].map(|code| {
        let asked = Duration::from_millis(1);
        no_room(7).with_grpc_code(code).with_retry_after(asked)
    });
    // As the host's context.Canceled comes.
    let cancelled = ProcessingError::cancelled("context canceled").with_host_error_id(7);
    for (call, given) in (1..).zip(forbidden.into_iter().chain([cancelled])) {
        bridge.submit(call, &logs(&["x"])).unwrap();
        let _ = refuse(&bridge, given.clone());
        let error = bridge.host.done(call).unwrap_err();
        // It stays what its author made of it.
        assert_eq!(error.kind(), given.kind());
        assert_eq!(error.grpc_code(), given.grpc_code());
        assert_eq!(error.retry_after(), given.retry_after());
        assert_eq!(error.host_error_id(), 7);
        assert_eq!(emissions_left(&bridge), 0, "{given}");
    }
    let _ = bridge.finish();
}

#[test]
fn a_node_of_ours_sees_the_hosts_error_whole() {
    let watch = json!({"type": TEST_NODE, "config": {"behaviour": {"watch": {}}}});
    let bridge = Bridge::start(watch);
    let errors = [
        no_room(1).with_retry_after(Duration::from_millis(1500)),
        ProcessingError::permanent("never").with_grpc_code(9),
        ProcessingError::resource_exhausted("full", None),
        ProcessingError::cancelled("gone"),
        ProcessingError::timeout("late", None),
        ProcessingError::configuration("wrong", Some("key".to_owned())),
    ];
    for (call, error) in (1..).zip(errors) {
        let expected = format!(
            "saw {} {} {:?} {:?} {}, nacked as permanent: {}",
            error.kind(),
            error.grpc_code(),
            error.retry_after(),
            error.field(),
            error.message(),
            error.is_permanent(),
        );
        bridge.submit(call, &logs(&["x"])).unwrap();
        let _ = refuse(&bridge, error);
        let told = bridge.host.done(call).unwrap_err();
        assert_eq!(told.message(), expected);
    }
    bridge.submit(100, &logs(&["x"])).unwrap();
    accept(&bridge);
    bridge.host.done(100).unwrap();
    let _ = bridge.finish();
}
