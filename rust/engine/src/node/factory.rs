// SPDX-License-Identifier: Apache-2.0

//! How an author's node becomes an engine node.

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_engine::processor::ProcessorWrapper;
use otel_arrow_dfe_engine::wiring_contract::WiringContract;
use otel_arrow_dfe_engine::{ProcessorFactory, ReceiverFactory};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::spec::{Path, config_error};
use crate::node::adapter::{Adapter, Adapts};
use crate::node::concurrent::ConcurrentAdapter;
use crate::node::processor::{
    ConcurrentContextAwareProcessor, ContextAwareProcessor, ProcessorNode,
};
use crate::request::building;

/// A node type of the catalogue.
#[derive(Clone)]
pub struct NodeFactory {
    pub(crate) factory: Factory,
    pub(crate) node_type: NodeType,
}

#[derive(Clone)]
pub(crate) enum Factory {
    Processor(ProcessorFactory<OtapPdata>),
    Receiver(ReceiverFactory<OtapPdata>),
}

/// How a node's configuration is checked.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// The engine's way.
    Engine(fn(&Value) -> Result<(), ConfigError>),
    /// With paths and unknown keys, for nodes of this project: the error's field is a
    /// path below `config`.
    Own(fn(&Value) -> Result<(), ProcessingError>),
}

/// A node type as validation sees it.
#[derive(Clone)]
pub(crate) struct NodeType {
    pub(crate) check: Check,
    /// See [`ProcessorNode::AT_MOST_ONE_OUTPUT`].
    pub(crate) at_most_one_output: bool,
    /// See [`ProcessorNode::is_blind`].
    pub(crate) is_blind: fn(&Value) -> bool,
}

impl NodeFactory {
    /// The same node under another type name.
    #[must_use]
    pub fn named(mut self, urn: &'static str) -> Self {
        match &mut self.factory {
            Factory::Processor(factory) => factory.name = urn,
            Factory::Receiver(factory) => factory.name = urn,
        }
        self
    }
}

/// Makes a node type of a context-aware processor.
#[must_use]
pub fn processor_factory<N: ProcessorNode + ContextAwareProcessor>() -> NodeFactory {
    factory::<N, Adapter<N>>()
}

/// Makes a node type of a concurrent context-aware processor.
#[must_use]
pub fn concurrent_processor_factory<N>() -> NodeFactory
where
    N: ProcessorNode + ConcurrentContextAwareProcessor,
{
    factory::<N, ConcurrentAdapter<N>>()
}

fn factory<N: ProcessorNode, A: Adapts<N>>() -> NodeFactory {
    let node_type = NodeType {
        check: Check::Own(|config| configured(config, N::create).map(drop)),
        at_most_one_output: N::AT_MOST_ONE_OUTPUT,
        is_blind: |config| {
            let is_blind = configured(config, |config| Ok(N::is_blind(&config)));
            is_blind.unwrap_or_default()
        },
    };
    let factory = ProcessorFactory {
        name: N::URN,
        create: |_pipeline, node, node_config, processor_config, _capabilities| {
            let processor = configured(&node_config.config, N::create).map_err(config_error)?;
            let adapter = A::new(processor, building::pipeline()?);
            Ok(ProcessorWrapper::local(
                adapter,
                node,
                node_config,
                processor_config,
            ))
        },
        context_declarations: None,
        wiring_contract: WiringContract::UNRESTRICTED,
        // Its own check says more, and comes before.
        validate_config: |_| Ok(()),
    };
    NodeFactory {
        factory: Factory::Processor(factory),
        node_type,
    }
}

/// Makes a node of its configuration; errors have the place in it as their field.
pub(crate) fn configured<C: DeserializeOwned, N>(
    config: &Value,
    create: impl FnOnce(C) -> Result<N, ProcessingError>,
) -> Result<N, ProcessingError> {
    let empty = Value::Object(serde_json::Map::new());
    let config = if config.is_null() { &empty } else { config };
    let config: C = serde_path_to_error::deserialize(config).map_err(|error| {
        let place = Path::default().below(error.path());
        place.error(error.into_inner().to_string())
    })?;
    create(config).map_err(|error| {
        let place = Path::of_author(error.field().unwrap_or_default());
        place.error(error.message())
    })
}
