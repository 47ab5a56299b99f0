// SPDX-License-Identifier: Apache-2.0

//! A component's configuration, and the pipeline it describes.

use std::collections::BTreeMap;
use std::time::Duration;

use otapbridge_context::{ProcessingError, Signal};
use otel_arrow_dfe_config::NodeUrn;
use otel_arrow_dfe_config::error::Error as ConfigError;
use serde::Deserialize;
use serde_json::Value;

/// What a component is to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentKind {
    /// Calls go in and output comes out.
    Processor,
    /// Output comes out of what its first node, a receiver, takes in.
    Receiver,
}

/// What a component's `cancel_grace` usually is.
pub const DEFAULT_CANCEL_GRACE: Duration = Duration::from_millis(100);

/// What a component is made from.
#[derive(Clone, Debug)]
pub struct ComponentSpec {
    /// What it is to the host.
    pub kind: ComponentKind,
    /// Its signal, if it has exactly one. What its nodes keep on disk stays apart by it.
    pub signal: Option<Signal>,
    /// Prefix of paths in errors, such as `processors::otap/scrub`; may be empty.
    pub name: String,
    /// How long its pipelines have to complete a call that was cancelled or is overdue, before
    /// it is completed in their place; usually [`DEFAULT_CANCEL_GRACE`].
    pub cancel_grace: Duration,
    /// Whether the host can keep data that no node looks at.
    pub references: bool,
    /// Comes back with every event and log record.
    pub component_data: u64,
    /// The configuration as JSON.
    pub config: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) r#type: Option<String>,
    pub(crate) config: Option<Value>,
    #[serde(default)]
    pub(crate) expanded: Vec<Expanded>,
    pub(crate) nodes: Option<BTreeMap<String, NodeConfig>>,
    pub(crate) connections: Option<Vec<ConnectionConfig>>,
    #[serde(default = "one")]
    pub(crate) shards: usize,
}

fn one() -> usize {
    1
}

impl Config {
    /// The node of a component that has one only, without a name.
    pub(crate) fn only_node(&self) -> Option<NodeConfig> {
        Some(NodeConfig {
            r#type: self.r#type.clone()?,
            config: self.config.clone().unwrap_or_default(),
            expanded: self.expanded.clone(),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeConfig {
    pub(crate) r#type: String,
    #[serde(default)]
    pub(crate) config: Value,
    #[serde(default)]
    pub(crate) expanded: Vec<Expanded>,
}

/// A value of a node's `config` that the host has read from a text, such as an environment
/// variable's: a setting that is a text takes that.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expanded {
    #[serde(deserialize_with = "place")]
    pub(crate) at: Place,
    pub(crate) text: String,
}

/// Where a value stands in another: keys, and indices of lists.
pub(crate) type Place = Vec<String>;

fn place<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Step {
        Index(usize),
        Key(String),
    }
    let steps = Vec::deserialize(deserializer)?.into_iter();
    let texts = steps.map(|step| match step {
        Step::Index(index) => index.to_string(),
        Step::Key(key) => key,
    });
    Ok(texts.collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionConfig {
    pub(crate) from: Names,
    pub(crate) port: Option<String>,
    pub(crate) to: Names,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected the name of a node or a list of names")]
pub(crate) enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// A pipeline that was checked: every name resolves, it has one entry and no cycle.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    pub(crate) kind: ComponentKind,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) entry: usize,
    pub(crate) shards: usize,
    /// What users should be told of it.
    pub(crate) warnings: Vec<ProcessingError>,
}

impl Topology {
    /// The nodes that lead to no other: their output goes to the host.
    pub(crate) fn exits(&self) -> impl Iterator<Item = usize> {
        let leads_on = |node| self.edges.iter().any(|edge| edge.from == node);
        (0..self.nodes.len()).filter(move |node| !leads_on(*node))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) urn: NodeUrn,
    pub(crate) config: Value,
}

#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) port: Option<String>,
    pub(crate) to: Vec<usize>,
}

/// A place in the configuration, written as the collector writes paths:
/// `processors::otap/x::nodes::a::config::actions::1::key`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    #[must_use]
    pub(crate) fn key(&self, key: &str) -> Self {
        if self.0.is_empty() {
            Self(key.to_owned())
        } else {
            Self(format!("{}::{key}", self.0))
        }
    }

    #[must_use]
    pub(crate) fn index(&self, index: usize) -> Self {
        self.key(&index.to_string())
    }

    /// What stands there below this.
    #[must_use]
    pub(crate) fn at(&self, place: &[impl AsRef<str>]) -> Self {
        place
            .iter()
            .fold(self.clone(), |at, key| at.key(key.as_ref()))
    }

    /// Appends a path in serde's notation (`actions[1].key`).
    #[must_use]
    pub(crate) fn below(&self, path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;
        path.iter().fold(self.clone(), |at, segment| match segment {
            Segment::Seq { index } => at.index(*index),
            Segment::Map { key } | Segment::Enum { variant: key } => at.key(key),
            Segment::Unknown => at,
        })
    }

    /// A place written in an author's notation, `actions[1].key`, in ours.
    pub(crate) fn of_author(path: &str) -> Self {
        Self(path.replace(['.', '['], "::").replace(']', ""))
    }

    /// The path's text, or `None` at the root.
    pub(crate) fn into_field(self) -> Option<String> {
        (!self.0.is_empty()).then_some(self.0)
    }

    /// A Configuration error at this place.
    pub(crate) fn error(&self, message: impl Into<String>) -> ProcessingError {
        ProcessingError::configuration(message, self.clone().into_field())
    }
}

/// What the engine gets from a node that cannot be built.
pub(crate) fn config_error(error: impl ToString) -> ConfigError {
    ConfigError::InvalidUserConfig {
        error: error.to_string(),
    }
}

/// Reads the JSON; unknown keys and wrong types are errors with their path.
pub(crate) fn parse(spec: &ComponentSpec) -> Result<Config, ProcessingError> {
    let root = Path::new(&spec.name);
    let value: Value = serde_json::from_slice(&spec.config)
        .map_err(|error| root.error(format!("is no JSON: {error}")))?;
    // From a value and not from the text, whose lines and columns the user of a
    // host has never seen.
    serde_path_to_error::deserialize(value)
        .map_err(|error| root.below(error.path()).error(error.inner().to_string()))
}
