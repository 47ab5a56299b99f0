// SPDX-License-Identifier: Apache-2.0

package capi

import "time"

// HeaderABIVersion is OTAPB_ABI_VERSION of the header that this package was
// written against: the major version in the upper 16 bits, the minor in the lower.
const HeaderABIVersion uint32 = 65536

// Signal is OTAPB_SIGNAL_*: which OTLP export request a payload is.
type Signal uint32

// The signals.
const (
	SignalTraces  Signal = 1
	SignalMetrics Signal = 2
	SignalLogs    Signal = 3
)

// String is the collector's name of the signal.
func (s Signal) String() string {
	switch s {
	case SignalTraces:
		return "traces"
	case SignalMetrics:
		return "metrics"
	case SignalLogs:
		return "logs"
	}
	return "unknown signal"
}

// CancelReason is OTAPB_CANCEL_REASON_*.
type CancelReason uint32

// The reasons for a cancel.
const (
	CancelReasonCancelled CancelReason = 1
	CancelReasonDeadline  CancelReason = 2
)

// Status is OTAPB_STATUS_*: a component's health.
type Status uint32

// The states of health.
const (
	StatusOK               Status = 1
	StatusRecoverableError Status = 2
	StatusPermanentError   Status = 3
)

// LogLevel is OTAPB_LOG_LEVEL_*. The zero value stands for LogLevelInfo.
type LogLevel uint32

// The log levels, most detailed first.
const (
	LogLevelTrace LogLevel = 1
	LogLevelDebug LogLevel = 2
	LogLevelInfo  LogLevel = 3
	LogLevelWarn  LogLevel = 4
	LogLevelError LogLevel = 5
	LogLevelOff   LogLevel = 6
)

// ComponentKind is OTAPB_COMPONENT_*.
type ComponentKind uint32

// The kinds of component.
const (
	ComponentProcessor ComponentKind = 1
	ComponentExporter  ComponentKind = 2
	ComponentReceiver  ComponentKind = 3
)

// RuntimeOptions are the options of [NewRuntime].
type RuntimeOptions struct {
	// ABIVersion is what the host claims to be compiled with; 0 means HeaderABIVersion.
	ABIVersion uint32
	// LogLevel is the least level to deliver.
	LogLevel LogLevel
}

// ComponentOptions are the options of [Runtime.NewComponent] and [ValidateComponent].
type ComponentOptions struct {
	Kind ComponentKind
	// Name begins the paths in configuration errors, such as "processors::otap/scrub".
	Name string
	// Configuration is JSON, as otapb_component_options.config describes it.
	Configuration []byte
	// Signal is the component's only signal, or 0.
	Signal Signal
	// CancelGrace is how long nodes have to complete a call that was cancelled or is
	// overdue; 0 means 100 ms.
	CancelGrace time.Duration
	// References: the host can keep data that no node looks at; see
	// [Component.TakesReferences].
	References bool
}

// Stats are a runtime's counters. All but the totals are 0 when it is idle.
type Stats struct {
	Components             uint32
	CallsInFlight          uint64
	PayloadsUnreleased     uint64
	PayloadBytesUnreleased uint64
	EmissionsInFlight      uint64
	BuffersUnreleased      uint64
	ErrorsUnreleased       uint64
	ContextsAlive          uint64
	Pipelines              uint64
	CallsTotal             uint64
	LateCompletionsTotal   uint64
	PanicsTotal            uint64
	RestartsTotal          uint64
	ErrorsCarried          uint64
}

// LogRecord is one log record of the library. It is a copy and belongs to the handler.
type LogRecord struct {
	Level LogLevel
	// ComponentID is that of [Component.ID], or 0.
	ComponentID uint64
	// Target is the module or scope that logged.
	Target     string
	Message    string
	Attributes []LogAttribute
}

// LogAttribute is a key and a value of a log record.
type LogAttribute struct{ Key, Value string }

// A LogHandler receives log records, from any thread and also several at a time.
// It must not block.
type LogHandler interface {
	HandleLog(LogRecord)
}

// An EventHandler receives a component's events. Calls for one component may overlap if
// it has several pipelines; what concerns one call comes in order. The slice and what is in it end with the call, except buffers and
// errors, which belong to the handler from then on. It must not block; a panic
// in it is caught, counted in [CallbackPanics] and given to HandlePanic.
type EventHandler interface {
	HandleEvents([]Event)
	HandlePanic(value any, stack []byte)
}

// nanoseconds turns a duration into the ABI's unit; what is negative becomes 0.
func nanoseconds(d time.Duration) uint64 {
	return uint64(max(d, 0))
}
