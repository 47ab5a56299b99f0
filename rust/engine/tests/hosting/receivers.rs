// SPDX-License-Identifier: Apache-2.0

//! Components whose data begin in Rust.

use std::time::Duration;

use otapbridge_context::{ErrorKind, ProcessingError, RequestContext, Signal};
use otapbridge_engine::validate;
use otapbridge_engine::{ComponentKind, ComponentSpec};
use serde_json::{Value, json};

use crate::harness::{Bridge, PATIENCE, logs, spec, until};
use crate::nodes::{NOTES, TEST_NODE};

const GENERATOR: &str = "urn:otapbridge:receiver:generator";

#[test]
fn what_begins_in_rust_reaches_the_host_with_its_context() {
    let bridge = Bridge::receiver(json!({"type": GENERATOR, "config": {
        "signal": "logs",
        "interval": "0s",
        "count": 2,
        "metadata": {"tenant": "a"},
        "timeout": "1m",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-0000000000000007-01",
    }}));
    for _ in 0..2 {
        let emission = bridge.host.emission();
        assert_eq!(emission.call_id, None);
        assert!(emission.origins.is_empty());
        assert_eq!(emission.signal, Signal::Logs);
        let context = RequestContext::new(emission.context);
        assert_eq!(
            context.metadata().get("tenant").next().unwrap().as_bytes(),
            b"a"
        );
        assert_eq!(context.span_context().unwrap().span_id[7], 7);
        assert!(context.remaining().unwrap() > Duration::from_secs(30));
        let error = Some(ProcessingError::retryable("not now"));
        assert!(bridge.emission_done(emission.id, error));
    }
    let seen = bridge.finish();
    assert!(seen.statuses.is_empty(), "{:?}", seen.statuses);
}

#[test]
fn generated_data_go_through_a_batch_that_a_shutdown_flushes() {
    let bridge = Bridge::receiver(json!({
        "nodes": {
            "source": {"type": GENERATOR, "config": {"interval": "0s", "count": 10}},
            "batch": {"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "1h", "min_size": 8}},
        },
        "connections": [{"from": "source", "to": "batch"}],
    }));
    let first = bridge.host.emission();
    assert!(bridge.emission_done(first.id, None));
    let host = std::sync::Arc::clone(&bridge.host);
    let component = std::sync::Arc::clone(&bridge.component);
    let answering = std::thread::spawn(move || {
        let rest = host.emission();
        assert!(component.emission_done(rest.id, None).awaited);
        rest
    });
    let _ = bridge.finish();
    let rest = answering.join().expect("no panic");
    assert!(rest.payload.len() < first.payload.len());
}

#[test]
fn a_shutdown_waits_for_what_is_under_way_and_sends_nothing_more() {
    let bridge = Bridge::receiver(json!({"type": GENERATOR, "config": {"interval": "1ms"}}));
    let emission = bridge.host.emission();
    let component = std::sync::Arc::clone(&bridge.component);
    let host = std::sync::Arc::clone(&bridge.host);
    let stopping = std::thread::spawn(move || bridge.finish());
    assert!(component.emission_done(emission.id, None).awaited);
    until("the end", || {
        let pending = host.seen(|seen| seen.emissions.iter().map(|e| e.id).collect::<Vec<_>>());
        for id in pending {
            let _ = component.emission_done(id, None);
        }
        stopping.is_finished()
    });
    let _ = stopping.join().expect("no panic");
}

#[test]
fn a_request_that_begins_in_rust_ends_at_its_deadline() {
    const LIST: &str = "a request that begins in Rust";
    // The node waits an hour, so the deadline it is that lets the shutdown pass.
    let bridge = Bridge::receiver(json!({
        "nodes": {
            "source": {"type": GENERATOR, "config": {"interval": "0s", "count": 1, "timeout": "20ms"}},
            "note": {"type": TEST_NODE, "config": {"behaviour": {"note": {"list": LIST}}}},
            "wait": {"type": "urn:otapbridge:processor:fault", "config": {"delay": "1h", "max_concurrency": 1}},
        },
        "connections": [{"from": "source", "to": "note"}, {"from": "note", "to": "wait"}],
    }));
    until("the request", || {
        NOTES.lock().iter().any(|(list, _)| list == LIST)
    });
    let began = std::time::Instant::now();
    let _ = bridge.finish();
    // Without the deadline it would take all the time it is given.
    assert!(began.elapsed() < PATIENCE / 2);
}

#[test]
fn a_receiver_takes_no_calls() {
    let bridge =
        Bridge::receiver(json!({"type": GENERATOR, "config": {"interval": "1h", "count": 1}}));
    let error = bridge.submit(1, &logs(&["body"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.message().contains("no calls"));
    let emission = bridge.host.emission();
    assert!(bridge.emission_done(emission.id, None));
    let _ = bridge.finish();
}

#[test]
fn a_receiver_component_begins_with_a_receiver_and_has_no_other() {
    let check = |kind: ComponentKind, config: Value| {
        validate(&ComponentSpec {
            signal: None,
            kind,
            ..spec(config)
        })
        .err()
        .into_iter()
        .flatten()
        .map(|error| format!("{}: {}", error.field().unwrap_or_default(), error.message()))
        .collect::<Vec<_>>()
    };
    let node = json!({"type": TEST_NODE, "config": {"behaviour": {"pass": {}}}});
    let generator = json!({"type": GENERATOR});
    let linked = |from: &Value, to: &Value| json!({"nodes": {"a": from, "b": to}, "connections": [{"from": "a", "to": "b"}]});
    use ComponentKind::{Processor, Receiver};
    for (kind, config, expected) in [
        (Receiver, generator.clone(), ""),
        (Receiver, linked(&generator, &node), ""),
        (
            Receiver,
            node.clone(),
            "test::type: a receiver component begins",
        ),
        (
            Receiver,
            linked(&node, &node),
            "nodes::a::type: a receiver component begins",
        ),
        (
            Receiver,
            linked(&generator, &generator),
            "nodes::b: is a receiver",
        ),
        (
            Processor,
            generator.clone(),
            "test::type: \"urn:otapbridge:receiver:generator\" is a receiver",
        ),
    ] {
        let findings = check(kind, config.clone());
        assert_eq!(
            findings.is_empty(),
            expected.is_empty(),
            "{config}: {findings:?}"
        );
        assert!(
            findings.iter().all(|finding| finding.contains(expected)),
            "{config}: {findings:?}"
        );
    }
}
