//! Component entry points: the life of a hosted pipeline.

use crate::abi::{otapb_component, otapb_component_options, otapb_error, otapb_runtime};
use crate::panic::guarded;

/// Checks a component's options without creating anything: node types, each
/// node's configuration with unknown keys, connections, entry and exit.
///
/// @param options  Never NULL; borrowed for the call.
/// @return NULL if they are right, otherwise a chain of errors of kind
///         Configuration, one for each finding, that the caller releases.
///
/// Threading: any thread; needs no runtime. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_validate(
    options: *const otapb_component_options,
) -> *mut otapb_error {
    guarded(|| todo!())
}

/// Creates a component. It holds no thread until it is started.
///
/// @param runtime        Never NULL. Must outlive the component.
/// @param options        Never NULL; borrowed for the call.
/// @param out_component  Never NULL. Receives the component, on success only.
/// @return NULL on success, otherwise errors as from otapb_component_validate.
///
/// Threading: any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_create(
    runtime: *mut otapb_runtime,
    options: *const otapb_component_options,
    out_component: *mut *mut otapb_component,
) -> *mut otapb_error {
    guarded(|| todo!())
}

/// Starts a component's pipeline and waits until its nodes run.
///
/// @param component   Never NULL.
/// @param timeout_ns  How long to wait, in nanoseconds.
/// @return NULL on success, otherwise an error that the caller releases. After
///         a failed start the component can only be destroyed.
///
/// Threading: any thread, but not from inside a callback. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_start(
    component: *mut otapb_component,
    timeout_ns: u64,
) -> *mut otapb_error {
    guarded(|| todo!())
}

/// Stops a component: no call is accepted any more, calls in flight finish or,
/// when the time is up, end with a retryable error. After it returns, no event
/// of this component will ever come, and the library reads no payload of the
/// host, except one that a buffer of the host's still shows: that one is
/// released with the buffer, without an event. A second call does nothing.
///
/// @param component   Never NULL.
/// @param timeout_ns  How long work in flight may take to finish, in nanoseconds.
/// @return NULL on success, otherwise an error that the caller releases.
///
/// Threading: any thread, but not from inside a callback. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_shutdown(
    component: *mut otapb_component,
    timeout_ns: u64,
) -> *mut otapb_error {
    guarded(|| todo!())
}

/// Frees a component; shuts it down first, without waiting for work in flight,
/// if that was not done. Buffers and errors of its events stay valid.
///
/// @param component  NULL is fine. Not to be used afterwards.
///
/// Threading: any thread, but not from inside a callback, and not while
/// another function uses the component. May block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_destroy(component: *mut otapb_component) {
    todo!()
}
