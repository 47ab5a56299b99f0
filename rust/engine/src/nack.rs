//! Between the engine's nack, which holds a reason text, and a structured error.

use otapbridge_context::{ErrorTable, ProcessingError, error_table};
use otel_arrow_dfe_engine::control::{NackCause, NackMsg};
use otel_arrow_dfe_engine::error::Error;
use otel_arrow_dfe_otap::pdata::OtapPdata;

/// A nack that carries `error` through the engine. A request that nobody waits
/// for any more is refused for good, so that a retry node lets it go.
pub(crate) fn nack(
    errors: &ErrorTable,
    error: ProcessingError,
    abandoned: bool,
    refused: OtapPdata,
) -> NackMsg<OtapPdata> {
    let permanent = abandoned || error.is_permanent();
    let reason = errors.insert(error);
    if permanent {
        NackMsg::new_permanent(reason, refused)
    } else {
        NackMsg::new(reason, refused)
    }
}

/// The error behind a nack: the structured one if a node of ours or the host
/// gave it, otherwise what the engine's own fields say.
pub(crate) fn error_of(errors: &ErrorTable, nack: &NackMsg<OtapPdata>) -> ProcessingError {
    if let Some(error) = errors.take(&nack.reason) {
        return error;
    }
    let reason = error_table::strip(&nack.reason).into_owned();
    match (nack.cause, nack.permanent) {
        (NackCause::Refused, true) => ProcessingError::invalid_argument(reason),
        (_, true) => ProcessingError::permanent(reason),
        (NackCause::RouteFull, false) => ProcessingError::resource_exhausted(reason, None),
        (_, false) => ProcessingError::retryable(reason),
    }
}

/// What a node's own failure means to the caller of the message it failed on.
pub(crate) fn error_of_engine(error: &Error) -> ProcessingError {
    match error {
        Error::PdataConversionError { .. } | Error::PdataCodec(_) => {
            ProcessingError::invalid_argument(error.to_string())
        }
        _ => ProcessingError::retryable(error.to_string()),
    }
}
