// SPDX-License-Identifier: Apache-2.0

//! What the engine's nodes can never do with some data or query, although they say so in the same
//! way as "no room now". Retried, such a request would block a queue for ever.
//!
//! The engine (0.62) gives these errors a text only. The beginning of the text tells them
//! apart; `tests/hosting/error_classes.rs` provokes each, so that an upgrade that changes one shows.

use std::io;

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_engine::error::{Error, ProcessorErrorKind};

use crate::base::node_types::{DEBUG, PARTITION, TRANSFORM};

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
    let is_never = |said: &str| {
        let mut never = NEVER.iter();
        never.any(|(of, text)| *of == node && said.starts_with(text))
    };
    if matches!(&error, Error::ProcessorError { error, .. } if is_never(error)) {
        let text = error.to_string();
        return ProcessingError::permanent(text).with_source(error);
    }
    error_of_engine(error)
}

/// Whether a node had passed the message on before it failed: `debug` does, and prints the message then.
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

/// Whether the text of a permanent nack without a cause says that the data cannot be read.
pub(crate) fn is_unreadable(reason: &str) -> bool {
    const TOO_MANY: &str = "An error occurred packing more than 2**16 - 1 entries";
    let decode = reason
        .strip_prefix("pdata codec `")
        .and_then(|rest| rest.split_once("failed to decode: "));
    // They are readable if they are too many.
    decode.is_some_and(|(_, why)| !why.starts_with(TOO_MANY))
}

/// Whether it says that the pipeline's codecs are of no use any more.
pub(crate) fn is_broken_codec(reason: &str) -> bool {
    const BROKEN: &[&str] = &[
        "pdata codec service is unavailable after a panic",
        "pdata codec service is already in use",
    ];
    BROKEN.iter().any(|text| reason.starts_with(text))
}

/// What an error of the engine's means to the caller of the message that a node failed
/// on with it. The engine's error is its source.
///
/// ```no_run
/// use std::time::Duration;
///
/// use otapbridge::prelude::*;
///
/// async fn tick(effect_handler: &ContextAwareEffectHandler) -> Result<(), ProcessingError> {
///     let timer = effect_handler.inner().start_periodic_timer(Duration::from_secs(1)).await;
///     timer.map(drop).map_err(otapbridge::error_of_engine)
/// }
/// ```
#[must_use]
pub fn error_of_engine(error: Error) -> ProcessingError {
    let text = error.to_string();
    let meant = match &error {
        Error::PdataConversionError { .. } | Error::PdataCodec(_) | Error::PDataError { .. } => {
            ProcessingError::invalid_argument(text)
        }
        Error::ChannelSendError { closed: false, .. } => {
            ProcessingError::resource_exhausted(text, None)
        }
        Error::IoError { error, .. } => ProcessingError::from(io::Error::new(error.kind(), text)),
        Error::ConfigError(_)
        | Error::NoDefaultOutputPort { .. }
        | Error::UnknownOutputPort { .. }
        | Error::ProcessorError {
            kind: ProcessorErrorKind::Configuration,
            ..
        } => ProcessingError::configuration(text, None),
        Error::JoinTaskError { is_panic: true, .. } => ProcessingError::permanent(text),
        _ => ProcessingError::retryable(text),
    };
    meant.with_source(error)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use otapbridge_context::ErrorKind;
    use otel_arrow_dfe_engine::node::NodeId;

    use super::*;

    #[test]
    fn the_engines_errors_are_classified_and_kept_as_source() {
        let node = || NodeId {
            index: 1,
            name: "a".into(),
        };
        let failed = |kind: ProcessorErrorKind| Error::ProcessorError {
            processor: node(),
            kind,
            error: "text".to_owned(),
            source_detail: String::new(),
        };
        let full = |closed: bool| Error::ChannelSendError {
            error: "text".to_owned(),
            closed,
        };
        let io = |kind: io::ErrorKind| Error::IoError {
            node: node(),
            error: io::Error::new(kind, "text"),
        };
        let joined = |is_panic: bool| Error::JoinTaskError {
            is_canceled: !is_panic,
            is_panic,
            error: "text".to_owned(),
        };
        let text = || "text".to_owned();
        for (error, kind, grpc_code) in [
            (
                Error::PdataConversionError { error: text() },
                ErrorKind::Permanent,
                3,
            ),
            (
                Error::PDataError { reason: text() },
                ErrorKind::Permanent,
                3,
            ),
            (full(false), ErrorKind::ResourceExhausted, 8),
            (full(true), ErrorKind::Retryable, 14),
            (
                Error::RuntimeMsgError { error: text() },
                ErrorKind::Retryable,
                14,
            ),
            (io(io::ErrorKind::TimedOut), ErrorKind::Timeout, 4),
            (
                io(io::ErrorKind::StorageFull),
                ErrorKind::ResourceExhausted,
                8,
            ),
            (io(io::ErrorKind::InvalidData), ErrorKind::Permanent, 13),
            (io(io::ErrorKind::BrokenPipe), ErrorKind::Retryable, 14),
            (
                failed(ProcessorErrorKind::Configuration),
                ErrorKind::Configuration,
                3,
            ),
            (
                failed(ProcessorErrorKind::Transport),
                ErrorKind::Retryable,
                14,
            ),
            (
                failed(ProcessorErrorKind::Shutdown),
                ErrorKind::Retryable,
                14,
            ),
            (failed(ProcessorErrorKind::Other), ErrorKind::Retryable, 14),
            (joined(true), ErrorKind::Permanent, 13),
            (joined(false), ErrorKind::Retryable, 14),
            (
                Error::InternalError { message: text() },
                ErrorKind::Retryable,
                14,
            ),
        ] {
            let shown = error.to_string();
            let error = error_of_engine(error);
            assert_eq!(error.kind(), kind, "{shown}");
            assert_eq!(error.grpc_code(), grpc_code, "{shown}");
            assert!(error.message().contains("text"), "{shown}");
            let source = error.source().expect("the engine's error");
            assert_eq!(source.to_string(), shown);
        }
    }
}
