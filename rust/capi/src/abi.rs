// SPDX-License-Identifier: Apache-2.0

//! Every type and constant that crosses the C boundary. Nothing here has behaviour; what
//! is behind a handle stands where it is used.
//!
//! The documentation of this file is written for C: cbindgen copies it into
//! `include/otapbridge.h`. Types keep their C names, so that what a C reader
//! sees and what a Rust reader sees is the same word.
#![allow(non_camel_case_types)]

pub use crate::component::otapb_component;
pub use crate::events::otapb_buffer;
pub use crate::runtime::otapb_runtime;

/// Version of this ABI: the major version in the upper 16 bits, the minor
/// version in the lower 16. A library accepts a host with the same major
/// version and a minor version not above its own.
pub const OTAPB_ABI_VERSION: u32 = 0x0001_0000;

/// The payload is an OTLP `ExportTraceServiceRequest`.
pub const OTAPB_SIGNAL_TRACES: u32 = 1;
/// The payload is an OTLP `ExportMetricsServiceRequest`.
pub const OTAPB_SIGNAL_METRICS: u32 = 2;
/// The payload is an OTLP `ExportLogsServiceRequest`.
pub const OTAPB_SIGNAL_LOGS: u32 = 3;

/// The data can never be accepted; retrying is pointless. gRPC Internal, HTTP 500.
pub const OTAPB_ERROR_KIND_PERMANENT: i32 = 1;
/// The same data may be accepted later. gRPC Unavailable, HTTP 503.
pub const OTAPB_ERROR_KIND_RETRYABLE: i32 = 2;
/// The caller gave up. gRPC Canceled, HTTP 499.
pub const OTAPB_ERROR_KIND_CANCELLED: i32 = 3;
/// The deadline passed. gRPC DeadlineExceeded, HTTP 504.
pub const OTAPB_ERROR_KIND_TIMEOUT: i32 = 4;
/// A limit was reached; retry after a delay. gRPC ResourceExhausted, HTTP 429.
pub const OTAPB_ERROR_KIND_RESOURCE_EXHAUSTED: i32 = 5;
/// A setting or an argument is wrong; `field` names it. gRPC InvalidArgument, HTTP 400.
pub const OTAPB_ERROR_KIND_CONFIGURATION: i32 = 6;

/// `retry_after_ns` is set.
pub const OTAPB_ERROR_FLAG_RETRY_AFTER: u32 = 1;
/// The error is permanent: its sender must not retry.
pub const OTAPB_ERROR_FLAG_PERMANENT: u32 = 2;
/// `grpc_code` was given by the error's author; without it, it is the kind's default.
pub const OTAPB_ERROR_FLAG_GRPC_CODE: u32 = 4;
/// `http_status` was given by the error's author; without it, it is the kind's default.
pub const OTAPB_ERROR_FLAG_HTTP_STATUS: u32 = 8;
/// Only a part of the call's data was refused, and the rest was not given to the host: what
/// the host's own error says of its data is not of all of them. From the library only.
pub const OTAPB_ERROR_FLAG_PART: u32 = 16;

/// `deadline_remaining_ns` and `deadline_unix_ns` are set.
pub const OTAPB_CONTEXT_FLAG_DEADLINE: u32 = 1;
/// `trace_id`, `span_id` and `trace_flags` are set.
pub const OTAPB_CONTEXT_FLAG_SPAN: u32 = 2;
/// The span context came from a remote parent.
pub const OTAPB_CONTEXT_FLAG_SPAN_REMOTE: u32 = 4;
/// The deadline is no deadline of a caller's: it bounds the time in the library only.
/// A context that the library gives has it if it is so for one of the requests in it.
pub const OTAPB_CONTEXT_FLAG_TIMEOUT: u32 = 8;

/// One value of a `client.Metadata` key: key is the lower-case name, value its
/// bytes. A key with several values has one entry for each, in order and adjacent.
pub const OTAPB_CONTEXT_ENTRY_METADATA: u32 = 1;
/// A metadata key that exists and has no value. The value is empty.
pub const OTAPB_CONTEXT_ENTRY_METADATA_EMPTY: u32 = 2;
/// The peer's address: key is the network ("tcp", "ip", "unix", …), value its text
/// ("192.0.2.1:4317", "2001:db8::1", "/run/otlp.sock"). At most one.
pub const OTAPB_CONTEXT_ENTRY_ADDRESS: u32 = 3;
/// An attribute of the authentication data that is a string.
pub const OTAPB_CONTEXT_ENTRY_AUTH: u32 = 4;
/// Begins an attribute that is a list of strings. The value is empty; the
/// list's items follow as OTAPB_CONTEXT_ENTRY_AUTH_ITEM with the same key.
pub const OTAPB_CONTEXT_ENTRY_AUTH_LIST: u32 = 5;
/// One item of an attribute that is a list of strings.
pub const OTAPB_CONTEXT_ENTRY_AUTH_ITEM: u32 = 6;
/// An attribute of the authentication data that is neither a string nor a list
/// of strings. Only its name crosses; the value is empty.
pub const OTAPB_CONTEXT_ENTRY_AUTH_OPAQUE: u32 = 7;
/// The W3C tracestate header's text. The key is empty. At most one.
pub const OTAPB_CONTEXT_ENTRY_TRACE_STATE: u32 = 8;
/// The W3C baggage header's text. The key is empty. At most one.
pub const OTAPB_CONTEXT_ENTRY_BAGGAGE: u32 = 9;
/// A span linked from a batch: value is trace id (16 bytes), span id (8),
/// trace flags (1). The key is empty.
pub const OTAPB_CONTEXT_ENTRY_LINK: u32 = 10;

/// The call ended: `call_id`, and `error` if it failed.
pub const OTAPB_EVENT_DONE: u32 = 1;
/// Output to forward: `emission_id`, `signal`, `port`, `payload`, `buffer`; and
/// `call_id` if it stems from exactly one call, else 0 with `context` and `origins`.
/// The host answers every one with otapb_emission_done.
pub const OTAPB_EVENT_EMIT: u32 = 2;
/// The library no longer reads the payload of `call_id`.
pub const OTAPB_EVENT_PAYLOAD_RELEASED: u32 = 3;
/// The work behind `emission_id` (one without a `call_id`) was cancelled, its
/// deadline passed, or its pipeline ended unexpectedly; `error` says which. The emission
/// still needs its answer.
pub const OTAPB_EVENT_EMISSION_CANCELLED: u32 = 4;
/// The component's health changed: `status`, and `error` unless it is well.
pub const OTAPB_EVENT_STATUS: u32 = 5;

/// The library no longer has the host's error `host_error_id`, nor errors that stem from
/// it: the host may forget it. Follows each OTAPB_EMISSION_KEEPS_ERROR, unless the component
/// is shut down first: then all its errors may be forgotten.
pub const OTAPB_EVENT_HOST_ERROR_RELEASED: u32 = 6;

/// On OTAPB_EVENT_DONE: the payload was released too; no
/// OTAPB_EVENT_PAYLOAD_RELEASED will follow.
pub const OTAPB_EVENT_FLAG_PAYLOAD_RELEASED: u32 = 1;

/// On OTAPB_EVENT_EMIT: the host's answer ends the call at once, as
/// OTAPB_EMISSION_CALL_DONE says then.
pub const OTAPB_EVENT_FLAG_ENDS_CALL: u32 = 2;

/// On OTAPB_EVENT_EMIT: the payload is empty. Its data are those that the host named by
/// otapb_submit_reference: of `call_id`, or without one of all `origins` together, in
/// their order.
pub const OTAPB_EVENT_FLAG_REFERENCE: u32 = 4;

/// The emission awaited its answer. Without it, it was unknown or had been answered
/// (counted, never fatal).
pub const OTAPB_EMISSION_AWAITED: u32 = 1;
/// The answer completed the emission's call, too: no OTAPB_EVENT_DONE will follow.
pub const OTAPB_EMISSION_CALL_DONE: u32 = 2;
/// And its payload was released: no OTAPB_EVENT_PAYLOAD_RELEASED will follow. Without it,
/// that event may come before otapb_emission_done returns.
pub const OTAPB_EMISSION_PAYLOAD_RELEASED: u32 = 4;
/// The library keeps the error with its `host_error_id` until it says
/// OTAPB_EVENT_HOST_ERROR_RELEASED, which may come before otapb_emission_done returns.
/// Without it, it keeps nothing of the error.
pub const OTAPB_EMISSION_KEEPS_ERROR: u32 = 8;

/// The component works.
pub const OTAPB_STATUS_OK: u32 = 1;
/// A pipeline ended unexpectedly and is being restarted.
pub const OTAPB_STATUS_RECOVERABLE_ERROR: u32 = 2;
/// A pipeline ended unexpectedly and its restarts are used up.
pub const OTAPB_STATUS_PERMANENT_ERROR: u32 = 3;

/// The caller was cancelled.
pub const OTAPB_CANCEL_REASON_CANCELLED: u32 = 1;
/// The caller's deadline passed.
pub const OTAPB_CANCEL_REASON_DEADLINE: u32 = 2;

/// Log levels, most detailed first.
pub const OTAPB_LOG_LEVEL_TRACE: u32 = 1;
/// See OTAPB_LOG_LEVEL_TRACE.
pub const OTAPB_LOG_LEVEL_DEBUG: u32 = 2;
/// See OTAPB_LOG_LEVEL_TRACE.
pub const OTAPB_LOG_LEVEL_INFO: u32 = 3;
/// See OTAPB_LOG_LEVEL_TRACE.
pub const OTAPB_LOG_LEVEL_WARN: u32 = 4;
/// See OTAPB_LOG_LEVEL_TRACE.
pub const OTAPB_LOG_LEVEL_ERROR: u32 = 5;
/// No record is delivered.
pub const OTAPB_LOG_LEVEL_OFF: u32 = 6;

/// The component stands in the middle: what it is given comes out as emissions.
pub const OTAPB_COMPONENT_PROCESSOR: u32 = 1;
/// The component's last node is an `exporter:`; nothing comes out.
pub const OTAPB_COMPONENT_EXPORTER: u32 = 2;
/// The component's first node is a `receiver:`; nothing goes in.
pub const OTAPB_COMPONENT_RECEIVER: u32 = 3;

/// The host can keep data that no node looks at: see otapb_component_takes_references.
pub const OTAPB_COMPONENT_FLAG_REFERENCES: u32 = 1;

/// Bytes that the library lends to the host. `data` is NULL when `len` is 0.
/// Text is UTF-8 without a terminating zero.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct otapb_slice {
    /// First byte.
    pub data: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// Bytes that the host lends to the library. The address is an integer, so that
/// a garbage-collected host can write the struct without its write barrier
/// looking at the field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_host_slice {
    /// Address of the first byte, or 0 when `len` is 0.
    pub address: u64,
    /// Number of bytes.
    pub len: u64,
}

/// Head of a request context block. A block is contiguous and has no
/// pointers: this head, then `entry_count` times otapb_context_entry starting
/// at `entry_offset`, then the bytes the entries refer to. All offsets count
/// from the first byte of the block. Integers are in native byte order. The
/// same format is used in both directions.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_context {
    /// Size of this head in bytes.
    pub size: u32,
    /// OTAPB_CONTEXT_FLAG_*.
    pub flags: u32,
    /// Time left until the deadline when the block was written, in nanoseconds;
    /// 0 or below if it has passed. Binding, because it is free of clock jumps.
    pub deadline_remaining_ns: i64,
    /// The deadline as wall clock, nanoseconds since 1970. For display only.
    pub deadline_unix_ns: i64,
    /// W3C trace id, as on the wire.
    pub trace_id: [u8; 16],
    /// W3C parent (span) id, as on the wire.
    pub span_id: [u8; 8],
    /// W3C trace flags.
    pub trace_flags: u32,
    /// Number of entries.
    pub entry_count: u32,
    /// Offset of the first entry; at least `size`, and a multiple of 4.
    pub entry_offset: u32,
    /// Size of the whole block in bytes.
    pub total_size: u32,
}

/// One entry of a request context block.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_context_entry {
    /// OTAPB_CONTEXT_ENTRY_*. A reader skips kinds that it does not know.
    pub kind: u32,
    /// Offset of the key's first byte.
    pub key_offset: u32,
    /// Length of the key in bytes.
    pub key_len: u32,
    /// Offset of the value's first byte.
    pub value_offset: u32,
    /// Length of the value in bytes.
    pub value_len: u32,
}

/// An error that the library gives to the host. Freed, with everything it
/// points to, by otapb_error_release.
#[repr(C)]
#[derive(Default)]
pub struct otapb_error {
    /// Size of this struct in bytes.
    pub size: u32,
    /// OTAPB_ERROR_KIND_*.
    pub kind: i32,
    /// gRPC status code (google.rpc.Code), always set.
    pub grpc_code: i32,
    /// HTTP status, always set.
    pub http_status: i32,
    /// OTAPB_ERROR_FLAG_*.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// How long to wait before a retry, in nanoseconds, with OTAPB_ERROR_FLAG_RETRY_AFTER.
    pub retry_after_ns: u64,
    /// The `host_error_id` of the host's error that this error stems from, or 0.
    pub host_error_id: u64,
    /// What happened. Never empty.
    pub message: otapb_slice,
    /// The argument or the setting's path that is at fault, or empty.
    pub field: otapb_slice,
    /// A serialised google.rpc.Status whose details belong to this error, or empty.
    pub status_details: otapb_slice,
    /// The next error when several were found at once, or NULL. Freed with this one.
    pub next: *const otapb_error,
}

/// An error that the host gives to the library. Borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_host_error {
    /// Size of this struct in bytes.
    pub size: u32,
    /// OTAPB_ERROR_KIND_*; an unknown kind counts as retryable.
    pub kind: i32,
    /// gRPC status code, with OTAPB_ERROR_FLAG_GRPC_CODE.
    pub grpc_code: i32,
    /// HTTP status, with OTAPB_ERROR_FLAG_HTTP_STATUS.
    pub http_status: i32,
    /// OTAPB_ERROR_FLAG_*.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// See otapb_error.
    pub retry_after_ns: u64,
    /// An id by which the host finds its own error value again, or 0. It names one error of
    /// the component's until OTAPB_EVENT_HOST_ERROR_RELEASED.
    pub host_error_id: u64,
    /// See otapb_error. Bytes that are not UTF-8 are replaced.
    pub message: otapb_host_slice,
    /// See otapb_error.
    pub field: otapb_host_slice,
    /// See otapb_error.
    pub status_details: otapb_host_slice,
}

/// Something that happened. Valid during the callback only; what `error` and
/// `buffer` point to belongs to the host from then on.
#[repr(C)]
#[derive(Default)]
pub struct otapb_event {
    /// Size of this struct in bytes, and the distance to the next one.
    pub size: u32,
    /// OTAPB_EVENT_*. A host ignores types that it does not know, after
    /// releasing `error` and `buffer`.
    pub r#type: u32,
    /// The `host_data` of the component's options.
    pub component_data: u64,
    /// The call, as the host named it on otapb_submit, or 0.
    pub call_id: u64,
    /// The emission, or 0. Never reused within a component.
    pub emission_id: u64,
    /// OTAPB_EVENT_FLAG_*.
    pub flags: u32,
    /// OTAPB_SIGNAL_* on OTAPB_EVENT_EMIT, else 0.
    pub signal: u32,
    /// OTAPB_STATUS_* on OTAPB_EVENT_STATUS, else 0.
    pub status: u32,
    /// Zero.
    pub reserved: u32,
    /// Owned by the host, which frees it with otapb_error_release; or NULL.
    pub error: *mut otapb_error,
    /// Owned by the host, which frees it with otapb_buffer_release; or NULL.
    /// The views below live as long as it does.
    pub buffer: *mut otapb_buffer,
    /// OTLP protobuf bytes.
    pub payload: otapb_slice,
    /// A request context block, or empty.
    pub context: otapb_slice,
    /// Name of the output port.
    pub port: otapb_slice,
    /// The calls that output of an own request stems from, as far as they are known.
    pub origins: *const u64,
    /// Number of origins.
    pub origin_count: usize,
    /// The host's error on OTAPB_EVENT_HOST_ERROR_RELEASED, else 0.
    pub host_error_id: u64,
}

/// A key and a value of a log record.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_log_attribute {
    /// Name.
    pub key: otapb_slice,
    /// Value as text.
    pub value: otapb_slice,
}

/// A log record. Valid during the callback only.
#[repr(C)]
pub struct otapb_log_record {
    /// Size of this struct in bytes.
    pub size: u32,
    /// OTAPB_LOG_LEVEL_*.
    pub level: u32,
    /// The `host_data` of the component that the record comes from, or 0.
    pub component_data: u64,
    /// The module or scope that logged.
    pub target: otapb_slice,
    /// The text.
    pub message: otapb_slice,
    /// Key-value pairs.
    pub attributes: *const otapb_log_attribute,
    /// Number of attributes.
    pub attribute_count: usize,
}

/// Options of a runtime.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_runtime_options {
    /// Size of this struct in bytes.
    pub size: u32,
    /// OTAPB_ABI_VERSION of the header that the host was compiled with.
    pub abi_version: u32,
    /// Handed to every callback as it is.
    pub host_data: u64,
    /// Least OTAPB_LOG_LEVEL_* to deliver; 0 means OTAPB_LOG_LEVEL_INFO.
    pub log_level: u32,
    /// Zero.
    pub reserved: u32,
}

/// Options of a component.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_component_options {
    /// Size of this struct in bytes.
    pub size: u32,
    /// OTAPB_COMPONENT_*.
    pub kind: u32,
    /// Comes back in every event and log record of this component.
    pub host_data: u64,
    /// Name used in paths of configuration errors and in telemetry, such as
    /// "processors::otap/scrub". UTF-8.
    pub name: otapb_host_slice,
    /// The configuration as JSON: either `type` and `config` of one node, or
    /// `nodes` and `connections`; and `shards`. Beside each `config` there may be `expanded`,
    /// a list of {"at": [key or index, ...], "text": "..."}: values of that config which the host
    /// has read from a text, such as an environment variable's. A setting that is a text gets the text.
    pub config: otapb_host_slice,
    /// OTAPB_SIGNAL_* if the component has exactly one signal, else 0. What its nodes keep on
    /// disk stays apart by it, and warnings are about it.
    pub signal: u32,
    /// OTAPB_COMPONENT_FLAG_*.
    pub flags: u32,
    /// How long nodes have to complete a call that was cancelled or is overdue, in nanoseconds:
    /// then it is completed in their place, also while a node blocks its thread. 0 means 100 ms.
    pub cancel_grace_ns: u64,
}

/// Counters of a runtime. All but the totals are 0 when the runtime is idle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct otapb_stats {
    /// Size of this struct in bytes, set by the host before the call.
    pub size: u32,
    /// Components created and not destroyed.
    pub components: u32,
    /// Calls accepted and not yet completed.
    pub calls_in_flight: u64,
    /// Payloads of the host that the library still reads.
    pub payloads_unreleased: u64,
    /// Bytes of those payloads.
    pub payload_bytes_unreleased: u64,
    /// Emissions that are not answered.
    pub emissions_in_flight: u64,
    /// Buffers delivered and not yet released.
    pub buffers_unreleased: u64,
    /// Errors delivered and not yet released.
    pub errors_unreleased: u64,
    /// Request contexts alive in the library.
    pub contexts_alive: u64,
    /// Pipelines running.
    pub pipelines: u64,
    /// Total of calls accepted.
    pub calls_total: u64,
    /// Total of completions of calls and answers to emissions that were not in flight any more.
    pub late_completions_total: u64,
    /// Total of panics contained.
    pub panics_total: u64,
    /// Total of pipeline restarts.
    pub restarts_total: u64,
    /// Errors under way inside pipelines. Also 0 when the runtime is idle.
    pub errors_carried: u64,
}

/// Receives `count` events, at least one. What concerns one call or one emission comes in
/// order and never twice at a time; other events of a component may come from another
/// thread meanwhile. It must not block; see rule 7.
pub type otapb_events_fn =
    Option<unsafe extern "C" fn(host_data: u64, events: *const otapb_event, count: usize)>;

/// Receives one log record. Called from any thread of the library, also from
/// several at a time. It must not block; see rule 7.
pub type otapb_log_fn =
    Option<unsafe extern "C" fn(host_data: u64, record: *const otapb_log_record)>;
