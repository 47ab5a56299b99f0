// SPDX-License-Identifier: Apache-2.0

//! Random requests and configurations, for the filter and for the naive one.

use otapbridge::Signal;
use otapbridge_otlp::Outcome;
use otapbridge_test_support::protocol::{LogRecord, Metric, Request, Span};
use otapbridge_test_support::{Random, raw, rounds};
use prost::Message;
use serde_json::Value;

use super::config::Config;
use super::rules::Rules;
use crate::naive::{
    Dropped, NaiveContext, NaiveFilter, Patterns, Telemetry, content, filter_config, random_request,
};

/// The gRPC code.
const INVALID_ARGUMENT: i32 = 3;
/// Rounds that a configuration is used for.
const ROUNDS_OF_ONE: usize = 8;

#[derive(Debug, Default)]
struct Seen {
    unchanged: usize,
    changed: usize,
    nothing: usize,
    refused: usize,
    not_compared: usize,
}

fn rules(config: &Value) -> Rules {
    let config: Config = serde_json::from_value(config.clone()).expect("a configuration");
    config.rules().expect("a configuration")
}

fn compare<I: Telemetry>(
    rules: &Rules,
    config: &Value,
    context: &NaiveContext,
    patterns: &Patterns,
    request: &[u8],
    seen: &mut Seen,
) {
    let outcome = rules.apply(I::SIGNAL, request, &context.context);
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
    let mut naive = NaiveFilter::new(config, context, patterns);
    let stays = naive.apply(&mut decoded);
    let expected = decoded.encode_to_vec();
    // What stays keeps its bytes; data that do not count may leave or not.
    let left = (!has_several_data).then(|| raw::left(I::REQUEST, request, stays));
    let has_lost = |lost| left.as_ref().is_none_or(|left| left.has_lost == lost);
    let (outcome, counts) = match outcome {
        Ok(left) => left,
        Err(error) => return assert!(has_several_data, "{error}"),
    };
    match outcome {
        Outcome::Unchanged => {
            assert_eq!(expected, before);
            assert!(has_lost(false));
            seen.unchanged += 1;
        }
        Outcome::Changed(output) => {
            assert_eq!(content::<I>(&output), expected);
            assert!(has_lost(true));
            if let Some(left) = &left {
                assert_eq!(output, left.bytes);
            }
            assert!(decoded.items() > 0);
            seen.changed += 1;
        }
        Outcome::Nothing => {
            assert!(has_lost(true));
            assert_eq!(decoded.items(), 0);
            seen.nothing += 1;
        }
    }
    if !has_several_data {
        let counted = counts.by_rule(I::SIGNAL);
        let counted = counted.map(|(section, rule, count)| ((section, rule), count));
        let more_than_none = |counted: &(_, u64)| counted.1 > 0;
        naive.dropped.retain(|_, count| *count > 0);
        assert_eq!(
            counted.filter(more_than_none).collect::<Dropped>(),
            naive.dropped
        );
    }
    assert!(!rules.is_empty(I::SIGNAL) || expected == before);
}

fn run(seed: u64, rounds: usize, is_damaged: bool) -> Seen {
    let mut random = Random::new(seed);
    let patterns = Patterns::default();
    let mut seen = Seen::default();
    for _ in 0..rounds.div_ceil(ROUNDS_OF_ONE) {
        let signal = Signal::ALL[random.below(3)];
        let config = filter_config(&mut random, signal);
        let rules = rules(&config);
        for _ in 0..ROUNDS_OF_ONE {
            let context = NaiveContext::random(&mut random);
            let request = match signal {
                Signal::Traces => random_request::<Span>(&mut random, is_damaged),
                Signal::Metrics => random_request::<Metric>(&mut random, is_damaged),
                Signal::Logs => random_request::<LogRecord>(&mut random, is_damaged),
            };
            let told = Told(&config, &request);
            match signal {
                Signal::Traces => {
                    compare::<Span>(&rules, &config, &context, &patterns, &request, &mut seen);
                }
                Signal::Metrics => {
                    compare::<Metric>(&rules, &config, &context, &patterns, &request, &mut seen);
                }
                Signal::Logs => {
                    compare::<LogRecord>(&rules, &config, &context, &patterns, &request, &mut seen);
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
fn the_same_is_left_as_by_decoding_everything() {
    let rounds = rounds(20_000);
    let seen = run(1, rounds, false);
    assert_eq!((seen.refused, seen.not_compared), (0, 0), "{seen:?}");
    for count in [seen.unchanged, seen.changed, seen.nothing] {
        assert!(count > rounds / 12, "{seen:?}");
    }
}

#[test]
fn damaged_requests_are_refused_or_read_as_by_decoding_everything() {
    let rounds = rounds(10_000);
    let seen = run(2, rounds, true);
    assert!(seen.changed > rounds / 30, "{seen:?}");
    assert!(seen.refused > rounds / 30, "{seen:?}");
    assert!(seen.not_compared > seen.refused, "{seen:?}");
}
