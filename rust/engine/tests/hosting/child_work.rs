// SPDX-License-Identifier: Apache-2.0

//! Work that nodes start beside the processing of a message.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use otapbridge_context::{CancelReason, ErrorKind, ProcessingError};
use otapbridge_engine::engine::{Message, OtapPdata};
use otapbridge_engine::{ConcurrentContextAwareProcessor, ContextAwareProcessor, ProcessorNode};
use otapbridge_engine::{ContextAwareEffectHandler, TaskEffectHandler, signal};
use serde::Deserialize;
use serde_json::json;

use crate::harness::{AMPLE, Bridge, LONGER_THAN_AMPLE, deadline, logs, timeout, until};
use crate::nodes::CountDrop;

const SPAWN_NODE: &str = "urn:test:processor:spawn";

/// Children that wait, and those that were dropped while they did.
static WAITING: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Starts a child with each message.
pub(crate) struct Spawn(Child);

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Child {
    /// Sends the message on.
    Send,
    /// Forwards it twice, and acks or nacks it by both results.
    SendTwice,
    /// Fails.
    Fail,
    /// Panics.
    Panic,
    /// Waits for ever.
    Wait,
    /// No child: the message is held back and dropped.
    Drop,
    /// A child of the node that panics; the message is sent on.
    PanicInBackground,
}

impl ProcessorNode for Spawn {
    const URN: &'static str = SPAWN_NODE;
    type Config = Config;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        Ok(Self(config.child))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    child: Child,
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Spawn {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        let Message::PData(mut data) = msg else {
            return Ok(());
        };
        match self.0 {
            Child::Send => {
                effect_handler.spawn(async move |handler| handler.send_message(data).await);
            }
            Child::SendTwice => {
                let signal = signal(&data);
                let bytes = effect_handler.otlp_bytes(&mut data).await?;
                let held = effect_handler.hold(data);
                effect_handler.spawn(async move |mut handler| {
                    let request = handler.merge([&held], &[]);
                    for _ in 0..2 {
                        let message = request.message(signal, bytes.clone());
                        if let Err(error) = handler.send_and_wait(&request, message).await {
                            return held.nack(&handler, error).await;
                        }
                    }
                    held.ack(&handler).await
                });
            }
            Child::Fail => effect_handler.spawn(async |_handler| {
                Err(ProcessingError::retryable("the child failed").with_grpc_code(9))
            }),
            Child::Panic => effect_handler.spawn(async |_handler| panic!("the child panicked")),
            Child::Wait => effect_handler.spawn(async move |_handler| {
                let _data = data;
                let _dropped = CountDrop(&DROPPED);
                let _ = WAITING.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }),
            Child::Drop => drop(effect_handler.hold(data)),
            Child::PanicInBackground => {
                effect_handler.spawn_background(async |_handler| panic!("on purpose"));
                return effect_handler.send_message(data).await;
            }
        }
        Ok(())
    }
}

const RELAY_NODE: &str = "urn:test:processor:relay";

/// Sends one message at a time and waits for its ack.
pub(crate) struct Relay;

impl ProcessorNode for Relay {
    const URN: &'static str = RELAY_NODE;
    type Config = NoConfig;

    fn create(_config: NoConfig) -> Result<Self, ProcessingError> {
        Ok(Self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoConfig {}

#[async_trait(?Send)]
impl ConcurrentContextAwareProcessor for Relay {
    fn max_concurrency(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    async fn process_with_context(
        &self,
        mut data: OtapPdata,
        effect_handler: &mut TaskEffectHandler,
    ) -> Result<(), ProcessingError> {
        let signal = signal(&data);
        let bytes = effect_handler.otlp_bytes(&mut data).await?;
        let held = effect_handler.hold(data);
        let request = effect_handler.merge([&held], &[]);
        let message = request.message(signal, bytes);
        match effect_handler.send_and_wait(&request, message).await {
            Ok(()) => held.ack(effect_handler).await,
            Err(error) => held.nack(effect_handler, error).await,
        }
    }
}

#[test]
fn messages_that_wait_for_a_place_do_not_keep_acks_from_those_inside() {
    let bridge = Bridge::start(json!({"type": RELAY_NODE}));
    for call in 1..=3 {
        bridge.submit(call, &logs(&["body"])).unwrap();
    }
    for call in 1..=3 {
        let emission = bridge.host.emission();
        assert_eq!(emission.call_id, Some(call));
        assert!(bridge.host.seen(|seen| seen.emissions.is_empty()));
        assert!(bridge.emission_done(emission.id, None));
        bridge.host.done(call).unwrap();
    }
    let _ = bridge.finish();
}

#[test]
fn time_at_the_host_does_not_count_for_a_node_that_awaits_its_ack() {
    for (node, messages) in [
        (json!({"type": RELAY_NODE}), 1),
        (
            json!({"type": SPAWN_NODE, "config": {"child": "send_twice"}}),
            2,
        ),
    ] {
        let bridge = Bridge::start(node);
        bridge
            .submit_with(1, &logs(&["body"]), timeout(AMPLE))
            .unwrap();
        for _ in 0..messages {
            let emission = bridge.host.emission();
            bridge.outlast(LONGER_THAN_AMPLE);
            bridge
                .host
                .seen(|seen| assert!(!seen.results.contains_key(&1), "{:?}", seen.results));
            assert!(bridge.emission_done(emission.id, None));
        }
        bridge.host.done(1).unwrap();
        let _ = bridge.finish();
    }
}

#[test]
fn a_cancel_meanwhile_ends_the_wait_for_a_host_that_takes_longer_than_the_timeout() {
    let bridge = Bridge::start(json!({"type": RELAY_NODE}));
    bridge
        .submit_with(1, &logs(&["body"]), timeout(AMPLE))
        .unwrap();
    let emission = bridge.host.emission();
    bridge.outlast(LONGER_THAN_AMPLE);
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, "bored"));
    let error = bridge.host.done(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    let _ = bridge.finish();
}

#[test]
fn a_message_that_is_sent_and_awaited_ends_with_its_request() {
    let bridge = Bridge::start(json!({"type": RELAY_NODE}));
    let body = logs(&["body"]);
    bridge.submit(1, &body).unwrap();
    let emission = bridge.host.emission();
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, "bored"));
    assert_eq!(
        bridge.host.done(1).unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    // The host's answer finds nobody, and the place is free.
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.submit(2, &body).unwrap();
    let emission = bridge.host.emission();
    assert!(bridge.emission_done(emission.id, None));
    bridge.host.done(2).unwrap();
    drop(emission);
    let _ = bridge.finish();
}

fn start(child: &str) -> Bridge {
    Bridge::accepting(json!({"type": SPAWN_NODE, "config": {"child": child}}))
}

fn refused(child: &str) -> ProcessingError {
    let bridge = start(child);
    bridge.submit(1, &logs(&["body"])).unwrap();
    let error = bridge.host.done(1).unwrap_err();
    let _ = bridge.finish();
    error
}

#[test]
fn a_child_may_finish_the_message() {
    let bridge = start("send");
    bridge.submit(1, &logs(&["body"])).unwrap();
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

#[test]
fn a_childs_failure_refuses_the_message() {
    let error = refused("fail");
    assert_eq!((error.kind(), error.grpc_code()), (ErrorKind::Retryable, 9));
    let error = refused("panic");
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.message().contains("the child panicked"), "{error}");
}

#[test]
fn a_child_ends_with_its_request() {
    let bridge = start("wait");
    let reached = |counter: &AtomicUsize, count: usize| {
        until("a child", || counter.load(Ordering::SeqCst) >= count);
    };
    bridge.submit(1, &logs(&["body"])).unwrap();
    reached(&WAITING, 1);
    assert!(bridge.component.cancel(1, CancelReason::Cancelled, "bored"));
    assert_eq!(
        bridge.host.done(1).unwrap_err().kind(),
        ErrorKind::Cancelled
    );
    reached(&DROPPED, 1);
    bridge
        .submit_with(2, &logs(&["body"]), deadline(Duration::from_millis(20)))
        .unwrap();
    assert_eq!(bridge.host.done(2).unwrap_err().kind(), ErrorKind::Timeout);
    reached(&DROPPED, 2);
    // One that still waits at the shutdown ends with the node.
    bridge.submit(3, &logs(&["body"])).unwrap();
    reached(&WAITING, 3);
    bridge.component.shutdown(Duration::from_millis(50));
    reached(&DROPPED, 3);
    assert_eq!(
        bridge.host.done(3).unwrap_err().kind(),
        ErrorKind::Retryable
    );
    let _ = bridge.finish();
}

#[test]
fn a_message_that_is_held_and_dropped_is_refused() {
    let error = refused("drop");
    assert_eq!(error.kind(), ErrorKind::Retryable);
}

#[test]
fn a_panic_of_the_nodes_own_work_is_contained() {
    let bridge = start("panic_in_background");
    for call in 1..=2 {
        bridge.submit(call, &logs(&["body"])).unwrap();
        bridge.host.done(call).unwrap();
    }
    assert_eq!(bridge.runtime.stats().panics_total, 2);
    let _ = bridge.finish();
}

#[test]
fn several_messages_of_one_request_have_one_result() {
    let bridge = Bridge::start(json!({"type": SPAWN_NODE, "config": {"child": "send_twice"}}));
    bridge.submit(1, &logs(&["body"])).unwrap();
    let first = bridge.host.emission();
    assert_eq!(first.call_id, Some(1));
    assert!(bridge.emission_done(first.id, None));
    let second = bridge.host.emission();
    assert!(bridge.host.seen(|seen| seen.results.is_empty()));
    let error = ProcessingError::retryable("the second was refused");
    assert!(bridge.emission_done(second.id, Some(error)));
    assert!(
        bridge
            .host
            .done(1)
            .unwrap_err()
            .message()
            .contains("second")
    );
    drop((first, second));
    let _ = bridge.finish();
}
