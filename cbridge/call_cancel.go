// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"

	"github.com/otapbridge/otapbridge/capi"
)

// giveUp is for a caller whose context is done: it tells Rust and waits for the answer,
// which the library gives within the grace, whatever its nodes do. Output that comes
// meanwhile is refused.
func (c *call) giveUp(ctx context.Context) error {
	var e emission
	for {
		switch c.take(&e) {
		case foundEmission:
			c.refuse(ctx, &e)
			continue
		case foundAnswer:
			return c.answer(ctx)
		}
		if !c.cancelled {
			c.cancelled = true
			c.component.native().Cancel(c.id(), cancelReason(ctx), errorText(endOf(ctx)))
			continue
		}
		<-c.wake
	}
}

// refuse answers output that the caller no longer waits for.
func (c *call) refuse(ctx context.Context, e *emission) {
	refusal := refusalOf(ctx)
	native := &capi.Error{Kind: refusal.Kind, Flags: refusal.Flags, Message: refusal.Message}
	ended := fromNative(native, causeOf(ctx, native))
	ended.code, ended.httpStatus = kindDefaults(refusal.Kind)
	c.outcome = ended.classified()
	e.refuse(refusal)
}

// refusalOf is the answer to output of a caller whose context is done.
func refusalOf(ctx context.Context) *capi.HostError {
	if cancelReason(ctx) == capi.CancelReasonDeadline {
		return &errDeadlinePassed
	}
	return &errCallerLeft
}
