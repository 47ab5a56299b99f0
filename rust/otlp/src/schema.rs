// SPDX-License-Identifier: Apache-2.0

//! Which fields the messages of OTLP have: the one table of field numbers, those of
//! opentelemetry-proto 1.x.

use otapbridge_context::Signal;

use crate::wire;

/// A message type of OTLP that telemetry or attributes can be in. Its name is that of
/// the protocol, except where one stands for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the protocol says what they are")]
pub enum MessageType {
    /// `ExportTraceServiceRequest` and its like.
    Request(Signal),
    /// `ResourceSpans` and its like.
    ResourceData(Signal),
    Resource,
    /// `ScopeSpans` and its like.
    ScopeData(Signal),
    /// `InstrumentationScope`.
    Scope,
    Span,
    Event,
    Link,
    Metric,
    /// `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram`, `Summary`.
    MetricData(PointType),
    /// `NumberDataPoint` and its like.
    DataPoint(PointType),
    Exemplar,
    LogRecord,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

/// What the data points of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the protocol says what they are")]
pub enum PointType {
    /// Of a gauge or a sum.
    Number,
    Histogram,
    ExponentialHistogram,
    Summary,
}

/// What a field's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A whole number, truth value or enum.
    Varint,
    /// 64 bits: a whole number or a double.
    Fixed64,
    /// 32 bits.
    Fixed32,
    /// A list of 64 bits, in one piece or each by itself.
    Fixed64List,
    /// A text, bytes, a list in one piece, or a message without attributes.
    Bytes,
    /// The name of the message: a text.
    Name,
    /// A message.
    Message(MessageType),
}

impl FieldType {
    /// Whether a field of this type can have the wire type.
    pub(crate) const fn has(self, wire_type: u32) -> bool {
        wire_type
            == match self {
                Self::Varint => wire::VARINT,
                Self::Fixed64 => wire::FIXED64,
                Self::Fixed32 => wire::FIXED32,
                Self::Fixed64List if wire_type == wire::FIXED64 => wire::FIXED64,
                Self::Fixed64List | Self::Bytes | Self::Name | Self::Message(_) => wire::LEN,
            }
    }
}

/// The largest field number that is known.
const MAX_FIELD_NUMBER: u32 = 16;

/// A set of field numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields(u32);

impl Fields {
    pub(crate) const fn contain(self, number: u32) -> bool {
        number < u32::BITS && self.0 >> number & 1 == 1
    }
}

/// Fields that are asked for by name.
impl MessageType {
    /// The resource in a `ResourceData`.
    pub const RESOURCE: u32 = 1;
    /// Attributes of a resource.
    pub const RESOURCE_ATTRIBUTES: u32 = 1;
    /// The scope in a `ScopeData`.
    pub const SCOPE: u32 = 1;
    /// The version of a scope.
    pub const SCOPE_VERSION: u32 = 2;
    /// The name of a span.
    pub const SPAN_NAME: u32 = 5;
    /// The kind of a span.
    pub const SPAN_KIND: u32 = 6;
    /// Attributes of a span.
    pub const SPAN_ATTRIBUTES: u32 = 9;
    /// Events of a span.
    pub const SPAN_EVENTS: u32 = 11;
    /// Links of a span.
    pub const SPAN_LINKS: u32 = 13;
    /// The status of a span.
    pub const SPAN_STATUS: u32 = 15;
    /// The code of a status.
    pub const STATUS_CODE: u32 = 3;
    /// The data of a metric.
    pub const GAUGE: u32 = 5;
    /// The data of a metric.
    pub const SUM: u32 = 7;
    /// The data of a metric.
    pub const HISTOGRAM: u32 = 9;
    /// The data of a metric.
    pub const EXPONENTIAL_HISTOGRAM: u32 = 10;
    /// The data of a metric.
    pub const SUMMARY: u32 = 11;
    /// The severity of a log record.
    pub const SEVERITY_NUMBER: u32 = 2;
    /// The severity's name.
    pub const SEVERITY_TEXT: u32 = 3;
    /// The body of a log record.
    pub const BODY: u32 = 5;
    /// Attributes of a log record.
    pub const RECORD_ATTRIBUTES: u32 = 6;

    /// In a request.
    pub(crate) const RESOURCE_DATA: u32 = 1;
    /// In a `ResourceData`.
    pub(crate) const SCOPE_DATA: u32 = 2;
    /// In a `ScopeData`: spans, metrics or log records.
    pub(crate) const ITEMS: u32 = 2;
    /// What describes a `ResourceData` or `ScopeData`: its resource or scope.
    pub(crate) const DESCRIPTION: u32 = Self::RESOURCE;
    /// What a `ResourceData` or `ScopeData` contains: `ScopeData`, or items.
    pub(crate) const CONTENTS: u32 = Self::ITEMS;

    /// Of a `KeyValue`.
    pub const KEY: u32 = 1;
    /// Of a `KeyValue`.
    pub const VALUE: u32 = 2;

    /// Of an `AnyValue`.
    pub const TEXT: u32 = 1;
    /// Of an `AnyValue`.
    pub const BOOL: u32 = 2;
    /// Of an `AnyValue`.
    pub const INT: u32 = 3;
    /// Of an `AnyValue`.
    pub const DOUBLE: u32 = 4;
    /// Of an `AnyValue`: an `ArrayValue`.
    pub const LIST: u32 = 5;
    /// Of an `AnyValue`: a `KeyValueList`.
    pub const MAP: u32 = 6;
    /// Of an `AnyValue`.
    pub const BYTES: u32 = 7;

    /// Of an `ArrayValue`.
    pub const LIST_VALUES: u32 = 1;
    /// Of a `KeyValueList`.
    pub const MAP_ENTRIES: u32 = 1;
}

impl MessageType {
    /// What the field of this number is; `None` if it is not known.
    #[inline]
    #[must_use]
    pub const fn field(self, number: u32) -> Option<FieldType> {
        use FieldType::*;
        use MessageType::*;
        use PointType::*;
        Some(match (self, number) {
            (Request(signal), Self::RESOURCE_DATA) => Message(ResourceData(signal)),
            (ResourceData(_), Self::RESOURCE) => Message(Resource),
            (ResourceData(signal), Self::SCOPE_DATA) => Message(ScopeData(signal)),
            (ResourceData(_), 3) => Bytes,
            (Resource, Self::RESOURCE_ATTRIBUTES) => Message(KeyValue),
            (Resource, 2) => Varint,
            (Resource, 3) => Bytes,
            (ScopeData(_), Self::SCOPE) => Message(Scope),
            (ScopeData(Signal::Traces), Self::ITEMS) => Message(Span),
            (ScopeData(Signal::Metrics), Self::ITEMS) => Message(Metric),
            (ScopeData(Signal::Logs), Self::ITEMS) => Message(LogRecord),
            (ScopeData(_), 3) => Bytes,
            (Scope, 1) => Name,
            (Scope, Self::SCOPE_VERSION) => Bytes,
            (Scope, 3) => Message(KeyValue),
            (Scope, 4) => Varint,
            (Span, 1..=4 | Self::SPAN_STATUS) => Bytes,
            (Span, Self::SPAN_NAME) => Name,
            (Span, Self::SPAN_KIND | 10 | 12 | 14) => Varint,
            (Span, 7 | 8) => Fixed64,
            (Span, Self::SPAN_ATTRIBUTES) => Message(KeyValue),
            (Span, Self::SPAN_EVENTS) => Message(Event),
            (Span, Self::SPAN_LINKS) => Message(Link),
            (Span, 16) => Fixed32,
            (Event, 1) => Fixed64,
            (Event, 2) => Name,
            (Event, 3) => Message(KeyValue),
            (Event, 4) => Varint,
            (Link, 1..=3) => Bytes,
            (Link, 4) => Message(KeyValue),
            (Link, 5) => Varint,
            (Link, 6) => Fixed32,
            (Metric, 1) => Name,
            (Metric, 2 | 3) => Bytes,
            (Metric, Self::GAUGE | Self::SUM) => Message(MetricData(Number)),
            (Metric, Self::HISTOGRAM) => Message(MetricData(Histogram)),
            (Metric, Self::EXPONENTIAL_HISTOGRAM) => Message(MetricData(ExponentialHistogram)),
            (Metric, Self::SUMMARY) => Message(MetricData(Summary)),
            (Metric, 12) => Message(KeyValue),
            (MetricData(points), 1) => Message(DataPoint(points)),
            (MetricData(_), 2 | 3) => Varint,
            (DataPoint(Number), 2..=4 | 6) => Fixed64,
            (DataPoint(Number), 5) => Message(Exemplar),
            (DataPoint(Number), 7) => Message(KeyValue),
            (DataPoint(Number), 8) => Varint,
            (DataPoint(Histogram), 2..=5 | 11 | 12) => Fixed64,
            (DataPoint(Histogram), 6 | 7) => Fixed64List,
            (DataPoint(Histogram), 8) => Message(Exemplar),
            (DataPoint(Histogram), 9) => Message(KeyValue),
            (DataPoint(Histogram), 10) => Varint,
            (DataPoint(ExponentialHistogram), 1) => Message(KeyValue),
            (DataPoint(ExponentialHistogram), 2..=5 | 7 | 12..=14) => Fixed64,
            (DataPoint(ExponentialHistogram), 6 | 10) => Varint,
            (DataPoint(ExponentialHistogram), 8 | 9) => Bytes,
            (DataPoint(ExponentialHistogram), 11) => Message(Exemplar),
            (DataPoint(Summary), 2..=5) => Fixed64,
            (DataPoint(Summary), 6) => Bytes,
            (DataPoint(Summary), 7) => Message(KeyValue),
            (DataPoint(Summary), 8) => Varint,
            (Exemplar, 2 | 3 | 6) => Fixed64,
            (Exemplar, 4 | 5) => Bytes,
            (Exemplar, 7) => Message(KeyValue),
            (LogRecord, 1 | 11) => Fixed64,
            (LogRecord, Self::SEVERITY_NUMBER | 7) => Varint,
            (LogRecord, Self::SEVERITY_TEXT | 9 | 10 | 12) => Bytes,
            (LogRecord, Self::BODY) => Message(AnyValue),
            (LogRecord, Self::RECORD_ATTRIBUTES) => Message(KeyValue),
            (LogRecord, 8) => Fixed32,
            (KeyValue, Self::KEY) => Bytes,
            (KeyValue, Self::VALUE) => Message(AnyValue),
            (AnyValue, Self::TEXT | Self::BYTES) => Bytes,
            (AnyValue, Self::BOOL | Self::INT) => Varint,
            (AnyValue, Self::DOUBLE) => Fixed64,
            (AnyValue, Self::LIST) => Message(ArrayValue),
            (AnyValue, Self::MAP) => Message(KeyValueList),
            (ArrayValue, Self::LIST_VALUES) => Message(AnyValue),
            (KeyValueList, Self::MAP_ENTRIES) => Message(KeyValue),
            _ => return None,
        })
    }

    /// The telemetry in the field of this number; `None` if the field describes the
    /// message instead.
    #[inline]
    pub(crate) const fn child(self, number: u32) -> Option<Self> {
        use MessageType::*;
        match self.field(number) {
            Some(FieldType::Message(
                child @ (ResourceData(_) | ScopeData(_) | Span | LogRecord | Metric | MetricData(_)
                | DataPoint(_)),
            )) => Some(child),
            _ => None,
        }
    }

    /// The field of this number, if it is a message in which attributes or telemetry can be.
    #[inline]
    pub(crate) const fn part(self, number: u32) -> Option<Self> {
        match self.field(number) {
            Some(FieldType::Message(part)) => Some(part),
            _ => None,
        }
    }

    /// The number of the field in which its name is; `None` if it has none.
    #[must_use]
    pub const fn name(self) -> Option<u32> {
        let mut number = 1;
        while number <= MAX_FIELD_NUMBER {
            if matches!(self.field(number), Some(FieldType::Name)) {
                return Some(number);
            }
            number += 1;
        }
        None
    }

    /// The number of the field in which its attributes are; `None` if it has none.
    #[inline]
    #[must_use]
    pub const fn attributes(self) -> Option<u32> {
        use MessageType::*;
        use PointType::*;
        // Found when this is compiled.
        match self {
            Resource => const { Resource.find_attributes() },
            Scope => const { Scope.find_attributes() },
            Span => const { Span.find_attributes() },
            Event => const { Event.find_attributes() },
            Link => const { Link.find_attributes() },
            Metric => const { Metric.find_attributes() },
            DataPoint(Number) => const { DataPoint(Number).find_attributes() },
            DataPoint(Histogram) => const { DataPoint(Histogram).find_attributes() },
            DataPoint(ExponentialHistogram) => {
                const { DataPoint(ExponentialHistogram).find_attributes() }
            }
            DataPoint(Summary) => const { DataPoint(Summary).find_attributes() },
            Exemplar => const { Exemplar.find_attributes() },
            LogRecord => const { LogRecord.find_attributes() },
            _ => None,
        }
    }

    const fn find_attributes(self) -> Option<u32> {
        let mut number = 1;
        while number <= MAX_FIELD_NUMBER {
            if matches!(self.part(number), Some(Self::KeyValue)) {
                return Some(number);
            }
            number += 1;
        }
        None
    }

    /// The fields in which messages with attributes of their own can be, a bit for each number.
    pub(crate) const fn parts(self) -> Fields {
        use MessageType::*;
        use PointType::*;
        match self {
            Span => const { Span.find_parts() },
            Metric => const { Metric.find_parts() },
            MetricData(_) => const { MetricData(Number).find_parts() },
            DataPoint(Number) => const { DataPoint(Number).find_parts() },
            DataPoint(Histogram) => const { DataPoint(Histogram).find_parts() },
            DataPoint(ExponentialHistogram) => {
                const { DataPoint(ExponentialHistogram).find_parts() }
            }
            _ => Fields(0),
        }
    }

    const fn find_parts(self) -> Fields {
        let mut fields = 0;
        let mut number = 1;
        while number <= MAX_FIELD_NUMBER {
            if let Some(
                Self::Event
                | Self::Link
                | Self::MetricData(_)
                | Self::DataPoint(_)
                | Self::Exemplar,
            ) = self.part(number)
            {
                fields |= 1 << number;
            }
            number += 1;
        }
        Fields(fields)
    }

    /// Whether it is a span, data point or log record.
    pub(crate) const fn is_item(self) -> bool {
        matches!(self, Self::Span | Self::DataPoint(_) | Self::LogRecord)
    }
}
