// SPDX-License-Identifier: Apache-2.0

package cbridge

import "sync"

// maxHostErrorsPerCall bounds what a call that Rust retries again and again leaves
// in the table while it lives.
const maxHostErrorsPerCall = 16

// hostErrors lends ids to the errors of a single call's output, so that they come back
// as the same values. Every entry belongs to one call that is in flight and goes with
// it. Safe for concurrent use; made for the rare case.
type hostErrors struct {
	mu      sync.Mutex
	last    uint64
	entries map[uint64]error
}

// add lends an id, which has no mergedErrorBit.
func (h *hostErrors) add(err error) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entries == nil {
		h.entries = make(map[uint64]error)
	}
	h.last++
	h.entries[h.last] = err
	return h.last
}

// get returns the error of an id, or nil if it is gone or was never lent.
func (h *hostErrors) get(id uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.entries[id]
}

// drop ends the loan of an id.
func (h *hostErrors) drop(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.entries, id)
}

func (h *hostErrors) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.entries)
}

// hostError returns the error value of an id, or nil if it is gone or was never lent.
func (c *Component) hostError(id uint64) error {
	if id&mergedErrorBit != 0 {
		return c.mergedErrors.get(id)
	}
	return c.hostErrors.get(id)
}
