// SPDX-License-Identifier: Apache-2.0

//! Receivers written against the bridge: what begins in Rust, as requests with a
//! context of their own.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures::FutureExt;
use otapbridge_context::{ProcessingError, RequestContext};
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_engine::control::NodeControlMsg;
use otel_arrow_dfe_engine::error::{Error, ReceiverErrorKind};
use otel_arrow_dfe_engine::local::receiver::{ControlChannel, EffectHandler, Receiver};
use otel_arrow_dfe_engine::receiver::ReceiverWrapper;
use otel_arrow_dfe_engine::terminal_state::TerminalState;
use otel_arrow_dfe_engine::wiring_contract::WiringContract;
use otel_arrow_dfe_engine::{
    Interests, MessageSourceLocalEffectHandlerExtension, ProducerEffectHandlerExtension,
    ReceiverFactory,
};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::base::sending::{at, looking_again};
use crate::base::spec::config_error;
use crate::guard::admission::panic_error;
use crate::guard::drain;
use crate::host::receiver::terminal_state;
use crate::node::factory::{Check, Factory, NodeFactory, NodeType, configured};
use crate::node::own_request::OwnRequest;
use crate::node::sent::Sent;
use crate::request::building;
use crate::request::state::PipelineState;

/// A source of requests.
#[async_trait(?Send)]
pub trait ContextAwareReceiver {
    /// Runs until the source is exhausted, or until [`ReceiverEffectHandler::draining`]
    /// resolves and what was sent is acked or nacked. The future is dropped when the
    /// component's shutdown deadline passes.
    ///
    /// # Errors
    /// Any [`ProcessingError`]; it ends the pipeline, which is then restarted.
    async fn receive(
        &mut self,
        effect_handler: &ReceiverEffectHandler,
    ) -> Result<(), ProcessingError>;
}

/// A receiver's name and configuration.
pub trait ReceiverNode: ContextAwareReceiver + Sized + 'static {
    /// Node type, `urn:<namespace>:receiver:<id>`.
    const URN: &'static str;

    /// The configuration. It should refuse unknown fields.
    type Config: DeserializeOwned;

    /// Makes the node. Also called, and the result dropped, to validate a
    /// configuration, so it must not start anything.
    ///
    /// # Errors
    /// [`ProcessingError::configuration`] with the path below `config` as its field.
    fn create(config: Self::Config) -> Result<Self, ProcessingError>;
}

/// Makes a node type of a receiver.
#[must_use]
pub fn receiver_factory<N: ReceiverNode>() -> NodeFactory {
    let node_type = NodeType {
        check: Check::Own(|config| configured(config, N::create).map(drop)),
        at_most_one_output: false,
        is_blind: |_| false,
    };
    let factory = ReceiverFactory {
        name: N::URN,
        create: |_pipeline, node, node_config, receiver_config, _capabilities| {
            let adapter = Adapter {
                receiver: configured(&node_config.config, N::create).map_err(config_error)?,
                pipeline: building::pipeline()?,
            };
            Ok::<_, ConfigError>(ReceiverWrapper::local(
                adapter,
                node,
                node_config,
                receiver_config,
            ))
        },
        context_declarations: None,
        wiring_contract: WiringContract::UNRESTRICTED,
        // Its own check says more, and comes before.
        validate_config: |_| Ok(()),
    };
    NodeFactory {
        factory: Factory::Receiver(factory),
        node_type,
    }
}

/// The engine's effect handler for a receiver of requests.
pub struct ReceiverEffectHandler {
    inner: EffectHandler<OtapPdata>,
    pipeline: Arc<PipelineState>,
    sent: Rc<Sent>,
    draining: watch::Receiver<bool>,
}

impl ReceiverEffectHandler {
    /// Begins a request.
    #[must_use]
    pub fn begin_request(&self, context: RequestContext) -> OwnRequest {
        OwnRequest::begin(&self.pipeline, context, Vec::new(), true)
    }

    /// Sends a message of `request` into the pipeline and waits for its ack, until
    /// the request ends. Several may be under way at a time.
    ///
    /// # Errors
    /// Why it was refused; Cancelled or Timeout when the request ended first;
    /// Retryable when the component is draining.
    pub async fn send_and_wait(
        &self,
        request: &OwnRequest,
        mut data: OtapPdata,
    ) -> Result<(), ProcessingError> {
        if *self.draining.borrow() {
            return Err(ProcessingError::retryable(
                "the component is being shut down",
            ));
        }
        let awaited = self.sent.expect();
        let interests = Interests::ACKS_OR_NACKS;
        self.inner
            .subscribe_to(interests, awaited.calldata(), &mut data);
        let send = looking_again(self.inner.send_message_with_source_node(data));
        self.sent
            .send_and_wait(request, awaited, &mut None, send)
            .await
    }

    /// Resolves when the component is being shut down: send nothing new then.
    pub async fn draining(&self) {
        // The sender lives as long as the node.
        let _ = self.draining.clone().wait_for(|draining| *draining).await;
    }
}

struct Adapter<R> {
    receiver: R,
    pipeline: Arc<PipelineState>,
}

#[async_trait(?Send)]
impl<R: ContextAwareReceiver> Receiver<OtapPdata> for Adapter<R> {
    async fn start(
        mut self: Box<Self>,
        mut control: ControlChannel<OtapPdata>,
        effect_handler: EffectHandler<OtapPdata>,
    ) -> Result<TerminalState, Error> {
        let (drain, draining) = watch::channel(false);
        let sent = Rc::new(Sent::default());
        let handler = ReceiverEffectHandler {
            inner: effect_handler.clone(),
            pipeline: Arc::clone(&self.pipeline),
            sent: Rc::clone(&sent),
            draining,
        };
        let mut receiving = Some(Box::pin(
            AssertUnwindSafe(self.receiver.receive(&handler)).catch_unwind(),
        ));
        let mut deadline: Option<Instant> = None;
        let mut marking: Option<_> = None;
        loop {
            if let Some(deadline) = deadline {
                let finished = receiving.is_none() && marking.is_none();
                if finished || Instant::now() >= deadline {
                    effect_handler.notify_receiver_drained().await?;
                    return Ok(terminal_state(deadline));
                }
            }
            tokio::select! {
                biased;
                message = control.recv() => match message? {
                    NodeControlMsg::DrainIngress { deadline: until, .. } => {
                        deadline = Some(until);
                        self.pipeline.begin_drain(until);
                        let _ = drain.send(true);
                        let (sent, handler) = (Rc::clone(&sent), effect_handler.clone());
                        marking = Some(Box::pin(async move {
                            sent.idle(until).await;
                            // Without a next node there is nothing to flush.
                            let send = handler.send_message_with_source_node(drain::marker());
                            let _ = looking_again(send).await;
                        }));
                    }
                    NodeControlMsg::Shutdown { deadline, .. } => {
                        return Ok(terminal_state(deadline));
                    }
                    control => drop(sent.resolve(&self.pipeline, control)),
                },
                () = async { marking.as_mut().expect("guarded").await }, if marking.is_some() => {
                    marking = None;
                }
                ended = async { receiving.as_mut().expect("guarded").await }, if receiving.is_some() => {
                    receiving = None;
                    let error = match ended {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => error,
                        Err(panic) => panic_error(&self.pipeline, &*panic),
                    };
                    return Err(Error::ReceiverError {
                        receiver: effect_handler.receiver_id(),
                        kind: ReceiverErrorKind::Other,
                        error: error.to_string(),
                        source_detail: String::new(),
                    });
                }
                () = at(deadline), if deadline.is_some() => {}
            }
        }
    }
}
