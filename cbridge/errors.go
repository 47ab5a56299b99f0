// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// ErrorKind says what sort of failure a [ProcessingError] is.
type ErrorKind = capi.ErrorKind

// The kinds of failure, with the gRPC code and HTTP status they have unless the
// error's author chose others.
const (
	// KindPermanent: the data can never be accepted. Internal, 500.
	KindPermanent = capi.ErrorKindPermanent
	// KindRetryable: the same data may be accepted later. Unavailable, 503.
	KindRetryable = capi.ErrorKindRetryable
	// KindCancelled: the caller gave up, so retrying is pointless. Canceled, 499.
	KindCancelled = capi.ErrorKindCancelled
	// KindTimeout: the deadline passed. DeadlineExceeded, 504.
	KindTimeout = capi.ErrorKindTimeout
	// KindResourceExhausted: a limit was reached. ResourceExhausted, 429.
	KindResourceExhausted = capi.ErrorKindResourceExhausted
	// KindConfiguration: a setting or an argument is wrong. InvalidArgument, 400.
	KindConfiguration = capi.ErrorKindConfiguration
)

// ProcessingError is a failure inside a hosted pipeline or of the bridge itself. Find it
// with errors.As: an error that must not be retried is wrapped in
// consumererror.NewPermanent. It is immutable. It says its Kind, Field and Message,
// IsPermanent, HTTPStatusCode, RetryAfter and GRPCStatus, and Unwrap gives the cause on Go's
// side.
type ProcessingError = errormapping.ProcessingError

// FromError says what any error of a Go consumer means, in the terms of a
// [ProcessingError]; nil for nil. It never panics, whatever the error's methods do.
//
// Permanence follows the collector: consumererror.NewPermanent, or one of the gRPC
// codes InvalidArgument, Unauthenticated, PermissionDenied and Unimplemented. Of
// joined errors all must be permanent.
func FromError(err error) *ProcessingError { return errormapping.FromError(err) }
