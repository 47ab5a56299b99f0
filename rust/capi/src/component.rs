// SPDX-License-Identifier: Apache-2.0

//! Component entry points: the life of one hosted pipeline, or of several that are alike.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use otapbridge_context::{ProcessingError, Signal};
use otapbridge_engine::{
    Component, ComponentKind, ComponentSpec, DEFAULT_CANCEL_GRACE, catalogue, joins_references,
    secrets, validate, warnings,
};

use crate::abi::{
    OTAPB_COMPONENT_EXPORTER, OTAPB_COMPONENT_FLAG_REFERENCES, OTAPB_COMPONENT_PROCESSOR,
    OTAPB_COMPONENT_RECEIVER, otapb_component_options, otapb_error, otapb_runtime,
};
use crate::borrow::{borrowed, not_null, read_sized, wrong};
use crate::library;
use crate::panic::{Errors, guarded, guarded_or};

/// One hosted pipeline, or several that are alike (`shards`). Created by otapb_component_create,
/// freed by otapb_component_destroy.
#[allow(non_camel_case_types)]
pub struct otapb_component {
    component: Arc<Component>,
}

/// The component behind a pointer of the host's.
///
/// # Safety
/// `component` is NULL or valid for as long as the result is used.
pub(crate) unsafe fn component_of<'a>(
    component: *mut otapb_component,
) -> Result<&'a Component, ProcessingError> {
    // SAFETY: as promised by the caller.
    let handle = not_null(unsafe { component.as_ref() }, "component")?;
    Ok(&handle.component)
}

/// Reads a component's options. Node types are known from then on.
///
/// # Safety
/// `options` is NULL or valid, with slices valid for the call.
unsafe fn spec(options: *const otapb_component_options) -> Result<ComponentSpec, ProcessingError> {
    catalogue::install(library::node_types);
    // SAFETY: as promised by the caller.
    let options = unsafe { read_sized(options, "options") }?;
    let kind = match options.kind {
        OTAPB_COMPONENT_PROCESSOR => ComponentKind::Processor,
        OTAPB_COMPONENT_RECEIVER => ComponentKind::Receiver,
        OTAPB_COMPONENT_EXPORTER => {
            let message = "this release hosts processors and receivers only";
            return Err(wrong("options.kind", message));
        }
        other => {
            return Err(wrong(
                "options.kind",
                format!("{other} is no component kind"),
            ));
        }
    };
    // SAFETY: as promised by the caller.
    let name = unsafe { borrowed(options.name, "options.name") }?;
    let name = std::str::from_utf8(name)
        .map_err(|error| wrong("options.name", format!("is not UTF-8: {error}")))?;
    // SAFETY: as promised by the caller.
    let config = unsafe { borrowed(options.config, "options.config") }?;
    if config.is_empty() {
        return Err(wrong(
            "options.config",
            "is empty: give the configuration as JSON",
        ));
    }
    let signal = match options.signal {
        0 => None,
        number => Some(
            Signal::from_u32(number)
                .ok_or_else(|| wrong("options.signal", format!("{number} is no signal")))?,
        ),
    };
    let cancel_grace = match options.cancel_grace_ns {
        0 => DEFAULT_CANCEL_GRACE,
        nanoseconds => Duration::from_nanos(nanoseconds),
    };
    Ok(ComponentSpec {
        cancel_grace,
        references: options.flags & OTAPB_COMPONENT_FLAG_REFERENCES != 0,
        kind,
        signal,
        name: name.to_owned(),
        component_data: options.host_data,
        config: config.to_owned(),
    })
}

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
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let spec = unsafe { spec(options) }?;
        Ok(validate(&spec)?)
    })
}

/// Says what a user should know of options that are right: nodes that change or drop
/// data of the component's signal (of any signal without one) although nobody asks
/// them to. A component also logs these when it starts.
///
/// @param options  Never NULL; borrowed for the call.
/// @return NULL if there is nothing to say or the options are wrong, otherwise a chain of
///         errors, one for each warning, with the node's place as `field`, that the
///         caller releases.
///
/// Threading: any thread; needs no runtime. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_warnings(
    options: *const otapb_component_options,
) -> *mut otapb_error {
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let spec = unsafe { spec(options) };
        // They come back as errors do; of none NULL is made.
        Err(spec.map(|spec| warnings(&spec)).unwrap_or_default().into())
    })
}

/// Says which settings in a component's configuration are secrets, so that a host does
/// not show them. Other mistakes in the configuration do not matter.
///
/// @param options  Never NULL; borrowed for the call.
/// @return NULL if there are none, otherwise a chain of errors, one for each, with the
///         setting's place as `field` ("nodes::a::config::actions::0::salt"), without the
///         component's name, that the caller releases. A place above settings stands for
///         every text below, and an empty one for every text of a configuration that
///         cannot be read.
///
/// Threading: any thread; needs no runtime. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_secrets(
    options: *const otapb_component_options,
) -> *mut otapb_error {
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let spec = unsafe { spec(options) };
        let places = spec.map(|spec| secrets(&spec)).unwrap_or_default();
        let secret = |place| ProcessingError::configuration("is a secret", Some(place));
        // They come back as errors do; of none NULL is made.
        Err(Errors(places.into_iter().map(secret).collect()))
    })
}

/// Says whether a component of these options has its host join the data of several calls:
/// it takes references (otapb_component_takes_references), and may have nodes that join.
/// A host that must say beforehand whether it changes what it is given can ask this
/// before there is a component.
///
/// @param options  NULL is fine; borrowed for the call.
/// @return true if output may be made of several calls by reference; false also if the
///         options are wrong.
///
/// Threading: any thread; needs no runtime. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_joins_references(
    options: *const otapb_component_options,
) -> bool {
    guarded_or(false, || {
        // SAFETY: NULL or valid, by the function's contract.
        let spec = unsafe { spec(options) };
        spec.is_ok_and(|spec| joins_references(&spec))
    })
}

/// Creates a component. It has no thread until it is started.
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
    out_component: Option<&mut MaybeUninit<Box<otapb_component>>>,
) -> *mut otapb_error {
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let handle = not_null(unsafe { runtime.as_ref() }, "runtime")?;
        // SAFETY: as above.
        let spec = unsafe { spec(options) }?;
        let out_component = not_null(out_component, "out_component")?;
        let component = handle.runtime.create_component(&spec)?;
        let _ = out_component.write(Box::new(otapb_component { component }));
        Ok(())
    })
}

/// Says whether no node of a component looks at data, as refusing, delaying, routing and
/// joining nodes do not. If so, and its options have OTAPB_COMPONENT_FLAG_REFERENCES, the
/// host keeps its data and submits by otapb_submit_reference only.
///
/// @param component  NULL is fine.
/// @return true if calls are submitted by reference.
///
/// Threading: any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_component_takes_references(component: *mut otapb_component) -> bool {
    guarded_or(false, || {
        // SAFETY: NULL or valid, by the function's contract.
        let component = unsafe { component_of(component) };
        component.is_ok_and(Component::takes_references)
    })
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
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let component = unsafe { component_of(component) }?;
        Ok(component.start(Duration::from_nanos(timeout_ns))?)
    })
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
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let component = unsafe { component_of(component) }?;
        component.shutdown(Duration::from_nanos(timeout_ns));
        Ok(())
    })
}

/// Frees a component; shuts it down first, without waiting for work in flight,
/// if that was not done. Buffers and errors of its events stay valid.
///
/// @param component  NULL is fine. Not to be used afterwards.
///
/// Threading: any thread, but not from inside a callback, and not while
/// another function uses the component. May block.
#[unsafe(no_mangle)]
pub extern "C" fn otapb_component_destroy(component: Option<Box<otapb_component>>) {
    guarded_or((), || {
        if let Some(handle) = component {
            handle.component.shutdown(Duration::ZERO);
        }
    });
}
