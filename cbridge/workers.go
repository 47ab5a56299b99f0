// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/otapbridge/otapbridge/capi"
)

// workers hand on emissions that stem from no single waiting call: merged batches,
// and what begins in Rust. Their context is rebuilt from the emission's context
// block. Goroutines start when there is work and end when there is none.
type workers struct {
	component *Component
	limit     int
	ctx       context.Context
	cancel    context.CancelCauseFunc

	mu      sync.Mutex
	queue   []*emission
	present map[uint64]*emission
	running int
	stopped bool
	idle    chan struct{}
}

// emission is an event that is queued or being handed on.
type emission struct {
	event capi.Event
	// arrived is what the time left in the event's context counts from.
	arrived time.Time
	// origins are the calls whose data it carries.
	origins []uint64
	// cancel is set while it is being handed on, cause when it was cancelled before.
	cancel context.CancelCauseFunc
	cause  error
	// timed: its context has a deadline, and ends with it by itself: as exceeded, which
	// no cancel can say.
	timed bool
}

// endsByItself reports whether the cause is the deadline that the context has, too.
// With workers.mu.
func (e *emission) endsByItself() bool {
	return e.timed && errors.Is(e.cause, context.DeadlineExceeded)
}

func newWorkers(component *Component, limit int) *workers {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &workers{
		component: component, limit: limit, ctx: ctx, cancel: cancel,
		present: make(map[uint64]*emission), idle: make(chan struct{}),
	}
}

// enqueue takes over an event. It runs in the library's callbacks.
func (w *workers) enqueue(event *capi.Event) {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		w.component.refuse(event, &errCallerLeft)
		return
	}
	defer w.mu.Unlock()
	// A view, which ends with the event's buffer.
	e := &emission{event: *event, arrived: time.Now(), origins: slices.Clone(event.Origins)}
	w.component.forCalls(e.origins, (*call).onMergedOut)
	w.queue = append(w.queue, e)
	w.present[event.EmissionID] = e
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
		w.component.forCalls(e.origins, (*call).onMergedAnswered)
		w.component.refuse(&e.event, refusalOfCancelled(cause))
	case cancel != nil:
		cancel(cause)
	}
}

// refusalOfCancelled is the answer to output whose work was cancelled in Rust.
func refusalOfCancelled(cause error) *capi.HostError {
	if FromError(cause).Kind() == KindTimeout {
		return &errDeadlinePassed
	}
	return &errCallerLeft
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
		w.component.forCalls(e.origins, (*call).onMergedAnswered)
		w.component.refuse(&e.event, &errCallerLeft)
	}
	return w.idle
}

// inside is how many outputs are being handed on.
func (w *workers) inside() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

func (w *workers) run() {
	for {
		w.mu.Lock()
		if len(w.queue) == 0 {
			if w.running--; w.running == 0 && w.stopped {
				close(w.idle)
			}
			w.mu.Unlock()
			return
		}
		e := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.mu.Unlock()
		w.handOn(e)
	}
}

func (w *workers) handOn(e *emission) {
	c := w.component
	id, answered := e.event.EmissionID, false
	defer func() {
		w.mu.Lock()
		delete(w.present, id)
		w.mu.Unlock()
		c.forCalls(e.origins, (*call).onMergedAnswered)
		if !answered {
			c.native().EmissionDone(id, &errConsumerPanicked)
		}
	}()

	err := w.deliver(e)
	answered = true
	if err == nil {
		c.native().EmissionDone(id, nil)
		return
	}
	classified := FromError(err)
	errorID := c.keepMerged(lentError{withoutData(err), classified.permanent})
	c.native().EmissionDone(id, classified.toHost(errorID))
}

func (w *workers) deliver(e *emission) error {
	decoded, err := decodeContext(e.event.Context)
	if err != nil {
		w.component.discard(&e.event)
		return newProcessingError(KindPermanent, "context", err.Error()).classified()
	}
	decoded.remaining -= time.Since(e.arrived)
	ctx, cancel := decoded.context(w.ctx)
	defer cancel(nil)
	w.mu.Lock()
	e.cancel, e.timed = cancel, decoded.hasDeadline
	cause := e.cause
	ending := cause != nil && !e.endsByItself()
	w.mu.Unlock()
	if ending {
		cancel(cause)
	}
	out, err := w.component.unmarshal(&e.event)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return contextError(ctx, "before the output was handed on")
	}
	return out.consume(ctx, &w.component.settings.Next)
}
