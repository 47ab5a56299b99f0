// SPDX-License-Identifier: Apache-2.0

package cbridge

// HostErrors is the number of error values that are lent to calls.
func (c *Component) HostErrors() int { return c.hostErrors.size() }
