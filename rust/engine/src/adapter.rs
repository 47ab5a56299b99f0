// SPDX-License-Identifier: Apache-2.0

//! Runs a context-aware processor as an engine node.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use otapbridge_context::RequestContext;
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::core::Core;
use crate::drain;
use crate::effect_handler::ContextAwareEffectHandler;
use crate::gate::{Admitted, admit, node_failed, panic_error, refuse};
use crate::node::ContextAwareProcessor;

pub(crate) struct Adapter<P> {
    processor: P,
    core: Arc<Core>,
    /// Made of the engine's handler on the first message, then kept.
    handler: Option<ContextAwareEffectHandler<OtapPdata>>,
}

impl<P> Adapter<P> {
    pub(crate) fn new(processor: P, core: Arc<Core>) -> Self {
        Self {
            processor,
            core,
            handler: None,
        }
    }
}

#[async_trait(?Send)]
impl<P: ContextAwareProcessor<OtapPdata>> Processor<OtapPdata> for Adapter<P> {
    async fn process(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let core = &self.core;
        let handler = self.handler.get_or_insert_with(|| {
            ContextAwareEffectHandler::new(effect_handler.clone(), Arc::clone(core))
        });
        let pdata = match msg {
            Message::PData(pdata) if drain::is_mark(&pdata) => {
                drain::pass_on(effect_handler).await;
                return Ok(());
            }
            Message::PData(pdata) => pdata,
            control => {
                handler.set_context(RequestContext::empty());
                let handled = self.processor.process_with_context(control, handler);
                return match AssertUnwindSafe(handled).catch_unwind().await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(node_failed(effect_handler.processor_id(), &error)),
                    Err(panic) => Err(node_failed(
                        effect_handler.processor_id(),
                        &panic_error(core, &*panic),
                    )),
                };
            }
        };

        let Admitted {
            pdata,
            context,
            routing,
        } = match admit(core, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        handler.set_context(context.clone());
        let outcome = tokio::select! {
            biased;
            processed = AssertUnwindSafe(
                self.processor.process_with_context(Message::PData(pdata), handler),
            )
            .catch_unwind() => processed,
            // The node's future is dropped here: its work really stops.
            error = context.done() => Ok(Err(error)),
        };
        handler.set_context(RequestContext::empty());
        let error = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(panic) => panic_error(core, &*panic),
        };
        effect_handler
            .notify_nack(refuse(core, error, &context, routing))
            .await
    }
}
