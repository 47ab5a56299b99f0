// SPDX-License-Identifier: Apache-2.0

//! The messages of OTLP and their fields. Numbers are those of opentelemetry-proto 1.7.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Message(&'static str),
    /// Text, or `{"hex": …}` if it is not UTF-8.
    Text,
    /// Hexadecimal.
    Bytes,
    Fixed64,
    Fixed32,
    Varint,
    ZigZag,
    Double,
}
use Kind::{Bytes, Double, Fixed32, Fixed64, Message, Text, Varint, ZigZag};

pub(super) struct Field {
    pub(super) number: u64,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
    /// Whether a zero that is there differs from none.
    pub(super) explicit: bool,
}

const fn one(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: false,
        explicit: matches!(kind, Message(_)),
    }
}

const fn optional(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: false,
        explicit: true,
    }
}

const fn many(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: true,
        explicit: true,
    }
}

/// The fields of a message.
pub(super) fn fields(message: &str) -> &'static [Field] {
    const ATTRIBUTES: Kind = Message("KeyValue");
    match message {
        "TracesData" => const { &[many(1, "resource_spans", Message("ResourceSpans"))] },
        "MetricsData" => const { &[many(1, "resource_metrics", Message("ResourceMetrics"))] },
        "LogsData" => const { &[many(1, "resource_logs", Message("ResourceLogs"))] },
        "ResourceSpans" => {
            const {
                &[
                    one(1, "resource", Message("Resource")),
                    many(2, "scope_spans", Message("ScopeSpans")),
                    one(3, "schema_url", Text),
                ]
            }
        }
        "ResourceMetrics" => {
            const {
                &[
                    one(1, "resource", Message("Resource")),
                    many(2, "scope_metrics", Message("ScopeMetrics")),
                    one(3, "schema_url", Text),
                ]
            }
        }
        "ResourceLogs" => {
            const {
                &[
                    one(1, "resource", Message("Resource")),
                    many(2, "scope_logs", Message("ScopeLogs")),
                    one(3, "schema_url", Text),
                ]
            }
        }
        "Resource" => {
            const {
                &[
                    many(1, "attributes", ATTRIBUTES),
                    one(2, "dropped_attributes_count", Varint),
                    many(3, "entity_refs", Message("EntityRef")),
                ]
            }
        }
        "EntityRef" => {
            const {
                &[
                    one(1, "schema_url", Text),
                    one(2, "type", Text),
                    many(3, "id_keys", Text),
                    many(4, "description_keys", Text),
                ]
            }
        }
        "ScopeSpans" => {
            const {
                &[
                    one(1, "scope", Message("InstrumentationScope")),
                    many(2, "spans", Message("Span")),
                    one(3, "schema_url", Text),
                ]
            }
        }
        "ScopeMetrics" => {
            const {
                &[
                    one(1, "scope", Message("InstrumentationScope")),
                    many(2, "metrics", Message("Metric")),
                    one(3, "schema_url", Text),
                ]
            }
        }
        "ScopeLogs" => {
            const {
                &[
                    one(1, "scope", Message("InstrumentationScope")),
                    many(2, "log_records", Message("LogRecord")),
                    one(3, "schema_url", Text),
                ]
            }
        }
        "InstrumentationScope" => {
            const {
                &[
                    one(1, "name", Text),
                    one(2, "version", Text),
                    many(3, "attributes", ATTRIBUTES),
                    one(4, "dropped_attributes_count", Varint),
                ]
            }
        }
        "Span" => {
            const {
                &[
                    one(1, "trace_id", Bytes),
                    one(2, "span_id", Bytes),
                    one(3, "trace_state", Text),
                    one(4, "parent_span_id", Bytes),
                    one(5, "name", Text),
                    one(6, "kind", Varint),
                    one(7, "start_time_unix_nano", Fixed64),
                    one(8, "end_time_unix_nano", Fixed64),
                    many(9, "attributes", ATTRIBUTES),
                    one(10, "dropped_attributes_count", Varint),
                    many(11, "events", Message("Event")),
                    one(12, "dropped_events_count", Varint),
                    many(13, "links", Message("Link")),
                    one(14, "dropped_links_count", Varint),
                    one(15, "status", Message("Status")),
                    one(16, "flags", Fixed32),
                ]
            }
        }
        "Event" => {
            const {
                &[
                    one(1, "time_unix_nano", Fixed64),
                    one(2, "name", Text),
                    many(3, "attributes", ATTRIBUTES),
                    one(4, "dropped_attributes_count", Varint),
                ]
            }
        }
        "Link" => {
            const {
                &[
                    one(1, "trace_id", Bytes),
                    one(2, "span_id", Bytes),
                    one(3, "trace_state", Text),
                    many(4, "attributes", ATTRIBUTES),
                    one(5, "dropped_attributes_count", Varint),
                    one(6, "flags", Fixed32),
                ]
            }
        }
        "Status" => const { &[one(2, "message", Text), one(3, "code", Varint)] },
        "KeyValue" => const { &[one(1, "key", Text), one(2, "value", Message("AnyValue"))] },
        "AnyValue" => {
            const {
                &[
                    optional(1, "string_value", Text),
                    optional(2, "bool_value", Varint),
                    optional(3, "int_value", Varint),
                    optional(4, "double_value", Double),
                    optional(5, "array_value", Message("ArrayValue")),
                    optional(6, "kvlist_value", Message("KeyValueList")),
                    optional(7, "bytes_value", Bytes),
                ]
            }
        }
        "ArrayValue" => const { &[many(1, "values", Message("AnyValue"))] },
        "KeyValueList" => const { &[many(1, "values", ATTRIBUTES)] },
        "Metric" => {
            const {
                &[
                    one(1, "name", Text),
                    one(2, "description", Text),
                    one(3, "unit", Text),
                    optional(5, "gauge", Message("Gauge")),
                    optional(7, "sum", Message("Sum")),
                    optional(9, "histogram", Message("Histogram")),
                    optional(10, "exponential_histogram", Message("ExponentialHistogram")),
                    optional(11, "summary", Message("Summary")),
                    many(12, "metadata", ATTRIBUTES),
                ]
            }
        }
        "Gauge" => const { &[many(1, "data_points", Message("NumberDataPoint"))] },
        "Sum" => {
            const {
                &[
                    many(1, "data_points", Message("NumberDataPoint")),
                    one(2, "aggregation_temporality", Varint),
                    one(3, "is_monotonic", Varint),
                ]
            }
        }
        "Histogram" => {
            const {
                &[
                    many(1, "data_points", Message("HistogramDataPoint")),
                    one(2, "aggregation_temporality", Varint),
                ]
            }
        }
        "ExponentialHistogram" => {
            const {
                &[
                    many(1, "data_points", Message("ExponentialHistogramDataPoint")),
                    one(2, "aggregation_temporality", Varint),
                ]
            }
        }
        "Summary" => const { &[many(1, "data_points", Message("SummaryDataPoint"))] },
        "NumberDataPoint" => {
            const {
                &[
                    one(2, "start_time_unix_nano", Fixed64),
                    one(3, "time_unix_nano", Fixed64),
                    optional(4, "as_double", Double),
                    many(5, "exemplars", Message("Exemplar")),
                    optional(6, "as_int", Fixed64),
                    many(7, "attributes", ATTRIBUTES),
                    one(8, "flags", Varint),
                ]
            }
        }
        "HistogramDataPoint" => {
            const {
                &[
                    one(2, "start_time_unix_nano", Fixed64),
                    one(3, "time_unix_nano", Fixed64),
                    one(4, "count", Fixed64),
                    optional(5, "sum", Double),
                    many(6, "bucket_counts", Fixed64),
                    many(7, "explicit_bounds", Double),
                    many(8, "exemplars", Message("Exemplar")),
                    many(9, "attributes", ATTRIBUTES),
                    one(10, "flags", Varint),
                    optional(11, "min", Double),
                    optional(12, "max", Double),
                ]
            }
        }
        "ExponentialHistogramDataPoint" => {
            const {
                &[
                    many(1, "attributes", ATTRIBUTES),
                    one(2, "start_time_unix_nano", Fixed64),
                    one(3, "time_unix_nano", Fixed64),
                    one(4, "count", Fixed64),
                    optional(5, "sum", Double),
                    one(6, "scale", ZigZag),
                    one(7, "zero_count", Fixed64),
                    one(8, "positive", Message("Buckets")),
                    one(9, "negative", Message("Buckets")),
                    one(10, "flags", Varint),
                    many(11, "exemplars", Message("Exemplar")),
                    optional(12, "min", Double),
                    optional(13, "max", Double),
                    one(14, "zero_threshold", Double),
                ]
            }
        }
        "Buckets" => const { &[one(1, "offset", ZigZag), many(2, "bucket_counts", Varint)] },
        "SummaryDataPoint" => {
            const {
                &[
                    one(2, "start_time_unix_nano", Fixed64),
                    one(3, "time_unix_nano", Fixed64),
                    one(4, "count", Fixed64),
                    one(5, "sum", Double),
                    many(6, "quantile_values", Message("ValueAtQuantile")),
                    many(7, "attributes", ATTRIBUTES),
                    one(8, "flags", Varint),
                ]
            }
        }
        "ValueAtQuantile" => const { &[one(1, "quantile", Double), one(2, "value", Double)] },
        "Exemplar" => {
            const {
                &[
                    one(2, "time_unix_nano", Fixed64),
                    optional(3, "as_double", Double),
                    one(4, "span_id", Bytes),
                    one(5, "trace_id", Bytes),
                    optional(6, "as_int", Fixed64),
                    many(7, "filtered_attributes", ATTRIBUTES),
                ]
            }
        }
        "LogRecord" => {
            const {
                &[
                    one(1, "time_unix_nano", Fixed64),
                    one(2, "severity_number", Varint),
                    one(3, "severity_text", Text),
                    one(5, "body", Message("AnyValue")),
                    many(6, "attributes", ATTRIBUTES),
                    one(7, "dropped_attributes_count", Varint),
                    one(8, "flags", Fixed32),
                    one(9, "trace_id", Bytes),
                    one(10, "span_id", Bytes),
                    one(11, "observed_time_unix_nano", Fixed64),
                    one(12, "event_name", Text),
                ]
            }
        }
        other => panic!("{other} is no message"),
    }
}
