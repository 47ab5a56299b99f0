// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #include "otapbridge.h"
import "C"

// The header's constants must have the values that this package writes out for
// builds without cgo, checked by the compiler: two equal keys do not compile in
// a map, and the pair {false, comparison} has equal keys when the comparison fails.
var _ = []map[bool]struct{}{
	{false: {}, HeaderABIVersion == C.OTAPB_ABI_VERSION: {}},

	{false: {}, ErrorKindPermanent == C.OTAPB_ERROR_KIND_PERMANENT: {}},
	{false: {}, ErrorKindRetryable == C.OTAPB_ERROR_KIND_RETRYABLE: {}},
	{false: {}, ErrorKindCancelled == C.OTAPB_ERROR_KIND_CANCELLED: {}},
	{false: {}, ErrorKindTimeout == C.OTAPB_ERROR_KIND_TIMEOUT: {}},
	{false: {}, ErrorKindResourceExhausted == C.OTAPB_ERROR_KIND_RESOURCE_EXHAUSTED: {}},
	{false: {}, ErrorKindConfiguration == C.OTAPB_ERROR_KIND_CONFIGURATION: {}},

	{false: {}, ErrorFlagRetryAfter == C.OTAPB_ERROR_FLAG_RETRY_AFTER: {}},
	{false: {}, ErrorFlagPermanent == C.OTAPB_ERROR_FLAG_PERMANENT: {}},
	{false: {}, ErrorFlagGRPCCode == C.OTAPB_ERROR_FLAG_GRPC_CODE: {}},
	{false: {}, ErrorFlagHTTPStatus == C.OTAPB_ERROR_FLAG_HTTP_STATUS: {}},
	{false: {}, ErrorFlagPart == C.OTAPB_ERROR_FLAG_PART: {}},

	{false: {}, ContextFlagDeadline == C.OTAPB_CONTEXT_FLAG_DEADLINE: {}},
	{false: {}, ContextFlagSpan == C.OTAPB_CONTEXT_FLAG_SPAN: {}},
	{false: {}, ContextFlagSpanRemote == C.OTAPB_CONTEXT_FLAG_SPAN_REMOTE: {}},
	{false: {}, ContextFlagTimeout == C.OTAPB_CONTEXT_FLAG_TIMEOUT: {}},

	{false: {}, ContextEntryMetadata == C.OTAPB_CONTEXT_ENTRY_METADATA: {}},
	{false: {}, ContextEntryMetadataEmpty == C.OTAPB_CONTEXT_ENTRY_METADATA_EMPTY: {}},
	{false: {}, ContextEntryAddress == C.OTAPB_CONTEXT_ENTRY_ADDRESS: {}},
	{false: {}, ContextEntryAuth == C.OTAPB_CONTEXT_ENTRY_AUTH: {}},
	{false: {}, ContextEntryAuthList == C.OTAPB_CONTEXT_ENTRY_AUTH_LIST: {}},
	{false: {}, ContextEntryAuthItem == C.OTAPB_CONTEXT_ENTRY_AUTH_ITEM: {}},
	{false: {}, ContextEntryAuthOpaque == C.OTAPB_CONTEXT_ENTRY_AUTH_OPAQUE: {}},
	{false: {}, ContextEntryTraceState == C.OTAPB_CONTEXT_ENTRY_TRACE_STATE: {}},
	{false: {}, ContextEntryBaggage == C.OTAPB_CONTEXT_ENTRY_BAGGAGE: {}},
	{false: {}, ContextEntryLink == C.OTAPB_CONTEXT_ENTRY_LINK: {}},

	{false: {}, EventDone == C.OTAPB_EVENT_DONE: {}},
	{false: {}, EventEmit == C.OTAPB_EVENT_EMIT: {}},
	{false: {}, EventPayloadReleased == C.OTAPB_EVENT_PAYLOAD_RELEASED: {}},
	{false: {}, EventEmissionCancelled == C.OTAPB_EVENT_EMISSION_CANCELLED: {}},
	{false: {}, EventStatus == C.OTAPB_EVENT_STATUS: {}},
	{false: {}, EventHostErrorReleased == C.OTAPB_EVENT_HOST_ERROR_RELEASED: {}},

	{false: {}, EventFlagPayloadReleased == C.OTAPB_EVENT_FLAG_PAYLOAD_RELEASED: {}},
	{false: {}, EventFlagEndsCall == C.OTAPB_EVENT_FLAG_ENDS_CALL: {}},
	{false: {}, EventFlagReference == C.OTAPB_EVENT_FLAG_REFERENCE: {}},

	{false: {}, EmissionAwaited == C.OTAPB_EMISSION_AWAITED: {}},
	{false: {}, EmissionCallDone == C.OTAPB_EMISSION_CALL_DONE: {}},
	{false: {}, EmissionPayloadReleased == C.OTAPB_EMISSION_PAYLOAD_RELEASED: {}},
	{false: {}, EmissionKeepsError == C.OTAPB_EMISSION_KEEPS_ERROR: {}},

	{false: {}, StatusOK == C.OTAPB_STATUS_OK: {}},
	{false: {}, StatusRecoverableError == C.OTAPB_STATUS_RECOVERABLE_ERROR: {}},
	{false: {}, StatusPermanentError == C.OTAPB_STATUS_PERMANENT_ERROR: {}},

	{false: {}, CancelReasonCancelled == C.OTAPB_CANCEL_REASON_CANCELLED: {}},
	{false: {}, CancelReasonDeadline == C.OTAPB_CANCEL_REASON_DEADLINE: {}},

	{false: {}, LogLevelTrace == C.OTAPB_LOG_LEVEL_TRACE: {}},
	{false: {}, LogLevelDebug == C.OTAPB_LOG_LEVEL_DEBUG: {}},
	{false: {}, LogLevelInfo == C.OTAPB_LOG_LEVEL_INFO: {}},
	{false: {}, LogLevelWarn == C.OTAPB_LOG_LEVEL_WARN: {}},
	{false: {}, LogLevelError == C.OTAPB_LOG_LEVEL_ERROR: {}},
	{false: {}, LogLevelOff == C.OTAPB_LOG_LEVEL_OFF: {}},

	{false: {}, ComponentProcessor == C.OTAPB_COMPONENT_PROCESSOR: {}},
	{false: {}, ComponentExporter == C.OTAPB_COMPONENT_EXPORTER: {}},
	{false: {}, ComponentReceiver == C.OTAPB_COMPONENT_RECEIVER: {}},

	{false: {}, SignalTraces == C.OTAPB_SIGNAL_TRACES: {}},
	{false: {}, SignalMetrics == C.OTAPB_SIGNAL_METRICS: {}},
	{false: {}, SignalLogs == C.OTAPB_SIGNAL_LOGS: {}},
}
