// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// cancelWatchInterval is how long a call may be inside the next consumer, at least and
// at most twice, before a cancel is watched for. Most calls are shorter, and watching
// allocates.
const cancelWatchInterval = 5 * time.Millisecond

// cancelWatches looks now and then for calls that have been inside the next consumer for
// a while. One timer for all: starting one for each call would wake a thread each time
// when the others sleep.
type cancelWatches struct {
	looks atomic.Uint64

	mu sync.Mutex
	// entered are the watches to look at; the timer runs if there are any.
	entered []*cancelWatch
	timer   *time.Timer
}

// cancelWatch lets a cancel reach Rust while the caller is inside the next consumer
// and cannot see it: other output of the call may still be worked on.
type cancelWatch struct {
	call *call

	mu sync.Mutex
	// listed: among those to look at.
	listed bool
	// ctx is nil outside of the next consumer.
	ctx    context.Context
	callID uint64
	// lookedBefore is the number of looks when it entered.
	lookedBefore uint64
	stop         func() bool
}

// enter begins to watch. It allocates nothing once there were as many watches before.
func (w *cancelWatch) enter(ctx context.Context, callID uint64) {
	all := &w.call.component.cancelWatches
	w.mu.Lock()
	listed := w.listed
	w.ctx, w.callID, w.listed = ctx, callID, true
	w.lookedBefore = all.looks.Load()
	w.mu.Unlock()
	if !listed {
		all.add(w)
	}
}

// leave ends watching.
func (w *cancelWatch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		w.stop()
	}
	w.ctx, w.callID, w.stop = nil, 0, nil
}

func (all *cancelWatches) add(w *cancelWatch) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.entered = append(all.entered, w)
	if len(all.entered) == 1 {
		all.startTimer()
	}
}

// startTimer is called with the lock held.
func (all *cancelWatches) startTimer() {
	if all.timer == nil {
		all.timer = time.AfterFunc(cancelWatchInterval, all.look)
	} else {
		all.timer.Reset(cancelWatchInterval)
	}
}

// look watches for the cancel of those that were inside at the last look already, and
// forgets those that have left.
func (all *cancelWatches) look() {
	looks := all.looks.Add(1)
	all.mu.Lock()
	defer all.mu.Unlock()
	remaining := all.entered[:0]
	for _, w := range all.entered {
		if w.look(looks) {
			remaining = append(remaining, w)
		}
	}
	clear(all.entered[len(remaining):])
	all.entered = remaining
	if len(remaining) > 0 {
		all.startTimer()
	}
}

// look reports whether to look again.
func (w *cancelWatch) look(looks uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed = w.ctx != nil && looks-w.lookedBefore < 2
	if w.ctx != nil && !w.listed && w.stop == nil {
		ctx, callID, component := w.ctx, w.callID, w.call.component
		w.stop = context.AfterFunc(ctx, func() {
			component.native().Cancel(callID, cancelReason(ctx), errorText(endOf(ctx)))
		})
	}
	return w.listed
}
