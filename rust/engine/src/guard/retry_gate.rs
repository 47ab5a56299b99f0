// SPDX-License-Identifier: Apache-2.0

//! What the engine's retry processor does not know: when an error says to come
//! again, and when nobody waits any more.
//!
//! The processor retries after delays of its own, until its `max_elapsed_time` is
//! over. Between its gate and it, this looks at the nacks it gets and the messages
//! it resumes:
//! - an error's `retry_after` that is longer than the processor's delay keeps the
//!   message waiting for the rest of it;
//! - if that, or the processor's own delay, ends after the request's deadline or the
//!   `max_elapsed_time`, there is no retry: the sender hears of the error now;
//! - a message whose request ended while it waited is refused, not sent again;
//! - a message without items, which the processor would accept and drop, goes by it.
//!
//! What it relies on, of version 0.62 of the engine's crates. Where no file is named, it is
//! `processors/retry_processor/mod.rs` of `otel-arrow-dfe-core-nodes`; `engine` is
//! `otel-arrow-dfe-engine`. Compare each after an upgrade: tests (`tests/hosting/retry.rs`) notice a
//! change of what is not marked with †.
//! - `RetryState`: the call data of the processor's subscription are two values, the retries so far
//!   (`u64`) and when `max_elapsed_time` is over (`f64`, seconds since 1970 by the system's clock).
//!   It passes a nack back if it has another number of values†, or is permanent.
//! - `handle_nack`: it gives up if that time is not after now and the delay; so 0 makes it give up.
//!   Then it writes words before the nack's reason (`final retry: `), in which a mark is still found,
//!   and sets `permanent` only for `exhaustion_action: mark_permanent`.
//! - `compute_retry_delays`: its delay is `initial_interval` × `multiplier` to the power of the
//!   retries so far†, and `max_interval` from where that is not less. [`RetryConfig`] has these as
//!   public fields, with its own defaults. A `Config` message would change them: nobody sends one†.
//! - Its subscription asks for the data (`RETURN_DATA`), and `requeue_later` gives the node the same
//!   message back as `ResumeData`, with its headers, where our note is. The subscription is the
//!   message's last then: a nack of the message comes to the processor first, and as a permanent one
//!   goes on to the sender.
//! - `handle_resumed`: it sends the message on at once; `when` is no matter to it.
//! - `requeue_later` (`engine`, `node_local_scheduler.rs`) refuses when as many messages wait as
//!   the node's queue has places: `processor.rs` there takes `input_pdata_channel.capacity`, and we
//!   give that [`RETRY_QUEUE`]. The processor would then nack with a text of its own, without the
//!   error†. So we let fewer wait ([`MAX_WAITING`]).
//! - From a shutdown on it refuses, too, and all that wait come back at once (`begin_shutdown`)†.
//! - It acks and drops a message whose `num_items` is 0.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use otel_arrow_dfe_config::ContextEntryName;
use otel_arrow_dfe_config::transport_headers::{
    TransportHeader, TransportHeaderValue, TransportHeaders,
};
use otel_arrow_dfe_core_nodes::processors::retry_processor::{
    RETRY_PROCESSOR_FACTORY, RetryConfig,
};
use otel_arrow_dfe_engine::control::{Context8u8, NackMsg, NodeControlMsg};
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::processor::ProcessorRuntimeRequirements;
use otel_arrow_dfe_engine::{
    ConsumerEffectHandlerExtension, MessageSourceLocalEffectHandlerExtension, ProcessorFactory,
};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use serde::Deserialize;

use crate::base::spec::config_error;
use crate::guard::admission::alive;
use crate::guard::gate::wrapped;
use crate::request::building;
use crate::request::header::request_id;
use crate::request::nack;
use crate::request::state::PipelineState;

/// A waiting message carries it to itself, through the node's own queue: see [`Note`].
const NOTE_HEADER: &str = "otapbridge-retry";

static NOTE_NAME: LazyLock<ContextEntryName> =
    LazyLock::new(|| ContextEntryName::try_from(NOTE_HEADER).expect("a printable ASCII name"));

/// The processor with what stands between its gate and it.
pub(crate) const FACTORY: ProcessorFactory<OtapPdata> = ProcessorFactory {
    name: RETRY_PROCESSOR_FACTORY.name,
    create: |pipeline, node, node_config, processor_config, capabilities| {
        let create = RETRY_PROCESSOR_FACTORY.create;
        let wrapper = create(pipeline, node, node_config, processor_config, capabilities)?;
        wrapped(wrapper, |processor, node| {
            Ok(RetryGate {
                inner: processor,
                pipeline: building::pipeline()?,
                config: RetryConfig::deserialize(&node.config).map_err(config_error)?,
                built: Instant::now(),
                waiting: BinaryHeap::new(),
            })
        })
    },
    context_declarations: RETRY_PROCESSOR_FACTORY.context_declarations,
    wiring_contract: RETRY_PROCESSOR_FACTORY.wiring_contract,
    validate_config: RETRY_PROCESSOR_FACTORY.validate_config,
};

struct RetryGate {
    inner: Box<dyn Processor<OtapPdata>>,
    pipeline: Arc<PipelineState>,
    config: RetryConfig,
    built: Instant,
    /// When the messages that wait in the processor will be sent again.
    waiting: BinaryHeap<Reverse<Instant>>,
}

/// Size of the queues in a pipeline with a retry node, which have room for as many messages
/// until their time comes: more than the calls that a host lets in by default.
pub(crate) const RETRY_QUEUE: usize = 2048;

/// How many messages may wait: the engine keeps as many as the node's queue, and refuses
/// more with a text of its own. A few places are left for those whose time has come.
const MAX_WAITING: usize = RETRY_QUEUE - RETRY_QUEUE / 16;

impl RetryGate {
    /// Decides about a retry before the processor does.
    fn look_at(&mut self, nack: &mut NackMsg<OtapPdata>) {
        // The processor's own two numbers: retries so far, and its deadline in
        // seconds since 1970. Anything else it refuses by itself.
        let &[retries, deadline] = nack.unwind.route.calldata.as_slice() else {
            return;
        };
        if nack.permanent {
            return;
        }
        let own_delay = self.own_delay(u64::from(retries));
        let asked = self
            .pipeline
            .errors
            .resolve(&nack.reason)
            .and_then(|error| error.retry_after())
            .unwrap_or_default();
        let delay = own_delay.max(asked);
        let in_time = alive(&self.pipeline, &nack.refused).is_ok_and(|request| {
            let remaining = request.and_then(|request| request.context.remaining());
            remaining.is_none_or(|remaining| delay < remaining)
        });
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|again| again.0 <= now) {
            let _ = self.waiting.pop();
        }
        let is_full = self.waiting.len() >= MAX_WAITING;
        if !in_time || is_full || f64::from(deadline) <= seconds_since_1970() + delay.as_secs_f64()
        {
            // A deadline of 0 makes the processor give up and pass the nack back.
            nack.unwind.route.calldata[1] = Context8u8::from(0.0_f64);
            return;
        }
        self.waiting.push(Reverse(now + delay));
        let not_before = if asked > own_delay {
            self.built.elapsed() + asked
        } else {
            Duration::ZERO
        };
        let spent = self.pipeline.errors.id(&nack.reason).unwrap_or_default();
        set_note(&mut nack.refused, &Note { not_before, spent });
    }

    /// How long the processor waits before this retry.
    fn own_delay(&self, retries: u64) -> Duration {
        let max = self.config.max_interval;
        let grown = self.config.initial_interval.as_secs_f64()
            * self.config.multiplier.powf(retries as f64);
        if grown < max.as_secs_f64() {
            Duration::from_secs_f64(grown)
        } else {
            max
        }
    }

    /// What the processor may resume now, if anything.
    async fn resume(
        &self,
        when: Instant,
        mut data: Box<OtapPdata>,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<Option<NodeControlMsg<OtapPdata>>, Error> {
        if let Err(error) = alive(&self.pipeline, &data) {
            // The nack goes to the processor first, which passes a permanent one on to the sender.
            let nack = nack::nack(&self.pipeline, error, true, *data);
            effect_handler.notify_nack(nack).await?;
            return Ok(None);
        }
        let note = take_note(&mut data);
        if let Some(note) = &note {
            // It is sent again, so nobody will hear of the last refusal.
            self.pipeline.forget_spent(request_id(&data), note.spent);
        }
        let not_before = note.map(|note| self.built + note.not_before);
        if let Some(not_before) = not_before
            && not_before > Instant::now()
        {
            match effect_handler.requeue_later(not_before, data) {
                Ok(()) => return Ok(None),
                // The pipeline is ending and takes no more waiting messages: send it now, for the last time.
                Err(refused) => data = Box::new(refused),
            }
        }
        Ok(Some(NodeControlMsg::ResumeData { when, data }))
    }
}

#[async_trait(?Send)]
impl Processor<OtapPdata> for RetryGate {
    async fn process(
        &mut self,
        mut msg: Message<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        match msg {
            Message::Control(NodeControlMsg::ResumeData { when, data }) => {
                match self.resume(when, data, effect_handler).await? {
                    Some(resumed) => msg = Message::Control(resumed),
                    None => return Ok(()),
                }
            }
            Message::Control(NodeControlMsg::Nack(ref mut nack)) => self.look_at(nack),
            Message::PData(mut data) => {
                // The processor accepts what has no items, and drops it.
                if !data.is_empty() && data.num_items() == 0 {
                    return Ok(effect_handler.send_message_with_source_node(data).await?);
                }
                msg = Message::PData(data);
            }
            _ => {}
        }
        self.inner.process(msg, effect_handler).await
    }

    fn accept_pdata(&self) -> bool {
        self.inner.accept_pdata()
    }

    fn runtime_requirements(&self) -> ProcessorRuntimeRequirements {
        self.inner.runtime_requirements()
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs_f64()
}

/// What a waiting message carries to itself.
struct Note {
    /// When it may be sent again, counted from when the node was built.
    not_before: Duration,
    /// The error it was refused with, or 0.
    spent: u64,
}

fn set_note(data: &mut OtapPdata, note: &Note) {
    let nanoseconds = u64::try_from(note.not_before.as_nanos()).unwrap_or(u64::MAX);
    let mut value = [0; 16];
    value[..8].copy_from_slice(&nanoseconds.to_ne_bytes());
    value[8..].copy_from_slice(&note.spent.to_ne_bytes());
    let context = data.context_mut();
    let mut headers = context.take_transport_headers().unwrap_or_default();
    headers.push(TransportHeader::binary(NOTE_NAME.clone(), value));
    context.set_transport_headers(headers);
}

/// Takes the note off the message, so that nobody else sees it.
fn take_note(data: &mut OtapPdata) -> Option<Note> {
    let header = data.transport_headers()?.find_by_name(NOTE_HEADER).next()?;
    let (nanoseconds, spent) = header.value.bytes.split_at_checked(8)?;
    let note = Note {
        not_before: Duration::from_nanos(u64::from_ne_bytes(nanoseconds.try_into().ok()?)),
        spent: u64::from_ne_bytes(spent.try_into().ok()?),
    };
    let headers = data.context_mut().take_transport_headers()?;
    let mut others = TransportHeaders::with_capacity(headers.len());
    for header in headers.iter() {
        let Ok(name) = ContextEntryName::try_from(header.name.as_str()) else {
            continue;
        };
        if header.name.as_str() != NOTE_HEADER {
            others.push(TransportHeader {
                name,
                value: TransportHeaderValue {
                    original_name: header.value.original_name.map(Box::from),
                    value_kind: header.value.value_kind,
                    bytes: Box::from(header.value.bytes),
                },
            });
        }
    }
    data.set_transport_headers(others);
    Some(note)
}
