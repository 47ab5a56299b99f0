// SPDX-License-Identifier: Apache-2.0

//! Errors of the host that nobody would write on purpose.

use otapbridge_test_support::Random;

use super::*;

/// What these tests draw.
trait Draw {
    fn number(&mut self) -> i32;
    fn slice(&mut self, memory: &[u8]) -> otapb_host_slice;
}

impl Draw for Random {
    /// Mostly numbers near those that mean something, else any.
    fn number(&mut self) -> i32 {
        match self.below(4) {
            0 => self.next() as i32,
            1 => self.below(700) as i32 - 50,
            2 => [i32::MIN, i32::MAX, -1, 0, 399, 400, 599, 600][self.below(8)],
            _ => self.below(20) as i32 - 1,
        }
    }

    /// A slice within `memory`, or one that is none.
    fn slice(&mut self, memory: &[u8]) -> otapb_host_slice {
        let (address, len) = match self.below(8) {
            0 => (0, 0),
            1 => (0, self.below(100)),
            2 => (self.next(), 0),
            _ => {
                let start = self.below(memory.len());
                let len = self.below(memory.len() - start + 1);
                (memory[start..].as_ptr().expose_provenance() as u64, len)
            }
        };
        otapb_host_slice {
            address,
            len: len as u64,
        }
    }
}

/// Memory for one struct and what a newer header may have appended to it.
const ROOM: usize = size_of::<otapb_host_error>() + 64;

#[repr(C, align(8))]
struct Memory([u8; ROOM]);

fn text_of(slice: otapb_slice) -> String {
    // SAFETY: the tests look at slices of errors that are not released yet.
    let bytes = unsafe { crate::borrow::bytes(slice.data, slice.len, "slice") };
    String::from_utf8(bytes.expect("a slice").to_vec()).expect("UTF-8")
}

/// Writes `error` and says that it has `size` bytes.
fn memory_of(random: &mut Random, error: &otapb_host_error, size: usize) -> Box<Memory> {
    let mut memory = Box::new(Memory([0; ROOM]));
    memory.0 = random.array();
    // SAFETY: the memory is aligned, large enough and not shared.
    unsafe {
        let target = memory.0.as_mut_ptr();
        target.cast::<otapb_host_error>().write(*error);
        target.cast::<u32>().write(size as u32);
    }
    memory
}

#[test]
fn any_error_of_the_host_is_read_or_refused() {
    let mut random = Random::new(5);
    let full = size_of::<otapb_host_error>();
    let (mut read, mut refused, mut cut) = (0, 0, 0);
    for case in 0..60_000 {
        let len = 1 + random.below(64);
        let bytes = match case % 3 {
            0 => (0..len).map(|_| random.next() as u8).collect(),
            1 => vec![b'a' + (case % 26) as u8; len],
            _ => "\u{27e6}otapbridge-error:1-1\u{27e7}ü\u{0}"
                .as_bytes()
                .to_vec(),
        };
        let size = match random.below(3) {
            0 => full,
            1 => random.below(full + 1),
            _ => full + random.below(65),
        };
        let given = otapb_host_error {
            size: 0,
            kind: random.number(),
            grpc_code: random.number(),
            http_status: random.number(),
            flags: random.next() as u32,
            reserved: random.next() as u32,
            retry_after_ns: random.next() >> random.below(64),
            host_error_id: random.next(),
            message: random.slice(&bytes),
            field: random.slice(&bytes),
            status_details: random.slice(&bytes),
        };
        let memory = memory_of(&mut random, &given, size);
        // SAFETY: the memory has as many bytes as it says, and its slices lie
        // within `bytes`.
        let taken = unsafe { take_from_host((&raw const *memory).cast()) };
        // What the size does not cover is zero to the reader.
        let covers = |offset: usize, len: usize| size >= offset + len;
        let no_memory = |slice: otapb_host_slice, offset: usize| {
            covers(offset, size_of::<otapb_host_slice>()) && slice.address == 0 && slice.len > 0
        };
        let error = match taken {
            Ok(error) => error,
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::Configuration);
                assert!(
                    error
                        .field()
                        .is_some_and(|field| field.starts_with("error."))
                );
                let expected = size < 8
                    || no_memory(
                        given.message,
                        std::mem::offset_of!(otapb_host_error, message),
                    )
                    || no_memory(given.field, std::mem::offset_of!(otapb_host_error, field))
                    || no_memory(
                        given.status_details,
                        std::mem::offset_of!(otapb_host_error, status_details),
                    )
                    || size < full;
                assert!(expected, "refused for no reason: {error}");
                continue;
            }
        };
        read += 1;
        cut += usize::from(size < full);
        assert!(size >= 8);
        assert!((1..=16).contains(&error.grpc_code()), "{error:?}");
        assert!((400..=599).contains(&error.http_status()), "{error:?}");
        assert!(!error.message().is_empty());
        if size >= full {
            let flag = |flag| given.flags & flag != 0;
            if flag(OTAPB_ERROR_FLAG_GRPC_CODE) {
                let known = (1..=16).contains(&given.grpc_code);
                let code = if known { given.grpc_code } else { 2 };
                assert_eq!(error.grpc_code(), code);
            }
            if flag(OTAPB_ERROR_FLAG_HTTP_STATUS) {
                let known = (400..=599).contains(&given.http_status);
                let status = if known { given.http_status } else { 500 };
                assert_eq!(i32::from(error.http_status()), status);
            }
            if flag(OTAPB_ERROR_FLAG_PERMANENT) {
                assert!(error.is_permanent());
            } else {
                let kind = ErrorKind::from_i32(given.kind).unwrap_or(ErrorKind::Retryable);
                assert_eq!(error.kind(), kind);
            }
            if flag(OTAPB_ERROR_FLAG_RETRY_AFTER) && !error.is_permanent() {
                let delay = Duration::from_nanos(given.retry_after_ns);
                assert_eq!(error.retry_after(), Some(delay));
            }
            assert_eq!(error.host_error_id(), given.host_error_id);
        }

        let (message, permanent) = (error.message().to_owned(), error.is_permanent());
        let kind = error.kind();
        let (grpc_code, http_status) = (error.grpc_code(), i32::from(error.http_status()));
        let back = give(error);
        // SAFETY: it was just given and is not released yet.
        let view = unsafe { &*back };
        let shown = error_table::strip(&message);
        if shown.is_empty() {
            assert_eq!(
                text_of(view.message),
                ProcessingError::new(kind, "").message()
            );
        } else {
            assert_eq!(text_of(view.message), shown);
        }
        assert_eq!((view.grpc_code, view.http_status), (grpc_code, http_status));
        assert_eq!(view.flags & OTAPB_ERROR_FLAG_PERMANENT != 0, permanent);
        if size >= full {
            assert_eq!(view.host_error_id, given.host_error_id);
        }
        // SAFETY: given above, released once.
        unsafe { release(back) };
    }
    // Each outcome was met often enough for the test to mean something.
    assert!(
        read > 10_000 && refused > 5_000 && cut > 3_000,
        "{read} {refused} {cut}"
    );
}

#[test]
fn a_mark_that_a_node_copied_into_its_error_does_not_leave() {
    let table = error_table::ErrorTable::new();
    let reason = table.insert(ProcessingError::retryable("no room"), false);
    for (message, expected) in [
        (
            format!("behind me: {reason} (2 items)"),
            "behind me: no room (2 items)",
        ),
        (reason["no room".len()..].to_owned(), "permanent error"),
    ] {
        let given = give(ProcessingError::permanent(message));
        // SAFETY: it was just given and is not released yet.
        assert_eq!(text_of(unsafe { &*given }.message), expected);
        // SAFETY: given above, released once.
        unsafe { release(given) };
    }
}
