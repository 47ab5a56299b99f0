// SPDX-License-Identifier: Apache-2.0

//! The fields of OTLP's messages, for what knows them by their numbers only: the generator of requests, and what compares
//! requests byte by byte. Nothing of the library is used here.

use Kind::{
    Bool, Bytes, Double, Fixed32, Fixed64, Message, PackedFixed64, PackedVarint, Text, Varint,
};

/// A message of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    TracesData,
    MetricsData,
    LogsData,
    ResourceSpans,
    ResourceMetrics,
    ResourceLogs,
    ScopeSpans,
    ScopeMetrics,
    ScopeLogs,
    Resource,
    EntityRef,
    Scope,
    Span,
    Event,
    Link,
    Status,
    Metric,
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
    NumberDataPoint,
    HistogramDataPoint,
    ExponentialHistogramDataPoint,
    Buckets,
    SummaryDataPoint,
    ValueAtQuantile,
    Exemplar,
    LogRecord,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Bytes,
    Varint,
    Bool,
    Fixed64,
    Fixed32,
    Double,
    PackedFixed64,
    PackedVarint,
    Message(Type),
}

#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub number: u32,
    pub kind: Kind,
    pub is_repeated: bool,
}

const fn one(number: u32, kind: Kind) -> Field {
    Field {
        number,
        kind,
        is_repeated: false,
    }
}

const fn many(number: u32, kind: Kind) -> Field {
    Field {
        number,
        kind,
        is_repeated: true,
    }
}

const ATTRIBUTES: Kind = Message(Type::KeyValue);

impl Type {
    pub fn field(self, number: u32) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.number == number)
    }

    /// Whether it is a data point, of whatever kind.
    pub const fn is_data_point(self) -> bool {
        use Type::*;
        matches!(
            self,
            NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
        )
    }

    /// Whether it is what a metric has one of.
    pub const fn is_metric_data(self) -> bool {
        use Type::*;
        matches!(
            self,
            Gauge | Sum | Histogram | ExponentialHistogram | Summary
        )
    }

    pub const fn is_item(self) -> bool {
        matches!(self, Type::Span | Type::Metric | Type::LogRecord)
    }

    /// A `ResourceSpans`, a `ScopeSpans` or their like.
    pub const fn is_container(self) -> bool {
        use Type::*;
        matches!(
            self,
            ResourceSpans | ResourceMetrics | ResourceLogs | ScopeSpans | ScopeMetrics | ScopeLogs
        )
    }

    /// Whether attributes can be in it, other than in a map.
    pub const fn has_attributes(self) -> bool {
        use Type::*;
        self.is_container()
            || self.is_item()
            || self.is_metric_data()
            || self.is_data_point()
            || matches!(self, Resource | Scope | Event | Link | Exemplar)
    }

    pub const fn fields(self) -> &'static [Field] {
        use Type::*;
        match self {
            TracesData => const { &[many(1, Message(ResourceSpans))] },
            MetricsData => const { &[many(1, Message(ResourceMetrics))] },
            LogsData => const { &[many(1, Message(ResourceLogs))] },
            ResourceSpans => {
                const {
                    &[
                        one(1, Message(Resource)),
                        many(2, Message(ScopeSpans)),
                        one(3, Text),
                    ]
                }
            }
            ResourceMetrics => {
                const {
                    &[
                        one(1, Message(Resource)),
                        many(2, Message(ScopeMetrics)),
                        one(3, Text),
                    ]
                }
            }
            ResourceLogs => {
                const {
                    &[
                        one(1, Message(Resource)),
                        many(2, Message(ScopeLogs)),
                        one(3, Text),
                    ]
                }
            }
            ScopeSpans => const { &[one(1, Message(Scope)), many(2, Message(Span)), one(3, Text)] },
            ScopeMetrics => {
                const {
                    &[
                        one(1, Message(Scope)),
                        many(2, Message(Metric)),
                        one(3, Text),
                    ]
                }
            }
            ScopeLogs => {
                const {
                    &[
                        one(1, Message(Scope)),
                        many(2, Message(LogRecord)),
                        one(3, Text),
                    ]
                }
            }
            Resource => {
                const {
                    &[
                        many(1, ATTRIBUTES),
                        one(2, Varint),
                        many(3, Message(EntityRef)),
                    ]
                }
            }
            EntityRef => const { &[one(1, Text), one(2, Text), many(3, Text), many(4, Text)] },
            Scope => {
                const {
                    &[
                        one(1, Text),
                        one(2, Text),
                        many(3, ATTRIBUTES),
                        one(4, Varint),
                    ]
                }
            }
            Span => {
                const {
                    &[
                        one(1, Bytes),
                        one(2, Bytes),
                        one(3, Text),
                        one(4, Bytes),
                        one(5, Text),
                        one(6, Varint),
                        one(7, Fixed64),
                        one(8, Fixed64),
                        many(9, ATTRIBUTES),
                        one(10, Varint),
                        many(11, Message(Event)),
                        one(12, Varint),
                        many(13, Message(Link)),
                        one(14, Varint),
                        one(15, Message(Status)),
                        one(16, Fixed32),
                    ]
                }
            }
            Event => {
                const {
                    &[
                        one(1, Fixed64),
                        one(2, Text),
                        many(3, ATTRIBUTES),
                        one(4, Varint),
                    ]
                }
            }
            Link => {
                const {
                    &[
                        one(1, Bytes),
                        one(2, Bytes),
                        one(3, Text),
                        many(4, ATTRIBUTES),
                        one(5, Varint),
                        one(6, Fixed32),
                    ]
                }
            }
            Status => const { &[one(2, Text), one(3, Varint)] },
            Metric => {
                const {
                    &[
                        one(1, Text),
                        one(2, Text),
                        one(3, Text),
                        one(5, Message(Gauge)),
                        one(7, Message(Sum)),
                        one(9, Message(Histogram)),
                        one(10, Message(ExponentialHistogram)),
                        one(11, Message(Summary)),
                        many(12, ATTRIBUTES),
                    ]
                }
            }
            Gauge => const { &[many(1, Message(NumberDataPoint))] },
            Sum => {
                const {
                    &[
                        many(1, Message(NumberDataPoint)),
                        one(2, Varint),
                        one(3, Bool),
                    ]
                }
            }
            Histogram => const { &[many(1, Message(HistogramDataPoint)), one(2, Varint)] },
            ExponentialHistogram => {
                const {
                    &[
                        many(1, Message(ExponentialHistogramDataPoint)),
                        one(2, Varint),
                    ]
                }
            }
            Summary => const { &[many(1, Message(SummaryDataPoint))] },
            NumberDataPoint => {
                const {
                    &[
                        one(2, Fixed64),
                        one(3, Fixed64),
                        one(4, Double),
                        many(5, Message(Exemplar)),
                        one(6, Fixed64),
                        many(7, ATTRIBUTES),
                        one(8, Varint),
                    ]
                }
            }
            HistogramDataPoint => {
                const {
                    &[
                        one(2, Fixed64),
                        one(3, Fixed64),
                        one(4, Fixed64),
                        one(5, Double),
                        one(6, PackedFixed64),
                        one(7, PackedFixed64),
                        many(8, Message(Exemplar)),
                        many(9, ATTRIBUTES),
                        one(10, Varint),
                        one(11, Double),
                        one(12, Double),
                    ]
                }
            }
            ExponentialHistogramDataPoint => {
                const {
                    &[
                        many(1, ATTRIBUTES),
                        one(2, Fixed64),
                        one(3, Fixed64),
                        one(4, Fixed64),
                        one(5, Double),
                        one(6, Varint),
                        one(7, Fixed64),
                        one(8, Message(Buckets)),
                        one(9, Message(Buckets)),
                        one(10, Varint),
                        many(11, Message(Exemplar)),
                        one(12, Double),
                        one(13, Double),
                        one(14, Double),
                    ]
                }
            }
            Buckets => const { &[one(1, Varint), one(2, PackedVarint)] },
            SummaryDataPoint => {
                const {
                    &[
                        one(2, Fixed64),
                        one(3, Fixed64),
                        one(4, Fixed64),
                        one(5, Double),
                        many(6, Message(ValueAtQuantile)),
                        many(7, ATTRIBUTES),
                        one(8, Varint),
                    ]
                }
            }
            ValueAtQuantile => const { &[one(1, Double), one(2, Double)] },
            Exemplar => {
                const {
                    &[
                        one(2, Fixed64),
                        one(3, Double),
                        one(4, Bytes),
                        one(5, Bytes),
                        one(6, Fixed64),
                        many(7, ATTRIBUTES),
                    ]
                }
            }
            LogRecord => {
                const {
                    &[
                        one(1, Fixed64),
                        one(2, Varint),
                        one(3, Text),
                        one(5, Message(AnyValue)),
                        many(6, ATTRIBUTES),
                        one(7, Varint),
                        one(8, Fixed32),
                        one(9, Bytes),
                        one(10, Bytes),
                        one(11, Fixed64),
                        one(12, Text),
                    ]
                }
            }
            KeyValue => const { &[one(1, Text), one(2, Message(AnyValue))] },
            AnyValue => {
                const {
                    &[
                        one(1, Text),
                        one(2, Bool),
                        one(3, Varint),
                        one(4, Double),
                        one(5, Message(ArrayValue)),
                        one(6, Message(KeyValueList)),
                        one(7, Bytes),
                    ]
                }
            }
            ArrayValue => const { &[many(1, Message(AnyValue))] },
            KeyValueList => const { &[many(1, ATTRIBUTES)] },
        }
    }
}
