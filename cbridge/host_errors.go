// SPDX-License-Identifier: Apache-2.0

package cbridge

import "sync"

// maxHostErrorsPerCall bounds what a call that Rust retries again and again leaves
// in the table while it lives.
const maxHostErrorsPerCall = 16

// hostErrors lends ids to error values that pass through Rust, so that they come
// back as the same values. Every entry belongs to calls that are in flight and goes
// with the last of them. Safe for concurrent use; made for the rare case.
type hostErrors struct {
	mu      sync.Mutex
	last    uint64
	entries map[uint64]*hostError
}

type hostError struct {
	err   error
	calls int
}

// add lends an id for one call.
func (h *hostErrors) add(err error) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entries == nil {
		h.entries = make(map[uint64]*hostError)
	}
	h.last++
	h.entries[h.last] = &hostError{err: err, calls: 1}
	return h.last
}

// share lets another call hold the id; false if it is gone.
func (h *hostErrors) share(id uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	entry := h.entries[id]
	if entry == nil {
		return false
	}
	entry.calls++
	return true
}

// get returns the error of an id, or nil if it is gone or was never lent.
func (h *hostErrors) get(id uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if entry := h.entries[id]; entry != nil {
		return entry.err
	}
	return nil
}

// drop ends one call's hold of an id.
func (h *hostErrors) drop(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if entry := h.entries[id]; entry != nil {
		if entry.calls--; entry.calls <= 0 {
			delete(h.entries, id)
		}
	}
}

func (h *hostErrors) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.entries)
}
