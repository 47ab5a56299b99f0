// SPDX-License-Identifier: Apache-2.0

//! Checks a component's configuration and says everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use otapbridge_context::{ProcessingError, Signal};
use otel_arrow_dfe_config::NodeUrn;
use otel_arrow_dfe_config::node::NodeKind;
use otel_arrow_dfe_config::node_urn::{canonicalize_plugin_urn, infer_node_kind};
use serde_json::Value;

use crate::base::node_types;
use crate::base::spec::{
    ComponentKind, ComponentSpec, Config, Edge, Node, NodeConfig, Path, Topology, parse,
};
use crate::config::expanded;
use crate::config::node_config;
use crate::config::secrets;
use crate::config::trial;
use crate::guard::divider;
use crate::guard::durable_buffer;
use crate::guard::{engine_nodes, joined_context};
use crate::node::factory::NodeType;
use crate::pipeline::catalogue;

/// More pipelines than this for one component is a mistake.
const MAX_SHARDS: usize = 256;

/// Checks a configuration without creating anything.
///
/// # Errors
/// Every finding, each of kind Configuration and with the path of the setting.
pub fn validate(spec: &ComponentSpec) -> Result<(), Vec<ProcessingError>> {
    topology(spec).map(drop)
}

/// What a user should be told of a configuration that is right: nodes that change or drop data
/// of the component's signal, or of any if it has none, without being asked to. Each is an error of kind Configuration
/// whose field is the node's place.
#[must_use]
pub fn warnings(spec: &ComponentSpec) -> Vec<ProcessingError> {
    topology(spec).map_or_else(|_| Vec::new(), |topology| topology.warnings)
}

/// Whether the host may have to join the data of several calls, because they stay with it.
/// False for a configuration that is wrong.
#[must_use]
pub fn joins_references(spec: &ComponentSpec) -> bool {
    spec.references
        && topology(spec).is_ok_and(|topology| {
            // A node with at most one output for each message never joins several.
            catalogue::is_blind(&topology) && !catalogue::has_at_most_one_output(&topology)
        })
}

pub(crate) fn topology(spec: &ComponentSpec) -> Result<Topology, Vec<ProcessingError>> {
    let root = Path::new(&spec.name);
    let config = parse(spec).map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    if config.shards == 0 || config.shards > MAX_SHARDS {
        errors.push(
            root.key("shards")
                .error(format!("must be between 1 and {MAX_SHARDS}")),
        );
    }
    let topology = match (config.only_node(), &config.nodes) {
        (Some(_), Some(_)) => {
            errors.push(
                root.error("set either `type` for one node or `nodes` for several, not both"),
            );
            None
        }
        (None, None) => {
            errors.push(
                root.error("set `type` (and `config`) for one node, or `nodes` and `connections`"),
            );
            None
        }
        (Some(node), None) => {
            if config.connections.is_some() {
                errors.push(
                    root.key("connections")
                        .error("goes with `nodes`; one node needs none"),
                );
            }
            let node = node_of("node", &node, spec.kind, &root, &mut errors);
            if let (ComponentKind::Receiver, Some(node)) = (spec.kind, &node)
                && !is_receiver(&node.urn)
            {
                errors.push(root.key("type").error(NO_RECEIVER));
            }
            node.map(|node| Topology {
                kind: spec.kind,
                nodes: vec![node],
                edges: Vec::new(),
                entry: 0,
                shards: config.shards,
                warnings: Vec::new(),
            })
        }
        (None, Some(nodes)) => {
            if config.config.is_some() {
                errors.push(
                    root.key("config")
                        .error("goes with `type`; nodes have a `config` each"),
                );
            }
            graph(&config, spec.kind, nodes, &root, &mut errors)
        }
    };
    let Some(mut topology) = topology.filter(|_| errors.is_empty()) else {
        return Err(errors);
    };
    let path = |node: &Node| match config.nodes {
        Some(_) => root.key("nodes").key(&node.name),
        None => root.clone(),
    };
    let paths: Vec<Path> = topology.nodes.iter().map(path).collect();
    errors.extend(build_errors(&topology, &paths));
    if errors.is_empty() {
        errors.extend(engine_nodes::refused(&topology, &paths));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let signals = spec
        .signal
        .map_or_else(|| Signal::ALL.to_vec(), |signal| vec![signal]);
    topology.warnings = signals
        .into_iter()
        .flat_map(|signal| engine_nodes::warnings(&topology, signal))
        .chain(joined_context::warnings(&topology))
        .map(|(node, text)| paths[node].error(text))
        .collect();
    divider::insert(&mut topology);
    Ok(topology)
}

/// What the engine's nodes find wrong only when they are built.
fn build_errors(topology: &Topology, paths: &[Path]) -> Vec<ProcessingError> {
    let nodes = topology.nodes.iter().enumerate();
    nodes
        .filter(|(_, node)| catalogue::is_engine_node(&node.urn))
        .filter_map(|(index, node)| {
            let edges = topology.edges.iter().filter(|edge| edge.from == index);
            let ports: Vec<_> = edges.map(|edge| edge.port.clone()).collect();
            let shards = topology.shards;
            let is_buffer = node.urn.as_str() == node_types::DURABLE_BUFFER;
            let hidden =
                |complaint: String| secrets::hide(node.urn.as_str(), &node.config, &complaint);
            node_config::check_built(&node.config, &paths[index].key("config"), |config| {
                if is_buffer {
                    let part = durable_buffer::share_of(config, shards);
                    let complaint = trial::complaint(&node.urn, &part, &ports)?;
                    return Some(durable_buffer::of_each_pipeline(complaint, shards));
                }
                trial::complaint(&node.urn, config, &ports).map(hidden)
            })
        })
        .collect()
}

/// Resolves a node's type and checks its configuration.
fn node_of(
    name: &str,
    node: &NodeConfig,
    kind: ComponentKind,
    path: &Path,
    errors: &mut Vec<ProcessingError>,
) -> Option<Node> {
    let (urn, node_type) = match node_type(&node.r#type, kind) {
        Ok(found) => found,
        Err(message) => {
            errors.push(path.key("type").error(message));
            return None;
        }
    };
    // Engine nodes refuse null, which is what a missing `config` comes as.
    let mut config = match &node.config {
        Value::Null => Value::Object(serde_json::Map::new()),
        config => config.clone(),
    };
    expanded::resolve(&mut config, &node.expanded, |config| {
        node_config::complaint(node_type, config)
    });
    let path = path.key("config");
    let mut wrong = engine_nodes::ignored_values(urn.as_str(), &config, &path);
    if wrong.is_empty() {
        wrong = node_config::check(node_type, &config, &path);
    }
    errors.extend(wrong.into_iter().map(|error| {
        let message = secrets::hide(urn.as_str(), &config, error.message());
        ProcessingError::configuration(message, error.field().map(str::to_owned))
    }));
    let name = name.to_owned();
    Some(Node { name, urn, config })
}

const NO_RECEIVER: &str = "a receiver component begins with a receiver node";

fn is_receiver(urn: &NodeUrn) -> bool {
    catalogue::get().receivers.contains_key(urn.as_str())
}

fn node_type(name: &str, component: ComponentKind) -> Result<(NodeUrn, &'static NodeType), String> {
    let catalogue = catalogue::get();
    let known = || {
        let receivers = (component == ComponentKind::Receiver).then_some(&catalogue.receivers);
        let types = receivers.into_iter().chain([&catalogue.processors]);
        let names: Vec<_> = types
            .flat_map(|types| types.keys())
            .map(|urn| urn.strip_prefix("urn:otel:").unwrap_or(urn))
            .collect();
        format!("known types: {}", names.join(", "))
    };
    let urn = canonicalize_plugin_urn(name)
        .map_err(|_| format!("{name:?} is no node type; {}", known()))?;
    let kind = infer_node_kind(urn.as_str())
        .map_err(|_| format!("{name:?} is no node type; {}", known()))?;
    match (component, kind) {
        (_, NodeKind::Processor) | (ComponentKind::Receiver, NodeKind::Receiver) => {}
        (component, kind) => {
            let kind: std::borrow::Cow<'static, str> = kind.into();
            return Err(match component {
                ComponentKind::Processor => format!(
                    "{name:?} is a {kind}; a processor component takes processor nodes only"
                ),
                ComponentKind::Receiver => format!(
                    "{name:?} is a {kind}; a receiver component takes a receiver node and processor nodes"
                ),
            });
        }
    }
    match catalogue.node_type(urn.as_str()) {
        Some(node_type) => Ok((urn, node_type)),
        None => Err(format!("unknown node type {name:?}; {}", known())),
    }
}

fn graph(
    config: &Config,
    kind: ComponentKind,
    nodes: &BTreeMap<String, NodeConfig>,
    root: &Path,
    errors: &mut Vec<ProcessingError>,
) -> Option<Topology> {
    let names: Vec<&String> = nodes.keys().collect();
    let before = errors.len();
    let mut resolved = Vec::with_capacity(nodes.len());
    for (name, node) in nodes {
        let path = root.key("nodes").key(name);
        if name.is_empty() {
            errors.push(root.key("nodes").error("a node needs a name"));
        } else if name.starts_with(':') {
            errors.push(path.error("names that begin with a colon are the bridge's own"));
        }
        resolved.push(node_of(name, node, kind, &path, errors));
    }
    if nodes.is_empty() {
        errors.push(root.key("nodes").error("needs at least one node"));
        return None;
    }

    let edges = edges(config, &names, &resolved, root, errors)?;
    let mut incoming = vec![0_usize; names.len()];
    let mut outgoing = vec![0_usize; names.len()];
    for edge in &edges {
        outgoing[edge.from] += edge.to.len();
        for to in &edge.to {
            incoming[*to] += 1;
        }
    }
    if names.len() > 1 {
        for (index, name) in names.iter().enumerate() {
            if incoming[index] == 0 && outgoing[index] == 0 {
                let path = root.key("nodes").key(name);
                errors.push(path.error("is not connected to any other node"));
            }
        }
    }
    let listed = |nodes: &[usize], between: &str| {
        let listed: Vec<&str> = nodes.iter().map(|index| names[*index].as_str()).collect();
        listed.join(between)
    };
    if let Some(cycle) = cycle(&edges, names.len()) {
        let message = format!("form a cycle: {}", listed(&cycle, " → "));
        errors.push(root.key("connections").error(message));
        return None;
    }
    let is_entry =
        |index: &usize| incoming[*index] == 0 && (names.len() == 1 || outgoing[*index] > 0);
    let entries: Vec<usize> = (0..names.len()).filter(is_entry).collect();
    if let [_, _, ..] = entries[..] {
        errors.push(root.key("connections").error(format!(
            "leave several entries ({}): exactly one node may have no incoming connection",
            listed(&entries, ", ")
        )));
    }
    if kind == ComponentKind::Receiver {
        for (index, node) in resolved.iter().enumerate() {
            let receiver = node.as_ref().is_some_and(|node| is_receiver(&node.urn));
            let path = root.key("nodes").key(names[index]);
            if receiver && incoming[index] > 0 {
                errors.push(path.error("is a receiver: nothing can be connected to it"));
            } else if !receiver && node.is_some() && entries == [index] {
                errors.push(path.key("type").error(NO_RECEIVER));
            }
        }
    }
    if errors.len() > before {
        return None;
    }
    let [entry] = entries[..] else { return None };
    Some(Topology {
        kind,
        nodes: resolved.into_iter().flatten().collect(),
        edges,
        entry,
        shards: config.shards,
        warnings: Vec::new(),
    })
}

fn edges(
    config: &Config,
    names: &[&String],
    nodes: &[Option<Node>],
    root: &Path,
    errors: &mut Vec<ProcessingError>,
) -> Option<Vec<Edge>> {
    let mut edges: Vec<Edge> = Vec::new();
    let before = errors.len();
    for (number, connection) in config.connections.iter().flatten().enumerate() {
        let path = root.key("connections").index(number);
        let mut resolve = |key: &str, listed: &[String]| -> Vec<usize> {
            if listed.is_empty() {
                errors.push(path.key(key).error("names no node"));
            }
            listed
                .iter()
                .filter_map(|name| {
                    let found = names.iter().position(|known| *known == name);
                    if found.is_none() {
                        errors.push(path.key(key).error(format!("there is no node {name:?}")));
                    }
                    found
                })
                .collect()
        };
        let from = resolve("from", connection.from.as_slice());
        let to = resolve("to", connection.to.as_slice());
        if to.len() > 1 {
            // The engine would hand each message to one of them, which nobody
            // expects who writes a list.
            errors.push(
                path.key("to")
                    .error("names several nodes: put a processor:fanout before them, or a router"),
            );
        }
        for from in from {
            if let (Some(port), Some(node)) = (&connection.port, &nodes[from])
                && engine_nodes::has_one_output(node.urn.as_str())
            {
                errors.push(
                    path.key("port")
                        .error(format!("the node has no output {port:?}: leave `port` out")),
                );
            }
            let same = |edge: &Edge| edge.from == from && edge.port == connection.port;
            if edges.iter().any(same) {
                errors.push(path.key("from").error(
                    "this output is connected twice: put a processor:fanout before its targets",
                ));
            }
            let again = |edge: &Edge| edge.from == from && edge.to == to;
            if !to.is_empty() && edges.iter().any(again) {
                // The engine closes one of the two channels.
                errors.push(path.key("to").error(
                    "another output of the same node leads there, too: give each output a node of its own",
                ));
            }
            edges.push(Edge {
                from,
                port: connection.port.clone(),
                to: to.clone(),
            });
        }
    }
    (errors.len() == before).then_some(edges)
}

/// A cycle, its first node repeated at the end.
fn cycle(edges: &[Edge], nodes: usize) -> Option<Vec<usize>> {
    // Those from which ways go on for ever: they lead to others of which that is true.
    let mut endless: BTreeSet<usize> = (0..nodes).collect();
    loop {
        let leads_on = |edge: &&Edge| edge.to.iter().any(|to| endless.contains(to));
        let left: BTreeSet<_> = edges
            .iter()
            .filter(leads_on)
            .map(|edge| edge.from)
            .collect();
        if left.len() == endless.len() {
            break;
        }
        endless = left;
    }
    let mut path = Vec::new();
    let mut next = *endless.first()?;
    loop {
        let start = path.iter().position(|seen| *seen == next);
        path.push(next);
        if let Some(start) = start {
            return Some(path.split_off(start));
        }
        let from_here = edges.iter().filter(|edge| edge.from == next);
        let mut targets = from_here.flat_map(|edge| &edge.to);
        next = *targets.find(|to| endless.contains(to))?;
    }
}
