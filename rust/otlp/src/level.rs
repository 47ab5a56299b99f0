// SPDX-License-Identifier: Apache-2.0

//! Where the items are in an OTLP export request. Field numbers are those of
//! opentelemetry-proto 1.x.

use otapbridge_context::Signal;

/// A message that contains items, directly or not.
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
pub(crate) enum Child {
    /// A message that contains items.
    Level(Level),
    /// A span, data point or log record.
    Item,
}

impl Level {
    /// A resource's message in the request.
    pub const RESOURCE: u32 = 1;
    /// A scope's message in that of its resource.
    pub const SCOPE: u32 = 2;
    /// An item, or a metric, in the message of its scope.
    pub const ITEM: u32 = 2;

    /// What the field of this number is to the level.
    #[must_use]
    pub(crate) const fn child(self, signal: Signal, field: u32) -> Option<Child> {
        Some(match (self, field) {
            (Self::Request, Self::RESOURCE) => Child::Level(Self::Resource),
            (Self::Resource, Self::SCOPE) => Child::Level(Self::Scope),
            (Self::Scope, Self::ITEM) => match signal {
                Signal::Metrics => Child::Level(Self::Metric),
                Signal::Traces | Signal::Logs => Child::Item,
            },
            (Self::Metric, 5 | 7 | 9 | 10 | 11) => Child::Level(Self::Points),
            (Self::Points, 1) => Child::Item,
            _ => return None,
        })
    }
}
