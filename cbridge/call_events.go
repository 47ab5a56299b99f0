// SPDX-License-Identifier: Apache-2.0

package cbridge

import "github.com/otapbridge/otapbridge/capi"

// These methods run in the library's callbacks. They record what happened and wake
// the caller; for a caller that has left they do what it would have done.

// names reports whether the id means the present use of the record. With c.mu.
func (c *call) names(id uint64) bool { return c.id() == id }

// onDone records the result. It reports false if the call was not in Rust any more.
func (c *call) onDone(event *capi.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.names(event.CallID) || !c.inRust {
		return false
	}
	c.inRust = false
	if event.Flags&capi.EventFlagPayloadReleased != 0 {
		c.releasePayload()
	}
	if c.waiting {
		c.failure, event.Error = event.Error, capi.OwnedError{}
		c.notify()
	}
	c.recycle()
	return true
}

// onAnswered records that the call has ended with the answer to an emission.
func (c *call) onAnswered(callID uint64, answer capi.EmissionAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names(callID) && c.lost && c.waiting {
		// onShutdown marked the call lost while its caller was inside EmissionDone; the answer counts.
		c.lost, c.answered = false, true
	}
	if !c.names(callID) || !c.inRust {
		return
	}
	c.inRust = false
	if answer&capi.EmissionPayloadReleased != 0 {
		c.releasePayload()
	}
	c.answered = c.waiting
	c.recycle()
}

// onEmission queues output for the caller. It reports false if nobody waits for it.
func (c *call) onEmission(e *emission) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.names(e.event.CallID) || !c.waiting {
		return false
	}
	c.emissions = append(c.emissions, *e)
	c.outputs++
	c.notify()
	return true
}

// onPayloadReleased unpins a payload that the library no longer reads.
func (c *call) onPayloadReleased(event *capi.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.names(event.CallID) || !c.pinned {
		return false
	}
	c.releasePayload()
	c.recycle()
	return true
}

// onShutdown takes back what is still queued, and completes a call that the library
// did not. No event comes any more.
func (c *call) onShutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := c.taken; i < len(c.emissions); i++ {
		c.component.discard(&c.emissions[i].event)
	}
	clear(c.emissions)
	c.emissions, c.taken = c.emissions[:0], 0
	if c.inRust {
		c.inRust, c.lost = false, c.waiting
		c.notify()
		c.recycle()
	}
}

// onBuffersReleased unpins a payload that only a buffer of ours kept in use.
func (c *call) onBuffersReleased() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pinned {
		c.releasePayload()
		c.recycle()
	}
}

func (c *call) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
