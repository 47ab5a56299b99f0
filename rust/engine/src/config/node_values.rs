// SPDX-License-Identifier: Apache-2.0

//! What the engine's nodes accept without a word and ignore.
//!
//! Their configurations take any text in these places; only the listed ones
//! mean something (core-nodes 0.62).

use otapbridge_context::ProcessingError;
use serde_json::Value;

use crate::base::spec::Path;

const ATTRIBUTE: &str = "urn:otel:processor:attribute";
const ACTIONS: &[&str] = &["rename", "delete", "insert", "upsert", "update", "hash"];
const DOMAINS: &[&str] = &["signal", "resource", "scope"];

/// Engine processors whose only output is the default one.
const ONE_OUTPUT: &[&str] = &[
    ATTRIBUTE,
    "urn:otel:processor:batch",
    "urn:otel:processor:debug",
    "urn:otel:processor:durable_buffer",
    "urn:otel:processor:filter",
    "urn:otel:processor:log_parser",
    "urn:otel:processor:log_sampling",
    "urn:otel:processor:retry",
    "urn:otel:processor:temporal_reaggregation",
];

/// Whether a connection from this node can name no port.
pub(crate) fn has_one_output(urn: &str) -> bool {
    ONE_OUTPUT.contains(&urn)
}

/// Values that the node would ignore.
pub(crate) fn check(urn: &str, config: &Value, path: &Path) -> Vec<ProcessingError> {
    if urn != ATTRIBUTE {
        return Vec::new();
    }
    let actions = items(config, "actions").map(|(index, action)| {
        (
            path.key("actions").index(index).key("action"),
            &action["action"],
            ACTIONS,
        )
    });
    let domains = items(config, "apply_to")
        .map(|(index, domain)| (path.key("apply_to").index(index), domain, DOMAINS));
    actions
        .chain(domains)
        .filter_map(|(path, value, known)| {
            let value = value.as_str()?;
            let message = || format!("unknown value {value:?}; known: {}", known.join(", "));
            (!known.contains(&value)).then(|| path.error(message()))
        })
        .collect()
}

fn items<'a>(config: &'a Value, key: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    config[key].as_array().into_iter().flatten().enumerate()
}
