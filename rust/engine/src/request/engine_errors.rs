// SPDX-License-Identifier: Apache-2.0

//! What the engine's nodes can never do with some data or query, although they say so in the same
//! way as "no room now". Retried, such a request would block a queue for ever.
//!
//! The engine (0.62) gives these errors a text only. The beginning of the text tells them
//! apart; `tests/hosting/error_classes.rs` provokes each, so that an upgrade that changes one shows.

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_engine::error::Error;

use crate::base::node_types::{DEBUG, PARTITION, TRANSFORM};
use crate::request::nack;

/// Errors that a node returns: its type, and how the text begins. All are permanent.
const NEVER: &[(&str, &str)] = &[
    // A query that cannot be run on these data: types, conversions, divisions by zero.
    (TRANSFORM, "Error executing query engine pipeline "),
    // A query that routes to an output which the node does not have.
    (TRANSFORM, "Routing error:"),
    (PARTITION, "Error partitioning batch: "),
];

/// What a node's own error means to the caller of the message that it failed on.
pub(crate) fn error_of_node(node: &str, error: Error) -> ProcessingError {
    let never = match &error {
        Error::ProcessorError { error, .. } => NEVER
            .iter()
            .any(|(of, text)| *of == node && error.starts_with(text)),
        _ => false,
    };
    if never {
        let text = error.to_string();
        return ProcessingError::permanent(text).with_source(error);
    }
    nack::error_of_engine(error)
}

/// Whether a node had passed the message on before it failed: `debug` does, and looks at it then.
pub(crate) fn has_passed_on(node: &str, error: &Error) -> bool {
    node == DEBUG
        && match error {
            Error::PdataConversionError { .. }
            | Error::PdataCodec(_)
            | Error::PDataError { .. } => true,
            Error::ProcessorError { error, .. } => error.starts_with("Write error: "),
            _ => false,
        }
}

/// What a permanent nack without a cause means by its text.
pub(crate) enum NackMeaning {
    /// The data cannot be read.
    Unreadable,
    /// A node cannot work at present, whatever the data are.
    Unavailable,
    /// What its bit says.
    Permanent,
}

const DECODE: &str = "failed to decode: ";
/// They are readable.
const TOO_MANY: &str = "An error occurred packing more than 2**16 - 1 entries";
const CODEC: &str = "pdata codec `";
const BROKEN_CODEC: &[&str] = &[
    "pdata codec service is unavailable after a panic",
    "pdata codec service is already in use",
];

pub(crate) fn nack_meaning(reason: &str) -> NackMeaning {
    if BROKEN_CODEC.iter().any(|text| reason.starts_with(text)) {
        return NackMeaning::Unavailable;
    }
    let decode = reason
        .strip_prefix(CODEC)
        .and_then(|rest| rest.split_once(DECODE));
    match decode {
        Some((_, why)) if !why.starts_with(TOO_MANY) => NackMeaning::Unreadable,
        _ => NackMeaning::Permanent,
    }
}
