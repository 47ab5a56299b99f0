// SPDX-License-Identifier: Apache-2.0

//! Random requests and configurations, for the node and for the naive one.

use otapbridge::{ProcessorNode, Signal};
use otapbridge_otlp::Outcome;
use otapbridge_test_support::protocol::{LogRecord, Metric, Request, Span};
use otapbridge_test_support::{Random, raw, rounds};
use prost::Message;
use serde_json::Value;

use super::Attributes;
use crate::naive::{
    NaiveAttributes, NaiveContext, Patterns, Telemetry, attributes_config, content, is_refused,
    random_request,
};

/// The gRPC code.
const INVALID_ARGUMENT: i32 = 3;
/// Rounds that a configuration is used for.
const ROUNDS_OF_ONE: usize = 8;

#[derive(Debug, Default)]
struct Seen {
    unchanged: usize,
    changed: usize,
    refused: usize,
    not_compared: usize,
}

fn node(config: &Value) -> Option<Attributes> {
    let config = serde_json::from_value(config.clone()).expect("a configuration");
    Attributes::create(config).ok()
}

fn compare<I: Telemetry>(
    node: &Attributes,
    config: &Value,
    context: &NaiveContext,
    patterns: &Patterns,
    request: &[u8],
    seen: &mut Seen,
) {
    let outcome = node.apply(I::SIGNAL, request, &context.context);
    if let Err(error) = &outcome {
        assert_eq!(error.grpc_code(), INVALID_ARGUMENT, "{error}");
        seen.refused += 1;
    }
    // It looks at all, so it refuses more.
    let Ok(mut decoded) = Request::<I>::read(request) else {
        seen.not_compared += 1;
        return;
    };
    // Of data that do not count, values that are malformed are not seen in what is decoded.
    let has_several_data = raw::has_several_data(I::REQUEST, request);
    let before = decoded.encode_to_vec();
    let mut naive = NaiveAttributes::new(config, context, patterns);
    naive.apply(&mut decoded);
    let expected = decoded.encode_to_vec();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return assert!(has_several_data, "{error}"),
    };
    match outcome {
        Outcome::Unchanged => {
            assert_eq!(expected, before);
            seen.unchanged += 1;
        }
        Outcome::Changed(output) => {
            // Data that do not count are changed as well, which cannot be seen in what is decoded.
            assert!(naive.has_written || has_several_data);
            assert_eq!(content::<I>(&output), expected);
            // What nobody asked for keeps its bytes and its place.
            let may_change = |of, key: &[u8]| naive.may_change(of, key);
            let unchanged = |request: &[u8]| {
                let mut same = Vec::new();
                raw::unchanged(I::REQUEST, request, &may_change, &mut same);
                same
            };
            assert_eq!(unchanged(&output), unchanged(request));
            seen.changed += 1;
        }
        Outcome::Nothing => panic!("no item is taken out"),
    }
    assert!(!node.does_nothing(&context.context) || expected == before);
}

fn run(seed: u64, rounds: usize, is_damaged: bool) -> Seen {
    let mut random = Random::new(seed);
    let patterns = Patterns::default();
    let mut seen = Seen::default();
    let mut done = 0;
    while done < rounds {
        let signal = Signal::ALL[random.below(3)];
        let config = attributes_config(&mut random, signal);
        let node = node(&config);
        assert_eq!(node.is_none(), is_refused(&config, &patterns), "{config}");
        let Some(node) = node else {
            continue;
        };
        done += ROUNDS_OF_ONE;
        for _ in 0..ROUNDS_OF_ONE {
            let context = NaiveContext::random(&mut random);
            // Sometimes another one than the conditions are on.
            let signal = match random.chance(8) {
                true => Signal::ALL[random.below(3)],
                false => signal,
            };
            let request = match signal {
                Signal::Traces => random_request::<Span>(&mut random, is_damaged),
                Signal::Metrics => random_request::<Metric>(&mut random, is_damaged),
                Signal::Logs => random_request::<LogRecord>(&mut random, is_damaged),
            };
            let told = Told(&config, &request);
            match signal {
                Signal::Traces => {
                    compare::<Span>(&node, &config, &context, &patterns, &request, &mut seen);
                }
                Signal::Metrics => {
                    compare::<Metric>(&node, &config, &context, &patterns, &request, &mut seen);
                }
                Signal::Logs => {
                    compare::<LogRecord>(&node, &config, &context, &patterns, &request, &mut seen);
                }
            }
            drop(told);
        }
    }
    println!("{seen:?}");
    seen
}

/// Says at a failure with which configuration and request.
struct Told<'a>(&'a Value, &'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("configuration: {}\nrequest: {:02x?}", self.0, self.1);
        }
    }
}

#[test]
fn the_same_is_changed_as_by_decoding_everything() {
    let rounds = rounds(20_000);
    let seen = run(1, rounds, false);
    assert_eq!((seen.refused, seen.not_compared), (0, 0), "{seen:?}");
    assert!(seen.changed > rounds / 8, "{seen:?}");
    assert!(seen.unchanged > rounds / 8, "{seen:?}");
}

#[test]
fn damaged_requests_are_refused_or_changed_as_by_decoding_everything() {
    let rounds = rounds(10_000);
    let seen = run(2, rounds, true);
    assert!(seen.changed > rounds / 20, "{seen:?}");
    assert!(seen.refused > rounds / 20, "{seen:?}");
    assert!(seen.not_compared > seen.refused, "{seen:?}");
}
