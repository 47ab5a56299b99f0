// SPDX-License-Identifier: Apache-2.0

package cbridge

import "time"

// merged is what a call knows of merged output with its data that waits for a worker or is
// handed on by one. Its timeout, which bounds the time in Rust, does not run meanwhile.
// With call.mu.
type merged struct {
	// out is how many of them have come out of Rust and are not answered, since when the first.
	out   int
	since time.Time
	// spent is the time that they took and the timeout does not count.
	spent time.Duration
	// expired: the timeout's timer fired while some were out.
	expired bool
}

// onMergedOut is called when output with this call's data has come out.
func (c *call) onMergedOut(callID uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.names(callID) {
		return
	}
	if c.merged.out == 0 {
		c.merged.since = time.Now()
	}
	c.merged.out++
}

// onMergedAnswered is called when that output was handed on or refused.
func (c *call) onMergedAnswered(callID uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.names(callID) || c.merged.out == 0 {
		return
	}
	if c.merged.out--; c.merged.out > 0 {
		return
	}
	c.merged.spent += time.Since(c.merged.since)
	if c.merged.expired {
		c.notify()
	}
}

// prolong is for a caller whose timer fired: it reports whether there is time left,
// because merged output with its data was, or is, out of Rust.
func (c *call) prolong() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.merged.expired = c.merged.out > 0
	if c.merged.expired {
		return true
	}
	c.deadline = c.deadline.Add(c.merged.spent)
	c.merged.spent = 0
	left := time.Until(c.deadline)
	if left > 0 {
		c.timer.Reset(left)
	}
	return left > 0
}

// resume starts the timer again that fired while merged output was out of Rust, once
// it was answered.
func (c *call) resume() {
	c.mu.Lock()
	again := c.merged.expired && c.merged.out == 0
	c.mu.Unlock()
	if again && !c.prolong() {
		c.timer.Reset(0)
	}
}

func (c *Component) forCalls(callIDs []uint64, do func(*call, uint64)) {
	for _, callID := range callIDs {
		if call := c.calls.find(callID); call != nil {
			do(call, callID)
		}
	}
}
