// SPDX-License-Identifier: Apache-2.0

package cbridge

import "context"

// HostErrors is the number of error values that are kept for calls.
func (c *Component) HostErrors() int { return c.hostErrors.size() + c.mergedErrors.size() }

// SetConfiguration replaces what NewComponent has checked.
func (c *Component) SetConfiguration(configuration string) {
	c.settings.Configuration = []byte(configuration)
}

// AnyContext and AnyUsualAddress generate contexts for tests from outside.
var (
	AnyContext      = anyContext
	AnyUsualAddress = anyUsualAddress
)

// Callers is the number of goroutines inside Consume methods.
func (c *Component) Callers() int { return c.callers.Holders() }

// InRust is the number of the component's calls that Rust has not answered.
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

// AwaitReleased waits until the library holds no payload of the component. Callers
// that come meanwhile wait as long.
func (c *Component) AwaitReleased(ctx context.Context) error {
	if err := c.bytes.acquire(ctx, c.bytes.limit); err != nil {
		return err
	}
	c.bytes.release(c.bytes.limit)
	return nil
}
