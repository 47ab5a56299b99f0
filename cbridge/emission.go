// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"fmt"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// emission is data that came out of the pipeline. Whoever takes it over forwards it or
// refuses it, and so answers it once.
type emission struct {
	component *Component
	event     capi.Event
}

var (
	errDeadlinePassed   = capi.HostError{Kind: KindTimeout, Message: "the request's deadline passed"}
	errCallerLeft       = capi.HostError{Kind: KindCancelled, Flags: capi.ErrorFlagPermanent, Message: "the request's caller has left"}
	errConsumerPanicked = capi.HostError{Kind: KindRetryable, Message: "the next consumer panicked"}
)

// forward gives the data to the next consumer, and answers also if that panics or ends
// its goroutine. caller is the call's, if its output is forwarded.
func (e *emission) forward(ctx context.Context, caller *call) (err error) {
	answer := &errConsumerPanicked
	defer func() {
		// Released already, unless something panicked before.
		e.component.discard(&e.event)
		e.answer(answer)
	}()
	own, left := e.own(caller)
	if left {
		answer = &errCallerLeft
		return nil
	}
	if err = e.consume(ctx, own); err != nil {
		answer = e.refusal(err)
	} else {
		answer = nil
	}
	return err
}

// refusal is an error as it crosses: with an id to come back by, unless the answer ends
// the call.
func (e *emission) refusal(err error) *capi.HostError {
	classified := FromError(err)
	id := uint64(0)
	if !e.endsCall() {
		lent := errormapping.Lent{Value: err, Permanent: classified.IsPermanent(), CallID: e.event.CallID}
		if lent.CallID == 0 {
			lent.Value = errormapping.WithoutData(err)
		}
		id = e.component.hostErrors.Add(lent)
	}
	return errormapping.ToHost(classified, id)
}

// own returns the data that need no decoding: a caller's own, or those of the calls that
// a batch by reference was made of. left: of these all callers have left.
func (e *emission) own(caller *call) (own pdata, left bool) {
	settings := &e.component.settings
	switch {
	case !isReference(&e.event) && caller == nil:
		return pdata{}, false
	case !isReference(&e.event):
		return caller.input.takeUnchanged(&e.event, &settings.Next), false
	case caller == nil:
		return e.component.join(&e.event)
	default:
		return caller.takeReference(&settings.Next, settings.ShareUnchangedData), false
	}
}

// endsCall reports whether nothing but the call waits for the answer.
func (e *emission) endsCall() bool { return e.event.Flags&capi.EventFlagEndsCall != 0 }

// answer tells Rust, and the call if that ends with it.
func (e *emission) answer(refusal *capi.HostError) {
	answer := e.component.native().EmissionDone(e.event.EmissionID, refusal)
	if refusal != nil && refusal.HostErrorID != 0 && answer&capi.EmissionKeepsError == 0 {
		e.component.hostErrors.Drop(refusal.HostErrorID)
	}
	if answer&capi.EmissionCallDone != 0 {
		e.component.calls.find(e.event.CallID).onAnswered(e.event.CallID, answer)
	}
}

func (e *emission) consume(ctx context.Context, own pdata) error {
	out, err := e.decode(own)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errormapping.ContextError(ctx, "before the output was forwarded")
	}
	return out.consume(ctx, &e.component.settings.Next)
}

// decode copies the data out of the library, unless there is own data, and releases the
// buffer.
func (e *emission) decode(own pdata) (pdata, error) {
	defer e.component.discard(&e.event)
	signal, settings := e.event.Signal, &e.component.settings
	if !settings.Next.has(signal) {
		return pdata{}, errormapping.Classified(errormapping.New(KindConfiguration, "", fmt.Sprintf(
			"the pipeline put out %s, for which %s has no consumer", signal, settings.Name)))
	}
	if own.signal != 0 {
		return own, nil
	}
	if isReference(&e.event) {
		return pdata{}, errormapping.Classified(errormapping.New(KindPermanent, "payload", "the pipeline put out data that it had put out before"))
	}
	out, err := unmarshal(signal, e.event.Payload)
	if err != nil {
		return pdata{}, errormapping.Classified(errormapping.Wrap(KindPermanent, "payload",
			fmt.Sprintf("the pipeline put out %s that are not valid OTLP: %v", signal, err), err))
	}
	return out, nil
}

// refuse answers an emission that is not forwarded.
func (e *emission) refuse(refusal *capi.HostError) {
	e.component.discard(&e.event)
	e.answer(refusal)
}

// refusalOf is the answer to output of a call or of other work that has ended.
func refusalOf(cause error) *capi.HostError {
	if FromError(cause).Kind() == KindTimeout {
		return &errDeadlinePassed
	}
	return &errCallerLeft
}
