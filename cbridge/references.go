// SPDX-License-Identifier: Apache-2.0

package cbridge

import "github.com/otapbridge/otapbridge/capi"

// A pipeline of nodes that never look at data carries references: the data stay in the
// calls' records, and what comes out names the calls.

// isReference reports whether the event has no data of its own.
func isReference(event *capi.Event) bool { return event.Flags&capi.EventFlagReference != 0 }

// takeReference returns the data that went in, or a copy of them if the next consumer may not
// have these. It forgets them: output of the same data must not come twice.
func (c *call) takeReference(next *Consumers, share bool) output {
	c.dataInUse.Lock()
	data := c.input.data
	c.input = input{}
	c.dataInUse.Unlock()
	if data.signal == 0 || share && data.mayGoTo(next) || !next.has(data.signal) {
		return data
	}
	taken := newOutput(data.signal)
	taken.add(&data)
	return taken
}

// join copies the data of a batch out of the calls that it was made of; none of those
// whose callers have left. Without any there is no output.
func (c *Component) join(event *capi.Event) output {
	joined, found := newOutput(event.Signal), false
	for _, id := range event.Origins {
		if call := c.calls.find(id); call != nil && call.copyData(id, &joined) {
			found = true
		}
	}
	if !found {
		return output{}
	}
	return joined
}

// copyData appends the call's data, unless its caller has left. A caller that leaves
// meanwhile waits until it is done.
func (c *call) copyData(id uint64, to *output) bool {
	c.mu.Lock()
	if !c.names(id) || !c.waiting || c.leaving {
		c.mu.Unlock()
		return false
	}
	// Locked already, the data are being taken.
	taken := !c.dataInUse.TryRLock()
	c.mu.Unlock()
	if taken {
		return false
	}
	defer c.dataInUse.RUnlock()
	data := c.input.data
	if data.signal != to.signal {
		return false
	}
	to.add(&data)
	return true
}

// forgetData is for a caller that leaves: it may change its data then.
func (c *call) forgetData() {
	if c.component.references {
		c.mu.Lock()
		c.leaving = true
		c.mu.Unlock()
		// Those who copy have begun before, and nobody begins any more.
		c.dataInUse.Lock()
		defer c.dataInUse.Unlock()
	}
	c.input = input{}
}
