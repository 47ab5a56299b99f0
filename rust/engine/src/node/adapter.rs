// SPDX-License-Identifier: Apache-2.0

//! Runs a context-aware processor as an engine node.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::control::NodeControlMsg;
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::guard::admission::{admit, contained, refuse_failed, until_done};
use crate::guard::drain;
use crate::node::effect_handler::ContextAwareEffectHandler;
use crate::node::processor::ContextAwareProcessor;
use crate::request::state::PipelineState;

/// What runs an author's processor `N` as an engine node.
pub(crate) trait Adapts<N>: Processor<OtapPdata> + 'static {
    fn new(processor: N, pipeline: Arc<PipelineState>) -> Self;
}

/// What a node has once it runs: made of the engine's handler on its first message.
#[derive(Default)]
pub(crate) struct Running(pub(crate) Option<ContextAwareEffectHandler>);

impl Running {
    pub(crate) fn handler(
        &mut self,
        effect_handler: &EffectHandler<OtapPdata>,
        pipeline: &Arc<PipelineState>,
    ) -> &mut ContextAwareEffectHandler {
        self.0.get_or_insert_with(|| {
            ContextAwareEffectHandler::new(effect_handler.clone(), Arc::clone(pipeline))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Tasks own a handler, which owns `Tasks`: without the abort the cycle leaks.
        if let Some(handler) = &self.0 {
            handler.tasks.abort();
        }
    }
}

pub(crate) struct Adapter<P> {
    processor: P,
    pipeline: Arc<PipelineState>,
    running: Running,
}

impl<P: ContextAwareProcessor + 'static> Adapts<P> for Adapter<P> {
    fn new(processor: P, pipeline: Arc<PipelineState>) -> Self {
        Self {
            processor,
            pipeline,
            running: Running::default(),
        }
    }
}

impl<P: ContextAwareProcessor> Adapter<P> {
    async fn control(
        &mut self,
        control: NodeControlMsg<OtapPdata>,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let pipeline = &self.pipeline;
        let handler = self.running.handler(effect_handler, pipeline);
        let Some(control) = handler.tasks.sent.resolve(pipeline, control) else {
            return Ok(());
        };
        let handled = self
            .processor
            .process_with_context(Message::Control(control), handler);
        contained(pipeline, effect_handler, handled).await
    }

    /// Nothing comes any more but acks and nacks.
    async fn drain(&mut self, effect_handler: &EffectHandler<OtapPdata>) -> Result<(), Error> {
        let pipeline = &self.pipeline;
        let handler = self.running.handler(effect_handler, pipeline);
        let deadline = pipeline.drain_until().unwrap_or_else(Instant::now);
        let flushed = contained(
            pipeline,
            effect_handler,
            self.processor.flush_all(handler, deadline),
        )
        .await;
        handler
            .tasks
            .forward_marker(effect_handler.clone(), deadline);
        flushed
    }

    async fn data(
        &mut self,
        pdata: OtapPdata,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let pipeline = &self.pipeline;
        let (pdata, entered) = match admit(pipeline, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        let handler = self.running.handler(effect_handler, pipeline);
        let context = entered.context();
        handler.begin(context.clone(), entered);
        let processed = self
            .processor
            .process_with_context(Message::PData(pdata), handler);
        let outcome = until_done(&context, processed).await;
        refuse_failed(pipeline, outcome, &context, handler.end(), effect_handler).await
    }
}

#[async_trait(?Send)]
impl<P: ContextAwareProcessor> Processor<OtapPdata> for Adapter<P> {
    async fn process(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        match msg {
            Message::Control(control) => self.control(control, effect_handler).await,
            Message::PData(pdata) if drain::is_marker(&pdata) => self.drain(effect_handler).await,
            Message::PData(pdata) => self.data(pdata, effect_handler).await,
        }
    }
}
