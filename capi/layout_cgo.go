// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #include "otapbridge.h"
import "C"

import "unsafe"

// The layout that the header's structs must have, checked by the compiler: an
// array type of another length does not convert. The Rust crate and the C tests
// assert the same numbers.

type bytes [0]struct{}

var (
	_ [16]bytes = [unsafe.Sizeof(C.otapb_slice{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_slice{}.data)]bytes{}
	_ [8]bytes  = [unsafe.Offsetof(C.otapb_slice{}.len)]bytes{}

	_ [16]bytes = [unsafe.Sizeof(C.otapb_host_slice{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_host_slice{}.address)]bytes{}
	_ [8]bytes  = [unsafe.Offsetof(C.otapb_host_slice{}.len)]bytes{}

	_ [96]bytes = [unsafe.Sizeof(C.otapb_error{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_error{}.size)]bytes{}
	_ [4]bytes  = [unsafe.Offsetof(C.otapb_error{}.kind)]bytes{}
	_ [8]bytes  = [unsafe.Offsetof(C.otapb_error{}.grpc_code)]bytes{}
	_ [12]bytes = [unsafe.Offsetof(C.otapb_error{}.http_status)]bytes{}
	_ [16]bytes = [unsafe.Offsetof(C.otapb_error{}.flags)]bytes{}
	_ [24]bytes = [unsafe.Offsetof(C.otapb_error{}.retry_after_ns)]bytes{}
	_ [32]bytes = [unsafe.Offsetof(C.otapb_error{}.host_error_id)]bytes{}
	_ [40]bytes = [unsafe.Offsetof(C.otapb_error{}.message)]bytes{}
	_ [56]bytes = [unsafe.Offsetof(C.otapb_error{}.field)]bytes{}
	_ [72]bytes = [unsafe.Offsetof(C.otapb_error{}.status_details)]bytes{}
	_ [88]bytes = [unsafe.Offsetof(C.otapb_error{}.next)]bytes{}

	_ [88]bytes = [unsafe.Sizeof(C.otapb_host_error{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_host_error{}.size)]bytes{}
	_ [4]bytes  = [unsafe.Offsetof(C.otapb_host_error{}.kind)]bytes{}
	_ [8]bytes  = [unsafe.Offsetof(C.otapb_host_error{}.grpc_code)]bytes{}
	_ [12]bytes = [unsafe.Offsetof(C.otapb_host_error{}.http_status)]bytes{}
	_ [16]bytes = [unsafe.Offsetof(C.otapb_host_error{}.flags)]bytes{}
	_ [24]bytes = [unsafe.Offsetof(C.otapb_host_error{}.retry_after_ns)]bytes{}
	_ [32]bytes = [unsafe.Offsetof(C.otapb_host_error{}.host_error_id)]bytes{}
	_ [40]bytes = [unsafe.Offsetof(C.otapb_host_error{}.message)]bytes{}
	_ [56]bytes = [unsafe.Offsetof(C.otapb_host_error{}.field)]bytes{}
	_ [72]bytes = [unsafe.Offsetof(C.otapb_host_error{}.status_details)]bytes{}

	_ [64]bytes = [unsafe.Sizeof(C.otapb_component_options{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_component_options{}.size)]bytes{}
	_ [4]bytes  = [unsafe.Offsetof(C.otapb_component_options{}.kind)]bytes{}
	_ [8]bytes  = [unsafe.Offsetof(C.otapb_component_options{}.host_data)]bytes{}
	_ [16]bytes = [unsafe.Offsetof(C.otapb_component_options{}.name)]bytes{}
	_ [32]bytes = [unsafe.Offsetof(C.otapb_component_options{}.config)]bytes{}
	_ [48]bytes = [unsafe.Offsetof(C.otapb_component_options{}.signal)]bytes{}
	_ [52]bytes = [unsafe.Offsetof(C.otapb_component_options{}.flags)]bytes{}
	_ [56]bytes = [unsafe.Offsetof(C.otapb_component_options{}.cancel_grace_ns)]bytes{}

	_ [24]bytes = [unsafe.Sizeof(C.otapb_runtime_options{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_runtime_options{}.size)]bytes{}
	_ [4]bytes  = [unsafe.Offsetof(C.otapb_runtime_options{}.abi_version)]bytes{}
	_ [8]bytes  = [unsafe.Offsetof(C.otapb_runtime_options{}.host_data)]bytes{}
	_ [16]bytes = [unsafe.Offsetof(C.otapb_runtime_options{}.log_level)]bytes{}

	_ [136]bytes = [unsafe.Sizeof(C.otapb_event{})]bytes{}
	_ [0]bytes   = [unsafe.Offsetof(C.otapb_event{}.size)]bytes{}
	_ [4]bytes   = [unsafe.Offsetof(C.otapb_event{}._type)]bytes{}
	_ [8]bytes   = [unsafe.Offsetof(C.otapb_event{}.component_data)]bytes{}
	_ [16]bytes  = [unsafe.Offsetof(C.otapb_event{}.call_id)]bytes{}
	_ [24]bytes  = [unsafe.Offsetof(C.otapb_event{}.emission_id)]bytes{}
	_ [32]bytes  = [unsafe.Offsetof(C.otapb_event{}.flags)]bytes{}
	_ [36]bytes  = [unsafe.Offsetof(C.otapb_event{}.signal)]bytes{}
	_ [40]bytes  = [unsafe.Offsetof(C.otapb_event{}.status)]bytes{}
	_ [48]bytes  = [unsafe.Offsetof(C.otapb_event{}.error)]bytes{}
	_ [56]bytes  = [unsafe.Offsetof(C.otapb_event{}.buffer)]bytes{}
	_ [64]bytes  = [unsafe.Offsetof(C.otapb_event{}.payload)]bytes{}
	_ [80]bytes  = [unsafe.Offsetof(C.otapb_event{}.context)]bytes{}
	_ [96]bytes  = [unsafe.Offsetof(C.otapb_event{}.port)]bytes{}
	_ [112]bytes = [unsafe.Offsetof(C.otapb_event{}.origins)]bytes{}
	_ [120]bytes = [unsafe.Offsetof(C.otapb_event{}.origin_count)]bytes{}
	_ [128]bytes = [unsafe.Offsetof(C.otapb_event{}.host_error_id)]bytes{}

	_ [32]bytes = [unsafe.Sizeof(C.otapb_log_attribute{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_log_attribute{}.key)]bytes{}
	_ [16]bytes = [unsafe.Offsetof(C.otapb_log_attribute{}.value)]bytes{}

	_ [64]bytes = [unsafe.Sizeof(C.otapb_log_record{})]bytes{}
	_ [0]bytes  = [unsafe.Offsetof(C.otapb_log_record{}.size)]bytes{}
	_ [4]bytes  = [unsafe.Offsetof(C.otapb_log_record{}.level)]bytes{}
	_ [8]bytes  = [unsafe.Offsetof(C.otapb_log_record{}.component_data)]bytes{}
	_ [16]bytes = [unsafe.Offsetof(C.otapb_log_record{}.target)]bytes{}
	_ [32]bytes = [unsafe.Offsetof(C.otapb_log_record{}.message)]bytes{}
	_ [48]bytes = [unsafe.Offsetof(C.otapb_log_record{}.attributes)]bytes{}
	_ [56]bytes = [unsafe.Offsetof(C.otapb_log_record{}.attribute_count)]bytes{}

	_ [112]bytes = [unsafe.Sizeof(C.otapb_stats{})]bytes{}
	_ [0]bytes   = [unsafe.Offsetof(C.otapb_stats{}.size)]bytes{}
	_ [4]bytes   = [unsafe.Offsetof(C.otapb_stats{}.components)]bytes{}
	_ [8]bytes   = [unsafe.Offsetof(C.otapb_stats{}.calls_in_flight)]bytes{}
	_ [16]bytes  = [unsafe.Offsetof(C.otapb_stats{}.payloads_unreleased)]bytes{}
	_ [24]bytes  = [unsafe.Offsetof(C.otapb_stats{}.payload_bytes_unreleased)]bytes{}
	_ [32]bytes  = [unsafe.Offsetof(C.otapb_stats{}.emissions_in_flight)]bytes{}
	_ [40]bytes  = [unsafe.Offsetof(C.otapb_stats{}.buffers_unreleased)]bytes{}
	_ [48]bytes  = [unsafe.Offsetof(C.otapb_stats{}.errors_unreleased)]bytes{}
	_ [56]bytes  = [unsafe.Offsetof(C.otapb_stats{}.contexts_alive)]bytes{}
	_ [64]bytes  = [unsafe.Offsetof(C.otapb_stats{}.pipelines)]bytes{}
	_ [72]bytes  = [unsafe.Offsetof(C.otapb_stats{}.calls_total)]bytes{}
	_ [80]bytes  = [unsafe.Offsetof(C.otapb_stats{}.late_completions_total)]bytes{}
	_ [88]bytes  = [unsafe.Offsetof(C.otapb_stats{}.panics_total)]bytes{}
	_ [96]bytes  = [unsafe.Offsetof(C.otapb_stats{}.restarts_total)]bytes{}
	_ [104]bytes = [unsafe.Offsetof(C.otapb_stats{}.errors_carried)]bytes{}

	_ [ContextHeadSize]bytes                = [unsafe.Sizeof(C.otapb_context{})]bytes{}
	_ [ContextOffsetSize]bytes              = [unsafe.Offsetof(C.otapb_context{}.size)]bytes{}
	_ [ContextOffsetFlags]bytes             = [unsafe.Offsetof(C.otapb_context{}.flags)]bytes{}
	_ [ContextOffsetDeadlineRemaining]bytes = [unsafe.Offsetof(C.otapb_context{}.deadline_remaining_ns)]bytes{}
	_ [ContextOffsetDeadlineUnix]bytes      = [unsafe.Offsetof(C.otapb_context{}.deadline_unix_ns)]bytes{}
	_ [ContextOffsetTraceID]bytes           = [unsafe.Offsetof(C.otapb_context{}.trace_id)]bytes{}
	_ [ContextOffsetSpanID]bytes            = [unsafe.Offsetof(C.otapb_context{}.span_id)]bytes{}
	_ [ContextOffsetTraceFlags]bytes        = [unsafe.Offsetof(C.otapb_context{}.trace_flags)]bytes{}
	_ [ContextOffsetEntryCount]bytes        = [unsafe.Offsetof(C.otapb_context{}.entry_count)]bytes{}
	_ [ContextOffsetEntryOffset]bytes       = [unsafe.Offsetof(C.otapb_context{}.entry_offset)]bytes{}
	_ [ContextOffsetTotalSize]bytes         = [unsafe.Offsetof(C.otapb_context{}.total_size)]bytes{}

	_ [ContextEntrySize]bytes = [unsafe.Sizeof(C.otapb_context_entry{})]bytes{}
	_ [0]bytes                = [unsafe.Offsetof(C.otapb_context_entry{}.kind)]bytes{}
	_ [4]bytes                = [unsafe.Offsetof(C.otapb_context_entry{}.key_offset)]bytes{}
	_ [8]bytes                = [unsafe.Offsetof(C.otapb_context_entry{}.key_len)]bytes{}
	_ [12]bytes               = [unsafe.Offsetof(C.otapb_context_entry{}.value_offset)]bytes{}
	_ [16]bytes               = [unsafe.Offsetof(C.otapb_context_entry{}.value_len)]bytes{}
)
