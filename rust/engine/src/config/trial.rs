// SPDX-License-Identifier: Apache-2.0

//! Builds a node for a moment, because the engine's nodes check much of their
//! configuration only then: queries, limits that exclude each other, and the like.

use std::sync::Arc;

use otel_arrow_dfe_config::policy::ChannelCapacityPolicy;
use otel_arrow_dfe_config::{NodeUrn, PipelineGroupId, PipelineId};
use otel_arrow_dfe_engine::context::ControllerContext;
use otel_arrow_dfe_telemetry::registry::TelemetryRegistryHandle;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::base::event::{Event, EventSink};
use crate::base::outbox::Outbox;
use crate::base::spec::{ComponentKind, DEFAULT_CANCEL_GRACE, Edge, Node, Topology};
use crate::pipeline::catalogue;
use crate::pipeline::context_bindings;
use crate::pipeline::thread::{pipeline_config, telemetry_policy};
use crate::request::building::{self, Building};
use crate::request::reaper::Reaper;
use crate::request::state::{PipelineState, Shared};

const ACCEPTS_ANYTHING: &str = "urn:otel:processor:type_router";

/// Nothing happens to a pipeline that never runs.
struct Nobody;

impl EventSink for Nobody {
    fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
        events.clear();
    }
}

/// What the node says when it is built with these outputs connected; `None` is the
/// default one. Starts no thread and opens nothing.
pub(crate) fn complaint(urn: &NodeUrn, config: &Value, ports: &[Option<String>]) -> Option<String> {
    build(topology(urn, config, ports)).err()
}

/// The node in front of one that accepts anything for each of its outputs.
fn topology(urn: &NodeUrn, config: &Value, ports: &[Option<String>]) -> Topology {
    let mut nodes = vec![Node {
        name: "node".to_owned(),
        urn: urn.clone(),
        config: config.clone(),
    }];
    let mut edges = Vec::new();
    for port in ports {
        let to = nodes.len();
        edges.push(Edge {
            from: 0,
            port: port.clone(),
            to: vec![to],
        });
        nodes.push(Node {
            name: format!("output{to}"),
            urn: NodeUrn::from(ACCEPTS_ANYTHING),
            config: json!({}),
        });
    }
    let exits = match ports {
        [] => vec![0],
        _ => (1..nodes.len()).collect(),
    };
    Topology {
        kind: ComponentKind::Processor,
        nodes,
        edges,
        entry: 0,
        exits,
        shards: 1,
        warnings: Vec::new(),
    }
}

fn build(topology: Topology) -> Result<(), String> {
    let (group, id) = (PipelineGroupId::from("trial"), PipelineId::from("0"));
    let pipeline = pipeline_config(&topology, &group, &id)?;
    let mut context = ControllerContext::new(TelemetryRegistryHandle::new())
        .pipeline_context_with(group, id, 0, 1, 0);
    context_bindings::bind(&mut context, &pipeline)?;
    let shared = Shared::new(
        String::new(),
        Arc::default(),
        Reaper::idle(),
        DEFAULT_CANCEL_GRACE,
        false,
        false,
        false,
    );
    let outbox = Outbox::new(0, Arc::new(Nobody));
    let (_submissions, submissions_end) = unbounded_channel();
    let (_answers, answers_end) = unbounded_channel();
    let _scope = building::begin(Building {
        pipeline: PipelineState::new(&shared, 0, outbox),
        storage: None,
        early_answers: false,
        submissions: Some(submissions_end),
        answers: Some(answers_end),
    });
    catalogue::get()
        .factory
        .build(
            context,
            pipeline,
            ChannelCapacityPolicy::default(),
            telemetry_policy(),
            Default::default(),
            None,
            None,
        )
        .map(drop)
        .map_err(|error| reason(&error.to_string()).to_owned())
}

/// The node's own words in what the engine says around them.
fn reason(text: &str) -> &str {
    text.strip_prefix("A config error occurred: ")
        .unwrap_or(text)
}
