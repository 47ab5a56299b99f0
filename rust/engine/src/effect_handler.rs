// SPDX-License-Identifier: Apache-2.0

//! The effect handler a context-aware node gets.

use std::sync::Arc;

use bytes::Bytes;
use otapbridge_context::{Metadata, ProcessingError, RequestContext, SpanContext};
use otel_arrow_dfe_config::PortName;
use otel_arrow_dfe_engine::control::AckMsg;
use otel_arrow_dfe_engine::error::TypedError;
use otel_arrow_dfe_engine::local::processor::EffectHandler;
use otel_arrow_dfe_engine::{
    ConsumerEffectHandlerExtension, MessageSourceLocalEffectHandlerExtension,
};
use otel_arrow_dfe_otap::pdata::{OtapPdata, PdataEffectHandlerExtension};
use otel_arrow_dfe_pdata_codec::builtins::OTLP_ENCODING;
use otel_arrow_dfe_pdata_codec::{EncodePolicy, EncodingPlan};

use crate::core::Core;
use crate::nack;
use crate::payload::{from_otlp_bytes, signal};

/// The engine's effect handler together with the context of the request that
/// is being processed.
pub struct ContextAwareEffectHandler<PData> {
    inner: EffectHandler<PData>,
    context: RequestContext,
    pub(crate) core: Arc<Core>,
    encoding: Option<EncodingPlan>,
}

impl<PData> ContextAwareEffectHandler<PData> {
    pub(crate) fn new(inner: EffectHandler<PData>, core: Arc<Core>) -> Self {
        Self {
            inner,
            context: RequestContext::empty(),
            core,
            encoding: None,
        }
    }

    pub(crate) fn set_context(&mut self, context: RequestContext) {
        self.context = context;
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

    /// The engine's own handler, for timers and telemetry.
    #[must_use]
    pub fn inner(&self) -> &EffectHandler<PData> {
        &self.inner
    }
}

impl ContextAwareEffectHandler<OtapPdata> {
    /// Sends a message to the default output. Waits while the next node's queue
    /// is full, but not beyond the request's cancel or deadline.
    ///
    /// # Errors
    /// Cancelled or Timeout when the request ended first; Retryable when the
    /// next node is gone; Configuration when there is no default output.
    pub async fn send_message(&self, data: OtapPdata) -> Result<(), ProcessingError> {
        tokio::select! {
            biased;
            sent = self.inner.send_message_with_source_node(data) => sent.map_err(send_error),
            error = self.context.done() => Err(error),
        }
    }

    /// Sends a message to a named output; otherwise as [`Self::send_message`].
    ///
    /// # Errors
    /// As [`Self::send_message`].
    pub async fn send_message_to<P>(&self, port: P, data: OtapPdata) -> Result<(), ProcessingError>
    where
        P: Into<PortName> + Send + 'static,
    {
        tokio::select! {
            biased;
            sent = self.inner.send_message_with_source_node_to(port, data) => sent.map_err(send_error),
            error = self.context.done() => Err(error),
        }
    }

    /// Accepts a message that goes no further.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn ack(&self, data: OtapPdata) -> Result<(), ProcessingError> {
        let acked = self.inner.notify_ack(AckMsg::new(data)).await;
        acked.map_err(nack::error_of_engine)
    }

    /// Refuses a message; for nodes that hold several and answer each on its own.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn nack(
        &self,
        data: OtapPdata,
        error: ProcessingError,
    ) -> Result<(), ProcessingError> {
        let nack = nack::nack(&self.core, error, false, data);
        self.inner
            .notify_nack(nack)
            .await
            .map_err(nack::error_of_engine)
    }

    /// The message's data as OTLP protobuf; converted if it is something else.
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
        let empty = from_otlp_bytes(signal(data), Bytes::new());
        let (context, mut payload) = std::mem::replace(data, empty).into_parts();
        let encoded = self.inner.encode_owned(&mut payload, plan).await;
        *data = OtapPdata::new(context, payload);
        encoded.map_err(invalid)
    }
}

fn send_error(error: TypedError<OtapPdata>) -> ProcessingError {
    match error {
        TypedError::Error(error) => ProcessingError::configuration(error.to_string(), None),
        other => ProcessingError::retryable(format!("the next node is gone: {other}")),
    }
}
