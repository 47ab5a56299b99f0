// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// workers forward emissions that stem from no single waiting call: merged batches,
// and what begins in Rust. Their context is rebuilt from the emission's context
// block. Goroutines start when there is work and end when there is none.
type workers struct {
	component *Component
	limit     int
	ctx       context.Context
	cancel    context.CancelCauseFunc

	mu      sync.Mutex
	queue   []*workersEmission
	present map[uint64]*workersEmission
	running int
	stopped bool
	idle    chan struct{}
}

// workersEmission is an emission that is queued or being forwarded.
type workersEmission struct {
	emission
	// arrived is what the time left in the event's context counts from.
	arrived time.Time
	// cancel is set while it is being forwarded, cause when it was cancelled before.
	cancel context.CancelCauseFunc
	cause  error
	// timed: the Go context has the deadline itself and ends with DeadlineExceeded; a cancel
	// would make that Canceled.
	timed bool
}

// endsByItself reports whether the cause is the deadline that the context has, too.
// With workers.mu.
func (e *workersEmission) endsByItself() bool {
	return e.timed && errors.Is(e.cause, context.DeadlineExceeded)
}

func newWorkers(component *Component, limit int) *workers {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &workers{
		component: component, limit: limit, ctx: ctx, cancel: cancel,
		present: make(map[uint64]*workersEmission), idle: make(chan struct{}),
	}
}

// enqueue takes over an emission. It runs in the library's callbacks.
func (w *workers) enqueue(out *emission) {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		out.refuse(&errCallerLeft)
		return
	}
	defer w.mu.Unlock()
	e := &workersEmission{emission: *out, arrived: time.Now()}
	w.queue = append(w.queue, e)
	w.present[e.event.EmissionID] = e
	if w.running < w.limit {
		w.running++
		go w.run()
	}
}

// onCancelled ends the context of an emission whose work was cancelled in Rust, or
// refuses one that still waits for a worker: that may take long. It runs in the
// library's callbacks.
func (w *workers) onCancelled(emissionID uint64, cause error) {
	w.mu.Lock()
	e := w.present[emissionID]
	var cancel context.CancelCauseFunc
	queued := -1
	if e != nil {
		e.cause = cause
		if !e.endsByItself() {
			cancel = e.cancel
		}
		queued = slices.Index(w.queue, e)
	}
	if queued >= 0 {
		w.queue = slices.Delete(w.queue, queued, queued+1)
		delete(w.present, emissionID)
	}
	w.mu.Unlock()
	switch {
	case queued >= 0:
		e.refuse(refusalOf(cause))
	case cancel != nil:
		cancel(cause)
	}
}

// stop cancels what is under way and refuses what is queued; no event comes any
// more. The channel is closed when the last goroutine has ended.
func (w *workers) stop(cause error) <-chan struct{} {
	w.mu.Lock()
	w.stopped = true
	queue := w.queue
	w.queue = nil
	if w.running == 0 {
		close(w.idle)
	}
	w.mu.Unlock()
	w.cancel(cause)
	for _, e := range queue {
		e.refuse(&errCallerLeft)
	}
	return w.idle
}

// inside is how many outputs are being forwarded.
func (w *workers) inside() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

func (w *workers) run() {
	ended := false
	defer func() {
		if !ended {
			// The consumer ended this goroutine: another takes its place.
			go w.run()
		}
	}()
	for {
		w.mu.Lock()
		if len(w.queue) == 0 {
			if w.running--; w.running == 0 && w.stopped {
				close(w.idle)
			}
			w.mu.Unlock()
			ended = true
			return
		}
		e := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.mu.Unlock()
		w.forward(e)
	}
}

func (w *workers) forward(e *workersEmission) {
	defer func() {
		w.mu.Lock()
		delete(w.present, e.event.EmissionID)
		w.mu.Unlock()
	}()
	ctx, cancel, err := w.contextOf(e)
	if err != nil {
		e.refuse(errormapping.ToHost(err, 0))
		return
	}
	defer cancel(nil)
	_ = e.forward(ctx, nil)
}

// contextOf rebuilds an emission's context, and lets a cancel in Rust end it.
func (w *workers) contextOf(e *workersEmission) (context.Context, context.CancelCauseFunc, *ProcessingError) {
	decoded, err := contextcodec.Decode(e.event.Context)
	if err != nil {
		return nil, nil, errormapping.New(KindPermanent, "context", err.Error())
	}
	decoded.Remaining -= time.Since(e.arrived)
	ctx, cancel := decoded.Context(w.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	e.cancel, e.timed = cancel, decoded.HasDeadline
	if e.cause != nil && !e.endsByItself() {
		cancel(e.cause)
	}
	return ctx, cancel, nil
}

// LinksFromContext returns the spans whose requests were merged into this one, or
// nil. A merged request has no span context of its own.
func LinksFromContext(ctx context.Context) []trace.Link { return contextcodec.LinksFromContext(ctx) }
