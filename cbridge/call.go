// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"

	"github.com/otapbridge/otapbridge/capi"
)

// call is the record of one request in Rust. It serves the next request when all
// three have finished with it: Rust has answered, the library has released the
// payload, and the caller has left.
type call struct {
	component *Component
	index     uint32
	// wake tells the caller that something below has changed. Spurious wakes are fine.
	wake chan struct{}

	// These are the caller's alone.
	encoder contextEncoder
	// timer serves as the timeout, then as the grace.
	timer *time.Timer
	// deadline is when the timeout ends; zero without one.
	deadline  time.Time
	cancelled bool
	watch     cancelWatch

	mu         sync.Mutex
	generation uint32
	// waiting: the caller is there to take emissions and the answer.
	waiting bool
	// inRust: submitted and not yet answered.
	inRust bool
	// held: the library may still read the payload, which is pinned for it.
	held bool
	pin  capi.Pin
	size int64
	// failure is the answer if the call failed; lost, if it ended without one.
	failure capi.OwnedError
	lost    bool
	// emissions from taken on await the caller.
	emissions []capi.Event
	taken     int
	merged    merged
	// outputs counts the emissions of the request, those included that come too late.
	outputs int
	// errorIDs are the call's entries in the component's hostErrors.
	errorIDs []uint64
	// mergedBefore is the number of the newest merged error that cannot concern the
	// call, because it came before.
	mergedBefore uint64
}

func newCall(component *Component, index uint32) *call {
	c := &call{component: component, index: index, wake: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	c.timer.Stop()
	c.watch.call = c
	return c
}

// id names the call across the boundary: which record, and which of its uses. The
// generation changes only when nobody uses the record.
func (c *call) id() uint64 { return uint64(c.generation)<<32 | uint64(c.index+1) }

// run submits a request, hands on what comes out, and returns the answer.
func (c *call) run(ctx context.Context, signal capi.Signal, payload []byte) error {
	given := ctx
	ctx, cancel := observable(given)
	defer cancel()
	if err := c.submit(ctx, signal, payload); err != nil {
		return err
	}
	timeout := c.component.settings.Limits.Timeout
	if _, ok := ctx.Deadline(); !ok && timeout > 0 {
		c.deadline = time.Now().Add(timeout)
		c.timer.Reset(timeout)
		defer c.timer.Stop()
	}
	return c.wait(ctx, given)
}

// submit waits for room, and hands the request to Rust.
func (c *call) submit(ctx context.Context, signal capi.Signal, payload []byte) error {
	size := int64(len(payload))
	if err := c.component.bytes.acquire(ctx, size); err != nil {
		return err
	}
	// Encoded after the wait: the block says how much time is left.
	block, err := c.encoder.encode(ctx, c.component.settings.Limits.Timeout)
	defer c.encoder.trim()
	if err != nil {
		c.component.bytes.release(size)
		return err
	}
	c.begin(payload)
	if err := c.component.native().Submit(c.id(), signal, block, payload); err != nil {
		c.undoBegin()
		return c.submitError(ctx, err)
	}
	return nil
}

// begin makes the record ready before Submit, because events may come during it.
func (c *call) begin(payload []byte) {
	select {
	case <-c.wake:
	default:
	}
	c.deadline, c.cancelled = time.Time{}, false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.inRust, c.held = true, true, true
	c.mergedBefore = c.component.mergedErrors.newest.Load()
	c.size, c.merged, c.outputs = int64(len(payload)), merged{}, 0
	c.pin.Hold(payload)
}

// undoBegin is for a Submit that was refused: the library kept nothing.
func (c *call) undoBegin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inRust = false
	c.releasePayload()
}

// wait is the caller's loop. It waits with ctx, and hands output on with what the
// caller has given.
func (c *call) wait(ctx, given context.Context) error {
	var event capi.Event
	for {
		switch c.take(&event) {
		case foundEmission:
			if ctx.Err() != nil {
				// Nobody waits for it any more.
				c.component.refuse(&event, refusalOf(ctx))
				return c.giveUp(ctx)
			}
			c.handOn(given, &event)
			continue
		case foundAnswer:
			return c.answer(ctx)
		}
		// Without a timeout the timer is stopped and never fires.
		select {
		case <-c.wake:
			c.resume()
		case <-ctx.Done():
			return c.giveUp(ctx)
		case <-c.timer.C:
			if !c.prolong() {
				return c.timeOut(ctx)
			}
		}
	}
}

// found is what a look at the record shows.
type found int

const (
	foundNothing found = iota
	foundEmission
	foundAnswer
)

// take looks at the record, and moves the next emission to event. Output of a call
// that succeeded is still handed on; that of one that failed is not.
func (c *call) take(event *capi.Event) found {
	c.mu.Lock()
	defer c.mu.Unlock()
	failed := c.failure.Held() || c.lost
	if !failed && c.taken < len(c.emissions) {
		*event = c.emissions[c.taken]
		c.emissions[c.taken] = capi.Event{}
		if c.taken++; c.taken == len(c.emissions) {
			c.emissions, c.taken = c.emissions[:0], 0
		}
		return foundEmission
	}
	if !c.inRust {
		return foundAnswer
	}
	return foundNothing
}

// handOn runs the next consumer on the caller's goroutine, with the caller's context.
func (c *call) handOn(ctx context.Context, event *capi.Event) {
	var started time.Time
	if !c.deadline.IsZero() {
		// The timeout bounds the time in Rust only.
		c.timer.Stop()
		started = time.Now()
	}
	emissionID, answered := event.EmissionID, false
	defer func() {
		if !answered {
			// The consumer panicked, or ended its goroutine.
			c.component.native().EmissionDone(emissionID, &errConsumerPanicked)
		}
	}()

	err := c.deliver(ctx, event)
	answered = true
	if err == nil {
		c.component.native().EmissionDone(emissionID, nil)
	} else {
		classified := FromError(err)
		errorID := c.lendError(lentError{err, classified.permanent})
		c.component.native().EmissionDone(emissionID, classified.toHost(errorID))
	}

	if !c.deadline.IsZero() {
		c.deadline = c.deadline.Add(time.Since(started))
		c.timer.Reset(time.Until(c.deadline))
	}
}

func (c *call) deliver(ctx context.Context, event *capi.Event) error {
	out, err := c.component.unmarshal(event)
	if err != nil {
		return err
	}
	if ctx.Done() == nil {
		return out.consume(ctx, &c.component.settings.Next)
	}
	c.watch.enter(ctx, c.id())
	defer c.watch.leave()
	return out.consume(ctx, &c.component.settings.Next)
}

// lendError gives an error an id for the rest of the call, and lets an older one go when
// there are too many.
func (c *call) lendError(err lentError) uint64 {
	id := c.component.hostErrors.add(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errorIDs) == maxHostErrorsPerCall {
		c.component.hostErrors.drop(c.errorIDs[firstHostErrorsOfCall])
		c.errorIDs = slices.Delete(c.errorIDs, firstHostErrorsOfCall, firstHostErrorsOfCall+1)
	}
	c.errorIDs = append(c.errorIDs, id)
	return id
}

// answer is what Rust answered.
func (c *call) answer(ctx context.Context) error {
	c.mu.Lock()
	failure, lost := c.failure, c.lost
	c.failure = capi.OwnedError{}
	c.mu.Unlock()
	native := failure.Take()
	switch {
	case lost:
		return errStopped()
	case native == nil:
		return nil
	}
	if err := c.hostError(native); err != nil {
		return err
	}
	return fromNative(native, causeOf(ctx, native)).classified()
}

// hostError returns the error value that comes back with an error of the library's, or
// nil if it is gone or there is none. It is permanent if nodes made it so on its way:
// they do when parts of the data were accepted, which must not be sent again. Data that
// it carries is taken off unless it is all of the call's that was refused: a caller who
// sends again what one part's error carries would lose the other parts.
func (c *call) hostError(native *capi.Error) error {
	id := native.HostErrorID
	if id == 0 {
		return nil
	}
	c.mu.Lock()
	// Errors of merged output have been without it from the beginning.
	whole := id&mergedErrorBit != 0 || c.outputs == 1 && slices.Contains(c.errorIDs, id)
	c.mu.Unlock()
	lent := c.component.lentError(id)
	if lent.value == nil {
		return nil
	}
	if !whole {
		lent.value = withoutData(lent.value)
	}
	// To the library what was cancelled is always permanent, which is no news.
	if native.Flags&capi.ErrorFlagPermanent != 0 && !lent.permanent && native.Kind != KindCancelled {
		return consumererror.NewPermanent(lent.value)
	}
	return lent.value
}

func (c *call) submitError(ctx context.Context, err error) error {
	var native *capi.Error
	if !errors.As(err, &native) {
		return errStopped()
	}
	return fromNative(native, causeOf(ctx, native)).classified()
}

// leave ends the caller's part, however it ends. The event handler deals with what
// Rust still gives back, and the last to finish frees the record.
func (c *call) leave() {
	var late []capi.Event
	c.mu.Lock()
	id, inRust := c.id(), c.inRust
	if c.taken < len(c.emissions) {
		late = append(late, c.emissions[c.taken:]...)
	}
	clear(c.emissions)
	c.emissions, c.taken = c.emissions[:0], 0
	for _, errorID := range c.errorIDs {
		c.component.hostErrors.drop(errorID)
	}
	c.errorIDs = c.errorIDs[:0]
	c.failure.Release()
	c.lost, c.waiting = false, false
	cancelled := c.cancelled
	c.recycle()
	c.mu.Unlock()

	if inRust && !cancelled {
		c.component.native().Cancel(id, capi.CancelReasonCancelled, "the caller ended without waiting for the answer")
	}
	for i := range late {
		c.component.refuse(&late[i], &errCallerLeft)
	}
	c.component.release()
}

// recycle frees the record when all have finished with it. With c.mu.
func (c *call) recycle() {
	if !c.waiting && !c.inRust && !c.held {
		c.generation++
		c.component.calls.free <- c
	}
}

// releasePayload ends the library's hold of the payload. With c.mu.
func (c *call) releasePayload() {
	if c.held {
		c.held = false
		c.pin.Release()
		c.component.bytes.release(c.size)
	}
}
