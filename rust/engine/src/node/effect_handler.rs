// SPDX-License-Identifier: Apache-2.0

//! The effect handlers that context-aware nodes get.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use otapbridge_context::{Metadata, ProcessingError, RequestContext, SpanContext};
use otel_arrow_dfe_config::PortName;
use otel_arrow_dfe_engine::control::{AckMsg, CallData, NackMsg};
use otel_arrow_dfe_engine::error::TypedError;
use otel_arrow_dfe_engine::local::processor::EffectHandler;
use otel_arrow_dfe_engine::{
    ConsumerEffectHandlerExtension, Interests, MessageSourceLocalEffectHandlerExtension,
    ProducerEffectHandlerExtension,
};
use otel_arrow_dfe_otap::pdata::{OtapPdata, PdataEffectHandlerExtension};
use otel_arrow_dfe_pdata_codec::builtins::OTLP_ENCODING;
use otel_arrow_dfe_pdata_codec::{EncodePolicy, EncodingPlan};
use tokio::sync::mpsc;

use crate::base::payload::{from_otlp_bytes, otlp_payload, signal};
use crate::base::sending::looking_again;
use crate::guard::admission::{Entered, panic_error, refuse_failed, until_done};
use crate::node::own_request::OwnRequest;
use crate::node::sent::Busy;
use crate::node::tasks::Tasks;
use crate::request::engine_errors::error_of_engine;
use crate::request::nack;
use crate::request::state::DataSize;
use crate::request::state::PipelineState;

/// The engine's effect handler together with the context of the request that
/// is being processed.
pub struct ContextAwareEffectHandler<PData = OtapPdata> {
    /// Shared by the node's handlers: a copy would copy the table of its outputs.
    pub(crate) inner: Rc<EffectHandler<PData>>,
    context: RequestContext,
    /// What the message's ack or nack needs; see [`crate::guard::admission::Entered`].
    routing: Option<OtapPdata>,
    /// Set if the request's data stay with the host.
    reference: Option<DataSize>,
    pub(crate) pipeline: Arc<PipelineState>,
    encoding: Option<EncodingPlan>,
    pub(crate) tasks: Rc<Tasks>,
}

impl<PData> ContextAwareEffectHandler<PData> {
    pub(crate) fn begin(&mut self, context: RequestContext, entered: Entered) {
        self.context = context;
        self.reference = entered.request.and_then(|request| request.reference);
        self.routing = Some(entered.routing);
    }

    pub(crate) fn end(&mut self) -> Option<OtapPdata> {
        self.context = RequestContext::empty();
        self.routing.take()
    }

    /// The context of the request; an empty one for control messages and for
    /// messages that stem from no single request.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// The request's metadata.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        self.context.metadata()
    }

    /// The request's span context, if it has one.
    #[must_use]
    pub fn trace_context(&self) -> Option<SpanContext> {
        self.context.span_context()
    }

    /// The request's deadline, if it has one.
    #[must_use]
    pub fn deadline(&self) -> Option<std::time::Instant> {
        self.context.deadline()
    }

    /// How much data the request has, if they stay with the host: its messages have none
    /// then. See [`ProcessorNode::is_blind`](crate::ProcessorNode::is_blind).
    #[must_use]
    pub fn data_size(&self) -> Option<DataSize> {
        self.reference
    }

    /// The engine's own handler, for timers and telemetry.
    #[must_use]
    pub fn inner(&self) -> &EffectHandler<PData> {
        &self.inner
    }
}

impl ContextAwareEffectHandler {
    pub(crate) fn new(inner: EffectHandler<OtapPdata>, pipeline: Arc<PipelineState>) -> Self {
        let (dropped, mut messages) = mpsc::unbounded_channel();
        let tasks = Tasks::new(dropped);
        let inner = Rc::new(inner);
        let nacker = Rc::clone(&inner);
        let nack_pipeline = Arc::clone(&pipeline);
        tasks.spawn(async move {
            while let Some(message) = messages.recv().await {
                let error = ProcessingError::retryable("a node dropped the data unprocessed");
                let nack = nack::nack(&nack_pipeline, error, false, message);
                // Fails only when the pipeline is ending, which completes every call.
                let _ = nacker.notify_nack(nack).await;
            }
        });
        Self {
            inner,
            context: RequestContext::empty(),
            routing: None,
            reference: None,
            pipeline,
            encoding: None,
            tasks,
        }
    }

    /// Another handler of the same node and request.
    pub(crate) fn for_task(&self, drain_waits: bool) -> TaskEffectHandler {
        TaskEffectHandler {
            handler: Self {
                inner: Rc::clone(&self.inner),
                context: self.context.clone(),
                routing: self.routing.clone(),
                reference: self.reference,
                pipeline: Arc::clone(&self.pipeline),
                encoding: None,
                tasks: Rc::clone(&self.tasks),
            },
            busy: drain_waits.then(|| self.tasks.sent.busy()),
        }
    }

    /// Sends after those that came before.
    async fn in_turn<F: Future>(&self, send: F) -> F::Output {
        let _turn = self.tasks.sending.lock().await;
        looking_again(send).await
    }

    async fn in_time(
        &self,
        send: impl Future<Output = Result<(), TypedError<OtapPdata>>>,
    ) -> Result<(), ProcessingError> {
        tokio::select! {
            biased;
            sent = self.in_turn(send) => sent.map_err(nack::send_error),
            error = self.context.done() => Err(error),
        }
    }

    /// Sends a message to the default output. Waits while the next node's queue
    /// is full, but not beyond the request's cancel or deadline.
    ///
    /// # Errors
    /// Cancelled or Timeout when the request ended first; Retryable when the
    /// next node is gone; Configuration when there is no default output.
    pub async fn send_message(&self, data: OtapPdata) -> Result<(), ProcessingError> {
        let send = self.inner.send_message_with_source_node(data);
        self.in_time(send).await
    }

    /// Sends a message to a named output; otherwise as [`Self::send_message`].
    ///
    /// # Errors
    /// As [`Self::send_message`].
    pub async fn send_message_to<P>(&self, port: P, data: OtapPdata) -> Result<(), ProcessingError>
    where
        P: Into<PortName> + Send + 'static,
    {
        let send = self.inner.send_message_with_source_node_to(port, data);
        self.in_time(send).await
    }

    /// Accepts a message that goes no further.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn ack(&self, data: OtapPdata) -> Result<(), ProcessingError> {
        let acked = self.inner.notify_ack(AckMsg::new(data)).await;
        acked.map_err(error_of_engine)
    }

    /// Refuses a message; for nodes that hold several and ack or nack each on its own.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn nack(
        &self,
        data: OtapPdata,
        error: ProcessingError,
    ) -> Result<(), ProcessingError> {
        let nack = nack::nack(&self.pipeline, error, false, data);
        self.notify_nack(nack).await
    }

    /// Asks to be told how a message fares that this node is about to send: it
    /// comes back as a control message, `Ack` with its `accepted` or `Nack` with its
    /// `refused`, which this node must pass back with [`Self::ack`], [`Self::nack`] or
    /// [`Self::notify_nack`]: nobody before it hears of the message otherwise. The data comes back
    /// with a nack only if `return_data`.
    pub fn subscribe(&self, data: &mut OtapPdata, return_data: bool) {
        let mut interests = Interests::ACKS_OR_NACKS;
        if return_data {
            interests |= Interests::RETURN_DATA;
        }
        self.inner.subscribe_to(interests, CallData::new(), data);
    }

    /// Why a message was refused: the host's error or that of a node of ours with
    /// everything it had, otherwise what the engine's nack says.
    #[must_use]
    pub fn error_of(&self, nack: &NackMsg<OtapPdata>) -> ProcessingError {
        nack::error_of(&self.pipeline.errors, nack)
    }

    /// Passes a nack back as it came.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn notify_nack(&self, nack: NackMsg<OtapPdata>) -> Result<(), ProcessingError> {
        let nacked = self.inner.notify_nack(nack).await;
        nacked.map_err(error_of_engine)
    }

    /// The node's name in its pipeline.
    #[must_use]
    pub fn node_name(&self) -> String {
        self.inner.processor_id().name.to_string()
    }

    /// The message's data as OTLP protobuf; converted if it is something else. The message has them as such then, so that no
    /// node converts them again.
    ///
    /// # Errors
    /// Permanent with InvalidArgument when it cannot be converted.
    pub async fn otlp_bytes(&mut self, data: &mut OtapPdata) -> Result<Bytes, ProcessingError> {
        let invalid = |error| ProcessingError::invalid_argument(format!("not OTLP: {error}"));
        let plan = match &self.encoding {
            Some(plan) => plan,
            None => {
                let plan = self
                    .inner
                    .resolve_encoding_plan(&OTLP_ENCODING, EncodePolicy::default());
                self.encoding.insert(plan.map_err(invalid)?)
            }
        };
        let signal = signal(data);
        let empty = from_otlp_bytes(signal, Bytes::new());
        let (context, mut payload) = std::mem::replace(data, empty).into_parts();
        let encoded = self.inner.encode_owned(&mut payload, plan).await;
        if let Ok(bytes) = &encoded {
            payload = otlp_payload(signal, bytes.clone());
        }
        *data = OtapPdata::new(context, payload);
        encoded.map_err(invalid)
    }

    /// Starts work on this request beside the message's processing. It is dropped
    /// at the request's cancel or deadline, and when the node ends. An error refuses
    /// the message, as one of the processing itself does.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use otapbridge::prelude::*;
    ///
    /// /// The node takes its next message meanwhile.
    /// fn later(data: OtapPdata, effect_handler: &ContextAwareEffectHandler) {
    ///     effect_handler.spawn(async move |task| {
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///         task.send_message(data).await
    ///     });
    /// }
    /// ```
    pub fn spawn<F>(&self, work: impl FnOnce(TaskEffectHandler) -> F + 'static)
    where
        F: Future<Output = Result<(), ProcessingError>> + 'static,
    {
        let mut handler = self.for_task(true);
        let inner = Rc::clone(&self.inner);
        let pipeline = Arc::clone(&self.pipeline);
        let context = self.context.clone();
        let routing = handler.routing.take();
        self.tasks.spawn(async move {
            let work = async move { work(handler).await };
            let outcome = until_done(&context, work).await;
            // Fails only when the pipeline is ending, which completes every call.
            let _ = refuse_failed(&pipeline, outcome, &context, routing, &inner).await;
        });
    }

    /// Starts work of the node itself, of no request. It is dropped when the node
    /// ends; a panic is contained and logged.
    pub fn spawn_background<F>(&self, work: impl FnOnce(TaskEffectHandler) -> F + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        let mut handler = self.for_task(false);
        let _ = handler.end();
        let pipeline = Arc::clone(&self.pipeline);
        self.tasks.spawn(async move {
            let work = AssertUnwindSafe(async move { work(handler).await });
            if let Err(panic) = work.catch_unwind().await {
                let _ = panic_error(&pipeline, &*panic);
            }
        });
    }
}

/// The effect handler of work that runs beside a node's message handling, and may
/// therefore wait for acks: the node takes them meanwhile.
pub struct TaskEffectHandler<PData = OtapPdata> {
    handler: ContextAwareEffectHandler<PData>,
    /// A drain waits for it; none for work that may never end.
    busy: Option<Busy>,
}

impl TaskEffectHandler {
    pub(crate) fn begin(&mut self, context: RequestContext, entered: Entered) {
        self.handler.begin(context, entered);
        self.busy = Some(self.handler.tasks.sent.busy());
    }

    pub(crate) fn end(&mut self) -> Option<OtapPdata> {
        self.busy = None;
        self.handler.end()
    }

    /// Sends a message of `request` to the default output and waits for its ack:
    /// until every output that stems from it was acknowledged, or one refused.
    /// It ends with the request, except that it waits for an answer that the host owes.
    ///
    /// # Errors
    /// Why it was refused; Cancelled or Timeout when the request ended first.
    pub async fn send_and_wait(
        &mut self,
        request: &OwnRequest,
        mut data: OtapPdata,
    ) -> Result<(), ProcessingError> {
        let Self { handler, busy } = self;
        let sent = &handler.tasks.sent;
        let awaited = sent.expect();
        let inner = &handler.inner;
        inner.subscribe_to(Interests::ACKS_OR_NACKS, awaited.calldata(), &mut data);
        let send = handler.in_turn(inner.send_message_with_source_node(data));
        sent.send_and_wait(request, awaited, busy, send).await
    }
}

impl<PData> Deref for TaskEffectHandler<PData> {
    type Target = ContextAwareEffectHandler<PData>;

    fn deref(&self) -> &Self::Target {
        &self.handler
    }
}

impl<PData> DerefMut for TaskEffectHandler<PData> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.handler
    }
}
