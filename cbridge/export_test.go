// SPDX-License-Identifier: Apache-2.0

package cbridge

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
