// SPDX-License-Identifier: Apache-2.0

// Package errormapping says in Go what errors of Rust mean, and in Rust what those of Go do.
package errormapping

import (
	"context"
	"errors"
	"net/http"
	"slices"
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

// ProcessingError is cbridge.ProcessingError.
type ProcessingError struct {
	kind       capi.ErrorKind
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

// New is an error with the defaults of its kind. What this package does with errors are functions: every
// method would be one for users of cbridge.
func New(kind capi.ErrorKind, field, message string) *ProcessingError {
	code, httpStatus := kindDefaults(kind)
	return &ProcessingError{
		kind: kind, code: code, httpStatus: httpStatus,
		permanent: kind == capi.ErrorKindPermanent || kind == capi.ErrorKindConfiguration || kind == capi.ErrorKindCancelled,
		field:     field, message: message,
	}
}

// Wrap is New for an error that has a cause.
func Wrap(kind capi.ErrorKind, field, message string, cause error) *ProcessingError {
	e := New(kind, field, message)
	e.cause = cause
	return e
}

// WithCodes gives a new error the codes that its author chooses.
func WithCodes(e *ProcessingError, code codes.Code, httpStatus int) *ProcessingError {
	e.code, e.authorCode = code, true
	e.httpStatus, e.authorStatus = httpStatus, true
	return e
}

func kindDefaults(kind capi.ErrorKind) (codes.Code, int) {
	switch kind {
	case capi.ErrorKindPermanent:
		return codes.Internal, http.StatusInternalServerError
	case capi.ErrorKindRetryable:
		return codes.Unavailable, http.StatusServiceUnavailable
	case capi.ErrorKindCancelled:
		return codes.Canceled, statusClientClosedRequest
	case capi.ErrorKindTimeout:
		return codes.DeadlineExceeded, http.StatusGatewayTimeout
	case capi.ErrorKindResourceExhausted:
		return codes.ResourceExhausted, http.StatusTooManyRequests
	case capi.ErrorKindConfiguration:
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
func knownStatus(httpStatus int, kind capi.ErrorKind) int {
	if !isErrorStatus(httpStatus) {
		_, httpStatus = kindDefaults(kind)
	}
	return httpStatus
}

func isErrorStatus(httpStatus int) bool { return httpStatus >= 400 && httpStatus <= 599 }

// OfCall is the library's error of a call whose context is ctx.
func OfCall(ctx context.Context, native *capi.Error) error {
	return Classified(fromNative(native, causeOf(ctx, native)))
}

// FromLibrary turns an error of the capi package that is about no request into one for
// users of cbridge: every error of a chain becomes a ProcessingError, several are
// joined.
func FromLibrary(err error) error {
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

// Classified wraps the error as permanent if it is, or if its code says so: the
// collector retries whatever is not wrapped.
func Classified(e *ProcessingError) error {
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
func (e *ProcessingError) Kind() capi.ErrorKind { return e.kind }

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
	case capi.ErrorKindCancelled:
		return target == context.Canceled
	case capi.ErrorKindTimeout:
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

func hasRetryInfo(s *spb.Status) bool { return slices.ContainsFunc(s.GetDetails(), isRetryInfo) }

func isRetryInfo(detail *anypb.Any) bool { return detail.MessageIs((*errdetails.RetryInfo)(nil)) }
