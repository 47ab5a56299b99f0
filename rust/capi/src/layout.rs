// SPDX-License-Identifier: Apache-2.0

//! Compile-time proof that the structs are laid out as both sides assume.
//!
//! The same numbers are asserted in C and in Go (`capi/layout.h`).

use std::mem::offset_of;

use otapbridge_context::{ErrorKind, Signal, block};

use crate::abi::*;

macro_rules! layout {
    ($type:ty, $size:literal, $($field:ident: $offset:literal),+ $(,)?) => {
        const _: () = {
            assert!(size_of::<$type>() == $size);
            $(assert!(offset_of!($type, $field) == $offset);)+
        };
    };
}

layout!(otapb_slice, 16, data: 0, len: 8);
layout!(otapb_host_slice, 16, address: 0, len: 8);
layout!(otapb_context, 64, size: 0, flags: 4, deadline_remaining_ns: 8, deadline_unix_ns: 16,
    trace_id: 24, span_id: 40, trace_flags: 48, entry_count: 52, entry_offset: 56, total_size: 60);
layout!(otapb_context_entry, 20, kind: 0, key_offset: 4, key_len: 8, value_offset: 12, value_len: 16);
layout!(otapb_error, 96, size: 0, kind: 4, grpc_code: 8, http_status: 12, flags: 16, reserved: 20,
    retry_after_ns: 24, host_error_id: 32, message: 40, field: 56, status_details: 72, next: 88);
layout!(otapb_host_error, 88, size: 0, kind: 4, grpc_code: 8, http_status: 12, flags: 16,
    reserved: 20, retry_after_ns: 24, host_error_id: 32, message: 40, field: 56, status_details: 72);
layout!(otapb_event, 136, size: 0, r#type: 4, component_data: 8, call_id: 16, emission_id: 24,
    flags: 32, signal: 36, status: 40, reserved: 44, error: 48, buffer: 56, payload: 64,
    context: 80, port: 96, origins: 112, origin_count: 120, host_error_id: 128);
layout!(otapb_log_attribute, 32, key: 0, value: 16);
layout!(otapb_log_record, 64, size: 0, level: 4, component_data: 8, target: 16, message: 32,
    attributes: 48, attribute_count: 56);
layout!(otapb_runtime_options, 24, size: 0, abi_version: 4, host_data: 8, log_level: 16, reserved: 20);
layout!(otapb_component_options, 64, size: 0, kind: 4, host_data: 8, name: 16, config: 32,
    signal: 48, flags: 52, cancel_grace_ns: 56);
layout!(otapb_stats, 112, size: 0, components: 4, calls_in_flight: 8, payloads_unreleased: 16,
    payload_bytes_unreleased: 24, emissions_in_flight: 32, buffers_unreleased: 40, errors_unreleased: 48,
    contexts_alive: 56, pipelines: 64, calls_total: 72, late_completions_total: 80,
    panics_total: 88, restarts_total: 96, errors_carried: 104);

/// The context crate reads blocks without knowing the C types: both agree.
const _: () = {
    assert!(block::HEAD_SIZE == size_of::<otapb_context>());
    assert!(block::ENTRY_SIZE == size_of::<otapb_context_entry>());
    assert!(block::FLAG_DEADLINE == OTAPB_CONTEXT_FLAG_DEADLINE);
    assert!(block::FLAG_SPAN == OTAPB_CONTEXT_FLAG_SPAN);
    assert!(block::FLAG_SPAN_REMOTE == OTAPB_CONTEXT_FLAG_SPAN_REMOTE);
    assert!(block::FLAG_TIMEOUT == OTAPB_CONTEXT_FLAG_TIMEOUT);
    assert!(block::ENTRY_METADATA == OTAPB_CONTEXT_ENTRY_METADATA);
    assert!(block::ENTRY_METADATA_EMPTY == OTAPB_CONTEXT_ENTRY_METADATA_EMPTY);
    assert!(block::ENTRY_ADDRESS == OTAPB_CONTEXT_ENTRY_ADDRESS);
    assert!(block::ENTRY_AUTH == OTAPB_CONTEXT_ENTRY_AUTH);
    assert!(block::ENTRY_AUTH_LIST == OTAPB_CONTEXT_ENTRY_AUTH_LIST);
    assert!(block::ENTRY_AUTH_ITEM == OTAPB_CONTEXT_ENTRY_AUTH_ITEM);
    assert!(block::ENTRY_AUTH_OPAQUE == OTAPB_CONTEXT_ENTRY_AUTH_OPAQUE);
    assert!(block::ENTRY_TRACE_STATE == OTAPB_CONTEXT_ENTRY_TRACE_STATE);
    assert!(block::ENTRY_BAGGAGE == OTAPB_CONTEXT_ENTRY_BAGGAGE);
    assert!(block::ENTRY_LINK == OTAPB_CONTEXT_ENTRY_LINK);
    assert!(ErrorKind::Permanent as i32 == OTAPB_ERROR_KIND_PERMANENT);
    assert!(ErrorKind::Retryable as i32 == OTAPB_ERROR_KIND_RETRYABLE);
    assert!(ErrorKind::Cancelled as i32 == OTAPB_ERROR_KIND_CANCELLED);
    assert!(ErrorKind::Timeout as i32 == OTAPB_ERROR_KIND_TIMEOUT);
    assert!(ErrorKind::ResourceExhausted as i32 == OTAPB_ERROR_KIND_RESOURCE_EXHAUSTED);
    assert!(ErrorKind::Configuration as i32 == OTAPB_ERROR_KIND_CONFIGURATION);
    assert!(Signal::Traces as u32 == OTAPB_SIGNAL_TRACES);
    assert!(Signal::Metrics as u32 == OTAPB_SIGNAL_METRICS);
    assert!(Signal::Logs as u32 == OTAPB_SIGNAL_LOGS);
};
