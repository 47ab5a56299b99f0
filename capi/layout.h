/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file layout.h
 *
 * The ABI's layout on 64-bit systems, written down by hand: a change of the
 * header that moves a field fails to compile. Included by layout_cgo.go, and by
 * tests/c/layout.c (C11) and layout.cpp (C++11). They define ASSERT.
 */
#include <otapbridge.h>

#define SIZE(type, bytes) ASSERT(sizeof(type) == (bytes), "size of " #type)
#define FIELD(type, field, offset) ASSERT(offsetof(type, field) == (offset), "offset of " #type "." #field)

ASSERT(OTAPB_ABI_VERSION == 0x10000, "version 1.0");

SIZE(otapb_slice, 16);
FIELD(otapb_slice, data, 0);
FIELD(otapb_slice, len, 8);

SIZE(otapb_host_slice, 16);
FIELD(otapb_host_slice, address, 0);
FIELD(otapb_host_slice, len, 8);

SIZE(otapb_error, 96);
FIELD(otapb_error, size, 0);
FIELD(otapb_error, kind, 4);
FIELD(otapb_error, grpc_code, 8);
FIELD(otapb_error, http_status, 12);
FIELD(otapb_error, flags, 16);
FIELD(otapb_error, reserved, 20);
FIELD(otapb_error, retry_after_ns, 24);
FIELD(otapb_error, host_error_id, 32);
FIELD(otapb_error, message, 40);
FIELD(otapb_error, field, 56);
FIELD(otapb_error, status_details, 72);
FIELD(otapb_error, next, 88);

SIZE(otapb_host_error, 88);
FIELD(otapb_host_error, size, 0);
FIELD(otapb_host_error, kind, 4);
FIELD(otapb_host_error, grpc_code, 8);
FIELD(otapb_host_error, http_status, 12);
FIELD(otapb_host_error, flags, 16);
FIELD(otapb_host_error, reserved, 20);
FIELD(otapb_host_error, retry_after_ns, 24);
FIELD(otapb_host_error, host_error_id, 32);
FIELD(otapb_host_error, message, 40);
FIELD(otapb_host_error, field, 56);
FIELD(otapb_host_error, status_details, 72);

SIZE(otapb_component_options, 64);
FIELD(otapb_component_options, size, 0);
FIELD(otapb_component_options, kind, 4);
FIELD(otapb_component_options, host_data, 8);
FIELD(otapb_component_options, name, 16);
FIELD(otapb_component_options, config, 32);
FIELD(otapb_component_options, signal, 48);
FIELD(otapb_component_options, flags, 52);
FIELD(otapb_component_options, cancel_grace_ns, 56);

SIZE(otapb_runtime_options, 24);
FIELD(otapb_runtime_options, size, 0);
FIELD(otapb_runtime_options, abi_version, 4);
FIELD(otapb_runtime_options, host_data, 8);
FIELD(otapb_runtime_options, log_level, 16);
FIELD(otapb_runtime_options, reserved, 20);

SIZE(otapb_event, 136);
FIELD(otapb_event, size, 0);
FIELD(otapb_event, type, 4);
FIELD(otapb_event, component_data, 8);
FIELD(otapb_event, call_id, 16);
FIELD(otapb_event, emission_id, 24);
FIELD(otapb_event, flags, 32);
FIELD(otapb_event, signal, 36);
FIELD(otapb_event, status, 40);
FIELD(otapb_event, reserved, 44);
FIELD(otapb_event, error, 48);
FIELD(otapb_event, buffer, 56);
FIELD(otapb_event, payload, 64);
FIELD(otapb_event, context, 80);
FIELD(otapb_event, port, 96);
FIELD(otapb_event, origins, 112);
FIELD(otapb_event, origin_count, 120);
FIELD(otapb_event, host_error_id, 128);

SIZE(otapb_log_attribute, 32);
FIELD(otapb_log_attribute, key, 0);
FIELD(otapb_log_attribute, value, 16);

SIZE(otapb_log_record, 64);
FIELD(otapb_log_record, size, 0);
FIELD(otapb_log_record, level, 4);
FIELD(otapb_log_record, component_data, 8);
FIELD(otapb_log_record, target, 16);
FIELD(otapb_log_record, message, 32);
FIELD(otapb_log_record, attributes, 48);
FIELD(otapb_log_record, attribute_count, 56);

SIZE(otapb_stats, 112);
FIELD(otapb_stats, size, 0);
FIELD(otapb_stats, components, 4);
FIELD(otapb_stats, calls_in_flight, 8);
FIELD(otapb_stats, payloads_unreleased, 16);
FIELD(otapb_stats, payload_bytes_unreleased, 24);
FIELD(otapb_stats, emissions_in_flight, 32);
FIELD(otapb_stats, buffers_unreleased, 40);
FIELD(otapb_stats, errors_unreleased, 48);
FIELD(otapb_stats, contexts_alive, 56);
FIELD(otapb_stats, pipelines, 64);
FIELD(otapb_stats, calls_total, 72);
FIELD(otapb_stats, late_completions_total, 80);
FIELD(otapb_stats, panics_total, 88);
FIELD(otapb_stats, restarts_total, 96);
FIELD(otapb_stats, errors_carried, 104);

SIZE(otapb_context, 64);
FIELD(otapb_context, size, 0);
FIELD(otapb_context, flags, 4);
FIELD(otapb_context, deadline_remaining_ns, 8);
FIELD(otapb_context, deadline_unix_ns, 16);
FIELD(otapb_context, trace_id, 24);
FIELD(otapb_context, span_id, 40);
FIELD(otapb_context, trace_flags, 48);
FIELD(otapb_context, entry_count, 52);
FIELD(otapb_context, entry_offset, 56);
FIELD(otapb_context, total_size, 60);

SIZE(otapb_context_entry, 20);
FIELD(otapb_context_entry, kind, 0);
FIELD(otapb_context_entry, key_offset, 4);
FIELD(otapb_context_entry, key_len, 8);
FIELD(otapb_context_entry, value_offset, 12);
FIELD(otapb_context_entry, value_len, 16);
