// SPDX-License-Identifier: Apache-2.0

//! What the engine's durable buffer needs to keep what it has acknowledged.
//!
//! By itself it writes to `<path>/core_<number>`, with the same number in all pipelines here: they
//! would destroy each other's data. So each pipeline's has a folder of its own ([`Storage`]), takes it by a lock,
//! and gets its part of `retention_size_cap`.
//!
//! It acks before data are written, and notes nothing of what was acked behind it when it ends. So its acks wait
//! until it has written what it accepted ([`DurableBuffer::commit`]); and at a drain it sends nothing new, so that what was sent is
//! acked and noted before the end, and does not come again.
//!
//! It deletes data on a permanent nack. A cancel is one, because its caller no longer waits; but nobody waits for what
//! comes out of here, so these nacks are made ones that allow a retry.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_config::node::NodeUserConfig;
use otel_arrow_dfe_core_nodes::processors::durable_buffer_processor::{
    DURABLE_BUFFER_FACTORY, DurableBufferConfig,
};
use otel_arrow_dfe_engine::control::{AckMsg, CallData, Context8u8, NodeControlMsg, WakeupSlot};
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::processor::ProcessorRuntimeRequirements;
use otel_arrow_dfe_engine::{
    ConsumerEffectHandlerExtension, Interests, LocalWakeupRequirements, ProcessorFactory,
    ProducerEffectHandlerExtension,
};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use otel_arrow_dfe_pdata_codec::OtapPayload;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::node_types::DURABLE_BUFFER;
use crate::base::spec::{self, Topology, config_error};
use crate::base::storage::{
    ENGINE_FOLDER, FolderLock, Storage, contains_data, former_pipelines, log_goes_on,
};
use crate::guard::drain;
use crate::guard::gate::wrapped;
use crate::request::building;
use crate::request::nack;
use crate::request::state::PipelineState;

/// The processor with what stands between its gate and it.
pub(crate) const FACTORY: ProcessorFactory<OtapPdata> = ProcessorFactory {
    name: DURABLE_BUFFER_FACTORY.name,
    create: |pipeline, node, node_config, processor_config, capabilities| {
        let mut node_config = node_config;
        // A trial has none, and touches no disk.
        let (lock, folder) = match building::storage()? {
            Some(storage) => {
                let (lock, folder) = take_folder(&storage, &node.name, &mut node_config)?;
                (Some(lock), Some(folder))
            }
            None => (None, None),
        };
        let create = DURABLE_BUFFER_FACTORY.create;
        let wrapper = create(pipeline, node, node_config, processor_config, capabilities)?;
        let pipeline = building::pipeline()?;
        wrapped(wrapper, |processor, _| {
            pipeline.store_begun();
            Ok(DurableBuffer {
                inner: processor,
                pipeline,
                folder,
                accepted: Vec::new(),
                lent: HashMap::new(),
                last: 0,
                life: Life::Running,
                _lock: lock,
            })
        })
    },
    context_declarations: DURABLE_BUFFER_FACTORY.context_declarations,
    wiring_contract: DURABLE_BUFFER_FACTORY.wiring_contract,
    validate_config: DURABLE_BUFFER_FACTORY.validate_config,
};

/// Takes this pipeline's folder, and writes it and its part of the cap into the configuration.
fn take_folder(
    storage: &Storage,
    node: &str,
    node_config: &mut Arc<NodeUserConfig>,
) -> Result<(FolderLock, PathBuf), ConfigError> {
    let config = DurableBufferConfig::deserialize(&node_config.config).map_err(config_error)?;
    let shared = config.path.join(ENGINE_FOLDER);
    if contains_data(&shared).map_err(config_error)? {
        return Err(config_error(format!(
            "{} contains data of a version in which all pipelines used one folder. Stop the collector and move it to the pipeline that has to \
             send them, such as {}; or remove it",
            shared.display(),
            storage
                .folder(&config.path, node)
                .join(ENGINE_FOLDER)
                .display(),
        )));
    }
    let folder = storage.folder(&config.path, node);
    let lock = FolderLock::take(&folder).map_err(config_error)?;
    let changed = &mut Arc::make_mut(node_config).config;
    changed["path"] = json!(folder);
    changed["retention_size_cap"] = json!(share(&config, storage.shards).to_string());
    Ok((lock, folder.join(ENGINE_FOLDER)))
}

/// What one of several pipelines may keep.
fn share(config: &DurableBufferConfig, shards: usize) -> u64 {
    config.retention_size_cap.as_u64() / u64::try_from(shards.max(1)).unwrap_or(u64::MAX)
}

/// The configuration of one pipeline's part, for checks.
pub(crate) fn share_of(config: &Value, shards: usize) -> Value {
    let mut part = config.clone();
    if let (Ok(config), Value::Object(part)) = (DurableBufferConfig::deserialize(config), &mut part)
        && shards > 1
    {
        let cap = share(&config, shards).to_string();
        let _ = part.insert("retention_size_cap".to_owned(), json!(cap));
    }
    part
}

/// The engine's complaint about one pipeline's part of `retention_size_cap`. The part is in no user's
/// configuration, so the text says where it comes from.
pub(crate) fn of_each_pipeline(complaint: String, shards: usize) -> String {
    if shards > 1 {
        format!("of what is divided among {shards} pipelines: {complaint}")
    } else {
        complaint
    }
}

fn buffers(topology: &Topology) -> impl Iterator<Item = &spec::Node> {
    let is_buffer = |node: &&spec::Node| node.urn.as_str() == DURABLE_BUFFER;
    topology.nodes.iter().filter(is_buffer)
}

/// Whether a durable buffer is among the nodes: its disk is divided among the pipelines.
pub(crate) fn is_in(topology: &Topology) -> bool {
    buffers(topology).next().is_some()
}

/// Numbers of pipelines that there were when the component had more of them, and whose folders
/// contain data: they have to run once more to send them.
///
/// # Errors
/// Configuration when a folder cannot be read.
pub(crate) fn pipelines_with_data(
    topology: &Topology,
    storage: &Storage,
    root: &spec::Path,
) -> Result<Vec<usize>, ProcessingError> {
    let mut found = Vec::new();
    for node in buffers(topology) {
        let Some(path) = node.config["path"].as_str() else {
            continue;
        };
        let folder = storage.node_folder(Path::new(path), &node.name);
        let former = former_pipelines(&folder, topology.shards)
            .map_err(|error| root.error(format!("{}: {error}", folder.display())))?;
        found.extend(former);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The tag of acks and nacks that come back to the buffer from itself.
const ACCEPTED_BY_BUFFER: u64 = 0x6f74_6170_625f_6462;

/// Wakes the buffer to write down what it has accepted. The processor has a slot of its own.
const COMMIT: WakeupSlot = WakeupSlot(u128::MAX);

/// What is accepted waits this long for more, so that all of it is written at once.
const COMMIT_DELAY: Duration = Duration::from_millis(5);

struct DurableBuffer {
    inner: Box<dyn Processor<OtapPdata>>,
    pipeline: Arc<PipelineState>,
    /// Where the processor writes; none in a trial.
    folder: Option<PathBuf>,
    /// What the processor has accepted and may not be on disk.
    accepted: Vec<AckMsg<OtapPdata>>,
    /// Data of these that a node before wants back if they are refused.
    lent: HashMap<u64, OtapPayload>,
    last: u64,
    life: Life,
    /// Dropped after the node, which closes its files.
    _lock: Option<FolderLock>,
}

#[derive(Clone, Copy, PartialEq)]
enum Life {
    Running,
    /// Nothing new is sent. What was sent is awaited, so that the next start does not send it again.
    Draining {
        all_answered: bool,
    },
    Drained,
}

impl DurableBuffer {
    async fn data(
        &mut self,
        mut pdata: OtapPdata,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        // The processor accepts data when they are handed to a thread that will write them, which a process
        // that is killed never does. So its ack comes here first.
        self.last += 1;
        let (context, payload) = pdata.into_parts();
        if context.may_return_payload() {
            let _ = self.lent.insert(self.last, payload.clone());
        }
        pdata = OtapPdata::new(context, payload);
        let calldata = CallData::from_iter([ACCEPTED_BY_BUFFER, self.last].map(Context8u8::from));
        effect_handler.subscribe_to(Interests::ACKS_OR_NACKS, calldata, &mut pdata);
        let processed = self
            .inner
            .process(Message::PData(pdata), effect_handler)
            .await;
        if processed.is_err() {
            // The gate refuses it, with the data that it has itself.
            let _ = self.lent.remove(&self.last);
        }
        processed
    }

    async fn control(
        &mut self,
        mut control: NodeControlMsg<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        match control {
            NodeControlMsg::Ack(ack) if is_own(&ack.unwind.route.calldata) => {
                if self.accepted.is_empty() {
                    wake(effect_handler);
                }
                self.accepted.push(ack);
                return Ok(());
            }
            NodeControlMsg::Nack(nack) if is_own(&nack.unwind.route.calldata) => {
                let _ = self.lent.remove(&key(&nack.unwind.route.calldata));
                return effect_handler.notify_nack(nack).await;
            }
            NodeControlMsg::Nack(ref mut nack) => {
                nack.permanent = !nack::may_be_accepted_later(&self.pipeline.errors, nack);
                // Nobody else hears of it.
                if let Some(id) = self.pipeline.errors.id(&nack.reason) {
                    let _ = self.pipeline.errors.forget(id);
                }
            }
            NodeControlMsg::Wakeup { slot, .. } if slot == COMMIT => {
                return self.woken(effect_handler).await;
            }
            NodeControlMsg::Shutdown { ref reason, .. } if drain::is_flush(reason) => {
                self.life = Life::Draining {
                    all_answered: false,
                };
                wake(effect_handler);
                return Ok(());
            }
            // A deadline that has passed keeps it from sending: no answer would come back any more.
            NodeControlMsg::Shutdown {
                ref mut deadline, ..
            } if self.life != Life::Drained || !self.pipeline.is_all_answered() => {
                *deadline = Instant::now();
            }
            // From the drain on it must send nothing new. Either of these would make it send.
            NodeControlMsg::TimerTick {} | NodeControlMsg::Wakeup { .. }
                if self.life != Life::Running =>
            {
                return Ok(());
            }
            _ => {}
        }
        self.inner
            .process(Message::Control(control), effect_handler)
            .await
    }

    async fn woken(&mut self, effect_handler: &mut EffectHandler<OtapPdata>) -> Result<(), Error> {
        if let Life::Draining { all_answered } = &mut self.life {
            // When the host has given its last answer, the ack may still be on its way to this node.
            // So all must have been answered already when it was woken the last time.
            let were = std::mem::replace(all_answered, self.pipeline.is_all_answered());
            if were && *all_answered {
                self.commit(effect_handler).await?;
                self.life = Life::Drained;
                self.pipeline.store_drained();
                return Ok(());
            }
            wake(effect_handler);
            if self.accepted.is_empty() {
                return Ok(());
            }
        }
        self.commit(effect_handler).await
    }

    /// Has the processor write down what it has accepted and what was acked behind it, and passes its acks back. What it
    /// could not write is refused, whatever it has said.
    async fn commit(&mut self, effect_handler: &mut EffectHandler<OtapPdata>) -> Result<(), Error> {
        let tick = Message::Control(NodeControlMsg::TimerTick {});
        self.inner.process(tick, effect_handler).await?;
        if self.accepted.is_empty() {
            return Ok(());
        }
        let written = match self.folder.as_deref().map(log_goes_on) {
            None | Some(Ok(false)) => Ok(()),
            Some(Ok(true)) => Err("see its log".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
        };
        for ack in self.accepted.drain(..) {
            let lent = self.lent.remove(&key(&ack.unwind.route.calldata));
            let Err(why) = &written else {
                effect_handler.notify_ack(ack).await?;
                continue;
            };
            let error = ProcessingError::retryable(format!(
                "the durable buffer could not write the data: {why}"
            ));
            let (context, payload) = ack.accepted.into_parts();
            let pdata = OtapPdata::new(context, lent.unwrap_or(payload));
            effect_handler
                .notify_nack(nack::nack(&self.pipeline, error, false, pdata))
                .await?;
        }
        Ok(())
    }
}

impl Drop for DurableBuffer {
    fn drop(&mut self) {
        if self.life != Life::Drained {
            self.pipeline.store_drained();
        }
    }
}

fn is_own(calldata: &CallData) -> bool {
    matches!(calldata.as_slice(), [tag, _] if u64::from(*tag) == ACCEPTED_BY_BUFFER)
}

fn key(calldata: &CallData) -> u64 {
    calldata.get(1).map_or(0, |key| u64::from(*key))
}

fn wake(effect_handler: &EffectHandler<OtapPdata>) {
    // It is refused only when the node is ending.
    let _ = effect_handler.set_wakeup(COMMIT, Instant::now() + COMMIT_DELAY);
}

#[async_trait(?Send)]
impl Processor<OtapPdata> for DurableBuffer {
    async fn process(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        match msg {
            Message::PData(pdata) => self.data(pdata, effect_handler).await,
            Message::Control(control) => self.control(control, effect_handler).await,
        }
    }

    fn accept_pdata(&self) -> bool {
        self.inner.accept_pdata()
    }

    fn runtime_requirements(&self) -> ProcessorRuntimeRequirements {
        let mut requirements = self.inner.runtime_requirements();
        let own = requirements
            .local_wakeups
            .map_or(0, |wakeups| wakeups.live_slots);
        requirements.local_wakeups = Some(LocalWakeupRequirements::new(own + 1));
        requirements
    }
}
