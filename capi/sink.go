// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
)

var callbackPanics atomic.Uint64

// CallbackPanics is the total of panics that were caught in callbacks of this process.
func CallbackPanics() uint64 { return callbackPanics.Load() }

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

func reportPanic(handler EventHandler, value any) {
	callbackPanics.Add(1)
	defer containPanic()
	handler.HandlePanic(value, debug.Stack())
}

// containPanic is deferred by every function that C calls: nothing unwinds into C.
func containPanic() {
	if recover() != nil {
		callbackPanics.Add(1)
	}
}
