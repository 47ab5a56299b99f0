// SPDX-License-Identifier: Apache-2.0

use super::*;

const KINDS: [ErrorKind; 6] = [
    ErrorKind::Permanent,
    ErrorKind::Retryable,
    ErrorKind::Cancelled,
    ErrorKind::Timeout,
    ErrorKind::ResourceExhausted,
    ErrorKind::Configuration,
];

#[test]
fn defaults_are_those_of_the_design() {
    let table = KINDS.map(|kind| {
        let error = ProcessingError::new(kind, "text");
        assert_eq!(error.kind(), kind);
        assert_eq!(ErrorKind::from_i32(kind as i32), Some(kind));
        assert_eq!(error.author_grpc_code(), None);
        assert_eq!(error.author_http_status(), None);
        (error.grpc_code(), error.http_status(), error.is_permanent())
    });
    assert_eq!(
        table,
        [
            (13, 500, true),
            (14, 503, false),
            (1, 499, true),
            (4, 504, false),
            (8, 429, false),
            (3, 400, true),
        ]
    );
    assert_eq!(ErrorKind::from_i32(0), None);
    assert_eq!(ErrorKind::from_i32(7), None);
}

#[test]
fn everything_given_is_kept_by_every_kind() {
    for kind in KINDS {
        let error = ProcessingError::new(kind, "text")
            .with_grpc_code(9)
            .with_http_status(418)
            .with_retry_after(Duration::from_nanos(1_500_000_001))
            .with_field("a.b")
            .with_status_details(vec![1, 2, 3])
            .with_host_error_id(77)
            .with_source(io::Error::other("cause"));
        let copy = error.clone();
        for error in [error, copy] {
            assert_eq!(error.kind(), kind);
            assert_eq!(error.author_grpc_code(), Some(9));
            assert_eq!(error.grpc_code(), 9);
            assert_eq!(error.author_http_status(), Some(418));
            assert_eq!(error.http_status(), 418);
            assert_eq!(
                error.retry_after(),
                Some(Duration::from_nanos(1_500_000_001))
            );
            assert_eq!(error.field(), Some("a.b"));
            assert_eq!(error.status_details(), [1, 2, 3]);
            assert_eq!(error.host_error_id(), 77);
            assert_eq!(error.source().expect("source").to_string(), "cause");
            assert_eq!(error.message(), "text");
        }
    }
}

#[test]
fn codes_out_of_range_become_unknown() {
    for kind in KINDS {
        for code in [i32::MIN, -1, 0, 17, i32::MAX] {
            assert_eq!(
                ProcessingError::new(kind, "")
                    .with_grpc_code(code)
                    .grpc_code(),
                2
            );
        }
        for code in 1..=16 {
            assert_eq!(
                ProcessingError::new(kind, "")
                    .with_grpc_code(code)
                    .grpc_code(),
                code
            );
        }
        for status in [0, 99, 600, u16::MAX] {
            let error = ProcessingError::new(kind, "").with_http_status(status);
            assert_eq!(error.http_status(), 500);
        }
    }
    // A variant written by hand has not passed through `with_grpc_code`.
    let error = ProcessingError::Permanent {
        message: String::new(),
        grpc_code: Some(0),
        http_status: Some(0),
        details: ErrorDetails::default(),
    };
    assert_eq!((error.grpc_code(), error.http_status()), (2, 500));
}

#[test]
fn a_message_is_never_empty() {
    for kind in KINDS {
        assert!(!ProcessingError::new(kind, "").message().is_empty());
    }
}

#[test]
fn configuration_errors_show_their_field() {
    let error = ProcessingError::configuration("must not be empty", Some("key".into()));
    assert_eq!(error.to_string(), "key: must not be empty");
    let error = ProcessingError::permanent("bad").with_field("key");
    assert_eq!(error.to_string(), "bad");
}

#[test]
fn invalid_argument_is_permanent_with_its_codes() {
    let error = ProcessingError::invalid_argument("malformed");
    assert!(error.is_permanent());
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert_eq!(error.author_grpc_code(), Some(3));
    assert_eq!(error.author_http_status(), Some(400));
}

#[test]
fn io_errors_are_classified() {
    let of = |kind| ProcessingError::from(io::Error::new(kind, "text"));
    assert_eq!(of(io::ErrorKind::TimedOut).kind(), ErrorKind::Timeout);
    assert_eq!(of(io::ErrorKind::InvalidData).kind(), ErrorKind::Permanent);
    assert_eq!(
        of(io::ErrorKind::StorageFull).kind(),
        ErrorKind::ResourceExhausted
    );
    let refused = of(io::ErrorKind::ConnectionRefused);
    assert_eq!(refused.kind(), ErrorKind::Retryable);
    assert_eq!(refused.message(), "text");
    assert!(refused.source().is_some());
}

#[test]
fn what_is_made_permanent_keeps_the_rest() {
    for kind in KINDS {
        let given = ProcessingError::new(kind, "text");
        let codes = (given.grpc_code(), given.http_status());
        let permanent = given.clone().into_permanent();
        assert!(permanent.is_permanent());
        assert_eq!((permanent.grpc_code(), permanent.http_status()), codes);
        if given.is_permanent() {
            assert_eq!(permanent.kind(), kind);
            continue;
        }
        let permanent = given
            .with_grpc_code(9)
            .with_http_status(418)
            .with_retry_after(Duration::from_secs(1))
            .with_field("a.b")
            .with_status_details(vec![1])
            .with_host_error_id(7)
            .with_source(io::Error::other("cause"))
            .into_permanent();
        assert_eq!(permanent.kind(), ErrorKind::Permanent);
        assert_eq!((permanent.grpc_code(), permanent.http_status()), (9, 418));
        assert_eq!(permanent.retry_after(), None);
        assert_eq!(
            (permanent.message(), permanent.field()),
            ("text", Some("a.b"))
        );
        assert_eq!(
            (permanent.status_details(), permanent.host_error_id()),
            (&[1][..], 7)
        );
        assert!(permanent.source().is_some());
    }
}
