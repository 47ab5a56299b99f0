// SPDX-License-Identifier: Apache-2.0

//! Runs a concurrent context-aware processor as an engine node: each message is a
//! task on the pipeline's thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures::poll;
use otel_arrow_dfe_engine::ConsumerEffectHandlerExtension;
use otel_arrow_dfe_engine::control::{NodeControlMsg, WakeupSlot};
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::processor::ProcessorRuntimeRequirements;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::guard::admission::{admit, contained, refuse_failed, until_done};
use crate::guard::drain;
use crate::node::adapter::{Adapts, Running};
use crate::node::effect_handler::{ContextAwareEffectHandler, TaskEffectHandler};
use crate::node::processor::ConcurrentContextAwareProcessor;
use crate::request::state::PipelineState;

/// Wakes the node when a place is free after all were taken.
const PLACE_FREE: WakeupSlot = WakeupSlot(u128::MAX);

/// Wake-ups of a node's own that it may have set besides.
const OWN_WAKEUPS: usize = 64;

/// One of the messages that may be processed at a time.
struct Place {
    places: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    effect_handler: Rc<EffectHandler<OtapPdata>>,
}

impl Place {
    /// Takes one if any is free. During a drain there may be none: then [`taken`](Self::taken) waits.
    fn take(places: &Arc<Semaphore>, effect_handler: Rc<EffectHandler<OtapPdata>>) -> Self {
        Self {
            places: Arc::clone(places),
            permit: Arc::clone(places).try_acquire_owned().ok(),
            effect_handler,
        }
    }

    /// Waits until it is taken.
    async fn taken(&mut self) {
        if self.permit.is_none() {
            // The semaphore is never closed.
            self.permit = Arc::clone(&self.places).acquire_owned().await.ok();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let full = self.places.available_permits() == 0;
        drop(self.permit.take());
        if full {
            // Makes the engine ask again whether data may come in. It refuses only when
            // the node is ending.
            let _ = self.effect_handler.set_wakeup(PLACE_FREE, Instant::now());
        }
    }
}

pub(crate) struct ConcurrentAdapter<P> {
    processor: Rc<P>,
    pipeline: Arc<PipelineState>,
    places: Arc<Semaphore>,
    running: Running,
    /// Handlers of messages that are done, for the next ones.
    spare: Rc<RefCell<Vec<TaskEffectHandler>>>,
}

impl<P: ConcurrentContextAwareProcessor + 'static> Adapts<P> for ConcurrentAdapter<P> {
    fn new(processor: P, pipeline: Arc<PipelineState>) -> Self {
        let limit = processor.max_concurrency().get();
        Self {
            processor: Rc::new(processor),
            pipeline,
            places: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            running: Running::default(),
            spare: Rc::default(),
        }
    }
}

impl<P: ConcurrentContextAwareProcessor + 'static> ConcurrentAdapter<P> {
    fn handler(
        &mut self,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> &mut ContextAwareEffectHandler {
        let is_first = self.running.0.is_none();
        let handler = self.running.handler(effect_handler, &self.pipeline);
        if is_first {
            let (pipeline, waker) = (Arc::clone(&self.pipeline), effect_handler.clone());
            // After a drain began all data are accepted and wait for a place in their task,
            // because the engine no longer asks `accept_pdata`.
            handler.tasks.spawn(async move {
                pipeline.drain_begun().await;
                let _ = waker.set_wakeup(PLACE_FREE, Instant::now());
            });
        }
        handler
    }

    async fn control(
        &mut self,
        control: NodeControlMsg<OtapPdata>,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        if let NodeControlMsg::Wakeup { slot, .. } = &control
            && *slot == PLACE_FREE
        {
            return Ok(());
        }
        let pipeline = Arc::clone(&self.pipeline);
        let processor = Rc::clone(&self.processor);
        let handler = self.handler(effect_handler);
        let Some(control) = handler.tasks.sent.resolve(&pipeline, control) else {
            return Ok(());
        };
        contained(
            &pipeline,
            effect_handler,
            processor.control(control, handler),
        )
        .await
    }

    /// Starts the work on a message. The node goes on reading control messages, because
    /// those inside may await acks.
    async fn data(
        &mut self,
        pdata: OtapPdata,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let (pdata, entered) = match admit(&self.pipeline, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        let pipeline = Arc::clone(&self.pipeline);
        let processor = Rc::clone(&self.processor);
        let spare = Rc::clone(&self.spare);
        let places = Arc::clone(&self.places);
        let node = self.handler(effect_handler);
        let nacker = Rc::clone(&node.inner);
        let mut place = Place::take(&places, Rc::clone(&nacker));
        let reused = spare.borrow_mut().pop();
        let mut handler = reused.unwrap_or_else(|| node.for_task(false));
        let context = entered.context();
        handler.begin(context.clone(), entered);
        let mut work = Box::pin(async move {
            let processed = async {
                place.taken().await;
                processor.process_with_context(pdata, &mut handler).await
            };
            let outcome = until_done(&context, processed).await;
            drop(place);
            let routing = handler.end();
            spare.borrow_mut().push(handler);
            // Fails only when the pipeline is ending, which completes every call.
            let _ = refuse_failed(&pipeline, outcome, &context, routing, &nacker).await;
        });
        // Most work is done at once, and needs no task.
        if poll!(work.as_mut()).is_pending() {
            node.tasks.spawn(work);
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl<P> Processor<OtapPdata> for ConcurrentAdapter<P>
where
    P: ConcurrentContextAwareProcessor + 'static,
{
    async fn process(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        match msg {
            Message::Control(control) => self.control(control, effect_handler).await,
            Message::PData(pdata) if drain::is_marker(&pdata) => {
                let deadline = self.pipeline.drain_until().unwrap_or_else(Instant::now);
                let handler = self.handler(effect_handler);
                handler
                    .tasks
                    .forward_marker(effect_handler.clone(), deadline);
                Ok(())
            }
            Message::PData(pdata) => self.data(pdata, effect_handler).await,
        }
    }

    /// While all places are taken, data stay in the queue. During a drain they are accepted all the
    /// same, or the marker behind them would be stuck.
    fn accept_pdata(&self) -> bool {
        self.places.available_permits() > 0 || self.pipeline.drain_until().is_some()
    }

    fn runtime_requirements(&self) -> ProcessorRuntimeRequirements {
        ProcessorRuntimeRequirements::with_local_wakeups(1 + OWN_WAKEUPS)
    }
}
