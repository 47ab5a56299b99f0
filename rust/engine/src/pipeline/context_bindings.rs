// SPDX-License-Identifier: Apache-2.0

//! Which node reads and writes which entry of a message's context.
//!
//! The engine's own controller compiles that for all pipelines at once; without it,
//! a node that declares an entry, such as the partition processor its header, cannot
//! be built.

use otel_arrow_dfe_config::engine::{
    EngineConfig, ResolvedOtelDataflowSpec, ResolvedPipelineConfig, ResolvedPipelineRole,
};
use otel_arrow_dfe_config::pipeline::PipelineConfig;
use otel_arrow_dfe_config::policy::ResolvedPolicies;
use otel_arrow_dfe_config::topic::TopicScope;
use otel_arrow_dfe_engine::context::PipelineContext;

use crate::pipeline::catalogue;

/// Compiles the bindings of a pipeline and gives them to its nodes.
pub(crate) fn bind(context: &mut PipelineContext, pipeline: &PipelineConfig) -> Result<(), String> {
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
