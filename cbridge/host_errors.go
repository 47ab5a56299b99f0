// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"errors"
	"sync"

	"go.opentelemetry.io/collector/consumer/consumererror"
)

// hostErrors are the errors of the next consumer that Rust has, as ids: they come back
// as the same values. An error stays until the library says that it no longer has it.
// Safe for concurrent use; made for the rare case.
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
	// callID is the call whose output was refused, 0 for output of several or none.
	callID uint64
}

// add lends an id.
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

// get returns the error of an id; one without a value if it was never lent.
func (h *hostErrors) get(id uint64) lentError {
	if id == 0 {
		return lentError{}
	}
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

// clear ends all loans: the library has no errors any more.
func (h *hostErrors) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.entries)
}

func (h *hostErrors) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.entries)
}

// mergedError is an error of several callers' data, or of one of several parts of a
// caller's. It is under errors.Is and errors.As what its original is, except that it
// gives nobody the data: not one caller that of others, nor a caller only a part.
type mergedError struct{ original error }

func withoutData(err error) (result error) {
	// An error that cannot be looked into may hold anything.
	result = mergedError{err}
	defer func() { _ = recover() }()
	var (
		traces  consumererror.Traces
		metrics consumererror.Metrics
		logs    consumererror.Logs
	)
	if budget := maxErrorTree; !fits(err, &budget) || errors.As(err, &traces) || errors.As(err, &metrics) || errors.As(err, &logs) {
		return result
	}
	return err
}

func (e mergedError) Error() string        { return e.original.Error() }
func (e mergedError) Is(target error) bool { return errors.Is(e.original, target) }

func (e mergedError) As(target any) bool {
	switch target.(type) {
	case *consumererror.Traces, *consumererror.Metrics, *consumererror.Logs:
		return false
	}
	return errors.As(e.original, target)
}
