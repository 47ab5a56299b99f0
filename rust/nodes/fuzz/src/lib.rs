// SPDX-License-Identifier: Apache-2.0

//! What is true of the nodes `attributes` and `filter`, whatever the request is.
//!
//! The sources are the nodes' own. Only what they have of the engine, a secret, is something else here, so that nothing of the
//! engine is compiled.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "the targets use a part of what the nodes have")]

// The sources name this crate; they find what they need of it here.
extern crate self as otapbridge;

pub use context::{
    AuthValue, BlockBuilder, ProcessingError, RequestContext, Signal, SpanContext, Value,
};

mod configurations;
mod unchanging;

#[path = "../../src"]
mod nodes {
    pub(crate) mod conditions;
    pub(crate) mod context_source;

    pub(crate) mod attributes {
        mod action;
        mod change;
        mod config;
        mod convert;
        mod hash;

        use context::{ProcessingError, RequestContext, Signal};
        use otapbridge_otlp::{Messages, Outcome, walk};

        use crate::conditions::{Levels, Of, Selection};

        /// As in the node.
        pub(crate) struct Attributes {
            actions: Vec<action::Action>,
            pub(crate) apply_to: Messages,
            /// By signal, in the order of `Signal::ALL`.
            selections: Vec<Selection>,
        }

        impl Attributes {
            pub(crate) fn new(config: &str) -> Result<Self, ProcessingError> {
                let config: config::Config = serde_json::from_str(config).expect("a configuration");
                let of = |signal| match signal {
                    Signal::Traces => Of::Traces,
                    Signal::Metrics => Of::Metrics,
                    Signal::Logs => Of::Logs,
                };
                let selections = Signal::ALL.map(|signal| config.selection(of(signal)));
                Ok(Self {
                    actions: config.actions()?,
                    apply_to: config.apply_to(),
                    selections: selections.into_iter().collect::<Result<_, _>>()?,
                })
            }

            pub(crate) fn apply(
                &self,
                signal: Signal,
                request: &[u8],
                context: &RequestContext,
            ) -> Result<Outcome, ProcessingError> {
                let index = Signal::ALL.iter().position(|of| *of == signal);
                let selection = &self.selections[index.expect("a signal")];
                let actions = action::Actions::new(&self.actions, context);
                let levels = Levels::new(selection, context);
                let mut change = change::Change::new(
                    actions,
                    self.apply_to,
                    action::keys(&self.actions),
                    levels,
                );
                walk(signal, request, &mut change)
            }
        }
    }

    pub(crate) mod filter {
        mod config;
        mod rules;

        use context::{ProcessingError, RequestContext, Signal};
        use otapbridge_otlp::Outcome;

        pub(crate) struct Filter(rules::Rules);

        impl Filter {
            pub(crate) fn new(config: &str) -> Result<Self, ProcessingError> {
                let config: config::Config = serde_json::from_str(config).expect("a configuration");
                Ok(Self(config.rules()?))
            }

            pub(crate) fn apply(
                &self,
                signal: Signal,
                request: &[u8],
                context: &RequestContext,
            ) -> Result<Outcome, ProcessingError> {
                let (outcome, _) = self.0.apply(signal, request, context)?;
                Ok(outcome)
            }
        }
    }
}

use std::cell::LazyCell;

use nodes::attributes::Attributes;
use nodes::filter::Filter;
pub(crate) use nodes::{conditions, context_source};
use otapbridge_otlp::Outcome;
use otapbridge_test_support::protocol::{Item, LogRecord, Metric, Request, Span};
use otapbridge_test_support::raw;

/// The engine's has more to it; what is done with it in a message is this.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

fn wrong(message: impl Into<String>, setting: impl Into<String>) -> ProcessingError {
    ProcessingError::configuration(message, Some(setting.into()))
}

thread_local! {
    static ATTRIBUTES: LazyCell<Vec<Attributes>> = LazyCell::new(|| {
        let all = configurations::ATTRIBUTES.iter();
        all.map(|(config, _)| Attributes::new(config).expect("a configuration")).collect()
    });
    static FILTER: LazyCell<Vec<Filter>> = LazyCell::new(|| {
        let all = configurations::FILTER.iter();
        all.map(|config| Filter::new(config).expect("a configuration")).collect()
    });
    static CONTEXT: LazyCell<RequestContext> = LazyCell::new(configurations::context);
}

/// The first byte says which configuration, the second which signal; the rest is the request.
fn parts(bytes: &[u8], configurations: usize) -> Option<(usize, Signal, &[u8])> {
    let [config, signal, request @ ..] = bytes else {
        return None;
    };
    let signal = Signal::ALL[usize::from(*signal) % Signal::ALL.len()];
    Some((usize::from(*config) % configurations, signal, request))
}

/// Checks the attributes processor.
pub fn attributes(bytes: &[u8]) {
    let all = configurations::ATTRIBUTES;
    let Some((config, signal, request)) = parts(bytes, all.len()) else {
        return;
    };
    ATTRIBUTES.with(|nodes| {
        let node = &nodes[config];
        let apply = |request: &[u8]| CONTEXT.with(|context| node.apply(signal, request, context));
        let outcome = apply(request);
        check(signal, request, &outcome);
        match outcome {
            Ok(Outcome::Nothing) => panic!("no item is taken out"),
            Ok(Outcome::Changed(output)) => {
                unchanging::assert_unchanged(signal, &output, node.apply_to);
                let (_, is_idempotent) = all[config];
                if is_idempotent {
                    match apply(&output).expect("it was well-formed where it is looked at") {
                        Outcome::Changed(again) => assert_eq!(again, output),
                        again => assert_eq!(again, Outcome::Unchanged),
                    }
                }
            }
            _ => {}
        }
    });
}

/// Checks the filter.
pub fn filter(bytes: &[u8]) {
    let Some((config, signal, request)) = parts(bytes, configurations::FILTER.len()) else {
        return;
    };
    FILTER.with(|nodes| {
        let node = &nodes[config];
        let apply = |request: &[u8]| CONTEXT.with(|context| node.apply(signal, request, context));
        let outcome = apply(request);
        check(signal, request, &outcome);
        if let Ok(Outcome::Changed(output)) = outcome {
            assert!(output.len() < request.len(), "something was taken out");
            // What stayed stays.
            assert_eq!(apply(&output).expect("well-formed"), Outcome::Unchanged);
        }
    });
}

/// Checks an outcome against what an independent reader says of the request.
fn check(signal: Signal, request: &[u8], outcome: &Result<Outcome, ProcessingError>) {
    match signal {
        Signal::Traces => check_of::<Span>(request, outcome),
        Signal::Metrics => check_of::<Metric>(request, outcome),
        Signal::Logs => check_of::<LogRecord>(request, outcome),
    }
}

fn check_of<I: Item>(request: &[u8], outcome: &Result<Outcome, ProcessingError>) {
    // It looks at all, so it refuses more; but for data of metrics that do not count, and depth.
    let is_well_formed = Request::<I>::read(request).is_ok();
    match outcome {
        Err(error) => {
            assert_eq!(error.grpc_code(), 3, "{error}");
            assert!(
                !is_well_formed
                    || error.message().contains("nested deeper")
                    || raw::has_several_data(I::REQUEST, request),
                "{error}"
            );
        }
        Ok(Outcome::Changed(output)) => {
            let most = (request.len() * 16).max(64 * 1024 * 1024);
            assert!(output.len() <= request.len() + most);
            assert!(!is_well_formed || Request::<I>::read(output).is_ok());
        }
        Ok(Outcome::Unchanged | Outcome::Nothing) => {}
    }
}
