// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"time"

	"github.com/stretchr/testify/assert"
)

// HostErrors is the number of error values that are kept for calls.
func (c *Component) HostErrors() int { return c.hostErrors.Size() }

// NoHostErrors waits a while until none are kept: the library says so soon after it gave the
// last one back.
func (c *Component) NoHostErrors() bool {
	return assert.Eventually(new(assert.CollectT), func() bool { return c.HostErrors() == 0 }, 10*time.Second, time.Millisecond)
}

// SetConfiguration replaces what NewComponent has checked.
func (c *Component) SetConfiguration(configuration string) {
	c.settings.Configuration = []byte(configuration)
}

// Callers is the number of goroutines inside Consume methods.
func (c *Component) Callers() int { return c.callers.Users() }

// InRust is the number of the component's calls that Rust has not completed.
func (c *Component) InRust() int {
	inRust := 0
	for _, call := range c.calls.all() {
		call.mu.Lock()
		if call.inRust {
			inRust++
		}
		call.mu.Unlock()
	}
	return inRust
}

// InputsKept is the number of calls that keep what went in. For when no caller waits.
func (c *Component) InputsKept() int {
	kept := 0
	for _, call := range c.calls.all() {
		if call.input.payload != nil || call.input.data != (pdata{}) {
			kept++
		}
	}
	return kept
}

// AwaitReleased waits until the library has released every payload of the component. Callers
// that come meanwhile wait as long.
func (c *Component) AwaitReleased(ctx context.Context) error {
	if err := c.bytes.acquire(ctx, c.bytes.limit); err != nil {
		return err
	}
	c.bytes.release(c.bytes.limit)
	return nil
}
