// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// callTable has a component's call records. A record is both the place of a call
// in Rust and a slot of max_in_flight: it is free again only when Rust has completed it,
// the payload was released and the caller has left. Records are made as needed and
// kept; there is never more than the limit.
type callTable struct {
	limit    int
	free     chan *call
	stopping chan struct{}
	create   func(index uint32) *call

	mu    sync.Mutex
	calls atomic.Pointer[[]*call]
}

func newCallTable(limit int, stopping chan struct{}, create func(uint32) *call) *callTable {
	t := &callTable{limit: limit, free: make(chan *call, limit), stopping: stopping, create: create}
	t.calls.Store(new([]*call))
	return t
}

// acquire waits for a free record.
func (t *callTable) acquire(ctx context.Context) (*call, error) {
	select {
	case c := <-t.free:
		return c, nil
	default:
	}
	if c := t.grow(); c != nil {
		return c, nil
	}
	select {
	case c := <-t.free:
		return c, nil
	case <-ctx.Done():
		return nil, errormapping.ContextError(ctx, "while waiting for one of the calls in flight to end (max_in_flight)")
	case <-t.stopping:
		return nil, errStopped()
	}
}

func (t *callTable) grow() *call {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := *t.calls.Load()
	if len(calls) >= t.limit {
		return nil
	}
	c := t.create(uint32(len(calls)))
	// Readers never look beyond the length that they loaded.
	calls = append(calls, c)
	t.calls.Store(&calls)
	return c
}

// find returns the record that an id names. Whether it still serves that call is
// for the record to say.
func (t *callTable) find(id uint64) *call {
	index := uint64(uint32(id)) - 1
	if calls := *t.calls.Load(); index < uint64(len(calls)) {
		return calls[index]
	}
	return nil
}

// all returns every record.
func (t *callTable) all() []*call { return *t.calls.Load() }

func errStopped() error {
	return errormapping.New(capi.ErrorKindRetryable, "", "the component is shutting down")
}
