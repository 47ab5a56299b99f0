// SPDX-License-Identifier: Apache-2.0

//! Builds a node for a moment, because the engine's nodes check much of their
//! configuration only then: queries, limits that exclude each other, and the like.

use std::sync::Arc;

use otel_arrow_dfe_config::{NodeUrn, PipelineGroupId, PipelineId};
use otel_arrow_dfe_engine::context::ControllerContext;
use otel_arrow_dfe_telemetry::registry::TelemetryRegistryHandle;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::base::event::{Event, EventSink};
use crate::base::node_types::TYPE_ROUTER;
use crate::base::outbox::Outbox;
use crate::base::spec::{ComponentKind, Edge, Node, Topology};
use crate::pipeline;
use crate::request::building::Building;
use crate::request::state::{PipelineState, Shared};

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

/// The node in front of one for each of its outputs that accepts anything.
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
            urn: NodeUrn::from(TYPE_ROUTER),
            config: json!({}),
        });
    }
    Topology {
        kind: ComponentKind::Processor,
        nodes,
        edges,
        entry: 0,
        shards: 1,
        warnings: Vec::new(),
    }
}

fn build(topology: Topology) -> Result<(), String> {
    let (group, id) = (PipelineGroupId::from("trial"), PipelineId::from("0"));
    let context = ControllerContext::new(TelemetryRegistryHandle::new())
        .pipeline_context_with(group, id, 0, 1, 0);
    let shared = Arc::<Shared>::default();
    let outbox = Outbox::new(0, Arc::new(Nobody));
    let (_submissions, submissions_end) = unbounded_channel();
    let (_answers, answers_end) = unbounded_channel();
    let building = Building {
        pipeline: PipelineState::new(&shared, 0, outbox),
        storage: None,
        submissions: Some(submissions_end),
        answers: Some(answers_end),
    };
    pipeline::build::build(context, &topology, building)
        .map(drop)
        .map_err(|error| {
            // The node's own words in what the engine says around them.
            let words = error.strip_prefix("A config error occurred: ");
            words.unwrap_or(&error).to_owned()
        })
}
