// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"

	"github.com/otapbridge/otapbridge/capi"
)

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
	taken.add(&data, 0, data.resources())
	return taken
}

// movedData is what was moved out of a call's data into joined output.
type movedData struct {
	call *call
	id   uint64
	data output
	// first and count say which of the output's resources they are.
	first, count int
}

// join puts together the data of the calls that a batch was made of; not of those whose
// callers have left. Without any there is no output. Data are moved if the component has
// declared that, and if it may still be read what next has got: next does not change them.
func (e *emission) join() output {
	c := e.component
	joined, found := newOutput(e.event.Signal), false
	move := c.mutatesData && !c.settings.Next.mutates(joined.signal)
	for _, id := range e.event.Origins {
		if call := c.calls.find(id); call != nil && e.joinOne(call, id, &joined, move) {
			found = true
		}
	}
	if !found {
		return output{}
	}
	e.joined = joined.resources()
	return joined
}

// joinOne appends the data of one call, unless its caller has left. What is moved cannot
// be put out twice, so the call forgets it.
func (e *emission) joinOne(call *call, id uint64, joined *output, move bool) bool {
	if !call.lockData(id, staying) {
		return false
	}
	defer call.dataInUse.Unlock()
	data := call.input.data
	if data.signal != joined.signal {
		return false
	}
	count := data.resources()
	if !move || data.readOnly() {
		joined.add(&data, 0, count)
		return true
	}
	e.moved = append(e.moved, movedData{call, id, data, joined.resources(), count})
	if e.returned == nil {
		e.returned = make(chan struct{})
	}
	call.input, call.returned = input{}, e.returned
	joined.move(&data)
	return true
}

// giveBack is for joined output that was refused: callers who still wait get back what was
// moved out of their data, before they are woken. They get copies, because next may
// still read what it has refused, as a queue does that was left at a deadline. Nobody gets
// anything if the output has another number of resources now, because somebody behind next
// took some: whose they were is not to be seen any more.
func (e *emission) giveBack(joined *output) {
	if len(e.moved) == 0 || joined.signal == 0 || joined.resources() != e.joined {
		return
	}
	for i := range e.moved {
		e.moved[i].giveBack(joined)
	}
}

func (m *movedData) giveBack(joined *output) {
	if !m.call.lockData(m.id, leaving) {
		return
	}
	defer m.call.dataInUse.Unlock()
	m.data.add(joined, m.first, m.count)
	m.call.input.data = m.data
}

// stay is how far a caller is with leaving.
type stay int

const (
	// staying: its data may be copied or moved.
	staying stay = iota
	// leaving: what was moved may be given back.
	leaving
	// gone: it may change its data.
	gone
)

// lockData keeps the caller from going further, if it still waits and is not further than this.
// It reports false also if the data are being taken.
func (c *call) lockData(id uint64, at stay) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names(id) && c.waiting && c.stay <= at && c.dataInUse.TryLock()
}

func (c *call) setStay(now stay) {
	c.mu.Lock()
	c.stay = now
	c.mu.Unlock()
}

// forgetData is for a caller that leaves: it may change its data then, or send them again. So if
// next has them, because they were moved, it waits until next returns: it has them back then if they
// were refused. Only one whose context ends leaves them with next.
func (c *call) forgetData(ctx context.Context) {
	if c.component.references {
		c.setStay(leaving)
		// Those who use them have begun before, and nobody begins to take any.
		c.dataInUse.Lock()
		returned := c.returned
		c.returned = nil
		c.dataInUse.Unlock()
		if returned != nil {
			select {
			case <-returned:
			case <-ctx.Done():
			}
		}
		c.setStay(gone)
		c.dataInUse.Lock()
		defer c.dataInUse.Unlock()
	}
	c.input = input{}
}
