//! Runtime entry points.

use crate::abi::{
    otapb_error, otapb_events_fn, otapb_log_fn, otapb_runtime, otapb_runtime_options, otapb_stats,
};
use crate::panic::guarded;

/// Creates a runtime.
///
/// @param options      Never NULL; borrowed for the call.
/// @param on_events    Receives events. Never NULL.
/// @param on_log       Receives log records, or NULL for none.
/// @param out_runtime  Never NULL. Receives the runtime, on success only.
/// @return NULL on success, otherwise an error that the caller releases: kind
///         Configuration when an argument is NULL or the ABI versions do not
///         match (the message names both), Permanent when the library was
///         linked without its engine nodes.
///
/// Threading: any thread. May block briefly: it starts the telemetry thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_runtime_create(
    options: *const otapb_runtime_options,
    on_events: otapb_events_fn,
    on_log: otapb_log_fn,
    out_runtime: *mut *mut otapb_runtime,
) -> *mut otapb_error {
    guarded(|| todo!())
}

/// Shuts down every component of a runtime, then the runtime. After it returns,
/// no callback of this runtime will ever come. A second call does nothing.
///
/// @param runtime     Never NULL.
/// @param timeout_ns  How long work in flight may take to finish, in
///                    nanoseconds. What is left then ends with a retryable error.
/// @return NULL on success, otherwise an error that the caller releases.
///
/// Threading: any thread, but not from inside a callback. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_runtime_shutdown(
    runtime: *mut otapb_runtime,
    timeout_ns: u64,
) -> *mut otapb_error {
    guarded(|| todo!())
}

/// Frees a runtime; shuts it down first, without waiting for work in flight,
/// if that was not done. Its components must have been destroyed before.
///
/// @param runtime  NULL is fine. Not to be used afterwards.
///
/// Threading: any thread, but not from inside a callback. May block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_runtime_destroy(runtime: *mut otapb_runtime) {
    todo!()
}

/// Reads a runtime's counters. Each is exact; together they are no snapshot.
///
/// @param runtime    Never NULL.
/// @param out_stats  Never NULL; `size` set by the caller. Fields that `size`
///                   covers are written, on success only.
/// @return NULL on success, otherwise an error that the caller releases.
///
/// Threading: any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_runtime_stats(
    runtime: *const otapb_runtime,
    out_stats: *mut otapb_stats,
) -> *mut otapb_error {
    guarded(|| todo!())
}
