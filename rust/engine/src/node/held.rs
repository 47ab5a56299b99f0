// SPDX-License-Identifier: Apache-2.0

//! Messages that a node keeps back, to ack or nack them when it has sent their data on
//! in another shape.

use std::sync::Arc;

use otapbridge_context::{ProcessingError, RequestContext};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use tokio::sync::mpsc;

use crate::base::payload::{routing_only, signal};
use crate::node::effect_handler::ContextAwareEffectHandler;
use crate::node::own_request::{OwnRequest, all_origins};
use crate::request::header::request_id;
use crate::request::state::Request;

/// A message whose data a node has taken and whose ack or nack it owes, by
/// [`Held::ack`] or [`Held::nack`]; one that is dropped is refused as retryable.
pub struct Held {
    /// `None` once it is acked or nacked.
    message: Option<OtapPdata>,
    context: RequestContext,
    request: Option<Arc<Request>>,
    dropped: mpsc::UnboundedSender<OtapPdata>,
}

impl Held {
    /// The context of its request; an empty one if it stems from no single request.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Accepts the message.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn ack(
        mut self,
        effect_handler: &ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        match self.message.take() {
            Some(message) => effect_handler.ack(message).await,
            None => Ok(()),
        }
    }

    /// Refuses the message.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn nack(
        mut self,
        effect_handler: &ContextAwareEffectHandler,
        error: ProcessingError,
    ) -> Result<(), ProcessingError> {
        match self.message.take() {
            Some(message) => effect_handler.nack(message, error).await,
            None => Ok(()),
        }
    }

    /// Refuses the message for good, although the error may allow a retry: for one of
    /// which a part was accepted, that nobody must send again.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn nack_for_good(
        self,
        effect_handler: &ContextAwareEffectHandler,
        error: ProcessingError,
    ) -> Result<(), ProcessingError> {
        self.nack(effect_handler, error.into_permanent()).await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            // When the pipeline is gone, its calls are completed without it.
            let _ = self.dropped.send(message);
        }
    }
}

impl ContextAwareEffectHandler {
    /// Keeps a message back whose data this node has taken. What goes back to a
    /// node before that wants the data with a nack is what `data` still contains.
    ///
    /// ```no_run
    /// use otapbridge::prelude::*;
    /// use otapbridge::Held;
    ///
    /// /// Sends the joined data of messages that were held back, and acks or nacks each.
    /// fn send(held: Vec<Held>, joined: Bytes, effect_handler: &ContextAwareEffectHandler) {
    ///     let request = effect_handler.merge(&held, &["x-tenant"]);
    ///     let batch = request.message(Signal::Logs, joined);
    ///     effect_handler.spawn_background(async move |mut task| {
    ///         let result = task.send_and_wait(&request, batch).await;
    ///         for one in held {
    ///             // Fails only when the pipeline is ending, which completes every call.
    ///             let _ = match &result {
    ///                 Ok(()) => one.ack(&task).await,
    ///                 Err(error) => one.nack(&task, error.clone()).await,
    ///             };
    ///         }
    ///     });
    /// }
    /// ```
    #[must_use]
    pub fn hold(&self, data: OtapPdata) -> Held {
        let signal = signal(&data);
        let id = request_id(&data);
        let request = id.and_then(|id| self.pipeline.shared.requests.in_flight(id));
        let request_context = match &request {
            Some(request) => request.context.clone(),
            None => self.context().clone(),
        };
        let (context, payload) = data.into_parts();
        let message = if context.may_return_payload() {
            OtapPdata::new(context, payload)
        } else {
            routing_only(context, signal)
        };
        Held {
            message: Some(message),
            context: request_context,
            request,
            dropped: self.tasks.dropped.clone(),
        }
    }

    /// Begins the request of a message that is made of the data of several others.
    /// That of a single request is its own.
    ///
    /// Its context: the latest deadline, if all have one; cancelled when all are;
    /// metadata under `metadata_keys`, and what all have alike; no span, but a link
    /// to each one's. The host learns which of its calls are in it.
    #[must_use]
    pub fn merge<'a>(
        &self,
        held: impl IntoIterator<Item = &'a Held>,
        metadata_keys: &[&str],
    ) -> OwnRequest {
        let mut contexts = Vec::new();
        let mut requests = Vec::new();
        for held in held {
            contexts.push(held.context.clone());
            requests.extend(held.request.clone());
        }
        let origins = all_origins(requests);
        match origins.as_slice() {
            [only]
                if only.is_call() && contexts.iter().all(|context| context.same(&only.context)) =>
            {
                OwnRequest::of(Arc::clone(only))
            }
            _ => {
                let context = RequestContext::merged(&contexts, metadata_keys);
                // A single request's context is not merged, but the same.
                let owned = !contexts.iter().any(|input| input.same(&context));
                OwnRequest::begin(&self.pipeline, context, origins, owned)
            }
        }
    }

    /// Begins a request that stems from no other.
    #[must_use]
    pub fn begin_request(&self, context: RequestContext) -> OwnRequest {
        OwnRequest::begin(&self.pipeline, context, Vec::new(), false)
    }
}
