// SPDX-License-Identifier: Apache-2.0

//! What has to be known of OTLP data before the engine may convert them: whether they
//! are nested too deep, and how many rows they make.
//!
//! The engine converts attribute values (`AnyValue`) by recursion without a
//! limit, and a thread whose stack overflows takes the process with it: a
//! request of 35 KB can do that. It also refuses values nested deeper than its
//! CBOR limit of 128, so that nothing usable is lost here. It panics on a value of the wrong
//! wire type and on fields of a span that it does not know, and can convert nothing after that.
//! The walk follows the fields that can lead to an `AnyValue`; it neither recurses nor allocates
//! for data of ordinary depth.

use otapbridge_context::{ProcessingError, Signal};

use crate::size::Size;

/// Values nested deeper than this are refused.
const MAX_DEPTH: usize = 100;

/// A message type of OTLP, as far as it can lead to an `AnyValue`.
#[derive(Clone, Copy, PartialEq)]
enum Type {
    Request(Signal),
    /// `ResourceSpans` and its like.
    ResourceData(Signal),
    Resource,
    /// `ScopeSpans` and its like.
    ScopeData(Signal),
    Span,
    Event,
    Link,
    Metric,
    MetricData(PointKind),
    DataPoint(PointKind),
    Exemplar,
    LogRecord,
    Scope,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

/// Which field of a data point has its attributes.
#[derive(Clone, Copy, PartialEq)]
enum PointKind {
    Number,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Type {
    /// The type of a field that has to be walked. Field numbers are those of
    /// opentelemetry-proto 1.x.
    fn child(self, field: u64) -> Option<Self> {
        use Type::*;
        Some(match (self, field) {
            (Request(signal), 1) => ResourceData(signal),
            (ResourceData(_), 1) => Resource,
            (ResourceData(signal), 2) => ScopeData(signal),
            (Resource, 1) => KeyValue,
            (ScopeData(_), 1) => Scope,
            (Scope, 3) => KeyValue,
            (ScopeData(Signal::Traces), 2) => Span,
            (Span, 9) => KeyValue,
            (Span, 11) => Event,
            (Span, 13) => Link,
            (Event, 3) | (Link, 4) => KeyValue,
            (ScopeData(Signal::Metrics), 2) => Metric,
            (Metric, 5 | 7) => MetricData(PointKind::Number),
            (Metric, 9) => MetricData(PointKind::Histogram),
            (Metric, 10) => MetricData(PointKind::ExponentialHistogram),
            (Metric, 11) => MetricData(PointKind::Summary),
            (MetricData(kind), 1) => DataPoint(kind),
            (Metric, 12) => KeyValue,
            (ScopeData(Signal::Logs), 2) => LogRecord,
            (LogRecord, 5) => AnyValue,
            (LogRecord, 6) => KeyValue,
            (KeyValue, 2) => AnyValue,
            (AnyValue, 5) => ArrayValue,
            (AnyValue, 6) => KeyValueList,
            (ArrayValue, 1) => AnyValue,
            (KeyValueList, 1) => KeyValue,
            (DataPoint(PointKind::Number), 7)
            | (DataPoint(PointKind::Histogram), 9)
            | (DataPoint(PointKind::ExponentialHistogram), 1)
            | (DataPoint(PointKind::Summary), 7) => KeyValue,
            (DataPoint(PointKind::Number), 5)
            | (DataPoint(PointKind::Histogram), 8)
            | (DataPoint(PointKind::ExponentialHistogram), 11) => Exemplar,
            (Exemplar, 7) => KeyValue,
            _ => return None,
        })
    }

    /// Whether a field has the wire type of the protocol; `None` if it is not known. The engine's readers do
    /// not look at it: what is skipped here as a number could be a message there.
    const fn is_right(self, field: u64, wire_type: u64) -> Option<bool> {
        use Type::*;
        const VARINT: u64 = 0;
        const FIXED64: u64 = 1;
        const LEN: u64 = 2;
        const FIXED32: u64 = 5;
        let right = match (self, field) {
            (Request(_) | ArrayValue | KeyValueList, 1) | (KeyValue, 1 | 2) => LEN,
            (ResourceData(_) | ScopeData(_), 1..=3) => LEN,
            (Resource, 1 | 3) | (Scope, 1..=3) => LEN,
            (Resource, 2) | (Scope, 4) => VARINT,
            (Span, 1..=5 | 9 | 11 | 13 | 15) => LEN,
            (Span, 6 | 10 | 12 | 14) => VARINT,
            (Span, 7 | 8) => FIXED64,
            (Span, 16) => FIXED32,
            (Event, 1) => FIXED64,
            (Event, 2 | 3) | (Link, 1..=4) => LEN,
            (Event, 4) | (Link, 5) => VARINT,
            (Link, 6) => FIXED32,
            (Metric, 1..=3 | 5 | 7 | 9..=12) | (MetricData(_), 1) => LEN,
            (MetricData(_), 2 | 3) => VARINT,
            (DataPoint(PointKind::Number), 2..=4 | 6) => FIXED64,
            (DataPoint(PointKind::Number), 5 | 7) => LEN,
            (DataPoint(PointKind::Number), 8) => VARINT,
            // Lists of numbers, in one piece or each by itself.
            (DataPoint(PointKind::Histogram), 6 | 7) if wire_type == FIXED64 => FIXED64,
            (DataPoint(PointKind::Histogram), 6..=9) => LEN,
            (DataPoint(PointKind::Histogram), 2..=5 | 11 | 12) => FIXED64,
            (DataPoint(PointKind::Histogram), 10) => VARINT,
            (DataPoint(PointKind::ExponentialHistogram), 1 | 8 | 9 | 11) => LEN,
            (DataPoint(PointKind::ExponentialHistogram), 2..=5 | 7 | 12..=14) => FIXED64,
            (DataPoint(PointKind::ExponentialHistogram), 6 | 10) => VARINT,
            (DataPoint(PointKind::Summary), 2..=5) => FIXED64,
            (DataPoint(PointKind::Summary), 6 | 7) => LEN,
            (DataPoint(PointKind::Summary), 8) => VARINT,
            (Exemplar, 2 | 3 | 6) => FIXED64,
            (Exemplar, 4 | 5 | 7) => LEN,
            (LogRecord, 1 | 11) => FIXED64,
            (LogRecord, 2 | 7) => VARINT,
            (LogRecord, 3 | 5 | 6 | 9 | 10 | 12) => LEN,
            (LogRecord, 8) => FIXED32,
            (AnyValue, 1 | 5..=7) => LEN,
            (AnyValue, 2 | 3) => VARINT,
            (AnyValue, 4) => FIXED64,
            _ => return None,
        };
        Some(wire_type == right)
    }

    /// Whether the engine takes an unknown field's value for further fields, or panics on it.
    const fn is_closed(self) -> bool {
        matches!(
            self,
            Self::Request(_)
                | Self::Span
                | Self::KeyValue
                | Self::AnyValue
                | Self::ArrayValue
                | Self::KeyValueList
        )
    }
}

/// A message that is being walked.
struct Open {
    r#type: Type,
    end: usize,
    /// How many `AnyValue` it is inside of, itself included.
    depth: usize,
    /// Entries that came before it.
    entries: usize,
}

/// What [`inspect`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// How large the request is.
    pub size: Size,
    /// Whether a resource or a scope has no items.
    pub has_empty: bool,
}

/// Checks a request, and says how large it is.
///
/// # Errors
/// InvalidArgument when a value is nested deeper than `MAX_DEPTH`, when the walk meets something that is no
/// OTLP, or a field that the engine does not know where it cannot read past one.
pub fn inspect(signal: Signal, request: &[u8]) -> Result<Inspected, ProcessingError> {
    let malformed =
        || ProcessingError::invalid_argument(format!("malformed OTLP {}", signal.as_str()));
    // Ordinary data is not deeper than this.
    let mut open = Vec::with_capacity(24);
    let mut size = Size {
        bytes: request.len(),
        ..Size::default()
    };
    let mut has_empty = false;
    open.push(Open {
        r#type: Type::Request(signal),
        end: request.len(),
        depth: 0,
        entries: 0,
    });
    let mut at = 0;
    while let Some(message) = open.last() {
        if at == message.end {
            let has_entries = matches!(message.r#type, Type::ResourceData(_) | Type::ScopeData(_));
            has_empty |= has_entries && message.entries == size.entries;
            let _ = open.pop();
            continue;
        }
        let (r#type, end, depth) = (message.r#type, message.end, message.depth);
        let rest = &request[..end];
        let tag = varint(rest, &mut at).ok_or_else(malformed)?;
        let (field, wire_type) = (tag >> 3, tag & 7);
        match r#type.is_right(field, wire_type) {
            None if field == 0 => return Err(malformed()),
            Some(true) => {}
            Some(false) => return Err(malformed()),
            None if r#type.is_closed() => {
                return Err(ProcessingError::invalid_argument(format!(
                    "the {} have a field {field} that the engine does not know and cannot read past",
                    signal.as_str(),
                )));
            }
            None => {}
        }
        match wire_type {
            0 => {
                let _ = varint(rest, &mut at).ok_or_else(malformed)?;
            }
            1 => at = skip(at, 8, end).ok_or_else(malformed)?,
            5 => at = skip(at, 4, end).ok_or_else(malformed)?,
            2 => {
                let len = varint(rest, &mut at).ok_or_else(malformed)?;
                let value_end = skip(at, len, end).ok_or_else(malformed)?;
                let Some(child) = r#type.child(field) else {
                    at = value_end;
                    continue;
                };
                match child {
                    Type::ResourceData(_) => size.resources += 1,
                    Type::ScopeData(_) => size.scopes += 1,
                    Type::Metric => size.entries += 1,
                    Type::DataPoint(_) => size.items += 1,
                    Type::Span | Type::LogRecord => {
                        size.entries += 1;
                        size.items += 1;
                    }
                    _ => {}
                }
                let depth = depth + usize::from(child == Type::AnyValue);
                if depth > MAX_DEPTH {
                    return Err(ProcessingError::invalid_argument(format!(
                        "a value in the {} is nested deeper than {MAX_DEPTH} levels",
                        signal.as_str()
                    )));
                }
                open.push(Open {
                    r#type: child,
                    end: value_end,
                    depth,
                    entries: size.entries,
                });
            }
            // Groups, which OTLP never had, or no protobuf at all.
            _ => return Err(malformed()),
        }
    }
    Ok(Inspected { size, has_empty })
}

fn skip(at: usize, len: u64, end: usize) -> Option<usize> {
    let to = at.checked_add(usize::try_from(len).ok()?)?;
    (to <= end).then_some(to)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use otapbridge_test_support::otlp::field;

    use super::*;

    /// The value nested by arrays, or by lists of key-values.
    fn nested(depth: usize, by_list: bool) -> Vec<u8> {
        let mut value = field(1, b"leaf");
        for _ in 1..depth {
            value = if by_list {
                field(6, &field(1, &[field(1, b"key"), field(2, &value)].concat()))
            } else {
                field(5, &field(1, &value))
            };
        }
        value
    }

    fn below(path: &[u32], value: &[u8]) -> Vec<u8> {
        path.iter()
            .rev()
            .fold(value.to_vec(), |value, number| field(*number, &value))
    }

    /// Every way from a request to an attribute's value or a body.
    const PATHS: &[(Signal, &[u32])] = &[
        (Signal::Traces, &[1, 1, 1, 2]),
        (Signal::Traces, &[1, 2, 1, 3, 2]),
        (Signal::Traces, &[1, 2, 2, 9, 2]),
        (Signal::Traces, &[1, 2, 2, 11, 3, 2]),
        (Signal::Traces, &[1, 2, 2, 13, 4, 2]),
        (Signal::Metrics, &[1, 1, 1, 2]),
        (Signal::Metrics, &[1, 2, 1, 3, 2]),
        (Signal::Metrics, &[1, 2, 2, 12, 2]),
        (Signal::Metrics, &[1, 2, 2, 5, 1, 7, 2]),
        (Signal::Metrics, &[1, 2, 2, 5, 1, 5, 7, 2]),
        (Signal::Metrics, &[1, 2, 2, 7, 1, 7, 2]),
        (Signal::Metrics, &[1, 2, 2, 9, 1, 9, 2]),
        (Signal::Metrics, &[1, 2, 2, 9, 1, 8, 7, 2]),
        (Signal::Metrics, &[1, 2, 2, 10, 1, 1, 2]),
        (Signal::Metrics, &[1, 2, 2, 10, 1, 11, 7, 2]),
        (Signal::Metrics, &[1, 2, 2, 11, 1, 7, 2]),
        (Signal::Logs, &[1, 1, 1, 2]),
        (Signal::Logs, &[1, 2, 1, 3, 2]),
        (Signal::Logs, &[1, 2, 2, 5]),
        (Signal::Logs, &[1, 2, 2, 6, 2]),
    ];

    #[test]
    fn depth_is_limited_wherever_a_value_can_be() {
        for (signal, path) in PATHS {
            for by_list in [false, true] {
                let right = below(path, &nested(MAX_DEPTH, by_list));
                inspect(*signal, &right).unwrap_or_else(|error| panic!("{path:?}: {error}"));
                let wrong = below(path, &nested(MAX_DEPTH + 1, by_list));
                let error = inspect(*signal, &wrong).expect_err("too deep");
                assert_eq!(error.grpc_code(), 3, "{path:?}");
            }
        }
    }

    #[test]
    fn the_size_is_that_of_every_other_count() {
        let point = below(&[5, 1], b"");
        let metric = [
            below(&[2, 2], &[point.clone(), point].concat()),
            below(&[2, 2], b""),
        ]
        .concat();
        let request = [below(&[1], &metric), below(&[1], b"")].concat();
        let Inspected { size, has_empty } =
            inspect(Signal::Metrics, &request).expect("well-formed");
        assert_eq!(Ok(size), Size::of(Signal::Metrics, &request));
        assert!(has_empty, "the last resource");
        assert_eq!(
            (size.resources, size.scopes, size.entries, size.items),
            (2, 2, 2, 2)
        );
        let request = below(&[1, 2], &[below(&[2], b""), below(&[2], b"")].concat());
        for signal in [Signal::Traces, Signal::Logs] {
            let Inspected { size, has_empty } = inspect(signal, &request).expect("well-formed");
            assert!(!has_empty);
            assert_eq!(Ok(size), Size::of(signal, &request));
            assert_eq!((size.entries, size.items), (2, 2));
        }
    }

    #[test]
    fn what_the_engine_panics_on_is_refused() {
        for body in [[1 << 3, 5], [7 << 3, 5], [5 << 3, 5], [6 << 3, 5]] {
            let error = inspect(Signal::Logs, &below(&[1, 2, 2, 5], &body)).unwrap_err();
            assert_eq!(error.grpc_code(), 3, "{body:?}");
        }
        assert!(inspect(Signal::Logs, &below(&[1, 2, 2, 5], &[3 << 3, 5])).is_ok());
        // A value that is hidden behind a number where the engine reads a message.
        let hidden = [&[2 << 3, 4][..], &below(&[5, 1], b"")].concat();
        let error = inspect(Signal::Logs, &below(&[1, 2, 2, 6], &hidden)).unwrap_err();
        assert_eq!(error.grpc_code(), 3);
        assert!(
            inspect(
                Signal::Logs,
                &below(&[1, 1], &[[1 << 3 | 1].as_slice(), &[0; 8]].concat())
            )
            .is_err()
        );
        assert!(
            inspect(
                Signal::Logs,
                &[&below(&[2], b"")[..], &below(&[1], b"")].concat()
            )
            .is_err()
        );
        let newer = [0x88, 1, 1]; // field 17
        let error = inspect(Signal::Traces, &below(&[1, 2, 2], &newer)).unwrap_err();
        assert!(error.message().contains("field 17"), "{error}");
        assert!(inspect(Signal::Logs, &below(&[1, 2, 2], &newer)).is_ok());
    }

    #[test]
    fn very_deep_data_is_refused_without_recursion() {
        let error =
            inspect(Signal::Logs, &below(&[1, 2, 2, 5], &nested(20_000, false))).unwrap_err();
        assert!(error.message().contains("nested"), "{error}");
    }

    #[test]
    fn what_is_cut_off_is_malformed() {
        let request = below(&[1, 2, 2, 6, 2], &nested(3, true));
        for len in 1..request.len() {
            assert!(
                inspect(Signal::Logs, &request[..len]).is_err(),
                "cut off at {len}"
            );
        }
        assert!(inspect(Signal::Logs, &[]).is_ok());
    }
}
