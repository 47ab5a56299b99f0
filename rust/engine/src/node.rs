// SPDX-License-Identifier: Apache-2.0

//! How an author's node becomes an engine node.

use async_trait::async_trait;
use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::error::Error as ConfigError;
use otel_arrow_dfe_engine::ProcessorFactory;
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_engine::processor::ProcessorWrapper;
use otel_arrow_dfe_engine::wiring_contract::WiringContract;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::adapter::Adapter;
use crate::effect_handler::ContextAwareEffectHandler;
use crate::spec::Path;

/// A processor that sees the request behind each message.
///
/// It handles one message at a time, control messages included.
#[async_trait(?Send)]
pub trait ContextAwareProcessor<PData> {
    /// Handles a data or control message.
    ///
    /// For a data message, `effect_handler` carries the context of its request,
    /// and the returned future is dropped at the request's cancel or deadline:
    /// hold nothing across an await that must not be dropped. An error refuses
    /// the message: the caller gets it as it is.
    ///
    /// # Errors
    /// Any [`ProcessingError`]; one returned for a control message ends the
    /// pipeline, which is then restarted.
    async fn process_with_context(
        &mut self,
        msg: Message<PData>,
        effect_handler: &mut ContextAwareEffectHandler<PData>,
    ) -> Result<(), ProcessingError>;
}

/// A processor with a name and a configuration.
pub trait ProcessorNode: ContextAwareProcessor<OtapPdata> + Sized + 'static {
    /// Node type, `urn:<namespace>:processor:<id>`.
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

/// A node type of the catalogue.
#[derive(Clone)]
pub struct NodeFactory(
    pub(crate) ProcessorFactory<OtapPdata>,
    pub(crate) ConfigCheck,
);

/// Checks a node's configuration: the error's field is a path below `config`.
pub(crate) type ConfigCheck = fn(&Value) -> Result<(), ProcessingError>;

/// Makes a node type of a context-aware processor.
#[must_use]
pub fn processor_factory<N: ProcessorNode>() -> NodeFactory {
    NodeFactory(
        ProcessorFactory {
            name: N::URN,
            create: |_pipeline, node, node_config, processor_config, _capabilities| {
                let processor = create::<N>(&node_config.config).map_err(config_error)?;
                let core = crate::building::core()?;
                Ok(ProcessorWrapper::local(
                    Adapter::new(processor, core),
                    node,
                    node_config,
                    processor_config,
                ))
            },
            context_declarations: None,
            wiring_contract: WiringContract::UNRESTRICTED,
            validate_config: |config| check::<N>(config).map_err(config_error),
        },
        check::<N>,
    )
}

fn check<N: ProcessorNode>(config: &Value) -> Result<(), ProcessingError> {
    create::<N>(config).map(drop)
}

fn create<N: ProcessorNode>(config: &Value) -> Result<N, ProcessingError> {
    let empty = Value::Object(serde_json::Map::new());
    let config = if config.is_null() { &empty } else { config };
    let config: N::Config = serde_path_to_error::deserialize(config).map_err(|error| {
        let place = Path::default().below(error.path());
        place.error(error.into_inner().to_string())
    })?;
    N::create(config).map_err(|error| {
        let place = Path::of_author(error.field().unwrap_or_default());
        place.error(error.message())
    })
}

fn config_error(error: ProcessingError) -> ConfigError {
    ConfigError::InvalidUserConfig {
        error: error.to_string(),
    }
}
