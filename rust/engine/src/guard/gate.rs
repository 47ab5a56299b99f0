// SPDX-License-Identifier: Apache-2.0

//! The gate before every engine node: a message whose request has ended does not enter, and an
//! error or a panic of the node refuses only the message that it works on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use otapbridge_context::{ProcessingError, Signal};
use otel_arrow_dfe_config::NodeUrn;
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_config::node::NodeUserConfig;
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::control::NodeControlMsg;
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor as local;
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::processor::{ProcessorRuntimeRequirements, ProcessorWrapper};
use otel_arrow_dfe_otap::pdata::{OtapPdata, PdataEffectHandlerExtension};

use crate::base::payload::from_otlp_bytes;
use crate::base::sending::{ACK_TURNS, looking_again, turns};
use crate::base::spec::config_error;
use crate::guard::admission::{admit, node_failed, panic_error, refuse_failed};
use crate::guard::drain;
use crate::request::building;
use crate::request::engine_errors;
use crate::request::state::PipelineState;

/// Puts a gate around a processor that the engine's own factory made.
pub(crate) fn gated(
    wrapper: ProcessorWrapper<OtapPdata>,
) -> Result<ProcessorWrapper<OtapPdata>, ConfigError> {
    wrapped(wrapper, |processor, node| {
        Ok(LocalGate {
            inner: processor,
            pipeline: building::pipeline()?,
            node: node.r#type.clone(),
            flushed: drain::is_flushed(node.r#type.as_str()),
        })
    })
}

type BoxedProcessor = Box<dyn local::Processor<OtapPdata>>;

/// Puts something around such a processor.
pub(crate) fn wrapped<P: local::Processor<OtapPdata> + 'static>(
    wrapper: ProcessorWrapper<OtapPdata>,
    around: impl FnOnce(BoxedProcessor, &NodeUserConfig) -> Result<P, ConfigError>,
) -> Result<ProcessorWrapper<OtapPdata>, ConfigError> {
    match wrapper {
        // It was just made: nothing is connected to it.
        ProcessorWrapper::Local {
            node_id,
            user_config,
            runtime_config,
            processor,
            ..
        } => {
            let around = around(processor, &user_config)?;
            Ok(ProcessorWrapper::local(
                around,
                node_id,
                user_config,
                &runtime_config,
            ))
        }
        ProcessorWrapper::Shared { .. } => Err(config_error(
            "processors that move between threads cannot be gated",
        )),
    }
}

struct LocalGate {
    inner: BoxedProcessor,
    pipeline: Arc<PipelineState>,
    node: NodeUrn,
    /// It is told to flush at a drain.
    flushed: bool,
}

impl LocalGate {
    /// A node whose control handling failed may have messages that it will never
    /// ack or nack: the pipeline ends and completes their calls.
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
                &panic_error(&self.pipeline, &*panic),
            )),
        }
    }

    async fn data(
        &mut self,
        pdata: OtapPdata,
        effect_handler: &mut local::EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let (pdata, entered) = match admit(&self.pipeline, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        let processed = self.inner.process(Message::PData(pdata), effect_handler);
        let outcome = looking_again(AssertUnwindSafe(processed).catch_unwind()).await;
        let outcome = match outcome {
            Ok(Err(error)) if engine_errors::has_passed_on(self.node.as_str(), &error) => {
                tracing::warn!(error = %error, "a node failed on data that it had passed on");
                return Ok(());
            }
            outcome => outcome.map(|result| {
                result.map_err(|error| engine_errors::error_of_node(self.node.as_str(), error))
            }),
        };
        let panicked = outcome.is_err();
        refuse_failed(
            &self.pipeline,
            outcome,
            &entered.context(),
            Some(entered.routing),
            effect_handler,
        )
        .await?;
        if panicked {
            self.end_if_broken(effect_handler).await?;
        }
        Ok(())
    }

    /// A node that panicked while it converted data has broken the pipeline's codecs, which
    /// refuse everything from then on: a new pipeline is needed.
    async fn end_if_broken(
        &self,
        effect_handler: &local::EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let probe = from_otlp_bytes(Signal::Logs, Bytes::new());
        let Err(error) = effect_handler.materialize_otap(probe).await else {
            return Ok(());
        };
        // Nodes before this one get the refusal first, or they would send the data again after the restart.
        turns(ACK_TURNS).await;
        let error = ProcessingError::retryable(format!("the codecs are broken: {error}"));
        Err(node_failed(effect_handler.processor_id(), &error))
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
            Message::PData(pdata) if drain::is_marker(&pdata) => {
                let flushed = if self.flushed {
                    self.control(drain::flush(), effect_handler).await
                } else {
                    Ok(())
                };
                drain::forward_marker(effect_handler).await;
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
