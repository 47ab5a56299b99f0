// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #include "otapbridge.h"
import "C"

import (
	"sync"
	"unsafe"
)

// sinks and logHandlers are found by the host_data of a component and a runtime.
var (
	sinks       registry[*eventSink]
	logHandlers registry[LogHandler]
)

// otapbGoEvents receives a batch of events on a thread of the library. It turns
// runs of events of one component into one call of that component's handler.
//
//export otapbGoEvents
func otapbGoEvents(_ C.uint64_t, events *C.otapb_event, count C.size_t) {
	defer containPanic()
	var batch *eventBatch
	var sinkID uint64
	for range uint64(count) {
		if id := uint64(events.component_data); batch == nil || id != sinkID {
			if batch != nil {
				batch.deliver()
				batch = nil
			}
			sinkID = id
			if sink, ok := sinks.get(id); ok {
				batch = sink.batch()
			}
		}
		event := goEvent(events)
		if batch != nil {
			batch.events = append(batch.events, event)
		} else {
			// Nobody is left to ask for it. The library never does this after a
			// shutdown; were it to, its memory would still be freed.
			event.Release()
		}
		// SAFETY: events are an array of count structs whose distance is the
		// size that each one states; the last step is not read from.
		events = (*C.otapb_event)(unsafe.Add(unsafe.Pointer(events), uintptr(events.size)))
	}
	if batch != nil {
		batch.deliver()
	}
}

// eventSink delivers one component's events.
type eventSink struct {
	handler EventHandler
	// batches are reused: a component's pipelines may call back at the same time.
	batches sync.Pool
}

// eventBatch is the events of one callback for one component.
type eventBatch struct {
	sink   *eventSink
	events []Event
}

func newEventSink(handler EventHandler) *eventSink {
	sink := &eventSink{handler: handler}
	sink.batches.New = func() any { return &eventBatch{sink: sink} }
	return sink
}

func (s *eventSink) batch() *eventBatch { return s.batches.Get().(*eventBatch) }

// deliver gives the events to their handler, and the batch back. A panic must not unwind
// into C, so it ends here.
func (b *eventBatch) deliver() {
	defer func() {
		clear(b.events)
		b.events = b.events[:0]
		value := recover()
		b.sink.batches.Put(b)
		if value != nil {
			reportPanic(b.sink.handler, value)
		}
	}()
	b.sink.handler.HandleEvents(b.events)
}

func goEvent(event *C.otapb_event) Event {
	return Event{
		Type:       EventType(event._type),
		Flags:      EventFlags(event.flags),
		Signal:     Signal(event.signal),
		Status:     Status(event.status),
		CallID:     uint64(event.call_id),
		EmissionID: uint64(event.emission_id),
		Error:      OwnedError{event.error},
		Buffer:     Buffer{event.buffer},
		Payload:    view(&event.payload),
		Context:    view(&event.context),
		Port:       view(&event.port),
		Origins:    origins(event),

		HostErrorID: uint64(event.host_error_id),
	}
}

func origins(event *C.otapb_event) []uint64 {
	if event.origin_count == 0 {
		return nil
	}
	// SAFETY: the library gives origin_count ids at origins, which live as long as
	// the event's buffer; uint64 and uint64_t are the same.
	return unsafe.Slice((*uint64)(event.origins), int(event.origin_count))
}

// otapbGoLog receives one log record on a thread of the library.
//
//export otapbGoLog
func otapbGoLog(runtimeID C.uint64_t, record *C.otapb_log_record) {
	defer containPanic()
	handler, ok := logHandlers.get(uint64(runtimeID))
	if !ok {
		return
	}
	var attributes []LogAttribute
	if count := int(record.attribute_count); count > 0 {
		attributes = make([]LogAttribute, count)
		// SAFETY: the library gives attribute_count structs at attributes,
		// which live as long as the callback.
		native := unsafe.Slice(record.attributes, count)
		for i := range native {
			attribute := &native[i]
			attributes[i] = LogAttribute{Key: string(view(&attribute.key)), Value: string(view(&attribute.value))}
		}
	}
	handler.HandleLog(LogRecord{
		Level:       LogLevel(record.level),
		ComponentID: uint64(record.component_data),
		Target:      string(view(&record.target)),
		Message:     string(view(&record.message)),
		Attributes:  attributes,
	})
}
