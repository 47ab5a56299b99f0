// SPDX-License-Identifier: Apache-2.0

//! Requests that have every field of the protocol, for tests of what nodes change.

use bytes::Bytes;
use otapbridge_context::Signal;
use serde_json::{Value, json};

use crate::otlp::{attributes, encode, request};

/// A request with every field.
pub(crate) fn rich(signal: Signal) -> Bytes {
    let value = match signal {
        Signal::Traces => traces(),
        Signal::Metrics => metrics(),
        Signal::Logs => logs(),
    };
    encode(request(signal), &value).into()
}

/// Attribute values of every kind.
fn values() -> Value {
    let nested = json!({"values": [
        {"string_value": "in"}, {"int_value": -1}, {"kvlist_value": {"values": [{"key": "k", "value": {"bool_value": 0}}]}},
    ]});
    json!([
        {"key": "text", "value": {"string_value": "a"}},
        {"key": "empty", "value": {"string_value": ""}},
        {"key": "", "value": {"string_value": "no key"}},
        {"key": "true", "value": {"bool_value": 1}},
        {"key": "false", "value": {"bool_value": 0}},
        {"key": "int", "value": {"int_value": -7}},
        {"key": "zero", "value": {"int_value": 0}},
        {"key": "double", "value": {"double_value": 1.5}},
        {"key": "no double", "value": {"double_value": 0.0}},
        {"key": "bytes", "value": {"bytes_value": "00ff"}},
        {"key": "no bytes", "value": {"bytes_value": ""}},
        {"key": "list", "value": {"array_value": nested}},
        {"key": "no list", "value": {"array_value": {}}},
        {"key": "map", "value": {"kvlist_value": {"values": [{"key": "x", "value": {"array_value": nested}}]}}},
        {"key": "no map", "value": {"kvlist_value": {}}},
        {"key": "empty value", "value": {}},
        {"key": "twice", "value": {"int_value": 1}},
        {"key": "twice", "value": {"int_value": 2}},
    ])
}

fn resource() -> Value {
    json!({
        "attributes": values(),
        "dropped_attributes_count": 3,
        "entity_refs": [{"schema_url": "e", "type": "service", "id_keys": ["text"], "description_keys": ["int"]}],
    })
}

fn scope() -> Value {
    json!({"name": "scope", "version": "1.0", "attributes": values(), "dropped_attributes_count": 4})
}

/// The levels around `items` in all their forms; `of` makes the items of one scope from its
/// number.
fn levels(resources: &str, scopes: &str, items: &str, of: impl Fn(u64) -> Value) -> Value {
    json!({resources: [
        {"resource": resource(), "schema_url": "r1", scopes: [
            {"scope": scope(), "schema_url": "s1", items: of(1)},
            {"scope": {"name": "bare"}, "schema_url": "s2", items: of(2)},
            {"scope": {}, "schema_url": "s3", items: of(3)},
            {"schema_url": "s4", items: of(4)},
            {"scope": {"name": "without items"}, "schema_url": "s5"},
        ]},
        {"resource": {}, "schema_url": "r2", scopes: [{"scope": {"name": "x"}, items: of(5)}]},
        {"schema_url": "r3", scopes: [{"scope": {"name": "x"}, items: of(6)}]},
        {"resource": {"attributes": attributes(json!({"no": "scopes"}))}, "schema_url": "r4"},
    ]})
}

const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";
const SPAN: &str = "0102030405060708";
/// Nanoseconds since 1970.
const TIME: u64 = 1_764_000_000_000_000_000;

fn traces() -> Value {
    let span = |scope: u64, name: &str, more: Value| {
        let mut span = json!({
            "trace_id": TRACE, "span_id": SPAN, "name": format!("{name}{scope}"),
            "start_time_unix_nano": TIME, "end_time_unix_nano": TIME + 1000,
        });
        for (key, value) in more.as_object().expect("an object") {
            match value {
                Value::Null => drop(span.as_object_mut().expect("an object").remove(key)),
                value => span[key] = value.clone(),
            }
        }
        span
    };
    levels("resource_spans", "scope_spans", "spans", |scope| {
        json!([
            span(
                scope,
                "whole",
                json!({
                    "trace_state": "a=b", "parent_span_id": "1112131415161718", "kind": 3, "attributes": values(),
                    "dropped_attributes_count": 1, "dropped_events_count": 2, "dropped_links_count": 3,
                    "flags": 257, "status": {"message": "failed", "code": 2},
                    "events": [
                        {"time_unix_nano": 1500, "name": "event", "attributes": values(), "dropped_attributes_count": 5},
                        {"name": "bare event"},
                    ],
                    "links": [
                        {"trace_id": TRACE, "span_id": SPAN, "trace_state": "c=d", "attributes": values(),
                            "dropped_attributes_count": 6, "flags": 1},
                        {"trace_id": TRACE, "span_id": SPAN},
                    ],
                })
            ),
            span(scope, "bare", json!({})),
            span(scope, "no end", json!({"end_time_unix_nano": null})),
            span(scope, "no start", json!({"start_time_unix_nano": null})),
            span(
                scope,
                "no times",
                json!({"start_time_unix_nano": null, "end_time_unix_nano": null})
            ),
            span(scope, "zero end", json!({"end_time_unix_nano": 0})),
            span(scope, "zero start", json!({"start_time_unix_nano": 0})),
            span(
                scope,
                "with status",
                json!({"status": {}, "attributes": attributes(json!({"a": 1}))})
            ),
        ])
    })
}

fn exemplars() -> Value {
    json!([
        {"time_unix_nano": 5, "as_double": 1.5, "trace_id": TRACE, "span_id": SPAN, "filtered_attributes": values()},
        {"time_unix_nano": 6, "as_int": 7},
        {"time_unix_nano": 7, "as_double": 0.0},
    ])
}

fn metrics() -> Value {
    let times = json!({"start_time_unix_nano": 1, "time_unix_nano": 2});
    let point = |more: Value| {
        let mut point = times.clone();
        for (key, value) in more.as_object().expect("an object") {
            point[key] = value.clone();
        }
        point
    };
    levels("resource_metrics", "scope_metrics", "metrics", |scope| {
        let named = |name: &str, more: Value| {
            let mut metric = json!({"name": format!("{name}{scope}")});
            for (key, value) in more.as_object().expect("an object") {
                metric[key] = value.clone();
            }
            metric
        };
        json!([
            named(
                "gauge",
                json!({"description": "d", "unit": "s", "metadata": values(), "gauge": {"data_points": [
                    point(json!({"as_double": 1.5, "attributes": values(), "flags": 1, "exemplars": exemplars()})),
                    point(json!({"as_int": -3})),
                    point(json!({"as_int": 0})),
                    point(json!({"as_double": 0.0})),
                    point(json!({})),
                    {"as_int": 1},
                ]}})
            ),
            named(
                "sum",
                json!({"sum": {"aggregation_temporality": 2, "is_monotonic": 1, "data_points": [
                    point(json!({"as_int": 5, "attributes": attributes(json!({"a": 1}))})),
                ]}})
            ),
            named(
                "delta",
                json!({"sum": {"aggregation_temporality": 1, "data_points": [point(json!({"as_int": 5}))]}})
            ),
            named(
                "histogram",
                json!({"histogram": {"aggregation_temporality": 2, "data_points": [
                    point(json!({"count": 3, "sum": 0.0, "min": 0.0, "max": 0.0, "bucket_counts": [1, 0, 2],
                        "explicit_bounds": [0.0, 1.5], "attributes": values(), "flags": 1, "exemplars": exemplars()})),
                    point(json!({"count": 0})),
                ]}})
            ),
            named(
                "exponential",
                json!({"exponential_histogram": {"aggregation_temporality": 1, "data_points": [
                    point(json!({"count": 3, "sum": 9.5, "min": 1.0, "max": 4.0, "scale": -2, "zero_count": 1, "zero_threshold": 0.5,
                        "positive": {"offset": -3, "bucket_counts": [0, 2]}, "negative": {"offset": 2, "bucket_counts": [1]},
                        "attributes": values(), "flags": 1, "exemplars": exemplars()})),
                    point(json!({"count": 0})),
                ]}})
            ),
            named(
                "summary",
                json!({"summary": {"data_points": [
                    point(json!({"count": 2, "sum": 3.5, "attributes": values(), "flags": 1,
                        "quantile_values": [{"quantile": 0.5, "value": 1.0}, {"quantile": 1.0}]})),
                    point(json!({})),
                ]}})
            ),
            named("no points", json!({"gauge": {}})),
            named("no data", json!({})),
        ])
    })
}

fn logs() -> Value {
    levels("resource_logs", "scope_logs", "log_records", |scope| {
        let record = |number: u64, more: Value| {
            let mut record = json!({"time_unix_nano": 100 * scope + number});
            for (key, value) in more.as_object().expect("an object") {
                record[key] = value.clone();
            }
            record
        };
        json!([
            record(1, json!({
                "severity_number": 9, "severity_text": "info", "body": {"string_value": "body"}, "attributes": values(),
                "dropped_attributes_count": 2, "flags": 1, "trace_id": TRACE, "span_id": SPAN,
                "observed_time_unix_nano": 77, "event_name": "event",
            })),
            record(2, json!({})),
            record(3, json!({"body": {"int_value": 0}, "attributes": attributes(json!({"a": 1}))})),
            record(4, json!({"body": {"double_value": 2.5}})),
            record(5, json!({"body": {"bool_value": 0}})),
            record(6, json!({"body": {"bytes_value": "00ff"}})),
            record(7, json!({"body": {"array_value": {"values": [{"string_value": "a"}, {}]}}})),
            record(8, json!({"body": {"kvlist_value": {"values": values()}}})),
            record(9, json!({"body": {}})),
            record(10, json!({"body": {"string_value": ""}, "attributes": attributes(json!({"b": "c"}))})),
            {"observed_time_unix_nano": 5, "body": {"string_value": "no time"}},
        ])
    })
}

/// A request in which a plain field and an attribute are no text.
pub(crate) fn not_text(signal: Signal) -> Bytes {
    let wrong = json!({"hex": "61ff62"});
    let list = json!([{"key": wrong, "value": {"string_value": wrong}}]);
    let value = match signal {
        Signal::Traces => json!({"resource_spans": [{"scope_spans": [{"spans": [
            {"trace_id": TRACE, "span_id": SPAN, "name": wrong, "attributes": list},
        ]}]}]}),
        Signal::Metrics => json!({"resource_metrics": [{"scope_metrics": [{"metrics": [
            {"name": wrong, "gauge": {"data_points": [{"as_int": 1, "attributes": list}]}},
        ]}]}]}),
        Signal::Logs => json!({"resource_logs": [{"scope_logs": [{"log_records": [
            {"time_unix_nano": 1, "severity_text": wrong, "body": {"string_value": "a"}, "attributes": list},
        ]}]}]}),
    };
    encode(request(signal), &value).into()
}
