// SPDX-License-Identifier: Apache-2.0

//! Data-path entry points: submit, cancel, answer, release.

use bytes::Bytes;
use otapbridge_context::{CancelReason, ContextBlock, ProcessingError, Signal};
use otapbridge_engine::{DataSize, PayloadGuard};

use crate::abi::{
    OTAPB_EMISSION_AWAITED, OTAPB_EMISSION_CALL_DONE, OTAPB_EMISSION_KEEPS_ERROR,
    OTAPB_EMISSION_PAYLOAD_RELEASED, otapb_buffer, otapb_component, otapb_error, otapb_host_error,
};
use crate::borrow::{bytes, wrong};
use crate::component::component_of;
use crate::panic::{guarded, guarded_or};
use crate::{error, flags};

/// A payload of the host's, read in place until the last view of it is gone.
struct HostPayload {
    data: *const u8,
    len: usize,
    /// Reports the release.
    _guard: PayloadGuard,
}

// SAFETY: the host keeps the bytes where they are, unchanged, until the guard
// reports the release (rule 5); reading them from any thread is sound.
unsafe impl Send for HostPayload {}
// SAFETY: as above; there is no mutation.
unsafe impl Sync for HostPayload {}

impl AsRef<[u8]> for HostPayload {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: checked at submit to be not NULL, and kept by the host until
        // the guard is dropped, which is after this borrow.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

/// Hands a request to a component. When it is accepted, it is completed exactly once,
/// whatever happens (rule 8), and there is exactly one notice that the payload was
/// released (with the completion, or an event of its own), unless the component is shut
/// down first.
///
/// @param component    Never NULL; started.
/// @param call_id      The host's name for the call. Not 0, and not that of a call in flight
///                     in this component. It may be used again once the call is completed
///                     and its payload's release is reported, which names it too.
/// @param signal       OTAPB_SIGNAL_*.
/// @param context      A request context block (see otapb_context), copied during the
///                     call; NULL with `context_len` 0 for a request without context.
/// @param context_len  Its size in bytes.
/// @param payload      OTLP protobuf. Not copied: it must stay where it is,
///                     unchanged, until its release is reported. Never NULL.
/// @param payload_len  Its size in bytes; not 0.
/// @return NULL when the call was accepted. Otherwise an error that the caller
///         releases, and nothing is kept: kind Configuration for a wrong
///         argument (`field` names it), Retryable when the component does not
///         run, Timeout when the deadline is already past.
///
/// Threading: any thread, also from inside a callback. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_submit(
    component: *mut otapb_component,
    call_id: u64,
    signal: u32,
    context: *const u8,
    context_len: usize,
    payload: *const u8,
    payload_len: usize,
) -> *mut otapb_error {
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let component = unsafe { component_of(component) }?;
        let signal = checked(call_id, signal)?;
        // SAFETY: NULL or valid for the call, by the function's contract.
        let context = unsafe { bytes(context, context_len, "context") }?;
        // SAFETY: NULL or valid until released, by the function's contract.
        let checked = unsafe { bytes(payload, payload_len, "payload") }?;
        if checked.is_empty() {
            return Err(wrong("payload", "is empty: there is nothing to process").into());
        }
        let context = ContextBlock::copy_from(context)?;
        component.submit(call_id, signal, context, payload_len, |guard| {
            Bytes::from_owner(HostPayload {
                data: payload,
                len: payload_len,
                _guard: guard,
            })
        })?;
        Ok(())
    })
}

/// Hands a request to a component that otapb_component_takes_references: its data stay
/// with the host. Everything else is as with otapb_submit; the release of a payload is
/// reported with the completion, because there is none.
///
/// @param component    Never NULL.
/// @param call_id      As for otapb_submit.
/// @param signal       OTAPB_SIGNAL_*.
/// @param context      A request context block, or NULL. Copied during the call.
/// @param context_len  Its length in bytes.
/// @param items        Number of spans, data points or log records.
/// @param bytes        Size of the data as OTLP protobuf, as near as the host knows it.
/// @return NULL on success, otherwise an error as from otapb_submit.
///
/// Threading: any thread, also from inside a callback. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_submit_reference(
    component: *mut otapb_component,
    call_id: u64,
    signal: u32,
    context: *const u8,
    context_len: usize,
    items: usize,
    bytes: usize,
) -> *mut otapb_error {
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let component = unsafe { component_of(component) }?;
        let signal = checked(call_id, signal)?;
        // SAFETY: NULL or valid for the call, by the function's contract.
        let context = unsafe { crate::borrow::bytes(context, context_len, "context") }?;
        let context = ContextBlock::copy_from(context)?;
        component.submit_reference(call_id, signal, context, DataSize { items, bytes })?;
        Ok(())
    })
}

fn checked(call_id: u64, signal: u32) -> Result<Signal, ProcessingError> {
    if call_id == 0 {
        return Err(wrong("call_id", "must not be 0"));
    }
    Signal::from_u32(signal)
        .ok_or_else(|| wrong("signal", format!("{signal} is no OTAPB_SIGNAL_*")))
}

/// Tells the component that the caller of `call_id` no longer waits for it.
/// Work in context-aware nodes stops; the call is still completed.
/// The first cancel of a call counts.
///
/// @param component  NULL is fine.
/// @param call_id    The call.
/// @param reason     OTAPB_CANCEL_REASON_*; another value counts as CANCELLED.
/// @param cause      Why, as text for nodes and logs; borrowed for the call.
///                   NULL with `cause_len` 0 for none.
/// @param cause_len  Its length in bytes.
/// @return true if the call was in flight and not cancelled before.
///
/// Threading: any thread, also from inside a callback. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_cancel(
    component: *mut otapb_component,
    call_id: u64,
    reason: u32,
    cause: *const u8,
    cause_len: usize,
) -> bool {
    guarded_or(false, || {
        // SAFETY: NULL or valid, by the function's contract.
        let Ok(component) = (unsafe { component_of(component) }) else {
            return false;
        };
        // SAFETY: NULL or valid for the call, by the function's contract.
        let cause = unsafe { bytes(cause, cause_len, "cause") }.unwrap_or_default();
        let reason = CancelReason::from_u32(reason).unwrap_or(CancelReason::Cancelled);
        component.cancel(call_id, reason, &String::from_utf8_lossy(cause))
    })
}

/// Answers an emission: the host has forwarded its data, or failed to.
///
/// @param component    NULL is fine.
/// @param emission_id  The emission.
/// @param error        Why the data was refused, borrowed for the call; or NULL
///                     if it was accepted.
/// @return OTAPB_EMISSION_*. Where nothing but the call waits for the answer, it is
///         completed here and not by an event.
///
/// Threading: any thread, also from inside a callback. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_emission_done(
    component: *mut otapb_component,
    emission_id: u64,
    error: *const otapb_host_error,
) -> u32 {
    guarded_or(0, || {
        // SAFETY: NULL or valid, by the function's contract.
        let Ok(component) = (unsafe { component_of(component) }) else {
            return 0;
        };
        let error = (!error.is_null()).then(|| {
            // SAFETY: not NULL, and valid for the call by the function's contract.
            let taken = unsafe { error::take_from_host(error) };
            taken.unwrap_or_else(|invalid| {
                ProcessingError::permanent(format!("the host gave an invalid error: {invalid}"))
            })
        });
        let answer = component.emission_done(emission_id, error);
        flags([
            (answer.awaited, OTAPB_EMISSION_AWAITED),
            (answer.call_done, OTAPB_EMISSION_CALL_DONE),
            (answer.payload_released, OTAPB_EMISSION_PAYLOAD_RELEASED),
            (answer.keeps_error, OTAPB_EMISSION_KEEPS_ERROR),
        ])
    })
}

/// Frees an event's buffer, and with it the event's views.
///
/// @param buffer  NULL is fine. Must not be released twice.
///
/// Threading: any thread, also from inside a callback. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn otapb_buffer_release(buffer: Option<Box<otapb_buffer>>) {
    guarded_or((), || drop(buffer));
}

/// Frees an error and those chained to it.
///
/// @param error  NULL is fine. Must not be released twice.
///
/// Threading: any thread, also from inside a callback. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_error_release(error: *mut otapb_error) {
    // SAFETY: NULL, or given by this library and released once, by the contract.
    guarded_or((), || unsafe { error::release(error) });
}
