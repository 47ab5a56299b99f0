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
)

// EventFlags is OTAPB_EVENT_FLAG_*.
type EventFlags uint32

// EventFlagPayloadReleased on EventDone: the payload was released too.
const EventFlagPayloadReleased EventFlags = 1

// Event is something that happened; see otapb_event in the header.
type Event struct {
	Type       EventType
	Flags      EventFlags
	Signal     Signal
	Status     Status
	CallID     uint64
	EmissionID uint64
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
	// Origins is a view of the calls that a merged output stems from. Read only.
	Origins []uint64
}

// Release frees what an event owns. It is for events that nobody wants.
func (e *Event) Release() {
	e.Error.Release()
	e.Buffer.Release()
	e.Payload, e.Context, e.Port, e.Origins = nil, nil, nil, nil
}
