// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/consumer/consumererror"
)

const (
	// mergedErrorBit is set in the ids of mergedErrors, and in no others.
	mergedErrorBit = 1 << 63
	// minMergedErrors is how many errors of merged output a component can hold. It is
	// more if more calls may be in flight, each of which may wait for another error.
	minMergedErrors = 4096
)

// mergedErrors holds the errors of output that stems from several calls. Nobody knows
// which, so an error stays until every call has left that was there when it came. If
// there are too many, the oldest go. Safe for concurrent use.
type mergedErrors struct {
	limit int
	// newest numbers the errors from 1 on; held is how many there are. Both are read
	// without the lock.
	newest atomic.Uint64
	held   atomic.Int64
	// departures counts calls that left while there were errors.
	departures atomic.Uint64

	mu sync.Mutex
	// errs are the newest ones, in order.
	errs []lentError
}

func newMergedErrors(maxInFlight int) *mergedErrors {
	return &mergedErrors{limit: max(minMergedErrors, maxInFlight)}
}

// add returns the error's id.
func (m *mergedErrors) add(err lentError) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.errs) == m.limit {
		m.errs[0] = lentError{}
		m.errs = m.errs[1:]
	}
	m.errs = append(m.errs, err)
	m.held.Store(int64(len(m.errs)))
	return m.newest.Add(1) | mergedErrorBit
}

// get returns the error of an id; one without a value if it is gone or was never lent.
func (m *mergedErrors) get(id uint64) lentError {
	m.mu.Lock()
	defer m.mu.Unlock()
	if age := m.newest.Load() - id&^mergedErrorBit; age < uint64(len(m.errs)) {
		return m.errs[len(m.errs)-1-int(age)]
	}
	return lentError{}
}

// forget drops the errors up to this number.
func (m *mergedErrors) forget(number uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keep := min(m.newest.Load()-number, uint64(len(m.errs)))
	gone := len(m.errs) - int(keep)
	clear(m.errs[:gone])
	if m.errs = m.errs[gone:]; keep == 0 {
		m.errs = nil
	}
	m.held.Store(int64(keep))
}

func (m *mergedErrors) size() int { return int(m.held.Load()) }

// keepMerged lends an id to an error of merged output.
func (c *Component) keepMerged(err lentError) uint64 {
	id := c.mergedErrors.add(err)
	if c.callers.Holders() == 0 {
		// Whom it concerns has left, and sees to no more errors.
		c.mergedErrors.forget(id &^ mergedErrorBit)
	}
	return id
}

// release ends what admit allowed, and drops the errors of merged output that concern
// only calls which have left. Every call is looked at for that once in as many
// departures as there are calls.
func (c *Component) release() {
	c.callers.Release()
	if c.mergedErrors.size() == 0 {
		return
	}
	// Read before the look at the calls: newer errors may concern newer calls.
	number := c.mergedErrors.newest.Load()
	if c.callers.Holders() > 0 {
		calls := c.calls.all()
		if c.mergedErrors.departures.Add(1)%uint64(len(calls)+1) != 0 {
			return
		}
		for _, call := range calls {
			number = min(number, call.firstMergedError())
		}
	}
	c.mergedErrors.forget(number)
}

// firstMergedError is the number after which errors may concern the call.
func (c *call) firstMergedError() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.waiting {
		return math.MaxUint64
	}
	return c.mergedBefore
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
