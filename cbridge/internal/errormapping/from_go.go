// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/otapbridge/otapbridge/capi"
)

// FromError is cbridge.FromError.
func FromError(err error) (result *ProcessingError) {
	if err == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			result = opaqueError(err, isPermanentUnlessItPanics(err), "an error whose own methods panic: "+Text(err))
		}
	}()
	if budget := maxErrorTree; !fits(err, &budget) {
		return opaqueError(err, isPermanentWrapper(err), fmt.Sprintf("error of type %T that wraps more than %d others, or itself", err, maxErrorTree))
	}
	return fromError(err)
}

// opaqueError stands for an error that cannot be looked into.
func opaqueError(err error, permanent bool, message string) *ProcessingError {
	kind := capi.ErrorKindRetryable
	if permanent {
		kind = capi.ErrorKindPermanent
	}
	return Wrap(kind, "", message, err)
}

// maxErrorTree bounds how many errors one error may wrap: the errors package and the
// texts of errors would never come to the end of one that wraps itself.
const maxErrorTree = 10_000

// inside is the one error that err wraps; nil if it wraps none or several.
func inside(err error) error {
	switch wrapper := err.(type) { //nolint:errorlint // one error of the tree at a time
	case errorWithoutData:
		return wrapper.original
	case interface{ Unwrap() error }:
		return wrapper.Unwrap()
	}
	return nil
}

// fits reports whether the error's tree is within what is left of the budget.
func fits(err error, budget *int) bool {
	for ; err != nil; err = inside(err) {
		if *budget--; *budget < 0 {
			return false
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, part := range joined.Unwrap() {
				if !fits(part, budget) {
					return false
				}
			}
		}
	}
	return true
}

// Text is err.Error() as UTF-8, also if that panics.
func Text(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("error of type %T", err)
		}
	}()
	if text = strings.ToValidUTF8(err.Error(), "\uFFFD"); text == "" {
		text = fmt.Sprintf("error of type %T without a text", err)
	}
	return text
}

func fromError(err error) *ProcessingError {
	if parts := joinedParts(err); parts != nil {
		return fromJoined(err, parts)
	}
	permanent := isPermanent(err)
	result := &ProcessingError{permanent: permanent, message: Text(err), cause: err}

	var own *ProcessingError
	if errors.As(err, &own) && own != nil {
		copied := *own
		copied.message, copied.field, copied.cause = result.message, own.field, err
		if err == error(own) {
			copied.message = own.message
		} else if own.field != "" {
			// The text of a wrapping error already names the field.
			copied.field = ""
		}
		copied.permanent = own.permanent || permanent || isPermanentCode(own.code)
		copied.setThrottleDelay(err)
		return &copied
	}
	if st, httpStatus := statusOf(err); st != nil {
		result = result.withStatus(st, httpStatus)
		result.setThrottleDelay(err)
		return result
	}
	switch {
	case permanent:
		result.kind = capi.ErrorKindPermanent
	case errors.Is(err, context.Canceled):
		result.kind = capi.ErrorKindCancelled
	case isTimeout(err):
		result.kind = capi.ErrorKindTimeout
	default:
		result.kind = capi.ErrorKindRetryable
	}
	result.code, result.httpStatus = kindDefaults(result.kind)
	result.setThrottleDelay(err)
	return result
}

// joinedParts are the errors that err joins, itself or inside of wrappers that say
// nothing of their own about what it means; nil if it joins none.
func joinedParts(err error) []error {
	for ; err != nil && !isPermanentWrapper(err); err = inside(err) {
		switch wrapper := err.(type) { //nolint:errorlint // one error of the tree at a time
		case *ProcessingError, interface{ GRPCStatus() *status.Status }:
			return nil
		case *consumererror.Error:
			if !isOnlyRetryable(wrapper) {
				return nil
			}
		case interface{ Unwrap() []error }:
			return wrapper.Unwrap()
		}
	}
	return nil
}

// permanentWrapper is the type of consumererror.NewPermanent, which is private.
// It is looked for because IsPermanent is true if any part of a joined error is.
var permanentWrapper = reflect.TypeOf(consumererror.NewPermanent(nil))

func isPermanentWrapper(err error) bool { return reflect.TypeOf(err) == permanentWrapper }

// isPermanent is consumererror.IsPermanent, except that of joined errors all must be
// permanent.
func isPermanent(err error) bool {
	for err != nil && !isPermanentWrapper(err) {
		switch wrapper := err.(type) { //nolint:errorlint // one error of the tree at a time
		case errorWithoutData:
			err = wrapper.original
		case interface{ Unwrap() error }:
			err = wrapper.Unwrap()
		case interface{ Unwrap() []error }:
			permanent := false
			for _, part := range wrapper.Unwrap() {
				if part == nil {
					continue
				}
				if permanent = FromError(part).permanent; !permanent {
					return false
				}
			}
			return permanent
		default:
			return consumererror.IsPermanent(err)
		}
	}
	return err != nil
}

func isPermanentUnlessItPanics(err error) (permanent bool) {
	defer func() { _ = recover() }()
	return isPermanent(err)
}

// fromJoined takes the first part that is neither permanent nor Cancelled, for then the
// data may be sent again; otherwise the first that is Cancelled; otherwise the first. It
// waits for the longest delay of those that are not permanent.
func fromJoined(err error, parts []error) *ProcessingError {
	var result *ProcessingError
	var longest time.Duration
	delayed := false
	for _, part := range parts {
		if part == nil {
			continue
		}
		classified := FromError(part)
		if result == nil || classified.retryRank() < result.retryRank() {
			result = classified
		}
		if !classified.permanent && classified.hasRetryAfter {
			longest, delayed = max(longest, classified.retryAfter), true
		}
	}
	if result == nil {
		result = New(capi.ErrorKindRetryable, "", "")
	}
	result.message, result.field, result.cause = Text(err), "", err
	if result.permanent {
		return result
	}
	if delay, ok := throttleDelay(err); ok {
		longest, delayed = max(longest, delay), true
	}
	if delayed {
		result.raiseDelay(longest)
	}
	return result
}

// retryRank orders errors by how much speaks for sending the data again.
func (e *ProcessingError) retryRank() int {
	switch {
	case e.permanent:
		return 2
	case e.kind == capi.ErrorKindCancelled:
		return 1
	}
	return 0
}

// statusOf finds a gRPC status in the error's tree, or one that its HTTP status
// stands for, and the HTTP status that goes with it. A status that says OK does not
// count: the call failed.
func statusOf(err error) (*status.Status, int) {
	var collectorError *consumererror.Error
	if !errors.As(err, &collectorError) || collectorError == nil {
		return carriedStatus(err)
	}
	// Never called for other errors: it panics on them.
	st := consumererror.ToGRPCStatus(collectorError)
	if len(st.Details()) == 0 {
		inner, httpStatus := statusOf(collectorError.Unwrap())
		onlyRetryable := saysOnlyRetryable(collectorError, st)
		switch {
		case onlyRetryable && inner != nil:
			return inner, httpStatus
		case onlyRetryable && isContextEnd(partialFailureCause(err)):
			return nil, 0
		case inner != nil && agree(st.Code(), inner.Code()):
			st = withDetailsOf(st, inner)
		}
	}
	if st.Code() == codes.OK {
		return nil, 0
	}
	return st, consumererror.ToHTTPStatus(collectorError)
}

// agree: both codes allow a retry, or both forbid it, or both say that the caller gave up.
func agree(a, b codes.Code) bool {
	return isPermanentCode(a) == isPermanentCode(b) && (a == codes.Canceled) == (b == codes.Canceled)
}

func withDetailsOf(st, inner *status.Status) *status.Status {
	result := st.Proto()
	result.Details = inner.Proto().GetDetails()
	return status.FromProto(result)
}

// partialFailureCause is why the data was refused that an error in err's tree carries;
// nil if none carries any.
func partialFailureCause(err error) error {
	for ; err != nil; err = inside(err) {
		switch err.(type) { //nolint:errorlint // one error of the tree at a time
		case consumererror.Traces, consumererror.Metrics, consumererror.Logs:
			// The first error inside is NewRetryableError of its constructor's.
			return errors.Unwrap(errors.Unwrap(err))
		}
	}
	return nil
}

func isContextEnd(err error) bool {
	return errors.Is(err, context.Canceled) || isTimeout(err)
}

// isOnlyRetryable: the error says no more than that a retry may help, as that in
// every partial failure does; what it wraps may say more.
func isOnlyRetryable(err *consumererror.Error) bool {
	return err != nil && err.IsRetryable() && saysOnlyRetryable(err, consumererror.ToGRPCStatus(err))
}

func saysOnlyRetryable(err *consumererror.Error, st *status.Status) bool {
	return err.IsRetryable() && st.Code() == codes.Unavailable && consumererror.ToHTTPStatus(err) == http.StatusServiceUnavailable
}

// carriedStatus is the status of the first error in the tree that has one.
func carriedStatus(err error) (*status.Status, int) {
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) {
		if st := carrier.GRPCStatus(); st.Code() != codes.OK {
			return st, consumererror.ToHTTPStatus(consumererror.NewOTLPGRPCError(nil, st))
		}
	}
	return nil, 0
}

// withStatus fills in what a gRPC status says. The status was chosen by whoever
// made the error, so its code is kept as given.
func (e *ProcessingError) withStatus(st *status.Status, httpStatus int) *ProcessingError {
	e.code, e.authorCode = knownCode(int64(st.Code())), true
	e.permanent = e.permanent || isPermanentCode(e.code)
	switch {
	case e.permanent:
		e.kind = capi.ErrorKindPermanent
	case e.code == codes.Canceled:
		e.kind = capi.ErrorKindCancelled
	case e.code == codes.DeadlineExceeded:
		e.kind = capi.ErrorKindTimeout
	case e.code == codes.ResourceExhausted:
		e.kind = capi.ErrorKindResourceExhausted
	default:
		e.kind = capi.ErrorKindRetryable
	}
	e.httpStatus = knownStatus(httpStatus, e.kind)
	if e.kind == capi.ErrorKindCancelled || e.kind == capi.ErrorKindTimeout {
		_, e.httpStatus = kindDefaults(e.kind)
	} else {
		e.authorStatus = isErrorStatus(httpStatus)
	}
	details := st.Details()
	for _, detail := range details {
		if info, ok := detail.(*errdetails.RetryInfo); ok && info.GetRetryDelay() != nil {
			if delay := info.GetRetryDelay().AsDuration(); delay >= 0 {
				e.retryAfter, e.hasRetryAfter = delay, true
			}
		}
	}
	if len(details) > 0 {
		e.details, _ = proto.Marshal(st.Proto())
	}
	return e
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// ToHost is the form in which the error crosses to Rust.
func ToHost(e *ProcessingError, hostErrorID uint64) *capi.HostError {
	host := &capi.HostError{
		Kind: e.kind, GRPCCode: int32(e.code), HTTPStatus: int32(e.httpStatus),
		RetryAfter: e.retryAfter, HostErrorID: hostErrorID,
		Message: e.message, Field: e.field, StatusDetails: e.details,
	}
	if e.permanent {
		host.Flags |= capi.ErrorFlagPermanent
	}
	if e.hasRetryAfter {
		host.Flags |= capi.ErrorFlagRetryAfter
	}
	if e.authorCode {
		host.Flags |= capi.ErrorFlagGRPCCode
	}
	if e.authorStatus {
		host.Flags |= capi.ErrorFlagHTTPStatus
	}
	return host
}
