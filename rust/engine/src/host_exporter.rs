// SPDX-License-Identifier: Apache-2.0

//! The last node of every pipeline: what leaves it is handed to the host, and
//! the host's answer goes back through the engine as an ack or a nack.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use otapbridge_context::{BlockBuilder, ContextBlock, ProcessingError};
use otel_arrow_dfe_engine::control::{AckMsg, NodeControlMsg};
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::exporter::ExporterWrapper;
use otel_arrow_dfe_engine::local::exporter::{EffectHandler, Exporter};
use otel_arrow_dfe_engine::message::{ExporterInbox, Message};
use otel_arrow_dfe_engine::terminal_state::TerminalState;
use otel_arrow_dfe_engine::wiring_contract::WiringContract;
use otel_arrow_dfe_engine::{ConsumerEffectHandlerExtension, ExporterFactory};
use otel_arrow_dfe_otap::pdata::{OtapPdata, PdataEffectHandlerExtension};
use otel_arrow_dfe_pdata_codec::builtins::OTLP_ENCODING;
use otel_arrow_dfe_pdata_codec::{EncodePolicy, EncodingPlan};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::building;
use crate::context_headers::{REQUEST_ID_HEADER, request_id};
use crate::core::{Answer, Core};
use crate::drain;
use crate::event::Emission;
use crate::gate::{Admitted, admit, answered_already};
use crate::host_receiver::{deliver_events, terminal_state};
use crate::nack;
use crate::payload::signal;
use crate::request::InFlight;

pub(crate) const HOST_EXPORTER_URN: &str = "urn:otapbridge:exporter:host";

/// The engine's name of the only output a pipeline has.
const DEFAULT_PORT: &str = "default";

pub(crate) static HOST_EXPORTER: ExporterFactory<OtapPdata> = ExporterFactory {
    name: HOST_EXPORTER_URN,
    create: |_pipeline, node, node_config, exporter_config, _capabilities| {
        let core = building::core()?;
        let shard = building::shard()?;
        let answers = building::take_answers()?;
        Ok(ExporterWrapper::local(
            HostExporter {
                core,
                shard,
                answers,
                awaiting: HashMap::new(),
                merged: 0,
                merged_bytes: 0,
            },
            node,
            node_config,
            exporter_config,
        ))
    },
    context_declarations: None,
    wiring_contract: WiringContract::UNRESTRICTED,
    validate_config: otel_arrow_dfe_config::validation::no_config,
};

/// How much output without a single call may wait for the host's answer.
const MAX_MERGED: usize = 256;
const MAX_MERGED_BYTES: usize = 64 * 1024 * 1024;

/// An emission that the host has not answered.
struct Awaiting {
    pdata: OtapPdata,
    /// Its size, if it stems from no single call.
    merged_bytes: Option<usize>,
    _watch: Option<Watch>,
}

/// Tells the host when the request behind an emission is cancelled, until it is dropped.
struct Watch(tokio::task::JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct HostExporter {
    core: Arc<Core>,
    shard: usize,
    answers: UnboundedReceiver<Answer>,
    /// Emissions that the host has not answered, to be acked or nacked. The data
    /// is kept only where a node before wants it back with a nack.
    awaiting: HashMap<u64, Awaiting>,
    /// How many of them stem from no single call, and their bytes.
    merged: usize,
    merged_bytes: usize,
}

#[async_trait(?Send)]
impl Exporter<OtapPdata> for HostExporter {
    async fn start(
        mut self: Box<Self>,
        mut inbox: ExporterInbox<OtapPdata>,
        effect_handler: EffectHandler<OtapPdata>,
    ) -> Result<TerminalState, Error> {
        let _deliverer = deliver_events(&self.core, self.shard);
        let plan = effect_handler.resolve_encoding_plan(&OTLP_ENCODING, EncodePolicy::default())?;
        loop {
            let may_emit = self.may_emit();
            tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => self.answered(answer, &effect_handler).await?,
                message = inbox.recv_when(may_emit) => match message? {
                    Message::PData(pdata) if drain::is_mark(&pdata) => {
                        self.core.mark_passed(self.shard);
                    }
                    Message::PData(pdata) => self.emit(pdata, &plan, &effect_handler).await?,
                    Message::Control(NodeControlMsg::Shutdown { deadline, .. }) => {
                        self.drain(deadline, &effect_handler).await?;
                        return Ok(terminal_state(deadline));
                    }
                    Message::Control(_) => {}
                },
            }
        }
    }
}

impl HostExporter {
    /// Back-pressure for output that no call accounts for: without it a host that
    /// answers slowly would collect whatever nodes merge and send on.
    fn may_emit(&self) -> bool {
        self.merged < MAX_MERGED && self.merged_bytes < MAX_MERGED_BYTES
    }

    async fn emit(
        &mut self,
        pdata: OtapPdata,
        plan: &EncodingPlan,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let Admitted {
            mut pdata,
            routing,
            context,
        } = match admit(&self.core, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        let signal = signal(&pdata);
        let id = request_id(&pdata);
        let request = id.and_then(|id| self.core.find(id));
        if request.is_none() && id.is_some_and(|id| self.core.dead.contains(id)) {
            // Since it was admitted.
            let nack = nack::nack(&self.core, answered_already(), true, routing);
            return effect_handler.notify_nack(nack).await;
        }
        let mut payload = pdata.take_payload();
        let bytes: Bytes = match effect_handler.encode_owned(&mut payload, plan).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let error = ProcessingError::invalid_argument(format!("not OTLP: {error}"));
                let nack = nack::nack(&self.core, error, false, routing);
                return effect_handler.notify_nack(nack).await;
            }
        };
        let len = bytes.len();
        let (call_id, block, origins) = match &request {
            Some(InFlight::Call(call)) => (Some(call.id), ContextBlock::empty(), Vec::new()),
            Some(InFlight::Local(local)) => {
                let origins = local.origins.calls.iter().map(|call| call.id).collect();
                (None, context.to_block(), origins)
            }
            None => (None, merged_context(&routing), Vec::new()),
        };
        let watched = matches!(request, Some(InFlight::Local(_)));
        let id = self.core.emit(self.shard, request, |id| Emission {
            id,
            call_id,
            signal,
            port: DEFAULT_PORT,
            payload: bytes,
            context: block,
            origins,
        });
        let watch = watched.then(|| {
            let core = Arc::clone(&self.core);
            Watch(tokio::task::spawn_local(async move {
                // A mere timeout does not count the time at the host.
                if context.is_deadline_a_timeout() {
                    context.cancelled().await;
                } else {
                    let _ = context.done().await;
                }
                if let Some(error) = context.error() {
                    core.cancel_emission(id, error);
                }
            }))
        });
        let merged_bytes = call_id.is_none().then_some(len);
        if let Some(len) = merged_bytes {
            self.merged += 1;
            self.merged_bytes += len;
        }
        let awaiting = Awaiting {
            pdata: routing,
            merged_bytes,
            _watch: watch,
        };
        let _ = self.awaiting.insert(id, awaiting);
        Ok(())
    }

    async fn answered(
        &mut self,
        answer: Answer,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let Some(Awaiting {
            pdata,
            merged_bytes,
            _watch,
        }) = self.awaiting.remove(&answer.emission_id)
        else {
            return Ok(());
        };
        if let Some(len) = merged_bytes {
            self.merged -= 1;
            self.merged_bytes -= len;
        }
        match answer.error {
            None => effect_handler.notify_ack(AckMsg::new(pdata)).await,
            Some(error) => {
                let nack = nack::nack(&self.core, error, false, pdata);
                effect_handler.notify_nack(nack).await
            }
        }
    }

    /// Waits for the answers to what was emitted, as long as the shutdown allows.
    async fn drain(
        &mut self,
        deadline: std::time::Instant,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        while !self.awaiting.is_empty() {
            let answer = tokio::time::timeout_at(deadline.into(), self.answers.recv()).await;
            let Ok(Some(answer)) = answer else { break };
            self.answered(answer, effect_handler).await?;
        }
        Ok(())
    }
}

/// The context of output without a single origin: what the engine still knows.
fn merged_context(pdata: &OtapPdata) -> ContextBlock {
    let mut block = BlockBuilder::new();
    if let Some(address) = pdata.peer_addr() {
        let _ = block.address("tcp", &address.to_string());
    }
    let mut metadata: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for header in pdata
        .transport_headers()
        .iter()
        .flat_map(|headers| headers.iter())
        .filter(|header| header.name.as_str() != REQUEST_ID_HEADER)
    {
        metadata
            .entry(header.name.as_str())
            .or_default()
            .push(header.value.bytes);
    }
    for (key, values) in metadata {
        let _ = block.metadata(key, values);
    }
    // Headers beyond the block's limits cannot have come from a block.
    block.build().unwrap_or_else(|_| ContextBlock::empty())
}
