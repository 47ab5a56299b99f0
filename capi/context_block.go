// SPDX-License-Identifier: Apache-2.0

package capi

// The layout of a request context block: see otapb_context and
// otapb_context_entry in the header. Integers are in native byte order, all
// offsets count from the first byte of the block.
const (
	ContextHeadSize  = 64
	ContextEntrySize = 20

	ContextOffsetSize              = 0
	ContextOffsetFlags             = 4
	ContextOffsetDeadlineRemaining = 8
	ContextOffsetDeadlineUnix      = 16
	ContextOffsetTraceID           = 24
	ContextOffsetSpanID            = 40
	ContextOffsetTraceFlags        = 48
	ContextOffsetEntryCount        = 52
	ContextOffsetEntryOffset       = 56
	ContextOffsetTotalSize         = 60
)

// ContextFlags is OTAPB_CONTEXT_FLAG_*.
type ContextFlags uint32

// The flags of a context block.
const (
	ContextFlagDeadline   ContextFlags = 1
	ContextFlagSpan       ContextFlags = 2
	ContextFlagSpanRemote ContextFlags = 4
	ContextFlagTimeout    ContextFlags = 8
)

// ContextEntryKind is OTAPB_CONTEXT_ENTRY_*.
type ContextEntryKind uint32

// The kinds of entry. A reader skips kinds that it does not know.
const (
	ContextEntryMetadata      ContextEntryKind = 1
	ContextEntryMetadataEmpty ContextEntryKind = 2
	ContextEntryAddress       ContextEntryKind = 3
	ContextEntryAuth          ContextEntryKind = 4
	ContextEntryAuthList      ContextEntryKind = 5
	ContextEntryAuthItem      ContextEntryKind = 6
	ContextEntryAuthOpaque    ContextEntryKind = 7
	ContextEntryTraceState    ContextEntryKind = 8
	ContextEntryBaggage       ContextEntryKind = 9
	ContextEntryLink          ContextEntryKind = 10
)

// ContextLinkSize is the size of a ContextEntryLink's value: trace id, span id, flags.
const ContextLinkSize = 16 + 8 + 1
