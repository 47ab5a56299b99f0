// SPDX-License-Identifier: Apache-2.0

// Package lease guards a resource that is closed while others may still use it.
package lease

import "sync/atomic"

// closed is far above any number of users, and far enough below the largest
// int64 that late attempts cannot overflow.
const closed = int64(1) << 62

// A Lease counts the users of a resource. Users that come after Close are
// turned away; Close tells when the last earlier user has left. The zero value
// is open. All methods are safe for concurrent use and none blocks or allocates,
// except Close, which allocates one channel.
type Lease struct {
	state   atomic.Int64
	drained atomic.Pointer[chan struct{}]
}

// Acquire reports whether the resource may be used. If so, Release must follow.
func (l *Lease) Acquire() bool {
	// Looked at first, so that those who are turned away do not count as users,
	// except those who come in the very moment of Close.
	if l.state.Load() >= closed {
		return false
	}
	if l.state.Add(1) < closed {
		return true
	}
	l.Release()
	return false
}

// Release ends a use that Acquire allowed.
func (l *Lease) Release() {
	if l.state.Add(-1) == closed {
		l.signal()
	}
}

// Users is the number of users at this moment.
func (l *Lease) Users() int {
	return int(l.state.Load() &^ closed)
}

// Close turns new users away and returns a channel that receives one value when
// the last user has left. Only the first call returns a channel; later ones return nil.
func (l *Lease) Close() <-chan struct{} {
	drained := make(chan struct{}, 1)
	if !l.drained.CompareAndSwap(nil, &drained) {
		return nil
	}
	if l.state.Add(closed) == closed {
		l.signal()
	}
	return drained
}

// signal may come more than once, because a user who is turned away passes
// through a count of one as well.
func (l *Lease) signal() {
	select {
	case *l.drained.Load() <- struct{}{}:
	default:
	}
}
