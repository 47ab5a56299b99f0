// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/otapbridge/otapbridge/capi"
)

// contextEnd is why a context ended: its error and its cause, both found by errors.Is.
type contextEnd struct{ err, cause error }

func (e contextEnd) Error() string   { return errorText(e.cause) }
func (e contextEnd) Unwrap() []error { return []error{e.err, e.cause} }

// endOf says why ctx, which is done, ended.
func endOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return contextEnd{err, cause}
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

// cancelReason is the ABI's reason for a context that is done.
func cancelReason(ctx context.Context) capi.CancelReason {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return capi.CancelReasonDeadline
	}
	return capi.CancelReasonCancelled
}

// contextError is the error of a call whose context is done.
func contextError(ctx context.Context, where string) error {
	kind := KindCancelled
	if cancelReason(ctx) == capi.CancelReasonDeadline {
		kind = KindTimeout
	}
	end := endOf(ctx)
	result := newProcessingError(kind, "", where+": "+errorText(end))
	result.cause = end
	return result.classified()
}

const (
	// deadlineSkew is by how much Rust's clock may be ahead of Go's.
	deadlineSkew = 5 * time.Millisecond
	// timerLag is far more than Go's timers take to notice a deadline, also when
	// every processor is busy.
	timerLag = time.Second
)

// endKind is Cancelled or Timeout if that is what an error of Rust's is about, also one
// that was made permanent because a part of the data was accepted.
func endKind(native *capi.Error) (ErrorKind, bool) {
	switch {
	case native.Kind == KindCancelled || native.Kind == KindTimeout:
		return native.Kind, true
	case native.Kind == KindPermanent && codes.Code(native.GRPCCode) == codes.DeadlineExceeded:
		return KindTimeout, true
	case native.Kind == KindPermanent && codes.Code(native.GRPCCode) == codes.Canceled:
		return KindCancelled, true
	}
	return 0, false
}

// causeOf is why ctx ended, if that can be what Rust's answer is about; nil otherwise.
func causeOf(ctx context.Context, native *capi.Error) error {
	kind, ended := endKind(native)
	if !ended {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && kind == KindTimeout && time.Until(deadline) < deadlineSkew {
		// So that the error matches the context's cause, whoever noticed first.
		select {
		case <-ctx.Done():
		case <-time.After(timerLag):
		}
	}
	if ctx.Err() == nil {
		return nil
	}
	return endOf(ctx)
}
