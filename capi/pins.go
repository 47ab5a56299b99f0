// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"runtime"
	"sync/atomic"
)

var pinsHeld atomic.Int64

// PinsHeld is the number of payloads that are pinned in this process.
func PinsHeld() int64 { return pinsHeld.Load() }

// Pin keeps a payload where it is while the library reads it. It belongs to the
// record of the call, never to a stack frame: a caller that gives up leaves, and
// the library still reads. Use it again after Release. Not safe for concurrent use.
type Pin struct {
	pinner runtime.Pinner
	held   bool
}

// Hold pins the payload, which must not be empty.
func (p *Pin) Hold(payload []byte) {
	if p.held {
		panic("otapbridge: a pin was used for a second payload before its release")
	}
	p.pinner.Pin(&payload[0])
	p.held = true
	pinsHeld.Add(1)
}

// Held reports whether a payload is pinned.
func (p *Pin) Held() bool { return p.held }

// Release unpins the payload. Releasing nothing is fine.
func (p *Pin) Release() {
	if p.held {
		p.held = false
		p.pinner.Unpin()
		pinsHeld.Add(-1)
	}
}
