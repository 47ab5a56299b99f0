// SPDX-License-Identifier: Apache-2.0

//! Between a [`ProcessingError`] and the gRPC status that stands for it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use prost_types::{Any, Duration as ProtoDuration};
use tonic::{Code, Status};

use super::{ErrorKind, ProcessingError};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The most seconds that `google.protobuf.Duration` may have.
const MAX_SECONDS: u64 = 315_576_000_000;

/// `google.rpc.Status`, which travels in the `grpc-status-details-bin` trailer.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

impl RpcStatus {
    fn retry_delay(&self) -> Option<Duration> {
        self.details.iter().find_map(|detail| {
            // Only what follows the last slash names the type.
            let name = detail.type_url.rsplit('/').next()?;
            if name != "google.rpc.RetryInfo" {
                return None;
            }
            let delay = RetryInfo::decode(detail.value.as_slice())
                .ok()?
                .retry_delay?;
            let nanos = u32::try_from(delay.nanos)
                .ok()
                .filter(|nanos| *nanos < 1_000_000_000)?;
            Some(Duration::new(u64::try_from(delay.seconds).ok()?, nanos))
        })
    }
}

fn retry_info(delay: Duration) -> Any {
    let retry_delay = Some(ProtoDuration {
        seconds: delay.as_secs().min(MAX_SECONDS) as i64,
        nanos: delay.subsec_nanos() as i32,
    });
    Any {
        type_url: RETRY_INFO.to_owned(),
        value: RetryInfo { retry_delay }.encode_to_vec(),
    }
}

/// What a code means to the sender of the same data, by the OTLP specification
/// ("Failures" of OTLP/gRPC). Codes that it does not list may not be retried.
fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::Cancelled => ErrorKind::Cancelled,
        Code::DeadlineExceeded => ErrorKind::Timeout,
        Code::ResourceExhausted => ErrorKind::ResourceExhausted,
        Code::Aborted | Code::OutOfRange | Code::Unavailable | Code::DataLoss => {
            ErrorKind::Retryable
        }
        _ => ErrorKind::Permanent,
    }
}

/// The HTTP status of a code where it is not that of its kind, as the
/// collector's OTLP receiver has it.
fn http_status_of(code: Code) -> Option<u16> {
    match code {
        Code::InvalidArgument => Some(400),
        Code::Unauthenticated => Some(401),
        Code::PermissionDenied => Some(403),
        Code::Unimplemented => Some(404),
        _ => None,
    }
}

impl From<Status> for ProcessingError {
    /// Keeps code, text, details and the delay of a `RetryInfo`. A status that was
    /// made of a [`ProcessingError`] in this process becomes that error again.
    fn from(status: Status) -> Self {
        let code = status.code();
        if let Some(own) = status.source().and_then(|e| e.downcast_ref::<Self>())
            && own.grpc_code() == code as i32
        {
            return own.clone();
        }
        let mut error = Self::new(kind_of(code), status.message()).with_grpc_code(code as i32);
        if let Some(http_status) = http_status_of(code) {
            error = error.with_http_status(http_status);
        }
        if !status.details().is_empty() {
            let details = RpcStatus::decode(status.details()).ok();
            if let Some(delay) = details.and_then(|details| details.retry_delay()) {
                error = error.with_retry_after(delay);
            }
            error = error.with_status_details(status.details());
        }
        error.with_source(status)
    }
}

impl From<ProcessingError> for Status {
    /// Code, text and details of the error, and a `RetryInfo` if it has a delay
    /// and its details name none. The error is the status's source.
    fn from(error: ProcessingError) -> Self {
        let code = Code::from_i32(error.grpc_code());
        let message = error.to_string();
        let mut details = RpcStatus::decode(error.status_details()).unwrap_or_default();
        if let Some(delay) = error.retry_after()
            && details.retry_delay().is_none()
        {
            details.details.push(retry_info(delay));
        }
        let mut status = if details.details.is_empty() {
            Self::new(code, message)
        } else {
            details.code = code as i32;
            details.message.clone_from(&message);
            Self::with_details(code, message, details.encode_to_vec().into())
        };
        let _ = status.set_source(Arc::new(error));
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(code: Code, details: Vec<u8>) -> ProcessingError {
        ProcessingError::from(Status::with_details(code, "text", details.into()))
    }

    /// A status as the other end of a wire gets it: without its source.
    fn sent(status: &Status) -> Status {
        Status::with_details(
            status.code(),
            status.message(),
            status.details().to_vec().into(),
        )
    }

    #[test]
    fn every_code_has_its_kind_and_http_status() {
        use ErrorKind::{Cancelled, Permanent, ResourceExhausted, Retryable, Timeout};
        let expected = [
            // OK is no error: whoever returns it as one does not know what happened.
            (0, Permanent, 2, 500),
            (1, Cancelled, 1, 499),
            (2, Permanent, 2, 500),
            (3, Permanent, 3, 400),
            (4, Timeout, 4, 504),
            (5, Permanent, 5, 500),
            (6, Permanent, 6, 500),
            (7, Permanent, 7, 403),
            (8, ResourceExhausted, 8, 429),
            (9, Permanent, 9, 500),
            (10, Retryable, 10, 503),
            (11, Retryable, 11, 503),
            (12, Permanent, 12, 404),
            (13, Permanent, 13, 500),
            (14, Retryable, 14, 503),
            (15, Retryable, 15, 503),
            (16, Permanent, 16, 401),
            // tonic knows no other code.
            (17, Permanent, 2, 500),
            (-1, Permanent, 2, 500),
        ];
        for (code, kind, grpc_code, http_status) in expected {
            let error = received(Code::from_i32(code), Vec::new());
            assert_eq!(error.kind(), kind, "code {code}");
            assert_eq!(error.grpc_code(), grpc_code, "code {code}");
            assert_eq!(error.http_status(), http_status, "code {code}");
            assert_eq!(error.message(), "text");
            assert_eq!(error.retry_after(), None);
            assert!(error.status_details().is_empty());
            assert!(error.source().is_some_and(|source| source.is::<Status>()));
        }
    }

    #[test]
    fn a_delay_crosses_a_wire() {
        let delay = Duration::new(1, 500_000_000);
        let error = ProcessingError::retryable("later").with_retry_after(delay);
        let status = sent(&Status::from(error));
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "later");
        let error = ProcessingError::from(status);
        assert_eq!(error.kind(), ErrorKind::Retryable);
        assert_eq!(error.retry_after(), Some(delay));
    }

    #[test]
    fn the_bytes_of_a_delay_are_those_of_the_specification() {
        let error = ProcessingError::resource_exhausted("full", Some(Duration::from_secs(2)));
        let mut expected = vec![0x08, 8, 0x12, 4];
        expected.extend(b"full");
        expected.extend([0x1a, 2 + 40 + 2 + 4, 0x0a, 40]);
        expected.extend(b"type.googleapis.com/google.rpc.RetryInfo");
        expected.extend([0x12, 4, 0x0a, 2, 0x08, 2]);
        assert_eq!(Status::from(error).details(), expected);
    }

    #[test]
    fn details_are_kept_and_their_own_delay_wins() {
        let other = Any {
            type_url: "type.example.com/other.Detail".to_owned(),
            value: vec![1, 2, 3],
        };
        let given = |details: Vec<Any>| {
            RpcStatus {
                code: 14,
                message: "given".to_owned(),
                details,
            }
            .encode_to_vec()
        };
        let details_of = |error: ProcessingError| {
            RpcStatus::decode(Status::from(error).details()).expect("a status")
        };
        let bytes = given(vec![other.clone()]);
        let error = ProcessingError::retryable("text")
            .with_status_details(bytes.clone())
            .with_retry_after(Duration::from_secs(3));
        let status = details_of(error.clone());
        assert_eq!((status.code, status.message.as_str()), (14, "text"));
        assert_eq!(
            status.details,
            [other.clone(), retry_info(Duration::from_secs(3))]
        );
        assert_eq!(
            received(Code::Unavailable, bytes.clone()).status_details(),
            bytes
        );

        let own = vec![retry_info(Duration::from_secs(9)), other];
        let status = details_of(error.with_status_details(given(own.clone())));
        assert_eq!(status.details, own);
    }

    #[test]
    fn details_that_say_nothing_are_harmless() {
        let negative = Any {
            type_url: RETRY_INFO.to_owned(),
            value: RetryInfo {
                retry_delay: Some(ProtoDuration {
                    seconds: -1,
                    nanos: 0,
                }),
            }
            .encode_to_vec(),
        };
        let nothing = Any {
            value: RetryInfo { retry_delay: None }.encode_to_vec(),
            ..negative.clone()
        };
        let broken = Any {
            value: vec![0xff; 3],
            ..negative.clone()
        };
        for details in [negative, nothing, broken] {
            let status = RpcStatus {
                details: vec![details],
                ..RpcStatus::default()
            };
            let error = received(Code::Unavailable, status.encode_to_vec());
            assert_eq!(error.retry_after(), None);
        }
        let error = received(Code::Unavailable, b"no protobuf".to_vec());
        assert_eq!(error.retry_after(), None);
        assert_eq!(error.status_details(), b"no protobuf");
        assert_eq!(Status::from(error).code(), Code::Unavailable);
        let longest = ProcessingError::retryable("").with_retry_after(Duration::MAX);
        let again = ProcessingError::from(sent(&Status::from(longest)));
        assert_eq!(
            again.retry_after().map(|delay| delay.as_secs()),
            Some(MAX_SECONDS)
        );
    }

    #[test]
    fn an_error_that_was_a_status_in_between_is_the_same() {
        let error = ProcessingError::permanent("text")
            .with_host_error_id(7)
            .with_field("key");
        let again = ProcessingError::from(Status::from(error));
        assert!(again.is_permanent());
        assert_eq!(again.host_error_id(), 7);
        assert_eq!(again.message(), "text");
        assert_eq!(again.field(), Some("key"));
    }
}
