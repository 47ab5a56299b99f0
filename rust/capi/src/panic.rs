// SPDX-License-Identifier: Apache-2.0

//! The panic barrier: nothing unwinds into the host.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use otapbridge_context::ProcessingError;

use crate::abi::otapb_error;
use crate::error;

/// Keeps contained panics out of the host's standard error: what they cost is
/// in the error of their request, and where they were in a log record. The hook
/// is that of this library's own copy of Rust's standard library.
pub(crate) fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::debug!(place, "panic");
        }));
    });
}

/// Several findings, or one.
pub(crate) struct Errors(pub(crate) Vec<ProcessingError>);

impl From<ProcessingError> for Errors {
    fn from(error: ProcessingError) -> Self {
        Self(vec![error])
    }
}

impl From<Vec<ProcessingError>> for Errors {
    fn from(errors: Vec<ProcessingError>) -> Self {
        Self(errors)
    }
}

/// Runs the body of an entry point; an error or a panic becomes the host's.
pub(crate) fn guarded(body: impl FnOnce() -> Result<(), Errors>) -> *mut otapb_error {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => std::ptr::null_mut(),
        Ok(Err(Errors(errors))) => catch_unwind(AssertUnwindSafe(|| error::give_all(errors)))
            .unwrap_or_else(|_| error::fallback()),
        Err(_) => error::fallback(),
    }
}

/// Runs the body of an entry point that has no error to return.
pub(crate) fn guarded_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_fallback_error() {
        let error = guarded(|| panic!("boom"));
        assert_eq!(error, error::fallback());
        // SAFETY: given by this library, released once.
        unsafe { crate::call::otapb_error_release(error) };
    }

    #[test]
    fn a_panic_becomes_the_other_value() {
        assert!(!guarded_or(false, || panic!("boom")));
    }
}
