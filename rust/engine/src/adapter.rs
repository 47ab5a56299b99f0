// SPDX-License-Identifier: Apache-2.0

//! Runs a context-aware processor as an engine node.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures::FutureExt;
use otapbridge_context::{ProcessingError, RequestContext};
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::control::NodeControlMsg;
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::context_headers::{RequestId, request_id};
use crate::core::Core;
use crate::drain;
use crate::effect_handler::ContextAwareEffectHandler;
use crate::gate::{Admitted, admit, node_failed, panic_error, refuse};
use crate::node::ContextAwareProcessor;
use crate::tasks::TasksOwner;

/// What a node has once it runs: made of the engine's handler on its first message.
pub(crate) struct Running {
    pub(crate) handler: ContextAwareEffectHandler<OtapPdata>,
    _tasks: TasksOwner,
}

impl Running {
    pub(crate) fn new(effect_handler: &EffectHandler<OtapPdata>, core: &Arc<Core>) -> Self {
        let (handler, tasks) =
            ContextAwareEffectHandler::new(effect_handler.clone(), Arc::clone(core));
        Self {
            handler,
            _tasks: tasks,
        }
    }
}

/// Awaits the handling of what is no data message: an error or a panic ends the pipeline.
pub(crate) async fn contained(
    core: &Core,
    effect_handler: &EffectHandler<OtapPdata>,
    handled: impl Future<Output = Result<(), ProcessingError>>,
) -> Result<(), Error> {
    let error = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(panic) => panic_error(core, &*panic),
    };
    Err(node_failed(effect_handler.processor_id(), &error))
}

/// Awaits a node's work on the message of a request, and drops it when the request ends:
/// it really stops then. Contains a panic of the work, also one while it is dropped.
pub(crate) async fn until_done(
    core: &Core,
    id: Option<RequestId>,
    context: &RequestContext,
    work: impl Future<Output = Result<(), ProcessingError>>,
) -> std::thread::Result<Result<(), ProcessingError>> {
    let until_done = async {
        tokio::select! {
            biased;
            done = work => done,
            error = ended(core, id, context) => Err(error),
        }
    };
    AssertUnwindSafe(until_done).catch_unwind().await
}

/// Waits until a request ends. A mere timeout leaves an answer that the host has just
/// given the time to return.
async fn ended(core: &Core, id: Option<RequestId>, context: &RequestContext) -> ProcessingError {
    loop {
        let error = context.done().await;
        let is_timeout = context.is_deadline_a_timeout() && !context.is_cancelled();
        let request = id.filter(|_| is_timeout);
        let Some(request) = request.and_then(|id| core.find(id)) else {
            return error;
        };
        tokio::select! {
            biased;
            () = context.cancelled() => {}
            () = request.at_host().answers_returned() => {}
        }
        // The host may have got more output meanwhile.
        if let Some(error) = context.error() {
            return error;
        }
    }
}

pub(crate) struct Adapter<P> {
    processor: P,
    core: Arc<Core>,
    shard: usize,
    running: Option<Running>,
}

impl<P: ContextAwareProcessor<OtapPdata>> Adapter<P> {
    pub(crate) fn new(processor: P, core: Arc<Core>, shard: usize) -> Self {
        Self {
            processor,
            core,
            shard,
            running: None,
        }
    }

    async fn control(
        &mut self,
        control: NodeControlMsg<OtapPdata>,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let core = &self.core;
        let handler = &mut self
            .running
            .get_or_insert_with(|| Running::new(effect_handler, core))
            .handler;
        let Some(control) = handler.tasks.deliveries.resolve(core, control) else {
            return Ok(());
        };
        let handled = self
            .processor
            .process_with_context(Message::Control(control), handler);
        contained(core, effect_handler, handled).await
    }

    /// Nothing comes any more but answers.
    async fn drain(&mut self, effect_handler: &EffectHandler<OtapPdata>) -> Result<(), Error> {
        let core = &self.core;
        let handler = &mut self
            .running
            .get_or_insert_with(|| Running::new(effect_handler, core))
            .handler;
        let until = core.drain_until(self.shard);
        let deadline = until.unwrap_or_else(Instant::now);
        let flushed = contained(
            core,
            effect_handler,
            self.processor.flush_all(handler, deadline),
        )
        .await;
        handler.tasks.pass_mark_on(effect_handler.clone(), deadline);
        flushed
    }

    async fn data(
        &mut self,
        pdata: OtapPdata,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let core = &self.core;
        let Admitted {
            pdata,
            context,
            routing,
        } = match admit(core, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        let handler = &mut self
            .running
            .get_or_insert_with(|| Running::new(effect_handler, core))
            .handler;
        let request = request_id(&routing);
        handler.begin(context.clone(), routing);
        let processed = self
            .processor
            .process_with_context(Message::PData(pdata), handler);
        let outcome = until_done(core, request, &context, processed).await;
        let routing = handler.end();
        let error = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(panic) => panic_error(core, &*panic),
        };
        match routing {
            Some(routing) => {
                let nack = refuse(core, error, &context, routing);
                effect_handler.notify_nack(nack).await
            }
            None => Ok(()),
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
        match msg {
            Message::Control(control) => self.control(control, effect_handler).await,
            Message::PData(pdata) if drain::is_mark(&pdata) => self.drain(effect_handler).await,
            Message::PData(pdata) => self.data(pdata, effect_handler).await,
        }
    }
}
