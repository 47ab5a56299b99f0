// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otapbridge/otapbridge/capi"
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

// ProcessingError is a failure inside a hosted pipeline or of the bridge itself.
// Find it with errors.As: an error that must not be retried is wrapped in
// consumererror.NewPermanent. It is immutable.
type ProcessingError struct {
	kind       ErrorKind
	code       codes.Code
	httpStatus int
	permanent  bool
	// authorCode and authorStatus tell that the error's author chose them.
	authorCode, authorStatus bool
	retryAfter               time.Duration
	hasRetryAfter            bool
	message                  string
	field                    string
	details                  []byte
	cause                    error
}

// newProcessingError is an error with the defaults of its kind.
func newProcessingError(kind ErrorKind, field, message string) *ProcessingError {
	code, httpStatus := kindDefaults(kind)
	return &ProcessingError{
		kind: kind, code: code, httpStatus: httpStatus,
		permanent: kind == KindPermanent || kind == KindConfiguration || kind == KindCancelled,
		field:     field, message: message,
	}
}

func kindDefaults(kind ErrorKind) (codes.Code, int) {
	switch kind {
	case KindPermanent:
		return codes.Internal, http.StatusInternalServerError
	case KindRetryable:
		return codes.Unavailable, http.StatusServiceUnavailable
	case KindCancelled:
		return codes.Canceled, statusClientClosedRequest
	case KindTimeout:
		return codes.DeadlineExceeded, http.StatusGatewayTimeout
	case KindResourceExhausted:
		return codes.ResourceExhausted, http.StatusTooManyRequests
	case KindConfiguration:
		return codes.InvalidArgument, http.StatusBadRequest
	}
	return codes.Unknown, http.StatusInternalServerError
}

// statusClientClosedRequest is nginx's status for a client that went away; net/http
// has no name for it.
const statusClientClosedRequest = 499

// fromNative takes over one error of the library, without those chained to it.
func fromNative(native *capi.Error, cause error) *ProcessingError {
	return &ProcessingError{
		kind: native.Kind, code: knownCode(int64(native.GRPCCode)), httpStatus: knownStatus(int(native.HTTPStatus), native.Kind),
		permanent:     native.Flags&capi.ErrorFlagPermanent != 0,
		authorCode:    native.Flags&capi.ErrorFlagGRPCCode != 0,
		authorStatus:  native.Flags&capi.ErrorFlagHTTPStatus != 0 && isErrorStatus(int(native.HTTPStatus)),
		hasRetryAfter: native.Flags&capi.ErrorFlagRetryAfter != 0,
		retryAfter:    native.RetryAfter,
		message:       native.Message,
		field:         native.Field,
		details:       native.StatusDetails,
		cause:         cause,
	}
}

// knownCode is Unknown for what is no gRPC code of a failure.
func knownCode(code int64) codes.Code {
	if code <= 0 || code > int64(codes.Unauthenticated) {
		return codes.Unknown
	}
	return codes.Code(code)
}

// knownStatus is the kind's default for what is no HTTP status of a failure.
func knownStatus(httpStatus int, kind ErrorKind) int {
	if !isErrorStatus(httpStatus) {
		_, httpStatus = kindDefaults(kind)
	}
	return httpStatus
}

func isErrorStatus(httpStatus int) bool { return httpStatus >= 400 && httpStatus <= 599 }

// toError turns an error of the capi package that is about no request into one for
// users of this package: every error of a chain becomes a ProcessingError, several
// are joined.
func toError(err error) error {
	var native *capi.Error
	if !errors.As(err, &native) {
		return err
	}
	if native.Next == nil {
		return fromNative(native, nil)
	}
	var all []error
	for ; native != nil; native = native.Next {
		all = append(all, fromNative(native, nil))
	}
	return errors.Join(all...)
}

// classified wraps the error as permanent if it is, or if its code says so: the
// collector retries whatever is not wrapped.
func (e *ProcessingError) classified() error {
	if e.permanent || isPermanentCode(e.code) {
		return consumererror.NewPermanent(e)
	}
	return e
}

func isPermanentCode(code codes.Code) bool {
	switch code {
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return true
	}
	return false
}

// Error is the message, after the field it is about.
func (e *ProcessingError) Error() string {
	if e.field == "" {
		return e.message
	}
	return e.field + ": " + e.message
}

// Kind says what sort of failure it is.
func (e *ProcessingError) Kind() ErrorKind { return e.kind }

// Field is the setting's path or the argument that is at fault, or empty.
func (e *ProcessingError) Field() string { return e.field }

// Message is the text without the field.
func (e *ProcessingError) Message() string { return e.message }

// IsPermanent reports whether the error's author or its kind says that retrying is pointless.
func (e *ProcessingError) IsPermanent() bool { return e.permanent }

// HTTPStatusCode is the HTTP status that stands for the error.
func (e *ProcessingError) HTTPStatusCode() int { return e.httpStatus }

// RetryAfter is how long to wait before a retry, and whether the error says so.
func (e *ProcessingError) RetryAfter() (time.Duration, bool) {
	return e.retryAfter, e.hasRetryAfter
}

// Unwrap is the cause on Go's side, such as a context's error and cause, or nil.
func (e *ProcessingError) Unwrap() error { return e.cause }

// Is lets errors.Is find context.Canceled in a cancelled call and
// context.DeadlineExceeded in one that ran out of time, wherever that was noticed.
func (e *ProcessingError) Is(target error) bool {
	switch e.kind {
	case KindCancelled:
		return target == context.Canceled
	case KindTimeout:
		return target == context.DeadlineExceeded
	}
	return false
}

// GRPCStatus is the gRPC status that stands for the error: its code and text, the
// details its author gave, and a RetryInfo if there is a delay and they have none.
func (e *ProcessingError) GRPCStatus() *status.Status {
	result := &spb.Status{Code: int32(e.code), Message: e.Error()}
	if len(e.details) > 0 {
		var given spb.Status
		if proto.Unmarshal(e.details, &given) == nil {
			result.Details = given.Details
		}
	}
	if e.hasRetryAfter && !hasRetryInfo(result) {
		detail, err := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.retryAfter)})
		if err == nil {
			result.Details = append(result.Details, detail)
		}
	}
	return status.FromProto(result)
}

func hasRetryInfo(s *spb.Status) bool {
	for _, detail := range s.GetDetails() {
		if detail.MessageIs((*errdetails.RetryInfo)(nil)) {
			return true
		}
	}
	return false
}
