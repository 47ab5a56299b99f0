// SPDX-License-Identifier: Apache-2.0

package errormapping

import "sync"

// HostErrors are the errors of the next consumer that Rust has, as ids: they come back
// as the same values. An error stays until the library says that it no longer has it.
// Safe for concurrent use; made for the rare case.
type HostErrors struct {
	mu      sync.Mutex
	last    uint64
	entries map[uint64]Lent
}

// Lent is an error value that crosses as an id.
type Lent struct {
	Value error
	// Permanent is how it was told to Rust.
	Permanent bool
	// CallID is the call whose output was refused, 0 for output of several or none.
	CallID uint64
}

// Add lends an id.
func (h *HostErrors) Add(err Lent) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entries == nil {
		h.entries = make(map[uint64]Lent)
	}
	h.last++
	h.entries[h.last] = err
	return h.last
}

// Get returns the error of an id; one without a value if it was never lent.
func (h *HostErrors) Get(id uint64) Lent {
	if id == 0 {
		return Lent{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.entries[id]
}

// Drop ends the loan of an id.
func (h *HostErrors) Drop(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.entries, id)
}

// Clear ends all loans: the library has no errors any more.
func (h *HostErrors) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.entries)
}

// Size is how many errors are lent.
func (h *HostErrors) Size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.entries)
}
