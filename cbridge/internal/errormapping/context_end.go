// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/otapbridge/otapbridge/capi"
)

// contextEnd is why a context ended: its error and its cause, both found by errors.Is.
type contextEnd struct{ err, cause error }

func (e contextEnd) Error() string   { return Text(e.cause) }
func (e contextEnd) Unwrap() []error { return []error{e.err, e.cause} }

// EndOf says why ctx, which is done, ended.
func EndOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return contextEnd{err, cause}
}

// CancelReason is the ABI's reason for a context that is done.
func CancelReason(ctx context.Context) capi.CancelReason {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return capi.CancelReasonDeadline
	}
	return capi.CancelReasonCancelled
}

// ContextError is the error of a call whose context is done.
func ContextError(ctx context.Context, where string) error {
	kind := capi.ErrorKindCancelled
	if CancelReason(ctx) == capi.CancelReasonDeadline {
		kind = capi.ErrorKindTimeout
	}
	end := EndOf(ctx)
	return Classified(Wrap(kind, "", where+": "+Text(end), end))
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
func endKind(native *capi.Error) (capi.ErrorKind, bool) {
	switch {
	case native.Kind == capi.ErrorKindCancelled || native.Kind == capi.ErrorKindTimeout:
		return native.Kind, true
	case native.Kind == capi.ErrorKindPermanent && codes.Code(native.GRPCCode) == codes.DeadlineExceeded:
		return capi.ErrorKindTimeout, true
	case native.Kind == capi.ErrorKindPermanent && codes.Code(native.GRPCCode) == codes.Canceled:
		return capi.ErrorKindCancelled, true
	}
	return 0, false
}

// causeOf is why ctx ended, if that can be what Rust's error is about; nil otherwise.
func causeOf(ctx context.Context, native *capi.Error) error {
	kind, ended := endKind(native)
	if !ended {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && kind == capi.ErrorKindTimeout && time.Until(deadline) < deadlineSkew {
		// So that the error matches the context's cause, whoever noticed first.
		select {
		case <-ctx.Done():
		case <-time.After(timerLag):
		}
	}
	if ctx.Err() == nil {
		return nil
	}
	return EndOf(ctx)
}
