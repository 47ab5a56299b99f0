// SPDX-License-Identifier: Apache-2.0

//! The gate before every upstream node: a dead request does not enter, and
//! neither an error nor a panic of the node costs more than its own message.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use otapbridge_context::{ProcessingError, RequestContext, Signal};
use otel_arrow_dfe_config::NodeUrn;
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::control::{NackMsg, NodeControlMsg};
use otel_arrow_dfe_engine::error::{Error, ProcessorErrorKind};
use otel_arrow_dfe_engine::local::processor as local;
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::node::NodeId;
use otel_arrow_dfe_engine::processor::{ProcessorRuntimeRequirements, ProcessorWrapper};
use otel_arrow_dfe_otap::pdata::{OtapPdata, PdataEffectHandlerExtension};

use crate::building;
use crate::context_headers::request_id;
use crate::core::Core;
use crate::counters::increment;
use crate::drain;
use crate::engine_errors;
use crate::nack;
use crate::payload::{from_otlp_bytes, routing_only, signal};
use crate::sending::looking_again;

/// A message that may enter a node: its request is alive, or it stems from no
/// single one.
pub(crate) struct Admitted {
    pub(crate) pdata: OtapPdata,
    pub(crate) context: RequestContext,
    /// The message to answer it by if the node fails; without its data unless a
    /// node before wants them back.
    pub(crate) routing: OtapPdata,
}

/// The context of the request behind a message, or why nobody waits for it.
pub(crate) fn alive(core: &Core, pdata: &OtapPdata) -> Result<RequestContext, ProcessingError> {
    let Some(id) = request_id(pdata) else {
        return Ok(RequestContext::empty());
    };
    let Some(request) = core.find(id) else {
        // What is left of an accepted request goes on, as output of no request.
        return if core.dead.contains(id) {
            Err(answered_already())
        } else {
            Ok(RequestContext::empty())
        };
    };
    match request.context().error() {
        Some(error) => Err(error),
        None => Ok(request.context().clone()),
    }
}

pub(crate) fn answered_already() -> ProcessingError {
    ProcessingError::cancelled("the request was answered already")
}

/// Lets a message in, or says how to refuse it because nobody waits for it.
pub(crate) fn admit(core: &Core, pdata: OtapPdata) -> Result<Admitted, Box<NackMsg<OtapPdata>>> {
    let context = match alive(core, &pdata) {
        Ok(context) => context,
        Err(error) => return Err(Box::new(nack::nack(core, error, true, pdata))),
    };
    let signal = signal(&pdata);
    let (engine_context, payload) = pdata.into_parts();
    // Some node before may want to send the data again. A clone shares them.
    let routing = if engine_context.may_return_payload() {
        OtapPdata::new(engine_context.clone(), payload.clone())
    } else {
        routing_only(engine_context.clone(), signal)
    };
    Ok(Admitted {
        pdata: OtapPdata::new(engine_context, payload),
        context,
        routing,
    })
}

/// The nack for a message whose node failed with `error`.
pub(crate) fn refuse(
    core: &Core,
    error: ProcessingError,
    context: &RequestContext,
    routing: OtapPdata,
) -> NackMsg<OtapPdata> {
    nack::nack(core, error, context.is_done(), routing)
}

/// What the caller of a message gets when its node panicked: the same data would
/// do it again, so it is permanent.
pub(crate) fn panic_error(core: &Core, panic: &(dyn Any + Send)) -> ProcessingError {
    increment(&core.counters.panics_total);
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

/// Puts a gate around a processor that the engine's own factory made.
pub(crate) fn gated(
    wrapper: ProcessorWrapper<OtapPdata>,
) -> Result<ProcessorWrapper<OtapPdata>, ConfigError> {
    gated_as(wrapper, |processor, _| processor)
}

/// As [`gated`], with something between the gate and the processor.
pub(crate) fn gated_as(
    wrapper: ProcessorWrapper<OtapPdata>,
    between: impl FnOnce(
        Box<dyn local::Processor<OtapPdata>>,
        &Arc<Core>,
    ) -> Box<dyn local::Processor<OtapPdata>>,
) -> Result<ProcessorWrapper<OtapPdata>, ConfigError> {
    let core = building::core()?;
    match wrapper {
        ProcessorWrapper::Local {
            node_id,
            user_config,
            runtime_config,
            processor,
            control_sender,
            control_receiver,
            pdata_senders,
            pdata_receiver,
            telemetry,
            source_tag,
        } => Ok(ProcessorWrapper::Local {
            node_id,
            user_config: Arc::clone(&user_config),
            runtime_config,
            processor: Box::new(LocalGate {
                flushed: drain::is_flushed(user_config.r#type.as_str()),
                node: user_config.r#type.clone(),
                inner: between(processor, &core),
                core,
            }),
            control_sender,
            control_receiver,
            pdata_senders,
            pdata_receiver,
            telemetry,
            source_tag,
        }),
        ProcessorWrapper::Shared { .. } => Err(ConfigError::InvalidUserConfig {
            error: "processors that move between threads cannot be gated".to_owned(),
        }),
    }
}

/// Turns of all tasks in which an answer comes to the node that it is for.
const TURNS: usize = 64;

struct LocalGate {
    inner: Box<dyn local::Processor<OtapPdata>>,
    core: Arc<Core>,
    node: NodeUrn,
    /// It is told to flush at a drain.
    flushed: bool,
}

impl LocalGate {
    /// A node whose control handling failed may hold messages that it will never
    /// answer: the pipeline ends and answers them.
    async fn control(
        &mut self,
        control: NodeControlMsg<OtapPdata>,
        effect_handler: &mut local::EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let handled = self
            .inner
            .process(Message::Control(control), effect_handler);
        match looking_again(AssertUnwindSafe(handled).catch_unwind()).await {
            Ok(result) => result,
            Err(panic) => Err(node_failed(
                effect_handler.processor_id(),
                &panic_error(&self.core, &*panic),
            )),
        }
    }

    async fn data(
        &mut self,
        pdata: OtapPdata,
        effect_handler: &mut local::EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let Admitted {
            pdata,
            context,
            routing,
        } = match admit(&self.core, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        let processed = self.inner.process(Message::PData(pdata), effect_handler);
        let error = match looking_again(AssertUnwindSafe(processed).catch_unwind()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if engine_errors::has_passed_on(self.node.as_str(), &error) => {
                tracing::warn!(error = %error, "a node failed on data that it had passed on");
                return Ok(());
            }
            Ok(Err(error)) => engine_errors::error_of_node(self.node.as_str(), error),
            Err(panic) => {
                let error = panic_error(&self.core, &*panic);
                return self
                    .after_panic(error, &context, routing, effect_handler)
                    .await;
            }
        };
        effect_handler
            .notify_nack(refuse(&self.core, error, &context, routing))
            .await
    }

    /// Refuses the message that a node panicked on. One that panicked while it converted data has
    /// broken the pipeline's codecs, which refuse everything from then on: a new pipeline is needed.
    async fn after_panic(
        &self,
        error: ProcessingError,
        context: &RequestContext,
        routing: OtapPdata,
        effect_handler: &mut local::EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let broken = node_failed(effect_handler.processor_id(), &error);
        effect_handler
            .notify_nack(refuse(&self.core, error, context, routing))
            .await?;
        let probe = from_otlp_bytes(Signal::Logs, Bytes::new());
        match effect_handler.materialize_otap(probe).await {
            Ok(_) => Ok(()),
            Err(_) => {
                // A node before that keeps the data hears of the refusal first, or it would send them again.
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
                Err(broken)
            }
        }
    }
}

#[async_trait(?Send)]
impl local::Processor<OtapPdata> for LocalGate {
    async fn process(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut local::EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        match msg {
            Message::Control(control) => self.control(control, effect_handler).await,
            Message::PData(pdata) if drain::is_mark(&pdata) => {
                let flushed = if self.flushed {
                    self.control(drain::flush(), effect_handler).await
                } else {
                    Ok(())
                };
                drain::pass_on(effect_handler).await;
                flushed
            }
            Message::PData(pdata) => self.data(pdata, effect_handler).await,
        }
    }

    fn accept_pdata(&self) -> bool {
        self.inner.accept_pdata()
    }

    fn runtime_requirements(&self) -> ProcessorRuntimeRequirements {
        self.inner.runtime_requirements()
    }
}
