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
use tokio::task::JoinSet;

use crate::base::event::Emission;
use crate::base::payload::signal;
use crate::guard::admission::{Entered, admit};
use crate::guard::drain;
use crate::host::receiver::terminal_state;
use crate::request::building;
use crate::request::header::REQUEST_ID_HEADER;
use crate::request::nack;
use crate::request::state::{Answer, Emitted, PipelineState};

pub(crate) const HOST_EXPORTER_URN: &str = "urn:otapbridge:exporter:host";

/// The engine's name of the only output a pipeline has.
const DEFAULT_PORT: &str = "default";

pub(crate) static HOST_EXPORTER: ExporterFactory<OtapPdata> = ExporterFactory {
    name: HOST_EXPORTER_URN,
    create: |_pipeline, node, node_config, exporter_config, _capabilities| {
        Ok(ExporterWrapper::local(
            HostExporter {
                pipeline: building::pipeline()?,
                answers: building::take_answers()?,
                unanswered: 0,
                without_call: HashMap::new(),
                bytes_without_call: 0,
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
const MAX_WITHOUT_CALL: usize = 256;
const MAX_BYTES_WITHOUT_CALL: usize = 64 * 1024 * 1024;

struct HostExporter {
    pipeline: Arc<PipelineState>,
    answers: UnboundedReceiver<Answer>,
    /// Emissions whose answers have not come by here.
    unanswered: usize,
    /// Those of them that stem from no single call, and the bytes of all of these.
    without_call: HashMap<u64, WithoutCall>,
    bytes_without_call: usize,
}

struct WithoutCall {
    bytes: usize,
    /// Tells the host when its request is cancelled, until it is dropped.
    _watch: JoinSet<()>,
}

#[async_trait(?Send)]
impl Exporter<OtapPdata> for HostExporter {
    async fn start(
        mut self: Box<Self>,
        mut inbox: ExporterInbox<OtapPdata>,
        effect_handler: EffectHandler<OtapPdata>,
    ) -> Result<TerminalState, Error> {
        let _deliverer = deliver_events(&self.pipeline);
        let plan = effect_handler.resolve_encoding_plan(&OTLP_ENCODING, EncodePolicy::default())?;
        loop {
            let may_emit = self.may_emit();
            tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => self.answered(answer, &effect_handler).await?,
                message = inbox.recv_when(may_emit) => match message? {
                    Message::PData(pdata) if drain::is_marker(&pdata) => {
                        self.pipeline.marker_passed();
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
    /// answers slowly would collect whatever nodes join and forward.
    fn may_emit(&self) -> bool {
        self.without_call.len() < MAX_WITHOUT_CALL
            && self.bytes_without_call < MAX_BYTES_WITHOUT_CALL
    }

    async fn emit(
        &mut self,
        pdata: OtapPdata,
        plan: &EncodingPlan,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        let (mut pdata, entered) = match admit(&self.pipeline, pdata) {
            Ok(admitted) => admitted,
            Err(nack) => return effect_handler.notify_nack(*nack).await,
        };
        let Entered {
            request,
            mut routing,
        } = entered;
        let signal = signal(&pdata);
        let mut payload = pdata.take_payload();
        let bytes: Bytes = match effect_handler.encode_owned(&mut payload, plan).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let error = ProcessingError::invalid_argument(format!("not OTLP: {error}"));
                let nack = nack::nack(&self.pipeline, error, false, routing);
                return effect_handler.notify_nack(nack).await;
            }
        };
        let (call_id, block, origins) = match &request {
            Some(request) if request.is_call() => {
                (request.id.call_id(), ContextBlock::empty(), Vec::new())
            }
            Some(own) => (None, own.context.to_block(), own.call_ids().collect()),
            None => (None, context_of_headers(&routing), Vec::new()),
        };
        let by_reference = self.pipeline.shared.is_blind && bytes.is_empty();
        let len = bytes.len();
        let at_once = call_id.is_some()
            && self
                .pipeline
                .only_call_waits(routing.context_mut().peek_top());
        let mut routing = Some(routing);
        let emission = |id| Emission {
            id,
            call_id,
            signal,
            port: DEFAULT_PORT,
            payload: bytes,
            context: block,
            by_reference,
            ends_call: at_once,
            origins,
        };
        let emitted = || Emitted {
            request: request.clone(),
            routing: routing.take().filter(|_| !at_once),
            cancelled: false,
        };
        let emitted = self.pipeline.emit(request.as_ref(), emitted, emission);
        let id = match (emitted, routing) {
            (Ok(id), _) => id,
            (Err(error), Some(routing)) => {
                let nack = nack::nack(&self.pipeline, error, true, routing);
                return effect_handler.notify_nack(nack).await;
            }
            (Err(_), None) => return Ok(()),
        };
        self.unanswered += usize::from(!at_once);
        if call_id.is_none() {
            self.bytes_without_call += len;
            let mut watch = JoinSet::new();
            if let Some(request) = request {
                let _ = watch.spawn_local(async move {
                    let error = request.context.done().await;
                    request.pipeline.cancel_emission(id, error);
                });
            }
            let output = WithoutCall {
                bytes: len,
                _watch: watch,
            };
            let _ = self.without_call.insert(id, output);
        }
        Ok(())
    }

    async fn answered(
        &mut self,
        answer: Answer,
        effect_handler: &EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        self.unanswered -= 1;
        if let Some(output) = self.without_call.remove(&answer.emission_id) {
            self.bytes_without_call -= output.bytes;
        }
        match answer.error {
            None => effect_handler.notify_ack(AckMsg::new(answer.routing)).await,
            Some(error) => {
                let nack = nack::nack(&self.pipeline, error, false, answer.routing);
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
        while self.unanswered > 0 {
            let answer = tokio::time::timeout_at(deadline.into(), self.answers.recv()).await;
            let Ok(Some(answer)) = answer else { break };
            self.answered(answer, effect_handler).await?;
        }
        Ok(())
    }
}

/// Delivers a pipeline's events until it is dropped, and then once more. What is pushed later, the
/// pipeline's thread delivers when the run has ended.
struct Deliverer {
    pipeline: Arc<PipelineState>,
    task: tokio::task::JoinHandle<()>,
}

fn deliver_events(pipeline: &Arc<PipelineState>) -> Deliverer {
    let deliverer = Arc::clone(pipeline);
    let task = tokio::task::spawn_local(async move {
        loop {
            deliverer.outbox.pushed().await;
            deliverer.outbox.deliver();
        }
    });
    Deliverer {
        pipeline: Arc::clone(pipeline),
        task,
    }
}

impl Drop for Deliverer {
    fn drop(&mut self) {
        self.task.abort();
        self.pipeline.outbox.deliver();
    }
}

/// The context of output without a single origin: what the engine still knows.
fn context_of_headers(pdata: &OtapPdata) -> ContextBlock {
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
