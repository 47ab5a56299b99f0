// SPDX-License-Identifier: Apache-2.0

//! Structured errors across the boundary, in both directions.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otapbridge_context::{ErrorKind, ProcessingError, error_table};

use crate::abi::{
    OTAPB_ERROR_FLAG_GRPC_CODE, OTAPB_ERROR_FLAG_HTTP_STATUS, OTAPB_ERROR_FLAG_PART,
    OTAPB_ERROR_FLAG_PERMANENT, OTAPB_ERROR_FLAG_RETRY_AFTER, OTAPB_ERROR_KIND_PERMANENT,
    otapb_error, otapb_host_error, otapb_host_slice, otapb_slice,
};
use crate::borrow::{borrowed, read_sized};
use crate::flags;

/// Errors given to hosts and not yet released, in this process.
pub(crate) static UNRELEASED: AtomicU64 = AtomicU64::new(0);

/// An error and the text that it points to. `repr(C)`, so that a pointer to the
/// first field is a pointer to the whole.
#[repr(C)]
struct GivenError {
    abi: otapb_error,
    error: ProcessingError,
    /// The message, if the error's own has marks: a node may have copied a nack's reason.
    message: Option<String>,
}

/// Gives errors to the host as a chain; NULL when there are none.
pub(crate) fn give_all(errors: Vec<ProcessingError>) -> *mut otapb_error {
    errors
        .into_iter()
        .rev()
        .fold(std::ptr::null_mut(), |next, error| give_before(error, next))
}

/// Gives one error to the host.
pub(crate) fn give(error: ProcessingError) -> *mut otapb_error {
    give_before(error, std::ptr::null_mut())
}

fn give_before(error: ProcessingError, next: *mut otapb_error) -> *mut otapb_error {
    let flags = flags([
        (error.is_permanent(), OTAPB_ERROR_FLAG_PERMANENT),
        (error.is_of_a_part(), OTAPB_ERROR_FLAG_PART),
        (error.retry_after().is_some(), OTAPB_ERROR_FLAG_RETRY_AFTER),
        (
            error.author_grpc_code().is_some(),
            OTAPB_ERROR_FLAG_GRPC_CODE,
        ),
        (
            error.author_http_status().is_some(),
            OTAPB_ERROR_FLAG_HTTP_STATUS,
        ),
    ]);
    let message = match error_table::strip(error.message()) {
        Cow::Borrowed(_) => None,
        Cow::Owned(stripped) if stripped.is_empty() => {
            Some(ProcessingError::new(error.kind(), "").message().to_owned())
        }
        Cow::Owned(stripped) => Some(stripped),
    };
    let mut given = Box::new(GivenError {
        abi: otapb_error {
            size: size_of::<otapb_error>() as u32,
            kind: error.kind() as i32,
            grpc_code: error.grpc_code(),
            http_status: i32::from(error.http_status()),
            flags,
            retry_after_ns: error.retry_after().map_or(0, nanoseconds),
            host_error_id: error.host_error_id(),
            next,
            ..otapb_error::default()
        },
        error,
        message,
    });
    // The views are taken once the error has its final address.
    let message = given.message.as_deref();
    given.abi.message = otapb_slice::of(message.unwrap_or(given.error.message()).as_bytes());
    given.abi.field = otapb_slice::of(given.error.field().unwrap_or_default().as_bytes());
    given.abi.status_details = otapb_slice::of(given.error.status_details());
    let _ = UNRELEASED.fetch_add(1, Ordering::Relaxed);
    Box::into_raw(given).cast()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Frees a chain of given errors.
///
/// # Safety
/// `error` is NULL, the fallback, or came from this module and was not freed.
pub(crate) unsafe fn release(mut error: *mut otapb_error) {
    while !error.is_null() && error != fallback() {
        // SAFETY: not NULL and not the fallback, so it was made by `give_before`
        // out of a box of this type; the caller frees it once.
        let given = unsafe { Box::from_raw(error.cast::<GivenError>()) };
        let _ = UNRELEASED.fetch_sub(1, Ordering::Relaxed);
        error = given.abi.next.cast_mut();
    }
}

const FALLBACK_MESSAGE: &str = "the library panicked; this is a bug in otapbridge";

struct Fallback(otapb_error);

// SAFETY: it is never written, and points to static text only.
unsafe impl Sync for Fallback {}

/// What a host gets when making an error failed too. Needs no memory.
static FALLBACK: Fallback = Fallback(otapb_error {
    size: size_of::<otapb_error>() as u32,
    kind: OTAPB_ERROR_KIND_PERMANENT,
    grpc_code: 13,
    http_status: 500,
    flags: OTAPB_ERROR_FLAG_PERMANENT,
    reserved: 0,
    retry_after_ns: 0,
    host_error_id: 0,
    message: otapb_slice {
        data: FALLBACK_MESSAGE.as_ptr(),
        len: FALLBACK_MESSAGE.len(),
    },
    field: otapb_slice::EMPTY,
    status_details: otapb_slice::EMPTY,
    next: std::ptr::null(),
});

pub(crate) fn fallback() -> *mut otapb_error {
    std::ptr::from_ref(&FALLBACK.0).cast_mut()
}

/// Reads an error of the host's.
///
/// # Safety
/// `error` points to an `otapb_host_error` whose slices are valid for the call.
pub(crate) unsafe fn take_from_host(
    error: *const otapb_host_error,
) -> Result<ProcessingError, ProcessingError> {
    // SAFETY: as promised by the caller.
    let error: otapb_host_error = unsafe { read_sized(error, "error") }?;
    let text = |slice: otapb_host_slice, name: &str| -> Result<String, ProcessingError> {
        // SAFETY: as promised by the caller.
        let bytes = unsafe { borrowed(slice, name) }?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    };
    let kind = ErrorKind::from_i32(error.kind).unwrap_or(ErrorKind::Retryable);
    let mut taken = ProcessingError::new(kind, text(error.message, "error.message")?);
    if error.flags & OTAPB_ERROR_FLAG_GRPC_CODE != 0 {
        taken = taken.with_grpc_code(error.grpc_code);
    }
    if error.flags & OTAPB_ERROR_FLAG_HTTP_STATUS != 0 {
        taken = taken.with_http_status(u16::try_from(error.http_status).unwrap_or(0));
    }
    if error.flags & OTAPB_ERROR_FLAG_RETRY_AFTER != 0 {
        taken = taken.with_retry_after(Duration::from_nanos(error.retry_after_ns));
    }
    let field = text(error.field, "error.field")?;
    if !field.is_empty() {
        taken = taken.with_field(field);
    }
    // SAFETY: as promised by the caller.
    let details = unsafe { borrowed(error.status_details, "error.status_details") }?;
    if !details.is_empty() {
        taken = taken.with_status_details(details);
    }
    if error.flags & OTAPB_ERROR_FLAG_PERMANENT != 0 {
        taken = taken.into_permanent();
    }
    Ok(taken.with_host_error_id(error.host_error_id))
}

#[cfg(test)]
mod tests;
