// SPDX-License-Identifier: Apache-2.0

//! Builds a pipeline's nodes, as the engine's own controller does.

use otel_arrow_dfe_config::engine::{
    EngineConfig, ResolvedOtelDataflowSpec, ResolvedPipelineConfig, ResolvedPipelineRole,
};
use otel_arrow_dfe_config::pipeline::{PipelineConfig, PipelineConfigBuilder, PipelineType};
use otel_arrow_dfe_config::policy::{
    ChannelCapacityPolicy, MetricLevel, ResolvedPolicies, TelemetryPolicy,
};
use otel_arrow_dfe_config::topic::TopicScope;
use otel_arrow_dfe_engine::context::PipelineContext;
use otel_arrow_dfe_engine::runtime_pipeline::RuntimePipeline;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::base::node_types::RETRY;
use crate::base::spec::{ComponentKind, Topology};
use crate::guard::retry_gate::RETRY_QUEUE;
use crate::host::exporter::HOST_EXPORTER_URN;
use crate::host::receiver::HOST_RECEIVER_URN;
use crate::pipeline::catalogue;
use crate::request::building::{self, Building};

/// Names of the two host nodes. Validation refuses a leading colon in a user's.
const ENTRY: &str = ":host-receiver";
const EXIT: &str = ":host-exporter";

/// Builds the nodes of a pipeline on the thread that runs it.
pub(crate) fn build(
    mut context: PipelineContext,
    topology: &Topology,
    building: Building,
) -> Result<(RuntimePipeline<OtapPdata>, PipelineContext), String> {
    let config = pipeline_config(topology, &context)?;
    bind(&mut context, &config)?;
    let _scope = building::begin(building);
    let built = catalogue::get().factory.build(
        context.clone(),
        config,
        channel_capacities(topology),
        // The host has telemetry of its own.
        TelemetryPolicy {
            pipeline_metrics: false,
            tokio_metrics: false,
            runtime_metrics: MetricLevel::None,
            flow_metrics: Vec::new(),
        },
        Default::default(),
        None,
        None,
    );
    Ok((built.map_err(|error| error.to_string())?, context))
}

/// Says which node reads and writes which entry of a message's context. The controller compiles that for
/// all pipelines at once; without it, a node that declares an entry, such as the partition processor its
/// header, cannot be built.
fn bind(context: &mut PipelineContext, pipeline: &PipelineConfig) -> Result<(), String> {
    let resolved = ResolvedOtelDataflowSpec {
        engine: EngineConfig::default(),
        pipelines: vec![ResolvedPipelineConfig {
            pipeline_group_id: context.pipeline_group_id(),
            pipeline_id: context.pipeline_id(),
            pipeline: pipeline.clone(),
            topic_scope: TopicScope::GLOBAL,
            policies: ResolvedPolicies::default(),
            role: ResolvedPipelineRole::Regular,
        }],
    };
    let prepared = catalogue::get()
        .factory
        .compile_initial_context(&resolved)
        .map_err(|error| error.to_string())?;
    context.set_compiled_context_bindings(prepared.bindings);
    Ok(())
}

fn channel_capacities(topology: &Topology) -> ChannelCapacityPolicy {
    let mut capacities = ChannelCapacityPolicy::default();
    if topology.nodes.iter().any(|node| node.urn.as_str() == RETRY) {
        capacities.pdata = RETRY_QUEUE;
    }
    capacities
}

fn pipeline_config(
    topology: &Topology,
    context: &PipelineContext,
) -> Result<PipelineConfig, String> {
    let name = |index: usize| topology.nodes[index].name.clone();
    let mut builder = PipelineConfigBuilder::new().add_exporter(EXIT, HOST_EXPORTER_URN, None);
    if topology.kind == ComponentKind::Processor {
        builder = builder
            .add_receiver(ENTRY, HOST_RECEIVER_URN, None)
            .to(ENTRY, name(topology.entry));
    }
    for (index, node) in topology.nodes.iter().enumerate() {
        let (name, urn, config) = (node.name.clone(), node.urn.clone(), node.config.clone());
        builder = if topology.kind == ComponentKind::Receiver && index == topology.entry {
            builder.add_receiver(name, urn, Some(config))
        } else {
            builder.add_processor(name, urn, Some(config))
        };
    }
    for edge in &topology.edges {
        let targets: Vec<String> = edge.to.iter().map(|to| name(*to)).collect();
        builder = match &edge.port {
            Some(port) => builder.one_of_output(name(edge.from), port.clone(), targets),
            None => builder.one_of(name(edge.from), targets),
        };
    }
    for exit in topology.exits() {
        builder = builder.to(name(exit), EXIT);
    }
    builder
        .build(
            PipelineType::Otap,
            context.pipeline_group_id(),
            context.pipeline_id(),
        )
        .map_err(|error| error.to_string())
}
