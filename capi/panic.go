// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"runtime/debug"
	"sync/atomic"
)

var callbackPanics atomic.Uint64

// CallbackPanics is the total of panics that were caught in callbacks of this process.
func CallbackPanics() uint64 { return callbackPanics.Load() }

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
