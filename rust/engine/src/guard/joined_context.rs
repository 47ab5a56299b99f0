// SPDX-License-Identifier: Apache-2.0

//! Nodes that ask a request's context where it is that of several joined requests: what only one caller has is not
//! there, so that a filter drops what it should keep.

use serde_json::Value;

use crate::base::node_types::{
    ATTRIBUTES, BATCH, CONTEXT_ATTRIBUTES, DURABLE_BUFFER, FILTER, OWN_BATCH, OWN_FILTER,
    TEMPORAL_REAGGREGATION,
};
use crate::base::spec::{Node, Topology};
use crate::guard::engine_nodes::reachable;

/// What users should be told: the node's number and the text.
pub(crate) fn warnings(topology: &Topology) -> Vec<(usize, String)> {
    let nodes = topology.nodes.iter().enumerate();
    let mut warnings = Vec::new();
    for (index, node) in nodes.clone() {
        let asked = asked(node);
        for (before, joining) in nodes.clone().filter(|(_, node)| joins(node)) {
            let is_behind = before != index && reachable(topology, before).contains(&index);
            let lost = || asked.iter().find(|source| !keeps(joining, source));
            if let Some(lost) = is_behind.then(lost).flatten() {
                let urn = joining.urn.as_str();
                warnings.push((
                    index,
                    format!(
                        "asks for {lost} behind {}, which joins requests, so that only what all of them have alike is there: put this \
                         node before it; see docs/attributes-and-filter.md",
                        urn.trim_start_matches("urn:otel:")
                    ),
                ));
                break;
            }
        }
    }
    warnings
}

/// Whether what comes out of a node can be of several callers, or of nobody.
fn joins(node: &Node) -> bool {
    let urn = node.urn.as_str();
    [BATCH, DURABLE_BUFFER, OWN_BATCH, TEMPORAL_REAGGREGATION].contains(&urn)
}

/// Whether all requests that a node joins have this alike.
fn keeps(joining: &Node, source: &str) -> bool {
    let keys = &joining.config["partition"]["metadata_keys"];
    let keys = keys.as_array().map_or(&[][..], Vec::as_slice);
    let is_of = |key: &Value| {
        let key = key.as_str().map(str::to_lowercase);
        key.is_some_and(|key| source.to_lowercase() == format!("metadata.{key}"))
    };
    joining.urn.as_str() == OWN_BATCH && keys.iter().any(is_of)
}

/// The places of the context that a node of ours asks for.
fn asked(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    if [ATTRIBUTES, CONTEXT_ATTRIBUTES, FILTER, OWN_FILTER].contains(&node.urn.as_str()) {
        find(&node.config, &mut found);
    }
    found
}

fn find(config: &Value, found: &mut Vec<String>) {
    match config {
        Value::Object(settings) => {
            let source = settings.get("from_context").and_then(Value::as_str);
            found.extend(source.map(str::to_owned));
            settings.values().for_each(|value| find(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| find(value, found)),
        _ => {}
    }
}
