// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"runtime"
	"sync/atomic"
)

var pins atomic.Int64

// Pins is the number of payloads that are pinned in this process.
func Pins() int64 { return pins.Load() }

// Pin keeps a payload where it is while the library reads it. It belongs to the
// record of the call, never to a stack frame: a caller that gives up leaves, and
// the library still reads. Use it again after Release. Not safe for concurrent use.
type Pin struct {
	pinner runtime.Pinner
	pinned bool
}

// Pin pins the payload, which must not be empty.
func (p *Pin) Pin(payload []byte) {
	if p.pinned {
		panic("otapbridge: a pin was used for a second payload before its release")
	}
	p.pinner.Pin(&payload[0])
	p.pinned = true
	pins.Add(1)
}

// Release unpins the payload. Releasing nothing is fine.
func (p *Pin) Release() {
	if p.pinned {
		p.pinned = false
		p.pinner.Unpin()
		pins.Add(-1)
	}
}
