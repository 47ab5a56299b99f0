// SPDX-License-Identifier: Apache-2.0

package cbridge

import "sync"

const (
	// maxHostErrorsPerCall bounds what a call that Rust retries again and again leaves
	// in the table while it lives. Of such errors only the last are needed; but of a
	// call that was split into many parts it is the first that Rust answers with.
	maxHostErrorsPerCall = 64
	// firstHostErrorsOfCall of a call's errors stay when there are too many.
	firstHostErrorsOfCall = 16
)

// hostErrors lends ids to the errors of a single call's output, so that they come back
// as the same values. Every entry belongs to one call that is in flight and goes with
// it. Safe for concurrent use; made for the rare case.
type hostErrors struct {
	mu      sync.Mutex
	last    uint64
	entries map[uint64]lentError
}

// lentError is an error value that crosses as an id.
type lentError struct {
	value error
	// permanent is how it was told to Rust.
	permanent bool
}

// add lends an id, which has no mergedErrorBit.
func (h *hostErrors) add(err lentError) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entries == nil {
		h.entries = make(map[uint64]lentError)
	}
	h.last++
	h.entries[h.last] = err
	return h.last
}

// get returns the error of an id; one without a value if it is gone or was never lent.
func (h *hostErrors) get(id uint64) lentError {
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

// lentError is the error of an id, of either table.
func (c *Component) lentError(id uint64) lentError {
	if id&mergedErrorBit != 0 {
		return c.mergedErrors.get(id)
	}
	return c.hostErrors.get(id)
}
