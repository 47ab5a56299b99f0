// SPDX-License-Identifier: Apache-2.0

package capi

// EventType is OTAPB_EVENT_*.
type EventType uint32

// The types of event. A handler ignores others, after releasing Error and Buffer.
const (
	EventDone              EventType = 1
	EventEmit              EventType = 2
	EventPayloadReleased   EventType = 3
	EventEmissionCancelled EventType = 4
	EventStatus            EventType = 5
	EventHostErrorReleased EventType = 6
)

// EventFlags is OTAPB_EVENT_FLAG_*.
type EventFlags uint32

const (
	// EventFlagPayloadReleased on EventDone: the payload was released too.
	EventFlagPayloadReleased EventFlags = 1
	// EventFlagEndsCall on EventEmit: the answer to the emission ends the call at once.
	EventFlagEndsCall EventFlags = 2
	// EventFlagReference on EventEmit: the payload is empty, and the data are those of the
	// call, or of all Origins in their order.
	EventFlagReference EventFlags = 4
)

// EmissionAnswer is OTAPB_EMISSION_*: what became of the answer to an emission.
type EmissionAnswer uint32

const (
	// EmissionAwaited says that the emission awaited its answer. Nothing else is so without it.
	EmissionAwaited EmissionAnswer = 1
	// EmissionCallDone says that the call has ended with this answer; no EventDone follows.
	EmissionCallDone EmissionAnswer = 2
	// EmissionPayloadReleased says that its payload was released, too; no EventPayloadReleased
	// follows. Without it, that event may come before EmissionDone returns.
	EmissionPayloadReleased EmissionAnswer = 4
	// EmissionKeepsError says that the library keeps the error's HostErrorID until
	// EventHostErrorReleased, which may come before EmissionDone returns.
	EmissionKeepsError EmissionAnswer = 8
)

// Event is something that happened; see otapb_event in the header.
type Event struct {
	Type       EventType
	Flags      EventFlags
	Signal     Signal
	Status     Status
	CallID     uint64
	EmissionID uint64
	// HostErrorID is the error on EventHostErrorReleased.
	HostErrorID uint64
	// Error belongs to the handler.
	Error OwnedError
	// Buffer belongs to the handler. The views below end when it is released.
	Buffer Buffer
	// Payload is a view of OTLP protobuf bytes. Read only.
	Payload []byte
	// Context is a view of a request context block, or empty. Read only.
	Context []byte
	// Port is a view of the output port's name. Read only.
	Port []byte
	// Origins is a view of the calls that output of an own request stems from. Read only.
	Origins []uint64
}

// Release frees what an event owns. It is for events that nobody wants.
func (e *Event) Release() {
	e.Error.Release()
	e.Buffer.Release()
	e.Payload, e.Context, e.Port, e.Origins = nil, nil, nil, nil
}
