// SPDX-License-Identifier: Apache-2.0

//! Where the items are in an OTLP export request. Field numbers are those of
//! opentelemetry-proto 1.x.

use otapbridge_context::Signal;

/// A message that holds items, directly or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `ExportTraceServiceRequest` and its like.
    Request,
    /// `ResourceSpans` and its like.
    Resource,
    /// `ScopeSpans` and its like.
    Scope,
    /// `Metric`.
    Metric,
    /// `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram`, `Summary`.
    Points,
}

/// What a field of a level is. Other fields describe the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// A message that holds items.
    Level(Level),
    /// A span, data point or log record.
    Item,
}

impl Level {
    /// What the field of this number is to the level.
    #[must_use]
    pub const fn child(self, signal: Signal, field: u32) -> Option<Child> {
        Some(match (self, field) {
            (Self::Request, 1) => Child::Level(Self::Resource),
            (Self::Resource, 2) => Child::Level(Self::Scope),
            (Self::Scope, 2) => match signal {
                Signal::Metrics => Child::Level(Self::Metric),
                Signal::Traces | Signal::Logs => Child::Item,
            },
            (Self::Metric, 5 | 7 | 9 | 10 | 11) => Child::Level(Self::Points),
            (Self::Points, 1) => Child::Item,
            _ => return None,
        })
    }
}
