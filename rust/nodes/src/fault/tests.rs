// SPDX-License-Identifier: Apache-2.0

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use serde_json::{Value, json};

use super::*;

fn node(config: Value) -> Result<Fault, ProcessingError> {
    Fault::create(serde_json::from_value(config).expect("right shape"))
}

fn valid(config: Value) -> Fault {
    node(config).expect("valid configuration")
}

/// The outcome of a strike that need not wait.
fn strike(fault: &Fault) -> Result<(), ProcessingError> {
    let mut task = Context::from_waker(Waker::noop());
    match pin!(fault.strike()).poll(&mut task) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("waits"),
    }
}

#[test]
fn without_settings_nothing_happens() {
    let fault = valid(json!({}));
    assert!(fault.hits());
    assert!(strike(&fault).is_ok());
}

#[test]
fn every_hits_each_nth() {
    for (every, expected) in [
        (1, [true, true, true, true, true, true]),
        (2, [false, true, false, true, false, true]),
        (3, [false, false, true, false, false, true]),
    ] {
        let fault = valid(json!({ "every": every }));
        assert_eq!(expected.map(|_| fault.hits()), expected, "{every}");
    }
    let other = valid(json!({"every": 2}));
    assert!(!other.hits(), "each node counts on its own");
}

#[test]
fn every_kind_and_setting_reaches_the_error() {
    for (kind, expected) in [
        ("permanent", ErrorKind::Permanent),
        ("retryable", ErrorKind::Retryable),
        ("cancelled", ErrorKind::Cancelled),
        ("timeout", ErrorKind::Timeout),
        ("resource_exhausted", ErrorKind::ResourceExhausted),
        ("configuration", ErrorKind::Configuration),
    ] {
        let error = strike(&valid(json!({"error": {"kind": kind}}))).expect_err(kind);
        assert_eq!(error.kind(), expected);
        assert_eq!(error.message(), "injected by the fault processor");
        assert_eq!(error.author_grpc_code(), None);
        assert_eq!(error.author_http_status(), None);
        assert_eq!((error.retry_after(), error.field()), (None, None));

        let error = strike(&valid(json!({"error": {
            "kind": kind,
            "message": "down for maintenance",
            "grpc_code": 9,
            "http_status": 418,
            "retry_after": "1.5s",
            "field": "payload",
        }})))
        .expect_err(kind);
        assert_eq!(error.kind(), expected);
        assert_eq!(error.message(), "down for maintenance");
        assert_eq!(error.author_grpc_code(), Some(9));
        assert_eq!(error.author_http_status(), Some(418));
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
        assert_eq!(error.field(), Some("payload"));
    }
}

#[test]
#[should_panic(expected = "{out} of order")]
fn panic_comes_before_error() {
    let fault = valid(json!({"panic": "{out} of order", "error": {"kind": "permanent"}}));
    let _ = strike(&fault);
}

#[test]
fn the_delay_comes_first() {
    let fault = valid(json!({"delay": "20ms", "error": {"kind": "timeout"}}));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("runtime");
    let start = Instant::now();
    let error = runtime.block_on(fault.strike()).expect_err("fails");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn wrong_settings_are_refused() {
    for wrong in [
        json!({"every": 0}),
        json!({"every": -1}),
        json!({"delay": "5"}),
        json!({"delay": 5}),
        json!({"delay": "-1s"}),
        json!({"delays": "1s"}),
        json!({"panic": true}),
        json!({"error": {}}),
        json!({"error": "permanent"}),
        json!({"error": {"kind": "Permanent"}}),
        json!({"error": {"kind": "fatal"}}),
        json!({"error": {"kind": "permanent", "code": 3}}),
        json!({"error": {"kind": "permanent", "retry_after": 3}}),
    ] {
        assert!(
            serde_json::from_value::<Config>(wrong.clone()).is_err(),
            "{wrong}"
        );
    }
    for (name, values) in [
        ("grpc_code", [0, 17, -1, i64::MAX]),
        ("http_status", [0, 99, 600, i64::MIN]),
    ] {
        for value in values {
            let error = node(json!({"error": {"kind": "permanent", (name): value}}))
                .expect_err("out of range");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert_eq!(error.field(), Some(format!("error.{name}").as_str()));
            assert!(error.message().contains(&value.to_string()), "{error}");
        }
    }
}
