// SPDX-License-Identifier: Apache-2.0

use super::test_otlp::{atoms, items, random_request, random_signal};
use otapbridge::Signal;
use otapbridge_otlp::{Size, Sizer};
use otapbridge_test_support::Random;

#[test]
fn any_request_has_the_size_that_decoding_shows() {
    let mut random = Random::new(1);
    let mut most = 0;
    for _ in 0..5_000 {
        let signal = random_signal(&mut random);
        let request = random_request(&mut random, signal);
        let size = Size::of(signal, &request).expect("well-formed");
        assert_eq!(size.items, items(&atoms(signal, &request)));
        assert_eq!(size.bytes, request.len());
        assert_eq!(size.by(Sizer::Items), size.items);
        assert_eq!(size.by(Sizer::Bytes), size.bytes);
        most = most.max(size.items);
    }
    assert!(most > 50, "{most}");
}

#[test]
fn malformed_requests_are_refused() {
    use Signal::{Logs, Metrics, Traces};
    for (signal, bytes, says) in [
        (Traces, &[0x0a][..], "cut off"),
        (Traces, &[0x0a, 0x05, 0x01], "length exceeds"),
        // A length that would wrap around.
        (
            Logs,
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            "length exceeds",
        ),
        // Resource, scope, item, metric data and data point as numbers.
        (Traces, &[0x08, 0x01], "wrong wire type"),
        (Logs, &[0x0a, 0x02, 0x10, 0x01], "wrong wire type"),
        (Traces, &[0x0a, 0x04, 0x12, 0x02, 0x10, 0x01], "wrong wire"),
        (
            Metrics,
            &[0x0a, 0x06, 0x12, 0x04, 0x12, 0x02, 0x28, 0x01],
            "wrong wire type",
        ),
        (
            Metrics,
            &[0x0a, 0x08, 0x12, 0x06, 0x12, 0x04, 0x2a, 0x02, 0x08, 0x01],
            "wrong wire type",
        ),
        // An inner length beyond its message, but not beyond the request.
        (
            Logs,
            &[0x0a, 0x02, 0x12, 0x02, 0x1a, 0x00],
            "length exceeds",
        ),
        (Logs, &[0x00], "field number 0"),
        (Logs, &[0x7b; 200], "too deeply"),
    ] {
        let error = Size::of(signal, bytes).expect_err(says);
        assert!(error.to_string().contains(says), "{bytes:x?}: {error}");
        let error = otapbridge::ProcessingError::from(error);
        assert_eq!(error.grpc_code(), 3);
        assert!(error.is_permanent());
    }
    // Levels end where the items begin: what looks like a level inside is not read.
    let span = [0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
    assert_eq!(Size::of(Traces, &span).expect("well-formed").items, 1);
}
