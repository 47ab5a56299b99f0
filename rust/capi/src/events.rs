// SPDX-License-Identifier: Apache-2.0

//! The engine's events on their way to the host's callback.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use otapbridge_context::ContextBlock;
use otapbridge_engine::{ComponentStatus, Emission, Event, EventSink};

use crate::abi::{
    OTAPB_EVENT_DONE, OTAPB_EVENT_EMISSION_CANCELLED, OTAPB_EVENT_EMIT, OTAPB_EVENT_FLAG_ENDS_CALL,
    OTAPB_EVENT_FLAG_PAYLOAD_RELEASED, OTAPB_EVENT_FLAG_REFERENCE, OTAPB_EVENT_HOST_ERROR_RELEASED,
    OTAPB_EVENT_PAYLOAD_RELEASED, OTAPB_EVENT_STATUS, OTAPB_STATUS_OK,
    OTAPB_STATUS_PERMANENT_ERROR, OTAPB_STATUS_RECOVERABLE_ERROR, otapb_event, otapb_slice,
};
use crate::{error, flags};

/// Buffers given to hosts and not yet released, in this process.
pub(crate) static UNRELEASED: AtomicU64 = AtomicU64::new(0);

/// The host's events callback.
pub(crate) type EventsFn = unsafe extern "C" fn(u64, *const otapb_event, usize);

/// Owner of the memory that an event's views point into. Freed by
/// otapb_buffer_release.
#[allow(non_camel_case_types)]
pub struct otapb_buffer {
    payload: Bytes,
    context: ContextBlock,
    origins: Vec<u64>,
}

impl Drop for otapb_buffer {
    fn drop(&mut self) {
        let _ = UNRELEASED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hands events to the host's callback.
pub(crate) struct HostEvents {
    pub(crate) on_events: EventsFn,
    pub(crate) host_data: u64,
}

thread_local! {
    /// Events as the host sees them; the memory is reused.
    static SCRATCH: RefCell<Vec<otapb_event>> = const { RefCell::new(Vec::new()) };
}

impl EventSink for HostEvents {
    fn deliver(&self, component_data: u64, events: &mut Vec<Event>) {
        // Taken out, so that a callback that leads back here finds it free.
        let mut given = SCRATCH.take();
        given.extend(events.drain(..).map(|event| give(component_data, event)));
        // SAFETY: the callback was given with the runtime and takes this many
        // events for the length of the call.
        unsafe { (self.on_events)(self.host_data, given.as_ptr(), given.len()) };
        given.clear();
        SCRATCH.set(given);
    }
}

fn give(component_data: u64, event: Event) -> otapb_event {
    let mut given = otapb_event {
        size: size_of::<otapb_event>() as u32,
        component_data,
        ..otapb_event::default()
    };
    match event {
        Event::Done {
            call_id,
            error,
            payload_released,
        } => {
            given.r#type = OTAPB_EVENT_DONE;
            given.call_id = call_id;
            given.error = error.map_or(std::ptr::null_mut(), error::give);
            given.flags = flags([(payload_released, OTAPB_EVENT_FLAG_PAYLOAD_RELEASED)]);
        }
        Event::Emit(emission) => give_emission(emission, &mut given),
        Event::EmissionCancelled { id, error } => {
            given.r#type = OTAPB_EVENT_EMISSION_CANCELLED;
            given.emission_id = id;
            given.error = error::give(error);
        }
        Event::PayloadReleased { call_id } => {
            given.r#type = OTAPB_EVENT_PAYLOAD_RELEASED;
            given.call_id = call_id;
        }
        Event::HostErrorReleased { id } => {
            given.r#type = OTAPB_EVENT_HOST_ERROR_RELEASED;
            given.host_error_id = id;
        }
        Event::Status { status, error } => {
            given.r#type = OTAPB_EVENT_STATUS;
            given.status = match status {
                ComponentStatus::Ok => OTAPB_STATUS_OK,
                ComponentStatus::RecoverableError => OTAPB_STATUS_RECOVERABLE_ERROR,
                ComponentStatus::PermanentError => OTAPB_STATUS_PERMANENT_ERROR,
            };
            given.error = error.map_or(std::ptr::null_mut(), error::give);
        }
    }
    given
}

fn give_emission(emission: Emission, given: &mut otapb_event) {
    given.r#type = OTAPB_EVENT_EMIT;
    given.emission_id = emission.id;
    given.call_id = emission.call_id.unwrap_or(0);
    given.flags = flags([
        (emission.ends_call, OTAPB_EVENT_FLAG_ENDS_CALL),
        (emission.by_reference, OTAPB_EVENT_FLAG_REFERENCE),
    ]);
    given.signal = emission.signal as u32;
    given.port = otapb_slice::of(emission.port.as_bytes());
    let buffer = Box::new(otapb_buffer {
        payload: emission.payload,
        context: emission.context,
        origins: emission.origins,
    });
    given.payload = otapb_slice::of(&buffer.payload);
    given.context = otapb_slice::of(buffer.context.as_bytes());
    if !buffer.origins.is_empty() {
        given.origins = buffer.origins.as_ptr();
        given.origin_count = buffer.origins.len();
    }
    given.buffer = Box::into_raw(buffer);
    let _ = UNRELEASED.fetch_add(1, Ordering::Relaxed);
}
