// SPDX-License-Identifier: Apache-2.0

//! A hidden node before every conversion of OTLP to Arrow.
//!
//! The engine counts in 16 bits there: resources, scopes, and spans, metrics or log records.
//! Above that it refuses some signals, and gives records of others each other's attributes. It also
//! follows nested values by recursion, and a stack that overflows ends the process. So data are walked here
//! once: what is nested too deep is refused, and what has more rows is divided into
//! messages that are converted one by one, and acked or nacked together.
//! [`insert`] says where such nodes stand; where nothing converts there is none, and nothing is walked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use otapbridge_context::{ProcessingError, Signal};
use otapbridge_otlp::{DivideError, Inspected, Sizer, divide, inspect, without_empty};
use otel_arrow_dfe_config::NodeUrn;
use otel_arrow_dfe_engine::control::{AckMsg, CallData, Context8u8, NodeControlMsg};
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::processor::ProcessorWrapper;
use otel_arrow_dfe_engine::wiring_contract::WiringContract;
use otel_arrow_dfe_engine::{
    ConsumerEffectHandlerExtension, Interests, MessageSourceLocalEffectHandlerExtension,
    ProcessorFactory, ProducerEffectHandlerExtension,
};
use otel_arrow_dfe_otap::pdata::{Context, OtapPdata};
use serde::Deserialize;
use serde_json::json;

use crate::base::node_types;
use crate::base::payload::{otlp_payload, routing_only, signal};
use crate::base::spec::{Edge, Node, Topology, config_error};
use crate::guard::drain;
use crate::guard::engine_nodes::{self, Limits};
use crate::guard::gate::gated;
use crate::request::building;
use crate::request::nack;
use crate::request::state::PipelineState;

pub(crate) const FACTORY: ProcessorFactory<OtapPdata> = ProcessorFactory {
    name: node_types::DIVIDER,
    create: |_pipeline, node, node_config, processor_config, _capabilities| {
        let divider = Divider {
            limits: Limits::deserialize(&node_config.config).map_err(config_error)?,
            draining: false,
            pipeline: building::pipeline()?,
            divided: HashMap::new(),
            last: 0,
        };
        gated(ProcessorWrapper::local(
            divider,
            node,
            node_config,
            processor_config,
        ))
    },
    context_declarations: None,
    wiring_contract: WiringContract::UNRESTRICTED,
    validate_config: |_| Ok(()),
};

/// Puts a divider before every node that converts what it gets, unless all of it comes from
/// nodes that have converted it before.
pub(crate) fn insert(topology: &mut Topology) {
    for to in 0..topology.nodes.len() {
        let is_entry = topology.entry == to;
        let sources = || topology.edges.iter().filter(|edge| edge.to.contains(&to));
        let needed = engine_nodes::converts(&topology.nodes[to])
            && (is_entry
                || sources().any(|edge| !engine_nodes::converts(&topology.nodes[edge.from])));
        if !needed {
            continue;
        }
        let limits = engine_nodes::limits(topology, to);
        let divider = topology.nodes.len();
        topology.nodes.push(Node {
            // A user's name cannot begin with a colon.
            name: format!(":divider-{}", topology.nodes[to].name),
            urn: NodeUrn::from(node_types::DIVIDER),
            config: json!(limits),
        });
        for edge in &mut topology.edges {
            for target in &mut edge.to {
                if *target == to {
                    *target = divider;
                }
            }
        }
        topology.edges.push(Edge {
            from: divider,
            port: None,
            to: vec![to],
        });
        if is_entry {
            topology.entry = divider;
        }
    }
}

fn divided(
    signal: Signal,
    request: &[u8],
    sizer: Sizer,
    max: usize,
) -> Result<Vec<Bytes>, DivideError> {
    let divided = divide(signal, request, sizer, max, max)?;
    let pieces = divided.first.into_iter().chain(divided.rest);
    Ok(pieces.map(|piece| piece.bytes).collect())
}

/// So many parts of a message are under way at a time: their acks and nacks have room in the queue of the
/// divider's control messages while it waits for room in the next node's.
const MAX_UNDER_WAY: usize = 64;

struct Divider {
    limits: Limits,
    /// After the drain marker all parts are sent at once, without waiting for acks.
    draining: bool,
    pipeline: Arc<PipelineState>,
    /// Messages whose parts are under way, by the number that comes back with each ack or nack.
    divided: HashMap<u64, Divided>,
    last: u64,
}

/// A message that was divided.
struct Divided {
    /// What is acked or nacked; with its data if a node before wants them back.
    original: OtapPdata,
    /// Parts that were sent and are neither acked nor nacked.
    under_way: usize,
    /// What every part begins with: the message's own engine context.
    context: Context,
    signal: Signal,
    unsent: VecDeque<Bytes>,
    /// The error of the first part that was refused.
    error: Option<ProcessingError>,
    accepted: bool,
}

impl Divided {
    /// Sends a part, if there is one. All are of the same request, so that everything is found that
    /// nodes and the host know of it.
    async fn send_next(
        &mut self,
        key: u64,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let Some(part) = self.unsent.pop_front() else {
            return Ok(());
        };
        let mut part = OtapPdata::new(self.context.clone(), otlp_payload(self.signal, part));
        let calldata = CallData::from_iter([Context8u8::from(key)]);
        effect_handler.subscribe_to(Interests::ACKS_OR_NACKS, calldata, &mut part);
        self.under_way += 1;
        Ok(effect_handler.send_message_with_source_node(part).await?)
    }
}

impl Divider {
    /// The parts of a request that is too large, or `None`.
    fn parts(&self, signal: Signal, request: &[u8]) -> Result<Option<Vec<Bytes>>, ProcessingError> {
        let rows = self.limits.rows;
        let Inspected { size, has_empty } = inspect(signal, request)?;
        let kept;
        let (request, is_changed) = if self.limits.no_empty && has_empty {
            kept = without_empty(request)?;
            (&kept[..], true)
        } else {
            (request, false)
        };
        let too_many = |points: &usize| signal == Signal::Metrics && size.items > *points;
        let points = self.limits.points.filter(too_many);
        if size.by(Sizer::Rows) <= rows && points.is_none() && !is_changed {
            return Ok(None);
        }
        let mut parts = divided(signal, request, Sizer::Rows, rows)?;
        if let Some(points) = points {
            let smaller: Result<Vec<_>, _> = parts
                .iter()
                .map(|part| divided(signal, part, Sizer::Items, points))
                .collect();
            parts = smaller?.into_iter().flatten().collect();
        }
        Ok(Some(parts))
    }

    async fn data(
        &mut self,
        pdata: OtapPdata,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let signal = signal(&pdata);
        let (context, payload) = pdata.into_parts();
        let parts = match payload.encoded_bytes() {
            Some(bytes) => self.parts(signal, bytes),
            // Arrow has been converted before.
            None => Ok(None),
        };
        let parts = match parts {
            Ok(Some(parts)) => parts,
            Ok(None) => {
                let pdata = OtapPdata::new(context, payload);
                return Ok(effect_handler.send_message_with_source_node(pdata).await?);
            }
            Err(error) => {
                let pdata = OtapPdata::new(context, payload);
                let nack = nack::nack(&self.pipeline, error, false, pdata);
                return effect_handler.notify_nack(nack).await;
            }
        };
        self.last += 1;
        let key = self.last;
        let part_context = context.clone();
        let original = if context.may_return_payload() {
            OtapPdata::new(context, payload)
        } else {
            drop(payload);
            routing_only(context, signal)
        };
        let mut divided = Divided {
            original,
            under_way: 0,
            context: part_context,
            signal,
            unsent: parts.into(),
            error: None,
            accepted: false,
        };
        let at_once = if self.draining {
            usize::MAX
        } else {
            MAX_UNDER_WAY
        };
        for _ in 0..at_once.min(divided.unsent.len()) {
            divided.send_next(key, effect_handler).await?;
        }
        let _ = self.divided.insert(key, divided);
        Ok(())
    }

    /// A part was acked or nacked: with the last one, so is the message.
    async fn acked_or_nacked(
        &mut self,
        calldata: &CallData,
        error: Option<ProcessingError>,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let key = calldata.first().map(|key| u64::from(*key));
        let Some((key, divided)) = key.and_then(|key| Some((key, self.divided.get_mut(&key)?)))
        else {
            return Ok(());
        };
        divided.under_way -= 1;
        match error {
            None => divided.accepted = true,
            Some(error) => {
                let _ = divided.error.get_or_insert(error);
                // The message is refused: what was not sent need not be refused, too.
                divided.unsent.clear();
            }
        }
        divided.send_next(key, effect_handler).await?;
        if divided.under_way > 0 {
            return Ok(());
        }
        let Some(divided) = self.divided.remove(&key) else {
            return Ok(());
        };
        let error = match divided.error {
            None => {
                return effect_handler
                    .notify_ack(AckMsg::new(divided.original))
                    .await;
            }
            // Permanent: a retry would send the accepted part a second time.
            Some(error) if divided.accepted => error.into_permanent(),
            Some(error) => error,
        };
        let nack = nack::nack(&self.pipeline, error, false, divided.original);
        effect_handler.notify_nack(nack).await
    }
}

#[async_trait(?Send)]
impl Processor<OtapPdata> for Divider {
    async fn process(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        match msg {
            Message::PData(pdata) => self.data(pdata, effect_handler).await,
            Message::Control(NodeControlMsg::Ack(ack)) => {
                self.acked_or_nacked(&ack.unwind.route.calldata, None, effect_handler)
                    .await
            }
            Message::Control(NodeControlMsg::Nack(nack)) => {
                let error = nack::error_of(&self.pipeline.errors, &nack);
                self.acked_or_nacked(&nack.unwind.route.calldata, Some(error), effect_handler)
                    .await
            }
            Message::Control(NodeControlMsg::Shutdown { reason, .. })
                if drain::is_flush(&reason) =>
            {
                self.draining = true;
                for (key, divided) in &mut self.divided {
                    for _ in 0..divided.unsent.len() {
                        divided.send_next(*key, effect_handler).await?;
                    }
                }
                Ok(())
            }
            Message::Control(_) => Ok(()),
        }
    }
}
