// SPDX-License-Identifier: Apache-2.0

//! How an author's node becomes an engine node.

use std::sync::Arc;

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_config::node::NodeUserConfig;
use otel_arrow_dfe_engine::capability::registry::Capabilities;
use otel_arrow_dfe_engine::config::ProcessorConfig;
use otel_arrow_dfe_engine::context::PipelineContext;
use otel_arrow_dfe_engine::node::NodeId;
use otel_arrow_dfe_engine::processor::ProcessorWrapper;
use otel_arrow_dfe_engine::wiring_contract::WiringContract;
use otel_arrow_dfe_engine::{ProcessorFactory, ReceiverFactory};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::spec::Path;
use crate::node::adapter::Adapter;
use crate::node::concurrent::ConcurrentAdapter;
use crate::node::processor::{
    ConcurrentContextAwareProcessor, ContextAwareProcessor, ProcessorNode,
};
use crate::request::building;

/// A node type of the catalogue.
#[derive(Clone)]
pub struct NodeFactory(pub(crate) Factory);

#[derive(Clone)]
pub(crate) enum Factory {
    Processor {
        factory: ProcessorFactory<OtapPdata>,
        check: ConfigCheck,
        at_most_one_output: bool,
        is_blind: fn(&Value) -> bool,
    },
    Receiver(ReceiverFactory<OtapPdata>, ConfigCheck),
}

/// Checks a node's configuration: the error's field is a path below `config`.
pub(crate) type ConfigCheck = fn(&Value) -> Result<(), ProcessingError>;

/// Makes a node type of a context-aware processor.
#[must_use]
pub fn processor_factory<N: ProcessorNode + ContextAwareProcessor>() -> NodeFactory {
    factory::<N>(
        |_pipeline, node, node_config, processor_config, _capabilities| {
            let processor = create::<N>(&node_config.config).map_err(config_error)?;
            let adapter = Adapter::new(processor, building::pipeline()?);
            Ok(ProcessorWrapper::local(
                adapter,
                node,
                node_config,
                processor_config,
            ))
        },
    )
}

/// Makes a node type of a concurrent context-aware processor.
#[must_use]
pub fn concurrent_processor_factory<N>() -> NodeFactory
where
    N: ProcessorNode + ConcurrentContextAwareProcessor,
{
    factory::<N>(
        |_pipeline, node, node_config, processor_config, _capabilities| {
            let processor = create::<N>(&node_config.config).map_err(config_error)?;
            let adapter = ConcurrentAdapter::new(processor, building::pipeline()?);
            Ok(ProcessorWrapper::local(
                adapter,
                node,
                node_config,
                processor_config,
            ))
        },
    )
}

type Create = fn(
    PipelineContext,
    NodeId,
    Arc<NodeUserConfig>,
    &ProcessorConfig,
    &Capabilities,
) -> Result<ProcessorWrapper<OtapPdata>, ConfigError>;

fn factory<N: ProcessorNode>(create: Create) -> NodeFactory {
    NodeFactory(Factory::Processor {
        factory: ProcessorFactory {
            name: N::URN,
            create,
            context_declarations: None,
            wiring_contract: WiringContract::UNRESTRICTED,
            validate_config: |config| check::<N>(config).map_err(config_error),
        },
        check: check::<N>,
        at_most_one_output: N::AT_MOST_ONE_OUTPUT,
        is_blind: |config| {
            let is_blind = configured(config, |config| Ok(N::is_blind(&config)));
            is_blind.unwrap_or_default()
        },
    })
}

fn check<N: ProcessorNode>(config: &Value) -> Result<(), ProcessingError> {
    configured(config, N::create).map(drop)
}

fn create<N: ProcessorNode>(config: &Value) -> Result<N, ProcessingError> {
    configured(config, N::create)
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

pub(crate) fn config_error(error: ProcessingError) -> ConfigError {
    ConfigError::InvalidUserConfig {
        error: error.to_string(),
    }
}
