// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"

	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// cancel tells Rust that the context of a call has ended.
func (c *Component) cancel(ctx context.Context, id uint64) {
	c.native().Cancel(id, errormapping.CancelReason(ctx), errormapping.Text(errormapping.EndOf(ctx)))
}

// refuse answers output that the caller no longer waits for.
func (c *call) refuse(ctx context.Context, e *emission) {
	refusal := refusalOf(ctx.Err())
	c.outcome = errormapping.Classified(errormapping.Wrap(refusal.Kind, "", refusal.Message, errormapping.EndOf(ctx)))
	e.refuse(refusal)
}

// observable returns ctx or, if ctx has a deadline and no way to tell that it came
// (a nil Done), a child that tells. Waiting is done with it; the next consumer gets
// ctx itself.
func observable(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Done() == nil {
		if deadline, ok := ctx.Deadline(); ok {
			return context.WithDeadline(ctx, deadline)
		}
	}
	return ctx, func() {}
}
