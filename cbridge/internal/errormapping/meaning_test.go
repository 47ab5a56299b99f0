// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/multierr"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping/errortest"
)

// TestJoinedErrorsMeanWhatMayBeRetried, wherever it stands among them.
func TestJoinedErrorsMeanWhatMayBeRetried(t *testing.T) {
	var (
		busy      = errors.New("busy")
		late      = context.DeadlineExceeded
		cancelled = context.Canceled
		permanent = consumererror.NewPermanent(busy)
		ours      = New(capi.ErrorKindCancelled, "", "given up")
	)
	for name, test := range map[string]struct {
		parts     []error
		kind      capi.ErrorKind
		permanent bool
	}{
		"cancelled and retryable":        {[]error{cancelled, busy}, capi.ErrorKindRetryable, false},
		"cancelled status and retryable": {[]error{status.Error(codes.Canceled, "x"), busy}, capi.ErrorKindRetryable, false},
		"ours cancelled and retryable":   {[]error{ours, busy}, capi.ErrorKindRetryable, false},
		"cancelled and late":             {[]error{cancelled, late}, capi.ErrorKindTimeout, false},
		"permanent and late":             {[]error{permanent, late}, capi.ErrorKindTimeout, false},
		"permanent and cancelled":        {[]error{permanent, cancelled}, capi.ErrorKindCancelled, false},
		"all three":                      {[]error{permanent, cancelled, busy}, capi.ErrorKindRetryable, false},
		"ours cancelled and cancelled":   {[]error{ours, cancelled}, capi.ErrorKindCancelled, false},
		"two permanent":                  {[]error{permanent, consumererror.NewPermanent(cancelled)}, capi.ErrorKindPermanent, true},
	} {
		backwards := make([]error, 0, len(test.parts))
		for _, part := range test.parts {
			backwards = append([]error{part}, backwards...)
		}
		for order, parts := range map[string][]error{"forwards": test.parts, "backwards": backwards} {
			joined := errors.Join(parts...)
			for how, err := range map[string]error{
				"errors.Join": joined, "multierr": multierr.Combine(parts...), "wrapped": fmt.Errorf("x: %w", joined),
				"%w": fmt.Errorf("%w, %w", parts[0], errors.Join(parts[1:]...)), "logs": consumererror.NewLogs(joined, plog.NewLogs()),
			} {
				t.Run(name+"/"+order+"/"+how, func(t *testing.T) {
					result := FromError(err)
					assert.Equal(t, test.kind, result.Kind())
					assert.Equal(t, test.permanent, result.IsPermanent())
				})
			}
		}
	}
}

func TestLongestDelayOfJoinedErrorsIsInTheStatusToo(t *testing.T) {
	short, err := status.Convert(errortest.WithDelay(t, codes.Unavailable, time.Second)).WithDetails(&errdetails.ErrorInfo{Reason: "BUSY"})
	require.NoError(t, err)
	for name, other := range map[string]error{"status": errortest.WithDelay(t, codes.Unavailable, 9*time.Second), "throttle": errortest.Throttle(errors.New("x"), 9*time.Second)} {
		t.Run(name, func(t *testing.T) {
			details := FromError(errors.Join(short.Err(), other)).GRPCStatus().Details()
			require.Len(t, details, 2)
			assert.Equal(t, "BUSY", details[0].(*errdetails.ErrorInfo).GetReason())
			assert.Equal(t, 9*time.Second, details[1].(*errdetails.RetryInfo).GetRetryDelay().AsDuration())
		})
	}
}

// TestStatusInsideGivesItsDetails to an error of the collector's that has none and means
// the same.
func TestStatusInsideGivesItsDetails(t *testing.T) {
	busy := errortest.WithDelay(t, codes.ResourceExhausted, 5*time.Second)
	for name, test := range map[string]struct {
		err    error
		code   codes.Code
		status int
		delay  time.Duration
	}{
		"HTTP 429":                {consumererror.NewOTLPHTTPError(busy, 429), codes.ResourceExhausted, 429, 5 * time.Second},
		"HTTP 502":                {consumererror.NewOTLPHTTPError(busy, 502), codes.Unavailable, 502, 5 * time.Second},
		"HTTP 500":                {consumererror.NewOTLPHTTPError(busy, 500), codes.Unknown, 500, 5 * time.Second},
		"HTTP 400 disagrees":      {consumererror.NewOTLPHTTPError(busy, 400), codes.InvalidArgument, 400, 0},
		"wrapped":                 {fmt.Errorf("x: %w", consumererror.NewOTLPHTTPError(fmt.Errorf("y: %w", busy), 429)), codes.ResourceExhausted, 429, 5 * time.Second},
		"gRPC":                    {consumererror.NewOTLPGRPCError(busy, status.New(codes.Aborted, "x")), codes.Aborted, 503, 5 * time.Second},
		"gRPC with its own":       {consumererror.NewOTLPGRPCError(busy, status.Convert(errortest.WithDelay(t, codes.Aborted, time.Second))), codes.Aborted, 503, time.Second},
		"gRPC Canceled disagrees": {consumererror.NewOTLPGRPCError(busy, status.New(codes.Canceled, "x")), codes.Canceled, 499, 0},
		"logs of HTTP 429":        {consumererror.NewLogs(consumererror.NewOTLPHTTPError(busy, 429), plog.NewLogs()), codes.ResourceExhausted, 429, 5 * time.Second},
		"logs of HTTP 401":        {consumererror.NewLogs(consumererror.NewOTLPHTTPError(busy, 401), plog.NewLogs()), codes.Unauthenticated, 401, 0},
	} {
		t.Run(name, func(t *testing.T) {
			result := FromError(test.err)
			delay, _ := result.RetryAfter()
			assert.Equal(t, test.delay, delay)
			assert.Equal(t, test.code, result.GRPCStatus().Code())
			assert.Equal(t, test.status, result.HTTPStatusCode())
			assert.Equal(t, test.delay != 0, len(result.GRPCStatus().Details()) == 1)
		})
	}
}

// TestPartialFailureMeansWhatItsCauseDoes: every partial failure says that a retry may
// help, so it says nothing.
func TestPartialFailureMeansWhatItsCauseDoes(t *testing.T) {
	for name, test := range map[string]struct {
		cause error
		kind  capi.ErrorKind
	}{
		"cancelled":       {context.Canceled, capi.ErrorKindCancelled},
		"deadline":        {fmt.Errorf("x: %w", context.DeadlineExceeded), capi.ErrorKindTimeout},
		"network timeout": {&net.DNSError{IsTimeout: true}, capi.ErrorKindTimeout},
		"other":           {errors.New("x"), capi.ErrorKindRetryable},
	} {
		t.Run(name, func(t *testing.T) {
			logs := consumererror.NewLogs(test.cause, plog.NewLogs())
			for _, err := range []error{
				logs, consumererror.NewTraces(test.cause, ptrace.NewTraces()), consumererror.NewMetrics(test.cause, pmetric.NewMetrics()),
				fmt.Errorf("x: %w", logs), errorWithoutData{logs}, consumererror.NewDownstream(logs),
			} {
				code, httpStatus := kindDefaults(test.kind)
				result := FromError(err)
				assert.Equal(t, test.kind, result.Kind())
				assert.Equal(t, code, result.GRPCStatus().Code())
				assert.Equal(t, httpStatus, result.HTTPStatusCode())
			}
		})
	}
	assert.Equal(t, capi.ErrorKindRetryable, FromError(consumererror.NewRetryableError(context.Canceled)).Kind(), "its author says so")
}

// TestHTTPStatusOfNoFailureDoesNotCount: what a receiver would send with it is a success.
func TestHTTPStatusOfNoFailureDoesNotCount(t *testing.T) {
	for _, httpStatus := range []int{100, 302, 399, 600, -1} {
		result := FromError(consumererror.NewOTLPHTTPError(errors.New("x"), httpStatus))
		assert.Equal(t, 503, result.HTTPStatusCode())
		assert.Zero(t, ToHost(result, 0).Flags&capi.ErrorFlagHTTPStatus)
	}
	for _, httpStatus := range []int32{0, 100, 200, 399, 600} {
		for kind, expected := range map[capi.ErrorKind]int{capi.ErrorKindResourceExhausted: 429, capi.ErrorKindConfiguration: 400, capi.ErrorKindTimeout: 504, 99: 500} {
			own := fromNative(&capi.Error{Kind: kind, HTTPStatus: httpStatus, Flags: capi.ErrorFlagHTTPStatus}, nil)
			assert.Equal(t, expected, own.HTTPStatusCode())
			assert.Zero(t, ToHost(own, 0).Flags&capi.ErrorFlagHTTPStatus)
		}
	}
	for _, httpStatus := range []int32{400, 418, 599} {
		assert.Equal(t, int(httpStatus), fromNative(&capi.Error{Kind: capi.ErrorKindTimeout, HTTPStatus: httpStatus}, nil).HTTPStatusCode())
	}
}
