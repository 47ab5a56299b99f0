// SPDX-License-Identifier: Apache-2.0

//! The first node of every pipeline: what the host submits enters here, and
//! what the engine decides about it comes back here.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use otapbridge_context::ProcessingError;
use otel_arrow_dfe_engine::control::{CallData, Context8u8, NodeControlMsg};
use otel_arrow_dfe_engine::error::{Error, TypedError};
use otel_arrow_dfe_engine::local::receiver::{ControlChannel, EffectHandler, Receiver};
use otel_arrow_dfe_engine::receiver::ReceiverWrapper;
use otel_arrow_dfe_engine::terminal_state::TerminalState;
use otel_arrow_dfe_engine::wiring_contract::WiringContract;
use otel_arrow_dfe_engine::{
    Interests, MessageSourceLocalEffectHandlerExtension, ProducerEffectHandlerExtension,
    ReceiverFactory,
};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use otel_arrow_dfe_telemetry::metrics::MetricSetSnapshot;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::base::counters::increment;
use crate::base::looking::Looking;
use crate::base::payload::otlp_payload;
use crate::base::sending::{ACK_TURNS, at, looking_again, turns};
use crate::guard::drain;
use crate::request::building;
use crate::request::header::engine_context;
use crate::request::nack;
use crate::request::state::{PipelineState, Submission};
use crate::request::table::{Key, RequestId};

pub(crate) const HOST_RECEIVER_URN: &str = "urn:otapbridge:receiver:host";

/// How many submissions enter before control messages are looked at again.
const BURST: usize = 64;

pub(crate) static HOST_RECEIVER: ReceiverFactory<OtapPdata> = ReceiverFactory {
    name: HOST_RECEIVER_URN,
    create: |_pipeline, node, node_config, receiver_config, _capabilities| {
        Ok(ReceiverWrapper::local(
            HostReceiver {
                pipeline: building::pipeline()?,
                submissions: building::take_submissions()?,
            },
            node,
            node_config,
            receiver_config,
        ))
    },
    context_declarations: None,
    wiring_contract: WiringContract::UNRESTRICTED,
    validate_config: otel_arrow_dfe_config::validation::no_config,
};

struct HostReceiver {
    pipeline: Arc<PipelineState>,
    submissions: UnboundedReceiver<Submission>,
}

/// A message that waits for room in the next node's queue.
type PendingSend = Pin<Box<dyn Future<Output = Result<(), TypedError<OtapPdata>>>>>;

#[async_trait(?Send)]
impl Receiver<OtapPdata> for HostReceiver {
    async fn start(
        mut self: Box<Self>,
        mut control: ControlChannel<OtapPdata>,
        effect_handler: EffectHandler<OtapPdata>,
    ) -> Result<TerminalState, Error> {
        if self.pipeline.shared.early_answers {
            let this = effect_handler.receiver_id();
            self.pipeline.allow_early_answers(this.index);
        }
        let pipeline = Arc::clone(&self.pipeline);
        let completer = tokio::task::spawn_local(complete_cancelled(pipeline));
        let result = self.run(&mut control, effect_handler).await;
        completer.abort();
        result
    }
}

/// So many turns of the thread's tasks that a node's ack or nack has reached this receiver.
const TURNS: usize = 8;

/// Completes cancelled calls after some turns: context-aware nodes have refused theirs by then,
/// engine nodes may never do so. Those that the host has just answered have some turns more.
/// Never ends.
async fn complete_cancelled(pipeline: Arc<PipelineState>) {
    loop {
        let mut cancelled = pipeline.cancelled_calls().await;
        turns(TURNS).await;
        cancelled.retain(|call| call.complete_cancelled(false));
        if !cancelled.is_empty() {
            turns(ACK_TURNS).await;
            cancelled.retain(|call| call.complete_cancelled(true));
        }
    }
}

/// Waits for calls, and looks for them for a moment before the thread sleeps.
async fn receive(
    submissions: &mut UnboundedReceiver<Submission>,
    incoming: &mut Vec<Submission>,
    looking: &mut Looking,
) -> usize {
    looking.look(|| !submissions.is_empty()).await;
    submissions.recv_many(incoming, BURST).await
}

impl HostReceiver {
    async fn run(
        &mut self,
        control: &mut ControlChannel<OtapPdata>,
        effect_handler: EffectHandler<OtapPdata>,
    ) -> Result<TerminalState, Error> {
        let mut sending: Option<PendingSend> = None;
        let mut burst: VecDeque<Submission> = VecDeque::with_capacity(BURST);
        let mut incoming = Vec::with_capacity(BURST);
        let mut draining: Option<Instant> = None;
        let mut open = true;
        let mut marker_sent = false;
        let mut looking = Looking::new();
        loop {
            while sending.is_none() {
                let Some(submission) = burst.pop_front() else {
                    break;
                };
                sending = self.forward(submission, &effect_handler)?;
            }
            if let Some(deadline) = draining {
                let all_sent = !open && sending.is_none();
                if all_sent && !marker_sent {
                    marker_sent = true;
                    sending = self.send(drain::marker(), &effect_handler)?;
                    continue;
                }
                let idle =
                    all_sent && self.pipeline.calls_in_flight() == 0 && !self.pipeline.has_stores();
                if idle || Instant::now() >= deadline {
                    effect_handler.notify_receiver_drained().await?;
                    return Ok(terminal_state(deadline));
                }
            }
            let may_receive = open && sending.is_none();
            tokio::select! {
                biased;
                message = control.recv() => match message? {
                    NodeControlMsg::Ack(ack) => self.complete(&ack.unwind.route.calldata, None),
                    NodeControlMsg::Nack(nack) => {
                        let error = nack::error_of(&self.pipeline.errors, &nack);
                        self.complete(&nack.unwind.route.calldata, Some(error));
                    }
                    NodeControlMsg::DrainIngress { deadline, .. } => {
                        self.pipeline.begin_drain(deadline);
                        self.pipeline.close_submissions();
                        draining = Some(deadline);
                    }
                    NodeControlMsg::Shutdown { deadline, .. } => {
                        return Ok(terminal_state(deadline));
                    }
                    _ => {}
                },
                sent = async { sending.as_mut().expect("guarded").await }, if sending.is_some() => {
                    sending = None;
                    // It fails only when the next node is gone, which ends the pipeline and
                    // completes what is in flight.
                    sent?;
                },
                received = receive(&mut self.submissions, &mut incoming, &mut looking), if may_receive => {
                    // The component closed the queue: only acks and nacks are left.
                    open = received > 0;
                    burst.extend(incoming.drain(..));
                },
                () = self.pipeline.settled(), if draining.is_some() => {},
                () = at(draining), if draining.is_some() => {},
            }
        }
    }

    /// Forwards a submission, or returns the send that has to wait for room.
    fn forward(
        &self,
        submission: Submission,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<Option<PendingSend>, Error> {
        let call = submission.call;
        if !call.enter_nodes() {
            return Ok(None);
        }
        if let Some(error) = call.context.error() {
            drop(submission.payload);
            call.complete(Some(error));
            return Ok(None);
        }
        let payload = otlp_payload(submission.signal, submission.payload);
        let mut pdata = OtapPdata::new(engine_context(&call), payload);
        let mut calldata = CallData::new();
        let call_id = call.id.call_id().unwrap_or_default();
        calldata.extend([call_id, call.id.number].map(Context8u8::from));
        effect_handler.subscribe_to(Interests::ACKS_OR_NACKS, calldata, &mut pdata);
        self.send(pdata, effect_handler)
    }

    fn send(
        &self,
        pdata: OtapPdata,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<Option<PendingSend>, Error> {
        match effect_handler.try_send_message_with_source_node(pdata) {
            Err(TypedError::ChannelSendError(otel_arrow_dfe_channel::error::SendError::Full(
                pdata,
            ))) => {
                let effect_handler = effect_handler.clone();
                Ok(Some(Box::pin(async move {
                    let send = effect_handler.send_message_with_source_node(pdata);
                    looking_again(send).await
                })))
            }
            sent => Ok(sent.map(|()| None)?),
        }
    }

    fn complete(&self, calldata: &CallData, error: Option<ProcessingError>) {
        let &[call_id, number] = calldata.as_slice() else {
            return;
        };
        let id = RequestId {
            key: Key::Call(call_id.into()),
            number: number.into(),
        };
        match self.pipeline.shared.requests.in_flight(id) {
            Some(call) => call.complete(error),
            None => increment(&self.pipeline.shared.counters.late_completions_total),
        }
    }
}

/// A node's farewell; the host's nodes report no metrics.
pub(crate) fn terminal_state(deadline: Instant) -> TerminalState {
    TerminalState::new(deadline, std::iter::empty::<MetricSetSnapshot>())
}
