// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
	"github.com/otapbridge/otapbridge/cbridge/internal/notices"
)

// defaultStopTimeout is how long a shutdown lets work finish when its context has
// no deadline.
const defaultStopTimeout = 5 * time.Second

// ErrRuntimeClosed is returned for a Runtime after its Close.
var ErrRuntimeClosed = errors.New("otapbridge: the runtime reference was closed")

// Runtime is a reference to the Rust library's instance, of which a process has at
// most one. The first reference starts it, the last one that is closed ends it.
// Components have one each while they run. Safe for concurrent use.
type Runtime struct {
	instance *runtimeInstance
	closed   atomic.Bool
}

type runtimeInstance struct {
	native     *capi.Runtime
	notices    *notices.Queue
	references int
}

var process struct {
	mu       sync.Mutex
	instance *runtimeInstance
}

// OpenRuntime returns a reference. The logger of the first one decides how detailed
// the library's log records are, and receives those that belong to no component.
func OpenRuntime(logger *zap.Logger) (*Runtime, error) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.instance == nil {
		queue := notices.NewQueue(logger)
		native, err := capi.NewRuntime(capi.RuntimeOptions{LogLevel: notices.LibraryLevel(logger)}, queue)
		if err != nil {
			queue.Close()
			return nil, errormapping.FromLibrary(err)
		}
		process.instance = &runtimeInstance{native: native, notices: queue}
	}
	process.instance.references++
	return &Runtime{instance: process.instance}, nil
}

// Close gives the reference back. The last one stops the library: work in flight may
// finish until the context's deadline (5 seconds without one), and the logger may
// write what is left until then, or 100 ms. Closing twice is fine.
func (r *Runtime) Close(ctx context.Context) error {
	return r.close(stopDeadline(ctx))
}

func (r *Runtime) close(deadline time.Time) error {
	if r.closed.Swap(true) {
		return nil
	}
	ended, err := r.instance.release(deadline)
	if !ended {
		return nil
	}
	// Others may start the next instance while a logger of this one blocks.
	if !r.instance.notices.Wait(leaveUntil(deadline)) {
		err = errors.Join(err, errors.New("a logger has not returned, so that log records were not written"))
	}
	if err != nil {
		return fmt.Errorf("stop the otapbridge runtime: %w", err)
	}
	return nil
}

// release gives a reference back. It reports whether that ended the instance.
func (i *runtimeInstance) release(deadline time.Time) (ended bool, err error) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if i.references--; i.references > 0 {
		return false, nil
	}
	process.instance = nil
	err = errormapping.FromLibrary(i.native.Shutdown(time.Until(deadline)))
	i.native.Destroy()
	i.notices.Close()
	return true, err
}

// Stats are the counters of the library and of its Go side.
type Stats struct {
	capi.Stats
	// PayloadsPinned is the number of payloads that are pinned in memory.
	PayloadsPinned int64
	// CallbackPanicsTotal counts panics that were caught in callbacks into Go.
	CallbackPanicsTotal uint64
	// LogRecordsDroppedTotal counts log records that came faster than they could be written.
	LogRecordsDroppedTotal uint64
}

// Stats reads the counters. Each is exact; together they are no snapshot.
func (r *Runtime) Stats() (Stats, error) {
	if r.closed.Load() {
		return Stats{}, ErrRuntimeClosed
	}
	native, err := r.instance.native.Stats()
	if err != nil {
		return Stats{}, errormapping.FromLibrary(err)
	}
	return Stats{
		Stats:                  native,
		PayloadsPinned:         capi.Pins(),
		CallbackPanicsTotal:    capi.CallbackPanics(),
		LogRecordsDroppedTotal: r.instance.notices.DroppedTotal(),
	}, nil
}

// stopDeadline is until when a shutdown under ctx may take.
func stopDeadline(ctx context.Context) time.Time {
	if ctx.Err() != nil {
		return time.Now()
	}
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	return time.Now().Add(defaultStopTimeout)
}

// leaveUntil is the deadline, or leaveTime from now if that is later.
func leaveUntil(deadline time.Time) time.Time {
	return time.Now().Add(max(time.Until(deadline), leaveTime))
}
