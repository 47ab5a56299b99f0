// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #include <stddef.h>
// #define ASSERT(condition, what) _Static_assert(condition, what)
// #include "layout.h"
import "C"

import "unsafe"

// The layout of the header's structs is checked where cgo compiles the preamble
// above, and by the Rust crate. What this package writes out for builds without cgo
// is checked here: an array type of another length does not convert.

type bytes [0]struct{}

var (
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
)
