// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"fmt"
	"time"

	"github.com/otapbridge/otapbridge/capi"
)

// giveUp is for a caller whose context is done: it tells Rust, waits a little for
// Rust's own answer, and otherwise returns why the context ended.
func (c *call) giveUp(ctx context.Context) error {
	reason, refusal := cancelReason(ctx), refusalOf(ctx)
	if c.answerWithin(0, refusal) {
		return c.answer(ctx)
	}
	c.cancel(reason, errorText(endOf(ctx)))
	if c.answerWithin(c.component.settings.Limits.CancelGrace, refusal) {
		return c.answer(ctx)
	}
	return contextError(ctx, "the request was given up")
}

// refusalOf is the answer to output of a caller whose context is done.
func refusalOf(ctx context.Context) *capi.HostError {
	if cancelReason(ctx) == capi.CancelReasonDeadline {
		return &errDeadlinePassed
	}
	return &errCallerLeft
}

// timeOut is for a caller without a deadline whose time in Rust is used up.
func (c *call) timeOut(ctx context.Context) error {
	if c.answerWithin(0, &errDeadlinePassed) {
		return c.answer(ctx)
	}
	message := fmt.Sprintf("no answer within the timeout of %s", c.component.settings.Limits.Timeout)
	c.cancel(capi.CancelReasonDeadline, message)
	if c.answerWithin(c.component.settings.Limits.CancelGrace, &errDeadlinePassed) {
		return c.answer(ctx)
	}
	return newProcessingError(KindTimeout, "timeout", message).classified()
}

func (c *call) cancel(reason capi.CancelReason, cause string) {
	c.cancelled = true
	c.component.native().Cancel(c.id(), reason, cause)
}

// answerWithin waits for the answer and refuses output that comes meanwhile.
func (c *call) answerWithin(grace time.Duration, refusal *capi.HostError) bool {
	if grace > 0 {
		c.timer.Reset(grace)
		defer c.timer.Stop()
	}
	var event capi.Event
	for {
		switch c.take(&event) {
		case foundEmission:
			c.component.refuse(&event, refusal)
			continue
		case foundAnswer:
			return true
		}
		if grace <= 0 {
			return false
		}
		select {
		case <-c.wake:
		case <-c.timer.C:
			grace = 0
		}
	}
}
