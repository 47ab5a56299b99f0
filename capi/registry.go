// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"maps"
	"sync"
	"sync/atomic"
)

// registry maps the host_data that crosses the boundary to Go values. Unlike
// cgo.Handle it can say "gone", ids are never used twice, and reading takes
// no lock: it happens in every callback, changes only when components come and go.
type registry[T any] struct {
	mu      sync.Mutex
	last    uint64
	entries atomic.Pointer[map[uint64]T]
}

func (r *registry[T]) add(value T) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	entries := r.copy()
	entries[r.last] = value
	r.entries.Store(&entries)
	return r.last
}

func (r *registry[T]) remove(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := r.copy()
	delete(entries, id)
	r.entries.Store(&entries)
}

func (r *registry[T]) get(id uint64) (value T, ok bool) {
	if entries := r.entries.Load(); entries != nil {
		value, ok = (*entries)[id]
	}
	return value, ok
}

func (r *registry[T]) copy() map[uint64]T {
	if entries := r.entries.Load(); entries != nil {
		return maps.Clone(*entries)
	}
	return make(map[uint64]T)
}
