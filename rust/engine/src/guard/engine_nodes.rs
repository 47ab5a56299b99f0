// SPDX-License-Identifier: Apache-2.0

//! What is known about the engine's processors (core-nodes 0.62) and does not show in their types:
//! which of them convert data to Arrow, what that does to data, and which settings do harm.
//!
//! `docs/nodes.md` tells users the same; `tests/hosting/fidelity.rs` checks both against the nodes.

use std::collections::BTreeSet;

use otapbridge_context::{ProcessingError, Signal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::node_types::{
    ATTRIBUTE, ATTRIBUTES, BATCH, DEBUG, DURABLE_BUFFER, FILTER, LOG_PARSER, LOG_SAMPLING,
    OWN_FILTER, PARTITION, RETRY, TEMPORAL_REAGGREGATION, TRANSFORM, TYPE_ROUTER,
};
use crate::base::spec::{Node, Path, Topology};

/// Whether a processor makes one thing at most of each message; see
/// [`ProcessorNode::AT_MOST_ONE_OUTPUT`](crate::ProcessorNode::AT_MOST_ONE_OUTPUT).
pub(crate) fn has_at_most_one_output(urn: &str) -> bool {
    matches!(urn, ATTRIBUTE | TYPE_ROUTER)
}

/// Whether a processor has the default output only, so that a connection from it can name no port.
pub(crate) fn has_one_output(urn: &str) -> bool {
    matches!(
        urn,
        ATTRIBUTE
            | ATTRIBUTES
            | BATCH
            | DEBUG
            | DURABLE_BUFFER
            | FILTER
            | LOG_PARSER
            | LOG_SAMPLING
            | OWN_FILTER
            | RETRY
            | TEMPORAL_REAGGREGATION
    )
}

/// Values that a node accepts without a word and ignores: its configuration takes any text there.
pub(crate) fn ignored_values(urn: &str, config: &Value, path: &Path) -> Vec<ProcessingError> {
    const ACTIONS: &[&str] = &["rename", "delete", "insert", "upsert", "update", "hash"];
    const DOMAINS: &[&str] = &["signal", "resource", "scope"];
    if urn != ATTRIBUTE {
        return Vec::new();
    }
    let items = |key: &str| config[key].as_array().into_iter().flatten().enumerate();
    let path = |key: &str, index| path.key(key).index(index);
    let actions = items("actions").map(|(index, action)| {
        let path = path("actions", index).key("action");
        (path, &action["action"], ACTIONS)
    });
    let domains =
        items("apply_to").map(|(index, domain)| (path("apply_to", index), domain, DOMAINS));
    actions
        .chain(domains)
        .filter_map(|(path, value, known)| {
            let value = value.as_str()?;
            let message = || format!("unknown value {value:?}; known: {}", known.join(", "));
            (!known.contains(&value)).then(|| path.error(message()))
        })
        .collect()
}

/// How many rows of one kind a message may have where it is converted: their ids have 16 bits.
/// One more than this is an error in some signals, and mixes attributes in others.
pub(crate) const MAX_ROWS: usize = u16::MAX as usize;

/// The most that a batch of Arrow data may wait for, so that with a message on top it
/// still has no more than [`MAX_ROWS`].
const MAX_ARROW_BATCH: u64 = (MAX_ROWS / 2) as u64;

/// The most that batches behind each other may wait for: the rest is left for the messages.
const MAX_ARROW_BATCHES: u64 = (MAX_ROWS / 4 * 3) as u64;

/// Whether a node converts OTLP that it gets to Arrow, or gives it ids of 16 bits in another way.
pub(crate) fn converts(node: &Node) -> bool {
    let config = &node.config;
    match node.urn.as_str() {
        ATTRIBUTE => config["actions"]
            .as_array()
            .is_some_and(|actions| !actions.is_empty()),
        BATCH => !arrow_batching(config, false).is_empty(),
        DURABLE_BUFFER => config["otlp_handling"] == "convert_to_arrow",
        LOG_PARSER | LOG_SAMPLING | PARTITION | TEMPORAL_REAGGREGATION | TRANSFORM => true,
        _ => false,
    }
}

/// Which signals a node that converts leaves as they are.
fn leaves_alone(node: &Node, signal: Signal) -> bool {
    match node.urn.as_str() {
        LOG_PARSER | LOG_SAMPLING => signal != Signal::Logs,
        TEMPORAL_REAGGREGATION => signal != Signal::Metrics,
        TRANSFORM => transformed(&node.config).is_some_and(|only| only != signal),
        _ => false,
    }
}

/// The one signal that a query is about; `None` if that cannot be told.
fn transformed(config: &Value) -> Option<Signal> {
    if config.get("ottl").is_some() {
        return Some(Signal::Logs);
    }
    let query = ["kql_query", "opl_query"]
        .into_iter()
        .find_map(|key| config[key].as_str())?;
    match query
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .find(|word| !word.is_empty())?
    {
        "logs" => Some(Signal::Logs),
        "traces" => Some(Signal::Traces),
        "metrics" | "gauges" | "sums" | "histograms" | "exponential_histograms" | "summaries" => {
            Some(Signal::Metrics)
        }
        _ => None,
    }
}

/// How large a message may be where it enters a node that converts: the divider's configuration.
#[derive(Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Of resources, of scopes, and of spans, metrics or log records.
    pub(crate) rows: usize,
    /// Of metric data points, if they are limited.
    pub(crate) points: Option<usize>,
    /// Resources and scopes without items, which conversion loses, must not come: a node panics on their
    /// attributes.
    pub(crate) no_empty: bool,
}

/// The limits before the node at `to`: batches of Arrow data behind it add to a message.
pub(crate) fn limits(topology: &Topology, to: usize) -> Limits {
    let behind = reachable(topology, to);
    let nodes = || behind.iter().map(|index| &topology.nodes[*index]);
    let points = nodes()
        .filter(|node| node.urn.as_str() == TEMPORAL_REAGGREGATION)
        .map(|node| {
            let most = node.config["max_stream_cardinality"].as_u64();
            most.and_then(|most| usize::try_from(most).ok())
                .unwrap_or(16_383)
        })
        .min();
    let added = usize::try_from(waiting(topology, to)).unwrap_or(usize::MAX);
    Limits {
        rows: MAX_ROWS.saturating_sub(added).max(1),
        points,
        no_empty: nodes().any(|node| node.urn.as_str() == ATTRIBUTE && adds(&node.config)),
    }
}

/// How many rows can wait in the batches of Arrow data on one way from this node, where that is most.
fn waiting(topology: &Topology, from: usize) -> u64 {
    let node = &topology.nodes[from];
    let own = if node.urn.as_str() == BATCH {
        let settings = arrow_batching(&node.config, true);
        settings.iter().map(|settings| settings.min).max()
    } else {
        None
    };
    let edges = topology.edges.iter().filter(|edge| edge.from == from);
    let behind = edges
        .flat_map(|edge| &edge.to)
        .map(|to| waiting(topology, *to))
        .max();
    own.unwrap_or(0).saturating_add(behind.unwrap_or(0))
}

/// Whether an attribute node adds attributes to what has none.
fn adds(config: &Value) -> bool {
    config["actions"].as_array().is_some_and(|actions| {
        actions
            .iter()
            .any(|action| action["action"] == "insert" || action["action"] == "upsert")
    })
}

/// The node itself and all behind it.
pub(crate) fn reachable(topology: &Topology, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([from]);
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for edge in topology.edges.iter().filter(|edge| edge.from == node) {
            next.extend(edge.to.iter().copied().filter(|to| found.insert(*to)));
        }
    }
    found
}

/// Settings by which the engine's batch works on Arrow data.
struct ArrowBatching {
    /// Where they are configured.
    section: Vec<&'static str>,
    min: u64,
    max: Option<u64>,
}

/// The settings that count where a batch works on Arrow data; `arrow_comes` if such may
/// come in. With the sizer `items` it converts OTLP, too.
fn arrow_batching(config: &Value, arrow_comes: bool) -> Vec<ArrowBatching> {
    let format = config["format"].as_str().unwrap_or("preserve");
    let by_items = |settings: &Value| settings["sizer"] == "items";
    let otlp = section(config, &["otlp-bytes", "otlp"]);
    let mut found = Vec::new();
    if let Some((section, settings)) = otlp
        && matches!(format, "preserve" | "otlp" | "otlp-bytes")
        && by_items(settings)
    {
        found.push(batching(section, Some(settings)));
    }
    if format == "otap" || (format == "preserve" && arrow_comes) {
        found.push(match section(config, &["otap"]) {
            Some((section, settings)) => batching(section, Some(settings)),
            None => batching(vec!["otap"], None),
        });
    }
    found
}

/// The batch's settings for OTLP or for Arrow data. They may stand below `codecs` or beside it, and
/// have several names.
fn section<'a>(
    config: &'a Value,
    names: &[&'static str],
) -> Option<(Vec<&'static str>, &'a Value)> {
    names.iter().find_map(|name| {
        if let Some(settings) = config["codecs"].get(name) {
            return Some((vec!["codecs", *name], settings));
        }
        Some((vec![*name], config.get(name)?))
    })
}

fn batching(section: Vec<&'static str>, settings: Option<&Value>) -> ArrowBatching {
    const DEFAULT_MIN_ITEMS: u64 = 8192;
    let max = settings.and_then(|settings| settings["max_size"].as_u64());
    let min = match settings {
        None => DEFAULT_MIN_ITEMS,
        // The engine's own rule.
        Some(settings) => settings["min_size"].as_u64().or(max).unwrap_or(0),
    };
    ArrowBatching { section, min, max }
}

/// Whether some node before this one puts out Arrow data.
fn arrow_comes(topology: &Topology, to: usize) -> bool {
    (0..topology.nodes.len()).any(|from| {
        from != to && converts(&topology.nodes[from]) && reachable(topology, from).contains(&to)
    })
}

/// Configurations that do harm to any data.
pub(crate) fn refused(topology: &Topology, paths: &[Path]) -> Vec<ProcessingError> {
    let mut errors = Vec::new();
    for (index, node) in topology.nodes.iter().enumerate() {
        let at = |keys: &[&str]| paths[index].key("config").at(keys);
        match node.urn.as_str() {
            BATCH => {
                for settings in arrow_batching(&node.config, arrow_comes(topology, index)) {
                    let place = |key| at(&[&settings.section[..], &[key]].concat());
                    if settings.max.is_some() && settings.min > 1 {
                        errors.push(place("max_size").error(
                            "a batch of Arrow data that joins and divides gives records the attributes of others: \
                             leave max_size out, set min_size to 1 so that nothing is joined, or use urn:otapbridge:processor:batch",
                        ));
                    }
                    let joins_behind = settings.max.is_some()
                        && reachable(topology, index).into_iter().any(|behind| {
                            behind != index
                                && topology.nodes[behind].urn.as_str() == BATCH
                                && arrow_batching(&topology.nodes[behind].config, true)
                                    .iter()
                                    .any(|settings| settings.min > 1)
                        });
                    if joins_behind {
                        errors.push(place("max_size").error(
                            "another batch behind it joins Arrow data that this one has divided, and gives records the attributes of others: \
                             leave max_size out, or use urn:otapbridge:processor:batch",
                        ));
                    }
                    let together = waiting(topology, index);
                    if settings.min <= MAX_ARROW_BATCH && together > MAX_ARROW_BATCHES {
                        errors.push(place("min_size").error(format!(
                            "with the batches behind it, {together} rows of Arrow data could wait: the engine cannot count more than {MAX_ROWS} in one \
                             message, so keep the sum at most {MAX_ARROW_BATCHES}",
                        )));
                    }
                    if settings.min > MAX_ARROW_BATCH {
                        errors.push(place("min_size").error(format!(
                            "must not be above {MAX_ARROW_BATCH}: the engine cannot count more than {MAX_ROWS} rows in Arrow data",
                        )));
                    }
                }
            }
            DURABLE_BUFFER => {
                for (key, why) in [
                    (
                        "poll_interval",
                        "must be positive: the pipeline's thread would do nothing else",
                    ),
                    (
                        "max_in_flight",
                        "must be positive: nothing would ever be forwarded",
                    ),
                ] {
                    let zero = match &node.config[key] {
                        Value::Number(number) => number.as_u64() == Some(0),
                        Value::String(text) => is_zero_duration(text),
                        _ => false,
                    };
                    if zero {
                        errors.push(at(&[key]).error(why));
                    }
                }
                if node.config["retry_multiplier"]
                    .as_f64()
                    .is_some_and(|by| by < 1.0)
                {
                    errors.push(at(&["retry_multiplier"]).error("must not be below 1"));
                }
            }
            _ => {}
        }
    }
    errors
}

/// Whether a duration in the engine's notation is zero: all its numbers are 0.
fn is_zero_duration(text: &str) -> bool {
    let mut digits = text.chars().filter(char::is_ascii_digit).peekable();
    digits.peek().is_some() && digits.all(|digit| digit == '0')
}

/// What conversion to Arrow and back does, by signal.
const fn conversion(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => {
            "a span without an end gets its start as its end, one without a start loses its end, links lose their \
             dropped_attributes_count, and entity references and empty resources are lost"
        }
        Signal::Metrics => {
            "explicit zeros of histograms' sum, min and max and of exemplars can be lost, as can entity references \
             and empty resources"
        }
        Signal::Logs => {
            "records without attributes are moved before those with attributes, empty bodies are lost, and so are \
             entity references and empty resources"
        }
    }
}

/// What users should be told who give a signal's data to these nodes: the node's number and
/// the text.
pub(crate) fn warnings(topology: &Topology, signal: Signal) -> Vec<(usize, String)> {
    let mut warnings = Vec::new();
    let mut converted = false;
    for (index, node) in topology.nodes.iter().enumerate() {
        let name = node.urn.as_str().trim_start_matches("urn:otel:");
        let mut parts: Vec<String> = harm(node, signal).map(str::to_owned).into_iter().collect();
        // Data are converted once: one node is told of.
        if converts(node) && !leaves_alone(node, signal) && !converted {
            converted = true;
            parts.push(format!(
                "converts {} to Arrow, and that changes some: {}. To keep data as they are, use nodes of otapbridge or \
                 the collector's own processors",
                signal.as_str(),
                conversion(signal),
            ));
        }
        if !parts.is_empty() {
            warnings.push((
                index,
                format!("{name} {}; see docs/nodes.md", parts.join("; it ")),
            ));
        }
    }
    warnings
}

/// What else a node does to data of a signal that nobody asked it to do.
fn harm(node: &Node, signal: Signal) -> Option<&'static str> {
    let config = &node.config;
    let of_signal = || {
        config["apply_to"]
            .as_array()
            .is_none_or(|domains| domains.iter().any(|domain| domain == "signal"))
    };
    match (node.urn.as_str(), signal) {
        (ATTRIBUTE, Signal::Metrics) if converts(node) && of_signal() => Some(
            "leaves the attributes of exponential histograms' points and of their exemplars as they are, so that what it \
             should delete or hash stays in clear: use urn:otapbridge:processor:attributes for metrics",
        ),
        (ATTRIBUTE, Signal::Traces) if adds(config) && of_signal() => Some(
            "adds its attributes to events and links of spans, too: use urn:otapbridge:processor:attributes with apply_to: [span]",
        ),
        (TEMPORAL_REAGGREGATION, Signal::Metrics) => Some(
            "drops exemplars, metrics' metadata and metrics without data, and takes streams for one that differ in attributes which are \
             lists or maps only: use the collector's interval processor",
        ),
        (PARTITION, _) => Some(
            "accepts requests without items and drops them: use the partition setting of urn:otapbridge:processor:batch",
        ),
        (BATCH, Signal::Logs) if !arrow_batching(config, false).is_empty() => Some(
            "refuses requests whose records have a body together with those whose records have none, and accepts requests without items and drops \
             them, as it works on Arrow data: use urn:otapbridge:processor:batch",
        ),
        (BATCH, _) if !arrow_batching(config, false).is_empty() => Some(
            "accepts requests without items and drops them, as it works on Arrow data: use urn:otapbridge:processor:batch",
        ),
        _ => None,
    }
}

/// Where a node's configuration has secrets: keys, `*` for each item of a list. The
/// engine's own type for them is `OpaqueString`. Of a node of ours they are known by their type, too, but only if its
/// configuration is right.
pub(crate) fn secrets(urn: &str) -> &'static [&'static [&'static str]] {
    match urn {
        ATTRIBUTE | ATTRIBUTES => &[&["actions", "*", "salt"]],
        _ => &[],
    }
}
