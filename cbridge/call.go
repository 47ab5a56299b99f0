// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/consumer/consumererror"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// call is the record of one request in Rust. It serves the next request when all
// three have finished with it: Rust has completed the call, the library has released the
// payload, and the caller has left.
type call struct {
	component *Component
	index     uint32
	// wake tells the caller that something below has changed. Spurious wakes are fine.
	wake chan struct{}

	// These are the caller's alone.
	encoder   contextcodec.Encoder
	cancelled bool
	// outcome is what the caller gets if its answer to an emission ended the call.
	outcome error
	// input is kept only if it may be forwarded. Others take the data while the caller waits, if
	// they went in by reference; dataInUse keeps the caller from leaving meanwhile. mu is
	// locked after it.
	input     input
	dataInUse sync.Mutex

	mu         sync.Mutex
	generation uint32
	// waiting: the caller is there to take emissions and the result.
	waiting bool
	// inRust: submitted and not yet completed.
	inRust bool
	// pinned: the library may still read the payload, which is pinned for it.
	pinned bool
	pin    capi.Pin
	size   int64
	// failure is the result if the call failed. lost: it ended without one. answered: it
	// ended with the answer to an emission.
	failure  capi.OwnedError
	lost     bool
	answered bool
	// emissions from taken on await the caller.
	emissions []emission
	taken     int
	// outputs counts the emissions of the request, those included that come too late.
	outputs int
}

func newCall(component *Component, index uint32) *call {
	return &call{component: component, index: index, wake: make(chan struct{}, 1)}
}

// id names the call across the boundary: which record, and which of its uses. The
// generation changes only when nobody uses the record.
func (c *call) id() uint64 { return uint64(c.generation)<<32 | uint64(c.index+1) }

// run submits a request, forwards what comes out, and returns the result.
// Data that go in by reference have no payload.
func (c *call) run(ctx context.Context, data pdata, payload []byte) error {
	given := ctx
	ctx, cancel := observable(given)
	defer cancel()
	if c.component.references || c.component.settings.ShareUnchangedData {
		c.input = input{data: data, payload: payload}
	}
	if err := c.submit(ctx, &data, payload); err != nil {
		return err
	}
	return c.wait(ctx, given)
}

// submit waits for room, and hands the request to Rust.
func (c *call) submit(ctx context.Context, data *pdata, payload []byte) error {
	size := len(payload)
	if c.component.references {
		size = data.size()
	}
	if err := c.component.bytes.acquire(ctx, int64(size)); err != nil {
		return err
	}
	// Encoded after the wait: the block says how much time is left.
	block, err := c.encoder.Encode(ctx, c.component.settings.Limits.Timeout)
	defer c.encoder.Trim()
	if err != nil {
		c.component.bytes.release(int64(size))
		return err
	}
	c.begin(payload, size)
	if c.component.references {
		err = c.component.native().SubmitReference(c.id(), data.signal, block, data.items(), size)
	} else {
		err = c.component.native().Submit(c.id(), data.signal, block, payload)
	}
	if err != nil {
		c.undoBegin()
		return c.submitError(ctx, err)
	}
	return nil
}

// begin makes the record ready before Submit, because events may come during it.
func (c *call) begin(payload []byte, size int) {
	select {
	case <-c.wake:
	default:
	}
	c.cancelled, c.outcome = false, nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.inRust, c.pinned = true, true, true
	c.size, c.outputs, c.answered = int64(size), 0, false
	if payload != nil {
		c.pin.Pin(payload)
	}
}

// undoBegin is for a Submit that was refused: the library kept nothing.
func (c *call) undoBegin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inRust = false
	c.releasePayload()
}

// wait is the caller's loop. It waits with ctx, and forwards output with what the
// caller has given. When ctx is done it tells Rust, refuses what still comes, and waits for the
// result, which the library gives within the grace, whatever its nodes do.
func (c *call) wait(ctx, given context.Context) error {
	var e emission
	for {
		found := c.take(&e)
		switch {
		case found == foundResult:
			return c.result(ctx)
		case found == foundEmission && ctx.Err() != nil:
			c.refuse(ctx, &e)
		case found == foundEmission:
			c.forward(given, &e)
		case c.cancelled:
			<-c.wake
		default:
			c.component.looking.look(func() bool { return len(c.wake) > 0 })
			select {
			case <-c.wake:
			case <-ctx.Done():
				c.cancelled = true
				c.component.cancel(ctx, c.id())
			}
		}
	}
}

// found is what a look at the record shows.
type found int

const (
	foundNothing found = iota
	foundEmission
	foundResult
)

// take looks at the record, and moves the next emission to e. Output of a call
// that succeeded is still forwarded; that of one that failed is not.
func (c *call) take(e *emission) found {
	c.mu.Lock()
	defer c.mu.Unlock()
	failed := c.failure.Unreleased() || c.lost
	if !failed && c.taken < len(c.emissions) {
		*e = c.emissions[c.taken]
		c.emissions[c.taken] = emission{}
		if c.taken++; c.taken == len(c.emissions) {
			c.emissions, c.taken = c.emissions[:0], 0
		}
		return foundEmission
	}
	if !c.inRust {
		return foundResult
	}
	return foundNothing
}

// forward runs the next consumer on the caller's goroutine, with the caller's context.
func (c *call) forward(ctx context.Context, e *emission) {
	if ctx.Done() != nil && !e.endsCall() {
		// A cancel reaches other work on the call, too.
		id := c.id()
		stop := context.AfterFunc(ctx, func() { c.component.cancel(ctx, id) })
		defer stop()
	}
	c.outcome = e.forward(ctx, c)
}

// result is what the call was completed with.
func (c *call) result(ctx context.Context) error {
	c.mu.Lock()
	failure, lost, answered := c.failure, c.lost, c.answered
	c.failure = capi.OwnedError{}
	c.mu.Unlock()
	switch {
	case lost:
		return errStopped()
	case answered:
		return c.outcome
	case !failure.Unreleased():
		return nil
	}
	// The library may forget the host's error with its own.
	lent := c.component.hostErrors.Get(failure.HostErrorID())
	native := failure.Take()
	if lent.Value != nil {
		return c.hostError(lent, native)
	}
	c.explainTimeout(ctx, native)
	return errormapping.OfCall(ctx, native)
}

// noMoreThanTimeout is the library's text for a deadline that passed.
const noMoreThanTimeout = "deadline exceeded"

// explainTimeout names the setting if it is the component's own timeout that has passed.
func (c *call) explainTimeout(ctx context.Context, native *capi.Error) {
	if _, ok := ctx.Deadline(); !ok && native.Kind == KindTimeout && native.Message == noMoreThanTimeout {
		native.Field = "timeout"
		native.Message = fmt.Sprintf("no result within the timeout of %s", c.component.settings.Limits.Timeout)
	}
}

// hostError returns the error value that comes back with an error of the library's. It is
// permanent if nodes made it so on its way:
// they do when parts of the data were accepted, which must not be sent again. Data that
// it carries is taken off unless it is all of the call's that was refused: a caller who
// sends again what one part's error carries would lose the other parts.
func (c *call) hostError(lent errormapping.Lent, native *capi.Error) error {
	c.mu.Lock()
	// CallID 0: `refusal` took the data off already.
	whole := lent.CallID == 0 || c.outputs == 1 && c.names(lent.CallID) && native.Flags&capi.ErrorFlagPart == 0
	c.mu.Unlock()
	if !whole {
		lent.Value = errormapping.WithoutData(lent.Value)
	}
	// Every Cancelled is permanent in Rust; that alone does not make the Go error permanent.
	if native.Flags&capi.ErrorFlagPermanent != 0 && !lent.Permanent && native.Kind != KindCancelled {
		return consumererror.NewPermanent(lent.Value)
	}
	return lent.Value
}

func (c *call) submitError(ctx context.Context, err error) error {
	var native *capi.Error
	if !errors.As(err, &native) {
		return errStopped()
	}
	return errormapping.OfCall(ctx, native)
}

// leave ends the caller's part, however it ends: with its data accepted or not. The event
// handler deals with what Rust still gives back, and the last to finish frees the record.
func (c *call) leave(accepted bool) {
	var late []emission
	c.forgetData(accepted)
	c.mu.Lock()
	id, inRust := c.id(), c.inRust
	if c.taken < len(c.emissions) {
		late = append(late, c.emissions[c.taken:]...)
	}
	clear(c.emissions)
	c.emissions, c.taken = c.emissions[:0], 0
	c.failure.Release()
	c.lost, c.waiting = false, false
	cancelled := c.cancelled
	c.recycle()
	c.mu.Unlock()

	if inRust && !cancelled {
		c.component.native().Cancel(id, capi.CancelReasonCancelled, "the caller ended without waiting for the result")
	}
	for i := range late {
		late[i].refuse(&errCallerLeft)
	}
	c.component.callers.Release()
}

// recycle frees the record when all have finished with it. With c.mu.
func (c *call) recycle() {
	if !c.waiting && !c.inRust && !c.pinned {
		c.generation++
		c.component.calls.free <- c
	}
}

// releasePayload is for when the library no longer reads the payload. With c.mu.
func (c *call) releasePayload() {
	if c.pinned {
		c.pinned = false
		c.pin.Release()
		c.component.bytes.release(c.size)
	}
}
