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

use crate::content::MAX_VALUE_DEPTH;
use crate::schema::{FieldType, MessageType};
use crate::size::Size;
use crate::wire::Reader;

/// Whether the engine takes an unknown field's value for further fields, or panics on it.
const fn is_closed(message: MessageType) -> bool {
    use MessageType::*;
    matches!(
        message,
        Request(_) | Span | KeyValue | AnyValue | ArrayValue | KeyValueList
    )
}

/// A message that is being walked.
struct Open {
    message: MessageType,
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
/// InvalidArgument when a value is nested deeper than `MAX_VALUE_DEPTH`, when the walk meets something that is no
/// OTLP, or a field that the engine does not know where it cannot read past one.
pub fn inspect(signal: Signal, request: &[u8]) -> Result<Inspected, ProcessingError> {
    // What is around the innermost one. Ordinary data is not deeper than this.
    let mut around = Vec::with_capacity(24);
    let mut size = Size {
        bytes: request.len(),
        ..Size::default()
    };
    let mut has_empty = false;
    let mut innermost = Open {
        message: MessageType::Request(signal),
        end: request.len(),
        depth: 0,
        entries: 0,
    };
    let mut rest = Reader::new(request);
    loop {
        let message = innermost.message;
        let Some(field) = rest.next_field()? else {
            let has_entries = matches!(
                message,
                MessageType::ResourceData(_) | MessageType::ScopeData(_)
            );
            has_empty |= has_entries && innermost.entries == size.entries;
            let Some(outer) = around.pop() else {
                return Ok(Inspected { size, has_empty });
            };
            innermost = outer;
            rest.leave(request, innermost.end);
            continue;
        };
        let child = match message.field(field.number) {
            Some(FieldType::Message(child)) => child,
            Some(known) if known.has(field.wire_type) => continue,
            None if is_closed(message) => {
                return Err(ProcessingError::invalid_argument(format!(
                    "the {} have a field {} that the engine does not know and cannot read past",
                    signal.as_str(),
                    field.number,
                )));
            }
            // OTLP never had groups.
            None if !field.is_group() => continue,
            _ => return Err(field.wrong_type().into()),
        };
        // The engine's readers do not look at the wire type: what is skipped here as a
        // number could be a message there.
        rest = field.message()?;
        size.count(child);
        let depth = innermost.depth + usize::from(child == MessageType::AnyValue);
        if depth > MAX_VALUE_DEPTH {
            return Err(ProcessingError::invalid_argument(format!(
                "a value in the {} is nested deeper than {MAX_VALUE_DEPTH} levels",
                signal.as_str()
            )));
        }
        around.push(innermost);
        innermost = Open {
            message: child,
            end: rest.place().end,
            depth,
            entries: size.entries,
        };
    }
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
                let right = below(path, &nested(MAX_VALUE_DEPTH, by_list));
                inspect(*signal, &right).unwrap_or_else(|error| panic!("{path:?}: {error}"));
                let wrong = below(path, &nested(MAX_VALUE_DEPTH + 1, by_list));
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
