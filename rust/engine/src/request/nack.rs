// SPDX-License-Identifier: Apache-2.0

//! Between the engine's own errors and a structured one.

use otapbridge_context::{ErrorKind, ErrorTable, ProcessingError, error_table};
use otel_arrow_dfe_engine::control::{NackCause, NackMsg};
use otel_arrow_dfe_engine::error::TypedError;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::request::engine_errors::{is_broken_codec, is_unreadable};
use crate::request::header::request_id;
use crate::request::state::PipelineState;

/// A nack that carries `error` through the engine. A request that nobody waits
/// for any more is refused for good, so that a retry node lets it go.
pub(crate) fn nack(
    pipeline: &PipelineState,
    error: ProcessingError,
    ended: bool,
    refused: OtapPdata,
) -> NackMsg<OtapPdata> {
    let permanent = ended || is_final(&error);
    let cause = if is_of_the_data(&error) {
        NackCause::Unspecified
    } else {
        NOT_OF_THE_DATA
    };
    let reason = pipeline.carry(request_id(&refused), error, permanent);
    if permanent {
        NackMsg::new_permanent_with_cause(reason, refused, cause)
    } else {
        NackMsg::new(reason, refused)
    }
}

/// The cause of a permanent nack that says nothing of the data.
const NOT_OF_THE_DATA: NackCause = NackCause::NodeShutdown;

/// Whether a permanent error is about the data. It is not if the caller has gone, or if the host has no
/// use for the signal. Nor if its code says "not now": such an error became permanent only because another part of the
/// data was accepted, which a retry would send a second time.
fn is_of_the_data(error: &ProcessingError) -> bool {
    const CANCELLED: i32 = 1;
    const DEADLINE_EXCEEDED: i32 = 4;
    const RESOURCE_EXHAUSTED: i32 = 8;
    const ABORTED: i32 = 10;
    const UNAVAILABLE: i32 = 14;
    !matches!(
        error.kind(),
        ErrorKind::Cancelled | ErrorKind::Configuration
    ) && !matches!(
        error.grpc_code(),
        CANCELLED | DEADLINE_EXCEEDED | RESOURCE_EXHAUSTED | ABORTED | UNAVAILABLE
    )
}

/// Whether a node that stores data should keep them after this nack.
pub(crate) fn may_be_accepted_later(errors: &ErrorTable, nack: &NackMsg<OtapPdata>) -> bool {
    !nack.permanent || nack.cause == NOT_OF_THE_DATA || !is_of_the_data(&error_of(errors, nack))
}

/// Whether nobody should send the data again: the error's kind says so, or its code.
/// These four codes make an error of any kind permanent to the collector.
fn is_final(error: &ProcessingError) -> bool {
    const INVALID_ARGUMENT: i32 = 3;
    const PERMISSION_DENIED: i32 = 7;
    const UNIMPLEMENTED: i32 = 12;
    const UNAUTHENTICATED: i32 = 16;
    error.is_permanent()
        || matches!(
            error.grpc_code(),
            INVALID_ARGUMENT | PERMISSION_DENIED | UNIMPLEMENTED | UNAUTHENTICATED
        )
}

/// The error behind a nack: the structured one if a node of ours or the host
/// gave it, otherwise what the engine's own fields say. Permanent if either is.
pub(crate) fn error_of(errors: &ErrorTable, nack: &NackMsg<OtapPdata>) -> ProcessingError {
    if let Some(error) = errors.resolve_as(&nack.reason, nack.permanent) {
        return error;
    }
    let reason = error_table::strip(&nack.reason).into_owned();
    match (nack.cause, nack.permanent) {
        (NackCause::Refused, true) => ProcessingError::invalid_argument(reason),
        (NackCause::Unspecified, true) if is_unreadable(&reason) => {
            ProcessingError::invalid_argument(reason)
        }
        // The node cannot work at present, whatever the data are.
        (NackCause::Unspecified, true) if is_broken_codec(&reason) => {
            ProcessingError::retryable(reason)
        }
        (_, true) => ProcessingError::permanent(reason),
        (NackCause::RouteFull, false) => ProcessingError::resource_exhausted(reason, None),
        // Another instance, or this one after its restart, may take it.
        (_, false) => ProcessingError::retryable(reason),
    }
}

/// Why a message could not be forwarded.
pub(crate) fn send_error(error: TypedError<OtapPdata>) -> ProcessingError {
    match error {
        TypedError::Error(error) => ProcessingError::configuration(error.to_string(), None),
        other => ProcessingError::retryable(format!("the next node is gone: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use otapbridge_context::Signal;

    use super::*;
    use crate::base::payload::from_otlp_bytes;

    fn empty() -> OtapPdata {
        from_otlp_bytes(Signal::Logs, bytes::Bytes::new())
    }

    #[test]
    fn the_engines_own_nacks_mean_what_their_cause_says() {
        use ErrorKind::{Permanent, ResourceExhausted, Retryable};
        use NackCause::{NodeShutdown, Refused, RouteClosed, RouteFull, Unspecified};
        let errors = ErrorTable::new();
        for (cause, permanent, kind, grpc_code, http_status) in [
            (Unspecified, false, Retryable, 14, 503),
            (RouteFull, false, ResourceExhausted, 8, 429),
            (RouteClosed, false, Retryable, 14, 503),
            (NodeShutdown, false, Retryable, 14, 503),
            (Refused, false, Retryable, 14, 503),
            (Unspecified, true, Permanent, 13, 500),
            (RouteFull, true, Permanent, 13, 500),
            (RouteClosed, true, Permanent, 13, 500),
            (NodeShutdown, true, Permanent, 13, 500),
            (Refused, true, Permanent, 3, 400),
        ] {
            let nack = if permanent {
                NackMsg::new_permanent_with_cause("no", empty(), cause)
            } else {
                NackMsg::new_with_cause("no", empty(), cause)
            };
            let error = error_of(&errors, &nack);
            assert_eq!(error.kind(), kind, "{cause:?} {permanent}");
            assert_eq!(error.grpc_code(), grpc_code, "{cause:?} {permanent}");
            assert_eq!(error.http_status(), http_status, "{cause:?} {permanent}");
            assert_eq!(error.message(), "no");
        }
    }

    #[test]
    fn an_error_is_final_by_its_kind_or_its_code() {
        for kind in [
            ErrorKind::Permanent,
            ErrorKind::Retryable,
            ErrorKind::Cancelled,
            ErrorKind::Timeout,
            ErrorKind::ResourceExhausted,
            ErrorKind::Configuration,
        ] {
            for code in 1..=16 {
                let error = ProcessingError::new(kind, "no").with_grpc_code(code);
                let expected = error.is_permanent() || [3, 7, 12, 16].contains(&code);
                assert_eq!(is_final(&error), expected, "{kind} {code}");
            }
        }
    }

    #[test]
    fn a_mark_of_an_error_that_is_gone_reaches_nobody() {
        let errors = ErrorTable::new();
        let reason = ErrorTable::new().insert(ProcessingError::permanent("text"), true);
        let error = error_of(&errors, &NackMsg::new(reason, empty()));
        assert_eq!(error.message(), "text");
    }
}
