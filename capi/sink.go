// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"runtime/debug"
	"sync/atomic"
)

var callbackPanics atomic.Uint64

// CallbackPanics is the total of panics that were caught in callbacks of this process.
func CallbackPanics() uint64 { return callbackPanics.Load() }

// eventSink delivers one component's events. Its scratch slice can be reused
// without a lock, because callbacks of one component never overlap.
type eventSink struct {
	handler EventHandler
	scratch []Event
}

// deliver hands on the scratch slice and empties it. A panic must not unwind
// into C, so it ends here.
func (s *eventSink) deliver() {
	defer func() {
		clear(s.scratch)
		s.scratch = s.scratch[:0]
		if value := recover(); value != nil {
			reportPanic(s.handler, value)
		}
	}()
	s.handler.HandleEvents(s.scratch)
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
