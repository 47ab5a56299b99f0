// SPDX-License-Identifier: Apache-2.0

use std::sync::mpsc;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use otapbridge_context::{ContextBlock, ProcessingError, Signal};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::base::event::{Event, EventSink, LogLevel};
use crate::base::spec::ComponentSpec;
use crate::{Component, Runtime, RuntimeOptions};

const CALLS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(30);

/// One log record without content.
const LOGS: &[u8] = &[0x0a, 4, 0x12, 2, 0x12, 0];

/// A host that refuses everything.
struct Refusing {
    component: OnceLock<Weak<Component>>,
    done: Mutex<mpsc::Sender<Option<ProcessingError>>>,
}

impl EventSink for Refusing {
    fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            match event {
                Event::Done { error, .. } => self.done.lock().send(error).expect("a test"),
                Event::Emit(emission) => {
                    let component = self.component.get().and_then(Weak::upgrade);
                    let error = ProcessingError::retryable("no room")
                        .with_host_error_id(emission.id)
                        .with_grpc_code(9);
                    let component = component.expect("it emits");
                    let answer = component.emission_done(emission.id, Some(error.clone()));
                    assert!(answer.awaited);
                    if answer.call_done {
                        self.done.lock().send(Some(error)).expect("a test");
                    }
                }
                _ => {}
            }
        }
    }
}

/// Fails so many calls, up to `at_once` in flight, and says how many errors were
/// kept at most when a call was completed, and how many are left.
fn fail_calls(config: &Value, at_once: u64) -> (usize, usize) {
    let (done, results) = mpsc::channel();
    let host = Arc::new(Refusing {
        component: OnceLock::new(),
        done: Mutex::new(done),
    });
    let runtime = Runtime::create(RuntimeOptions {
        events: Arc::clone(&host) as Arc<dyn EventSink>,
        log: None,
        log_level: LogLevel::Info,
    })
    .expect("a runtime");
    let spec = ComponentSpec {
        signal: None,
        kind: crate::base::spec::ComponentKind::Processor,
        name: String::new(),
        component_data: 0,
        cancel_grace: crate::DEFAULT_CANCEL_GRACE,
        references: false,
        config: config.to_string().into_bytes(),
    };
    let component = runtime.create_component(&spec).expect("a component");
    assert!(host.component.set(Arc::downgrade(&component)).is_ok());
    component.start(PATIENCE).expect("started");
    let (mut most, mut submitted) = (0, 0);
    for completed in 0..CALLS {
        while submitted < CALLS.min(completed + at_once) {
            submitted += 1;
            component
                .submit(
                    submitted,
                    Signal::Logs,
                    ContextBlock::empty(),
                    LOGS.len(),
                    |guard| {
                        drop(guard);
                        Bytes::from_static(LOGS)
                    },
                )
                .expect("accepted");
        }
        let error = results.recv_timeout(PATIENCE).expect("a result");
        let error = error.expect("the host refuses everything");
        assert_ne!(
            error.host_error_id(),
            0,
            "the host's error was lost: {error}"
        );
        assert_eq!(error.grpc_code(), 9);
        most = most.max(component.carried_errors());
    }
    let left = component.carried_errors();
    component.shutdown(PATIENCE);
    (most, left)
}

fn retry() -> Value {
    json!({"type": "processor:retry", "config": {
        "initial_interval": "1ms", "max_interval": "1ms", "max_elapsed_time": "4ms", "multiplier": 1.0,
    }})
}

fn batch() -> Value {
    json!({"type": "processor:batch", "config": {
        "otlp": {"min_size": 1, "sizer": "bytes"}, "max_batch_duration": "1ms",
    }})
}

#[test]
fn a_single_node_leaves_no_errors() {
    let node = json!({"type": "processor:type_router", "config": {}});
    let (most, left) = fail_calls(&node, 16);
    assert!(most <= 16, "{most} errors of 16 calls");
    assert_eq!(left, 0);
}

#[test]
fn a_retry_node_leaves_no_errors() {
    let (_, left) = fail_calls(&retry(), 16);
    assert_eq!(left, 0);
}

#[test]
fn a_batch_leaves_no_errors() {
    let (_, left) = fail_calls(&batch(), 16);
    assert_eq!(left, 0);
}

#[test]
fn a_retried_batch_leaves_no_errors() {
    let chain = json!({
        "nodes": {"a": batch(), "b": retry()},
        "connections": [{"from": "a", "to": "b"}],
    });
    let (_, left) = fail_calls(&chain, 16);
    assert_eq!(left, 0);
    let chain = json!({
        "nodes": {"a": retry(), "b": batch()},
        "connections": [{"from": "a", "to": "b"}],
    });
    let (_, left) = fail_calls(&chain, 16);
    assert_eq!(left, 0);
}
