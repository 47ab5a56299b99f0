// SPDX-License-Identifier: Apache-2.0

//! Nodes that do on purpose what others do by accident.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use otapbridge_context::ProcessingError;
use otapbridge_engine::engine::{Message, NodeControlMsg, OtapPdata};
use otapbridge_engine::{
    ConcurrentContextAwareProcessor, ContextAwareProcessor, NodeFactory, ProcessorNode, catalogue,
    concurrent_processor_factory, processor_factory,
};
use otapbridge_engine::{ContextAwareEffectHandler, Secret, TaskEffectHandler, error_of_engine};
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::control::NackMsg;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::child_work::{Relay, Spawn};
use crate::control_messages::{Clock, ConcurrentClock};

pub(crate) const TEST_NODE: &str = "urn:test:processor:behave";

/// The engine's filter, which has no name in the catalogue.
pub(crate) const ENGINE_FILTER: &str = "urn:test:processor:engine_filter";

/// A node that does this.
pub(crate) fn behave(behaviour: Value) -> Value {
    json!({"type": TEST_NODE, "config": {"behaviour": behaviour}})
}

pub(crate) fn pass() -> Value {
    behave(json!({"pass": {}}))
}

/// Futures of `Wait` that were dropped.
pub(crate) static DROPPED_WAITS: AtomicUsize = AtomicUsize::new(0);
/// Messages that a `Wait` has begun with.
pub(crate) static BEGUN_WAITS: AtomicUsize = AtomicUsize::new(0);
/// Messages with which a `Block` has kept the thread; one test uses it.
pub(crate) static BLOCKED: AtomicUsize = AtomicUsize::new(0);

/// By these, tests say when nodes go on; one test uses each.
pub(crate) static LEAVE_TO_SEND: Notify = Notify::const_new();
pub(crate) static LEAVE_TO_END: Notify = Notify::const_new();

/// What a `Note` saw of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) origin: bool,
    pub(crate) deadline: bool,
    pub(crate) headers: bool,
}

/// The metadata key that `Note` looks for in the transport headers.
pub(crate) const NOTED_HEADER: &str = "x-noted";

/// What each `Note` saw, under the name of its list.
pub(crate) static NOTES: Mutex<Vec<(String, Noted)>> = Mutex::new(Vec::new());

/// What each `Look` saw, under the name of its list.
pub(crate) static LOOKED: Mutex<Vec<(String, Bytes)>> = Mutex::new(Vec::new());

pub(crate) fn factories() -> Vec<NodeFactory> {
    let mut factories = vec![
        processor_factory::<Behave>(),
        processor_factory::<Login>(),
        concurrent_processor_factory::<Meet>(),
        processor_factory::<Spawn>(),
        concurrent_processor_factory::<Relay>(),
        processor_factory::<Clock>(),
        concurrent_processor_factory::<ConcurrentClock>(),
    ];
    factories.extend(otapbridge_nodes::factories());
    factories.push(catalogue::engine_filter(ENGINE_FILTER));
    factories
}

/// A node with secrets in its configuration.
pub(crate) struct Login;

pub(crate) const SECRET_NODE: &str = "urn:test:processor:login";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read into")]
pub(crate) struct LoginConfig {
    url: String,
    credentials: Vec<Credentials>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read into")]
struct Credentials {
    user: String,
    password: Secret,
}

impl ProcessorNode for Login {
    const URN: &'static str = SECRET_NODE;
    type Config = LoginConfig;

    fn create(_config: LoginConfig) -> Result<Self, ProcessingError> {
        Ok(Self)
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Login {
    async fn process_with_context(
        &mut self,
        _msg: Message<OtapPdata>,
        _effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        Ok(())
    }
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Behaviour {
    /// Forwards what comes.
    Pass {},
    /// Waits for the end of the request.
    Wait {},
    /// Forwards when it has `LEAVE_TO_SEND`.
    WaitForLeave {},
    /// Keeps the pipeline's thread, once it has said so in `BLOCKED`, and forwards.
    Block { seconds: u64 },
    /// Panics.
    Panic {},
    /// Refuses, and says when to come again.
    Refuse {
        message: String,
        retry_after_milliseconds: u64,
    },
    /// Refuses each message, and says with each refusal the next of these delays.
    RefuseInTurn {
        retry_after_milliseconds: RefCell<VecDeque<u64>>,
    },
    /// Refuses with the metadata, deadline and address that it sees.
    Report {},
    /// Accepts and drops.
    Swallow {},
    /// Neither sends nor acks.
    Forget {},
    /// Fails at the first control message after a data message, and ends its pipeline.
    BreakPipeline {},
    /// Ends a message twice: forwards it and fails.
    SendAndFail {},
    /// Forwards, and goes on working until it has `LEAVE_TO_END`.
    Linger {},
    /// Forwards, and refuses with what it saw of the refusal behind it.
    Watch {},
    /// Forwards, and notes what it sees of the request.
    Note { list: String },
    /// Looks at the data as OTLP, keeps them, and forwards the message.
    Look { list: String },
    /// Refuses as the engine's own nodes do, with a text only.
    RefusePlainly { permanent: bool },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    behaviour: Behaviour,
}

pub(crate) struct Behave(Behaviour);

impl ProcessorNode for Behave {
    const URN: &'static str = TEST_NODE;
    type Config = Config;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        if let Behaviour::Refuse { message, .. } = &config.behaviour
            && message.is_empty()
        {
            let field = "behaviour.refuse.message".to_owned();
            return Err(ProcessingError::configuration(
                "must not be empty",
                Some(field),
            ));
        }
        Ok(Self(config.behaviour))
    }
}

/// Counts when it is dropped.
pub(crate) struct CountDrop(pub(crate) &'static AtomicUsize);

impl Drop for CountDrop {
    fn drop(&mut self) {
        let _ = self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Behave {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        let pdata = match msg {
            Message::PData(pdata) => pdata,
            Message::Control(NodeControlMsg::TimerTick {}) => {
                return Err(ProcessingError::permanent("broken on purpose"));
            }
            Message::Control(NodeControlMsg::Ack(ack)) => {
                return effect_handler.ack(*ack.accepted).await;
            }
            Message::Control(NodeControlMsg::Nack(nack)) => {
                let error = effect_handler.error_of(&nack);
                let saw = format!(
                    "saw {} {} {:?} {:?} {}, nacked as permanent: {}",
                    error.kind(),
                    error.grpc_code(),
                    error.retry_after(),
                    error.field(),
                    error.message(),
                    nack.permanent,
                );
                let told = ProcessingError::permanent(saw);
                return effect_handler.nack(*nack.refused, told).await;
            }
            Message::Control(_) => return Ok(()),
        };
        match &self.0 {
            Behaviour::Pass {} => effect_handler.send_message(pdata).await,
            Behaviour::Wait {} => {
                let _dropped = CountDrop(&DROPPED_WAITS);
                let _ = BEGUN_WAITS.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
            Behaviour::WaitForLeave {} => {
                LEAVE_TO_SEND.notified().await;
                effect_handler.send_message(pdata).await
            }
            Behaviour::Block { seconds } => {
                let _ = BLOCKED.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_secs(*seconds));
                effect_handler.send_message(pdata).await
            }
            Behaviour::Panic {} => panic!("panic on purpose"),
            Behaviour::Refuse {
                message,
                retry_after_milliseconds,
            } => {
                let after = Duration::from_millis(*retry_after_milliseconds);
                Err(ProcessingError::retryable(message)
                    .with_retry_after(after)
                    .with_grpc_code(9))
            }
            Behaviour::RefuseInTurn {
                retry_after_milliseconds,
            } => {
                let after = retry_after_milliseconds.borrow_mut().pop_front();
                let after = Duration::from_millis(after.expect("a delay for each message"));
                Err(ProcessingError::retryable("not now")
                    .with_retry_after(after)
                    .with_grpc_code(9))
            }
            Behaviour::Report {} => Err(ProcessingError::permanent(report(effect_handler))),
            Behaviour::Swallow {} => effect_handler.ack(pdata).await,
            Behaviour::Forget {} => {
                drop(pdata);
                Ok(())
            }
            Behaviour::BreakPipeline {} => {
                let timer = effect_handler
                    .inner()
                    .start_periodic_timer(Duration::from_millis(1));
                timer.await.map(drop).map_err(error_of_engine)
            }
            Behaviour::SendAndFail {} => {
                effect_handler.send_message(pdata).await?;
                Err(ProcessingError::permanent("failed after all"))
            }
            Behaviour::Linger {} => {
                effect_handler.send_message(pdata).await?;
                LEAVE_TO_END.notified().await;
                Ok(())
            }
            Behaviour::Watch {} => {
                let mut pdata = pdata;
                effect_handler.subscribe(&mut pdata, false);
                effect_handler.send_message(pdata).await
            }
            Behaviour::Note { list } => {
                let noted = Noted {
                    origin: !effect_handler.metadata().is_empty(),
                    deadline: effect_handler.deadline().is_some(),
                    headers: pdata
                        .transport_headers()
                        .is_some_and(|headers| headers.find_by_name(NOTED_HEADER).next().is_some()),
                };
                NOTES.lock().push((list.clone(), noted));
                effect_handler.send_message(pdata).await
            }
            Behaviour::Look { list } => {
                let mut pdata = pdata;
                let bytes = effect_handler.otlp_bytes(&mut pdata).await?;
                LOOKED.lock().push((list.clone(), bytes));
                effect_handler.send_message(pdata).await
            }
            Behaviour::RefusePlainly { permanent } => {
                let nack = if *permanent {
                    NackMsg::new_permanent("plain refusal", pdata)
                } else {
                    NackMsg::new("plain refusal", pdata)
                };
                let nacked = effect_handler.inner().notify_nack(nack).await;
                nacked.map_err(|error| ProcessingError::permanent(error.to_string()))
            }
        }
    }
}

fn report(effect_handler: &ContextAwareEffectHandler) -> String {
    let context = effect_handler.context();
    let metadata: Vec<String> = effect_handler
        .metadata()
        .iter()
        .map(|(key, value)| format!("{}={}", key.to_str_lossy(), value.to_str_lossy()))
        .collect();
    format!(
        "metadata {}; address {:?}; span {:?}; trace state {:?}; deadline {}",
        metadata.join(","),
        context.address().and_then(|address| address.ip()),
        effect_handler
            .trace_context()
            .map(|span| span.span_id_hex()),
        context.trace_state(),
        context.remaining().is_some(),
    )
}

pub(crate) const MEETING_NODE: &str = "urn:test:processor:meet";

/// Waits with each message until as many are inside as may be at a time, and then
/// forwards them.
pub(crate) struct Meet {
    config: MeetConfig,
    inside: Cell<usize>,
    complete: Notify,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeetConfig {
    at_a_time: NonZeroUsize,
}

impl ProcessorNode for Meet {
    const URN: &'static str = MEETING_NODE;
    type Config = MeetConfig;

    fn create(config: MeetConfig) -> Result<Self, ProcessingError> {
        Ok(Self {
            config,
            inside: Cell::new(0),
            complete: Notify::new(),
        })
    }
}

struct Inside<'a>(&'a Cell<usize>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[async_trait(?Send)]
impl ConcurrentContextAwareProcessor for Meet {
    fn max_concurrency(&self) -> NonZeroUsize {
        self.config.at_a_time
    }

    async fn process_with_context(
        &self,
        data: OtapPdata,
        effect_handler: &mut TaskEffectHandler,
    ) -> Result<(), ProcessingError> {
        let complete = self.complete.notified();
        let inside = self.inside.get() + 1;
        assert!(inside <= self.config.at_a_time.get(), "{inside} are inside");
        self.inside.set(inside);
        let _inside = Inside(&self.inside);
        if inside == self.config.at_a_time.get() {
            self.complete.notify_waiters();
        } else {
            complete.await;
        }
        effect_handler.send_message(data).await
    }
}
