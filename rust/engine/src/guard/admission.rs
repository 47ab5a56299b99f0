// SPDX-License-Identifier: Apache-2.0

//! Before a node works on a message, and after: an ended request does not enter, and
//! neither an error nor a panic of the node costs more than its own message.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread;

use futures::FutureExt;
use otapbridge_context::{ProcessingError, RequestContext};
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::control::NackMsg;
use otel_arrow_dfe_engine::error::{Error, ProcessorErrorKind};
use otel_arrow_dfe_engine::local::processor::EffectHandler;
use otel_arrow_dfe_engine::node::NodeId;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::base::counters::increment;
use crate::base::payload::{routing_only, signal};
use crate::request::header::request_id;
use crate::request::nack;
use crate::request::request::ended_already;
use crate::request::state::PipelineState;
use crate::request::state::Request;
use crate::request::table::Found;

/// What is needed to refuse a message after a node took it.
pub(crate) struct Entered {
    pub(crate) request: Option<Arc<Request>>,
    /// Without its data unless a node before wants them back.
    pub(crate) routing: OtapPdata,
}

/// The request behind a message, or why nobody waits for it.
pub(crate) fn alive(
    pipeline: &PipelineState,
    pdata: &OtapPdata,
) -> Result<Option<Arc<Request>>, ProcessingError> {
    let Some(id) = request_id(pdata) else {
        return Ok(None);
    };
    match pipeline.shared.requests.find(id) {
        Found::InFlight(request) => match request.context.error() {
            Some(error) => Err(error),
            None => Ok(Some(request)),
        },
        Found::Failed => Err(ended_already()),
        // Gone means accepted: fanout acks before all copies arrived; these go on without a request.
        Found::Gone => Ok(None),
    }
}

/// Lets a message in if its request is alive, or if it has none. Otherwise returns the nack.
pub(crate) fn admit(
    pipeline: &PipelineState,
    pdata: OtapPdata,
) -> Result<(OtapPdata, Entered), Box<NackMsg<OtapPdata>>> {
    let request = match alive(pipeline, &pdata) {
        Ok(request) => request,
        Err(error) => return Err(Box::new(nack::nack(pipeline, error, true, pdata))),
    };
    let signal = signal(&pdata);
    let (context, payload) = pdata.into_parts();
    // A node before may want to send the data again. A clone shares them.
    let routing = if context.may_return_payload() {
        OtapPdata::new(context.clone(), payload.clone())
    } else {
        routing_only(context.clone(), signal)
    };
    let entered = Entered { request, routing };
    Ok((OtapPdata::new(context, payload), entered))
}

impl Entered {
    pub(crate) fn context(&self) -> RequestContext {
        self.request
            .as_ref()
            .map_or_else(RequestContext::empty, |request| request.context.clone())
    }
}

/// What became of a node's work, with a panic contained.
pub(crate) type Outcome = thread::Result<Result<(), ProcessingError>>;

/// Awaits a node's work on the message of a request, and drops it when the request ends:
/// it really stops then. Contains a panic of the work, also one while it is dropped.
pub(crate) async fn until_done(
    context: &RequestContext,
    work: impl Future<Output = Result<(), ProcessingError>>,
) -> Outcome {
    let until_done = async {
        tokio::select! {
            biased;
            done = work => done,
            error = context.done() => Err(error),
        }
    };
    AssertUnwindSafe(until_done).catch_unwind().await
}

/// Refuses the message if the node failed on it, and has not acked or nacked it already. One whose
/// request has ended is refused for good.
///
/// # Errors
/// Only when the pipeline is ending, which completes every call.
pub(crate) async fn refuse_failed(
    pipeline: &PipelineState,
    outcome: Outcome,
    context: &RequestContext,
    routing: Option<OtapPdata>,
    effect_handler: &EffectHandler<OtapPdata>,
) -> Result<(), Error> {
    let error = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(panic) => panic_error(pipeline, &*panic),
    };
    let Some(routing) = routing else {
        return Ok(());
    };
    let nack = nack::nack(pipeline, error, context.is_done(), routing);
    effect_handler.notify_nack(nack).await
}

/// Awaits a node's handling of a control message or a flush: an error or a panic ends the pipeline,
/// because there is no message that could be refused instead.
pub(crate) async fn contained(
    pipeline: &PipelineState,
    effect_handler: &EffectHandler<OtapPdata>,
    handled: impl Future<Output = Result<(), ProcessingError>>,
) -> Result<(), Error> {
    let error = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(panic) => panic_error(pipeline, &*panic),
    };
    Err(node_failed(effect_handler.processor_id(), &error))
}

/// What the caller of a message gets when its node panicked: the same data would
/// do it again, so it is permanent.
pub(crate) fn panic_error(pipeline: &PipelineState, panic: &(dyn Any + Send)) -> ProcessingError {
    increment(&pipeline.shared.counters.panics_total);
    let text = panic_text(panic);
    tracing::error!(panic = text, "node panicked");
    ProcessingError::permanent(format!("node panicked: {text}"))
}

/// The engine error that ends a pipeline because a node failed.
pub(crate) fn node_failed(processor: NodeId, error: &ProcessingError) -> Error {
    Error::ProcessorError {
        processor,
        kind: ProcessorErrorKind::Other,
        error: error.to_string(),
        source_detail: String::new(),
    }
}

/// The text of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
