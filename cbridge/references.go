// SPDX-License-Identifier: Apache-2.0

package cbridge

import "github.com/otapbridge/otapbridge/capi"

// A pipeline of nodes that never look at data carries references: the data stay in the
// calls' records, and what comes out names the calls.

// isReference reports whether the event has no data of its own.
func isReference(event *capi.Event) bool { return event.Flags&capi.EventFlagReference != 0 }

// takeReference returns the data that went in, or a copy of them if the next consumer may not
// have these. Output of the same data must not come twice: only those that were moved are
// written down, and can be read again.
func (c *call) takeReference(next *Consumers, share bool) pdata {
	c.dataInUse.Lock()
	defer c.dataInUse.Unlock()
	in := c.input
	if in.taken {
		return pdata{}
	}
	taken, asGiven := in.data, share && in.data.mayGoTo(next) || !next.has(in.data.signal)
	if in.moved() || !asGiven {
		taken = newPdata(in.data.signal)
		if !in.copyTo(&taken) {
			return pdata{}
		}
	}
	if !in.moved() {
		c.input = input{taken: true}
	}
	return taken
}

// join gathers the data of a batch from the calls that it was made of. left: the callers of all of
// these have left. There is no output either if data of one that waits were put out before.
func (c *Component) join(event *capi.Event) (joined pdata, left bool) {
	joined, left = newPdata(event.Signal), true
	for _, id := range event.Origins {
		call := c.calls.find(id)
		if call == nil {
			continue
		}
		waits, given := call.giveData(id, &joined)
		if waits && !given {
			return pdata{}, false
		}
		left = left && !waits
	}
	return joined, left
}

// giveData appends the call's data, unless its caller has left or does not have them any more. A
// caller that leaves meanwhile waits until it is done. The data are moved if that was declared and
// nobody else has them, after they were written down for a caller that has to get them back.
func (c *call) giveData(id uint64, to *pdata) (waits, given bool) {
	c.dataInUse.Lock()
	defer c.dataInUse.Unlock()
	c.mu.Lock()
	waits = c.names(id) && c.waiting
	c.mu.Unlock()
	in := &c.input
	switch {
	case !waits:
		return false, false
	case in.data.signal != to.signal:
		return in.taken, false
	case !c.component.mutatesData || in.moved() || in.data.readOnly():
		return true, in.copyTo(to)
	}
	written, err := in.data.marshal()
	if err != nil {
		return true, in.copyTo(to)
	}
	in.payload = written
	in.data.moveTo(to)
	return true, true
}

// moved reports whether the data of a call by reference are with next: then the payload is
// all that the call still has of them.
func (i *input) moved() bool { return i.payload != nil }

// copyTo appends a copy of the data that went in by reference.
func (i *input) copyTo(to *pdata) bool {
	if !i.moved() {
		to.add(&i.data)
		return true
	}
	again, err := unmarshal(i.data.signal, i.payload)
	if err != nil {
		return false
	}
	again.moveTo(to)
	return true
}

// forgetData is for a caller that leaves, who may use its data again unless they were accepted.
// Data that were moved come back as they were written, because next may still work on them.
func (c *call) forgetData(accepted bool) {
	if c.component.references {
		// Waits for those who take the data, and nobody finds any afterwards.
		c.dataInUse.Lock()
		defer c.dataInUse.Unlock()
		if c.input.moved() && !accepted {
			c.input.copyTo(&c.input.data)
		}
	}
	c.input = input{}
}
