// SPDX-License-Identifier: Apache-2.0

//! The node types a component can use, listed one by one.
//!
//! The engine's own registries are link-time slices, which vanish silently
//! when a linker drops them; an explicit list cannot. The codecs are still such
//! a slice: the self-test looks for them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::NodeUrn;
use otel_arrow_dfe_config::node_urn::canonicalize_plugin_urn;
use otel_arrow_dfe_core_nodes::processors;
use otel_arrow_dfe_engine::{PipelineFactory, ProcessorFactory};
use otel_arrow_dfe_otap::OTAP_PROCESSOR_FACTORIES;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use otel_arrow_dfe_pdata_codec::CodecRegistry;
use otel_arrow_dfe_pdata_codec::builtins::OTLP_ENCODING;

use crate::base::node_types::{DIVIDER, LOG_SAMPLING};
use crate::base::spec::{ComponentKind, Node, Topology};
use crate::guard::divider;
use crate::guard::engine_nodes;
use crate::guard::gate::gated;
use crate::host::exporter::HOST_EXPORTER;
use crate::host::receiver::HOST_RECEIVER;
use crate::node::factory::{Check, Factory, NodeFactory, NodeType};

/// Every node type that is linked in.
pub(crate) struct Catalogue {
    pub(crate) processors: BTreeMap<&'static str, NodeType>,
    pub(crate) receivers: BTreeMap<&'static str, NodeType>,
    pub(crate) factory: PipelineFactory<OtapPdata>,
}

static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();

/// Adds `nodes` to the engine's own node types. Only the first call counts: the
/// catalogue is the same for the whole process.
pub fn install(nodes: impl FnOnce() -> Vec<NodeFactory>) {
    let _ = CATALOGUE.get_or_init(|| Catalogue::new(nodes()));
}

pub(crate) fn get() -> &'static Catalogue {
    CATALOGUE.get_or_init(|| Catalogue::new(Vec::new()))
}

/// The node type of this name, which need not be the full one.
pub(crate) fn find(name: &str) -> Option<(NodeUrn, &'static NodeType)> {
    let urn = canonicalize_plugin_urn(name).ok()?;
    let node_type = get().node_type(urn.as_str())?;
    Some((urn, node_type))
}

/// Whether a node type is the engine's, and not written against our own trait.
pub(crate) fn is_engine_node(urn: &NodeUrn) -> bool {
    let node_type = get().node_type(urn.as_str());
    node_type.is_none_or(|node| matches!(node.check, Check::Engine(_)))
}

/// Whether every node of a pipeline makes one thing at most of each message.
pub(crate) fn has_at_most_one_output(topology: &Topology) -> bool {
    let at_most_one = |node: &Node| {
        let urn = node.urn.as_str();
        let node_type = get().node_type(urn);
        // The divider subscribes to its parts' acks, so `only_call_waits` is false for them.
        urn == DIVIDER || node_type.is_some_and(|node| node.at_most_one_output)
    };
    topology.kind == ComponentKind::Processor && topology.nodes.iter().all(at_most_one)
}

/// Whether no node of a pipeline looks at data, and each forwards what it gets to one other.
pub(crate) fn is_blind(topology: &Topology) -> bool {
    let is_blind = |node: &Node| {
        let node_type = get().node_type(node.urn.as_str());
        node_type.is_some_and(|node_type| (node_type.is_blind)(&node.config))
    };
    topology.kind == ComponentKind::Processor
        && topology.exits().count() == 1
        && topology.edges.iter().all(|edge| edge.port.is_none())
        && topology.nodes.iter().all(is_blind)
}

/// The processors of the engine, each behind a gate. Its filter is not among them: one of otapbridge's
/// nodes has its name and its configuration, because the engine's drops what has no attributes.
macro_rules! gated_processors {
    ($($factory:expr),+ $(,)?) => {
        vec![$(ProcessorFactory {
            create: |pipeline, node, node_config, processor_config, capabilities| {
                let create = $factory.create;
                gated(create(pipeline, node, node_config, processor_config, capabilities)?)
            },
            ..$factory.clone()
        }),+]
    };
}

/// The engine's filter, to be compared with otapbridge's. It needs another name, because that node has its own.
#[doc(hidden)]
#[must_use]
pub fn engine_filter(name: &'static str) -> NodeFactory {
    let mut factories = gated_processors![processors::filter_processor::FILTER_PROCESSOR_FACTORY];
    let factory = factories.remove(0);
    let node_type = of_engine(&factory);
    NodeFactory {
        factory: Factory::Processor(factory),
        node_type,
    }
    .named(name)
}

/// How validation sees a node of the engine.
fn of_engine(factory: &ProcessorFactory<OtapPdata>) -> NodeType {
    NodeType {
        check: Check::Engine(factory.validate_config),
        at_most_one_output: engine_nodes::has_at_most_one_output(factory.name),
        is_blind: |_| false,
    }
}

/// The one processor whose factory is private: only the engine's link-time slice
/// has it, so the self-test checks that it is there.
fn log_sampling() -> Option<&'static ProcessorFactory<OtapPdata>> {
    OTAP_PROCESSOR_FACTORIES
        .iter()
        .find(|factory| factory.name == LOG_SAMPLING)
}

impl Catalogue {
    pub(crate) fn node_type(&self, urn: &str) -> Option<&NodeType> {
        self.processors.get(urn).or_else(|| self.receivers.get(urn))
    }

    fn new(nodes: Vec<NodeFactory>) -> Self {
        let mut factories = gated_processors![
            processors::attributes_processor::ATTRIBUTES_PROCESSOR_FACTORY,
            processors::batch_processor::OTAP_BATCH_PROCESSOR_FACTORY,
            processors::content_router::CONTENT_ROUTER_FACTORY,
            processors::debug_processor::DEBUG_PROCESSOR_FACTORY,
            crate::guard::durable_buffer::FACTORY,
            processors::fanout_processor::FANOUT_PROCESSOR_FACTORY,
            processors::log_parser_processor::LOG_PARSER_PROCESSOR_FACTORY,
            processors::partition_processor::PARTITION_PROCESSOR_FACTORY,
            crate::guard::retry_gate::FACTORY,
            processors::signal_type_router::SIGNAL_TYPE_ROUTER_FACTORY,
            processors::temporal_reaggregation_processor::TEMPORAL_REAGGREGATION_PROCESSOR_FACTORY,
            processors::transform_processor::TRANSFORM_PROCESSOR_FACTORY,
        ];
        if log_sampling().is_some() {
            factories.extend(gated_processors![
                log_sampling().expect("it was there when it was listed")
            ]);
        }
        let mut processor_types: BTreeMap<_, _> = factories
            .iter()
            .map(|factory| (factory.name, of_engine(factory)))
            .collect();
        let mut receivers = vec![HOST_RECEIVER.clone()];
        let mut receiver_types = BTreeMap::new();
        for NodeFactory { factory, node_type } in nodes {
            match factory {
                Factory::Processor(factory) => {
                    let _ = processor_types.insert(factory.name, node_type);
                    factories.push(factory);
                }
                Factory::Receiver(factory) => {
                    let _ = receiver_types.insert(factory.name, node_type);
                    receivers.push(factory);
                }
            }
        }
        factories.push(divider::FACTORY.clone());
        // The engine wants slices that live as long as the process; there is
        // one catalogue in it.
        let factory = PipelineFactory::new(
            Vec::leak(receivers),
            Vec::leak(factories),
            std::slice::from_ref(&HOST_EXPORTER),
            &[],
        )
        .with_context_materializer(|pdata, plan| pdata.context_mut().materialize_context(plan));
        Self {
            processors: processor_types,
            receivers: receiver_types,
            factory,
        }
    }
}

/// Finds out whether the library was linked with everything a pipeline needs.
///
/// # Errors
/// Permanent, with what is missing.
pub fn self_test() -> Result<(), ProcessingError> {
    let registry = CodecRegistry::global().map_err(|error| incomplete(&error.to_string()))?;
    let _ = registry
        .resolve(&OTLP_ENCODING)
        .map_err(|error| incomplete(&error.to_string()))?;
    if log_sampling().is_none() {
        return Err(incomplete(LOG_SAMPLING));
    }
    let catalogue = get();
    let known = catalogue.factory.get_processor_factory_map().len();
    // The divider is not in the catalogue, because users cannot name it.
    if known != catalogue.processors.len() + 1 {
        return Err(incomplete("two node types share a name"));
    }
    Ok(())
}

fn incomplete(missing: &str) -> ProcessingError {
    ProcessingError::permanent(format!(
        "the library was linked without a part of the engine ({missing}): link the prelinked \
         object, or the static library with --whole-archive"
    ))
}
