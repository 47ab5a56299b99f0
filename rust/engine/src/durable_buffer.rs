// SPDX-License-Identifier: Apache-2.0

//! What the engine's durable buffer needs to keep what it has acknowledged.
//!
//! By itself it writes to `<path>/core_<number>`, with the same number in all pipelines here: they
//! would destroy each other's data. So each pipeline's has a folder of its own ([`Storage`]), takes it by a lock,
//! and gets its part of `retention_size_cap`.
//!
//! It drops for good what is refused for good. A cancel is such a refusal, because its caller no longer waits;
//! but nobody waits for what comes out of here, so that the data are kept.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_config::node::NodeUserConfig;
use otel_arrow_dfe_core_nodes::processors::durable_buffer_processor::{
    DURABLE_BUFFER_FACTORY, DurableBufferConfig,
};
use otel_arrow_dfe_engine::ProcessorFactory;
use otel_arrow_dfe_engine::control::NodeControlMsg;
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_engine::local::processor::{EffectHandler, Processor};
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::processor::ProcessorRuntimeRequirements;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::building;
use crate::core::Core;
use crate::engine_nodes::DURABLE_BUFFER;
use crate::gate::gated_as;
use crate::nack;
use crate::spec::{self, Topology};
use crate::storage::{ENGINE_FOLDER, FolderLock, Storage, former_shards, holds_data};

/// The processor with its gate and what stands between them.
pub(crate) const FACTORY: ProcessorFactory<OtapPdata> = ProcessorFactory {
    name: DURABLE_BUFFER_FACTORY.name,
    create: |pipeline, node, node_config, processor_config, capabilities| {
        let mut node_config = node_config;
        // A trial has none, and touches no disk.
        let lock = match building::storage()? {
            Some(storage) => Some(take_folder(&storage, &node.name, &mut node_config)?),
            None => None,
        };
        gated_as(
            (DURABLE_BUFFER_FACTORY.create)(
                pipeline,
                node,
                node_config,
                processor_config,
                capabilities,
            )?,
            |processor, core| {
                Box::new(DurableBuffer {
                    inner: processor,
                    core: Arc::clone(core),
                    _lock: lock,
                })
            },
        )
    },
    context_declarations: DURABLE_BUFFER_FACTORY.context_declarations,
    wiring_contract: DURABLE_BUFFER_FACTORY.wiring_contract,
    validate_config: DURABLE_BUFFER_FACTORY.validate_config,
};

fn wrong(error: impl ToString) -> ConfigError {
    ConfigError::InvalidUserConfig {
        error: error.to_string(),
    }
}

/// Takes this pipeline's folder, and writes it and its part of the cap into the configuration.
fn take_folder(
    storage: &Storage,
    node: &str,
    node_config: &mut Arc<NodeUserConfig>,
) -> Result<FolderLock, ConfigError> {
    let config = DurableBufferConfig::deserialize(&node_config.config).map_err(wrong)?;
    let shared = config.path.join(ENGINE_FOLDER);
    if holds_data(&shared).map_err(wrong)? {
        return Err(wrong(format!(
            "{} holds data of a version in which all pipelines used one folder. Stop the collector and move it to the pipeline that has to \
             deliver them, such as {}; or remove it",
            shared.display(),
            storage
                .folder(&config.path, node)
                .join(ENGINE_FOLDER)
                .display(),
        )));
    }
    let folder = storage.folder(&config.path, node);
    let lock = FolderLock::take(&folder).map_err(wrong)?;
    let changed = &mut Arc::make_mut(node_config).config;
    changed["path"] = json!(folder);
    changed["retention_size_cap"] = json!(share(&config, storage.shards).to_string());
    Ok(lock)
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

/// The engine's complaint about the part of one of several pipelines, which nobody has configured.
pub(crate) fn of_each_shard(complaint: String, shards: usize) -> String {
    if shards > 1 {
        format!("of what is divided among {shards} shards: {complaint}")
    } else {
        complaint
    }
}

/// Numbers of pipelines that there were when the component had more shards, and whose folders
/// hold data: they have to run once more to deliver them.
///
/// # Errors
/// Configuration when a folder cannot be read.
pub(crate) fn shards_with_data(
    topology: &Topology,
    storage: &Storage,
    root: &spec::Path,
) -> Result<Vec<usize>, ProcessingError> {
    let mut found = Vec::new();
    for node in topology
        .nodes
        .iter()
        .filter(|node| node.urn.as_str() == DURABLE_BUFFER)
    {
        let Some(path) = node.config["path"].as_str() else {
            continue;
        };
        let folder = storage.node_folder(Path::new(path), &node.name);
        let former = former_shards(&folder, topology.shards)
            .map_err(|error| root.error(format!("{}: {error}", folder.display())))?;
        found.extend(former);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

struct DurableBuffer {
    inner: Box<dyn Processor<OtapPdata>>,
    core: Arc<Core>,
    /// Dropped after the node, which closes its files.
    _lock: Option<FolderLock>,
}

#[async_trait(?Send)]
impl Processor<OtapPdata> for DurableBuffer {
    async fn process(
        &mut self,
        mut msg: Message<OtapPdata>,
        effect_handler: &mut EffectHandler<OtapPdata>,
    ) -> Result<(), Error> {
        if let Message::Control(NodeControlMsg::Nack(nack)) = &mut msg {
            nack.permanent = !nack::may_be_accepted_later(&self.core.errors, nack);
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
