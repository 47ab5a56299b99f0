// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping/errortest"
)

func TestErrorOfEachKind(t *testing.T) {
	for _, test := range []struct {
		kind      capi.ErrorKind
		code      codes.Code
		status    int
		permanent bool
		is        error
	}{
		{capi.ErrorKindPermanent, codes.Internal, 500, true, nil},
		{capi.ErrorKindRetryable, codes.Unavailable, 503, false, nil},
		{capi.ErrorKindCancelled, codes.Canceled, 499, true, context.Canceled},
		{capi.ErrorKindTimeout, codes.DeadlineExceeded, 504, false, context.DeadlineExceeded},
		{capi.ErrorKindResourceExhausted, codes.ResourceExhausted, 429, false, nil},
		{capi.ErrorKindConfiguration, codes.InvalidArgument, 400, true, nil},
	} {
		t.Run(test.kind.String(), func(t *testing.T) {
			err := Classified(New(test.kind, "field", "text"))
			assert.Equal(t, test.permanent, consumererror.IsPermanent(err))
			var own *ProcessingError
			require.ErrorAs(t, err, &own)
			assert.Equal(t, test.kind, own.Kind())
			assert.Equal(t, test.status, own.HTTPStatusCode())
			assert.Equal(t, "field", own.Field())
			assert.Equal(t, "text", own.Message())
			assert.Equal(t, "field: text", own.Error())
			st, ok := status.FromError(err)
			require.True(t, ok)
			assert.Equal(t, test.code, st.Code())
			for _, target := range []error{context.Canceled, context.DeadlineExceeded} {
				assert.Equal(t, test.is == target, errors.Is(err, target))
			}
		})
	}
}

func TestNativeErrorKeepsWhatItsAuthorSaid(t *testing.T) {
	info, err := status.New(codes.Aborted, "x").WithDetails(&errdetails.ErrorInfo{Reason: "BUSY"})
	require.NoError(t, err)
	details, err := proto.Marshal(info.Proto())
	require.NoError(t, err)
	own := fromNative(&capi.Error{
		Kind: capi.ErrorKindRetryable, GRPCCode: int32(codes.Aborted), HTTPStatus: 502,
		Flags:      capi.ErrorFlagRetryAfter | capi.ErrorFlagGRPCCode | capi.ErrorFlagHTTPStatus,
		RetryAfter: 1500 * time.Millisecond, Message: "busy", StatusDetails: details,
	}, nil)
	assert.Equal(t, 502, own.HTTPStatusCode())
	delay, ok := own.RetryAfter()
	assert.True(t, ok)
	assert.Equal(t, 1500*time.Millisecond, delay)
	st := own.GRPCStatus()
	assert.Equal(t, codes.Aborted, st.Code())
	assert.Equal(t, "busy", st.Message())
	require.Len(t, st.Details(), 2)
	assert.Equal(t, "BUSY", st.Details()[0].(*errdetails.ErrorInfo).GetReason())
	assert.Equal(t, 1500*time.Millisecond, st.Details()[1].(*errdetails.RetryInfo).GetRetryDelay().AsDuration())
	assert.False(t, consumererror.IsPermanent(Classified(own)))
}

func TestRetryInfoOfTheAuthorIsNotDoubled(t *testing.T) {
	given, err := status.New(codes.Unavailable, "x").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Minute)})
	require.NoError(t, err)
	details, err := proto.Marshal(given.Proto())
	require.NoError(t, err)
	st := fromNative(&capi.Error{Kind: capi.ErrorKindRetryable, GRPCCode: 14, HTTPStatus: 503, Flags: capi.ErrorFlagRetryAfter,
		RetryAfter: time.Second, Message: "m", StatusDetails: details}, nil).GRPCStatus()
	require.Len(t, st.Details(), 1)
	assert.Equal(t, time.Minute, st.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration())
}

func TestUnknownCodesBecomeUnknown(t *testing.T) {
	for _, code := range []int32{0, -1, 17, 1 << 30} {
		own := fromNative(&capi.Error{Kind: 99, GRPCCode: code, HTTPStatus: code, Message: "m", StatusDetails: []byte{0xff}}, nil)
		assert.Equal(t, codes.Unknown, own.GRPCStatus().Code())
		assert.Equal(t, 500, own.HTTPStatusCode(), "of an unknown kind")
		assert.Empty(t, own.GRPCStatus().Details())
	}
}

func TestCodesThatForbidARetryArePermanent(t *testing.T) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		expected := code == codes.InvalidArgument || code == codes.Unauthenticated || code == codes.PermissionDenied || code == codes.Unimplemented
		err := Classified(fromNative(&capi.Error{Kind: capi.ErrorKindRetryable, GRPCCode: int32(code), HTTPStatus: 503, Message: "m"}, nil))
		assert.Equal(t, expected, consumererror.IsPermanent(err), code.String())
	}
}

func TestSeveralFindingsAreJoined(t *testing.T) {
	err := FromLibrary(&capi.Error{Kind: capi.ErrorKindConfiguration, GRPCCode: 3, HTTPStatus: 400, Field: "a", Message: "one", Flags: capi.ErrorFlagPermanent,
		Next: &capi.Error{Kind: capi.ErrorKindConfiguration, GRPCCode: 3, HTTPStatus: 400, Field: "b", Message: "two", Flags: capi.ErrorFlagPermanent}})
	assert.ErrorContains(t, err, "a: one")
	assert.ErrorContains(t, err, "b: two")
	assert.Equal(t, "a: one\nb: two", err.Error())
	assert.NoError(t, FromLibrary(nil))
	assert.Same(t, capi.ErrDestroyed, FromLibrary(capi.ErrDestroyed))
}

func TestContextErrorMatchesErrorAndCause(t *testing.T) {
	reason := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	err := ContextError(ctx, "here")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reason)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, codes.Canceled, status.Code(err))
	assert.True(t, consumererror.IsPermanent(err), "nobody wants it retried")

	ctx, stop := context.WithTimeoutCause(t.Context(), 0, reason)
	defer stop()
	<-ctx.Done()
	err = ContextError(ctx, "here")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, reason)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	assert.False(t, consumererror.IsPermanent(err))
}

type statusCarrier struct{ st *status.Status }

func (statusCarrier) Error() string                { return "carrier" }
func (c statusCarrier) GRPCStatus() *status.Status { return c.st }

func TestFromError(t *testing.T) {
	withRetry, err := status.New(codes.ResourceExhausted, "slow down").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
	require.NoError(t, err)
	own := New(capi.ErrorKindResourceExhausted, "quota", "used up")
	plain := errors.New("plain")
	for name, test := range map[string]struct {
		err       error
		kind      capi.ErrorKind
		code      codes.Code
		permanent bool
		delay     time.Duration
	}{
		"plain":                   {err: plain, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"permanent":               {err: consumererror.NewPermanent(plain), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"wrapped permanent":       {err: fmt.Errorf("x: %w", consumererror.NewPermanent(plain)), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"own":                     {err: own, kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted},
		"own, made permanent":     {err: consumererror.NewPermanent(own), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted, permanent: true},
		"downstream":              {err: consumererror.NewDownstream(own), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted},
		"status":                  {err: status.Error(codes.Unavailable, "x"), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"wrapped status":          {err: fmt.Errorf("x: %w", status.Error(codes.Aborted, "y")), kind: capi.ErrorKindRetryable, code: codes.Aborted},
		"status with delay":       {err: withRetry.Err(), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted, delay: 3 * time.Second},
		"status invalid":          {err: status.Error(codes.InvalidArgument, "x"), kind: capi.ErrorKindPermanent, code: codes.InvalidArgument, permanent: true},
		"status unauthenticated":  {err: status.Error(codes.Unauthenticated, "x"), kind: capi.ErrorKindPermanent, code: codes.Unauthenticated, permanent: true},
		"permanent status":        {err: consumererror.NewPermanent(status.Error(codes.Unavailable, "x")), kind: capi.ErrorKindPermanent, code: codes.Unavailable, permanent: true},
		"status cancelled":        {err: status.Error(codes.Canceled, "x"), kind: capi.ErrorKindCancelled, code: codes.Canceled},
		"status deadline":         {err: status.Error(codes.DeadlineExceeded, "x"), kind: capi.ErrorKindTimeout, code: codes.DeadlineExceeded},
		"nil status":              {err: statusCarrier{}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"status that says OK":     {err: statusCarrier{status.New(codes.OK, "")}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"collector, HTTP 503":     {err: consumererror.NewOTLPHTTPError(plain, 503), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"collector, HTTP 400":     {err: consumererror.NewOTLPHTTPError(plain, 400), kind: capi.ErrorKindPermanent, code: codes.InvalidArgument, permanent: true},
		"collector, no HTTP text": {err: consumererror.NewOTLPHTTPError(nil, 429), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted},
		"collector, gRPC":         {err: consumererror.NewOTLPGRPCError(plain, status.New(codes.DataLoss, "x")), kind: capi.ErrorKindRetryable, code: codes.DataLoss},
		"collector, retryable":    {err: consumererror.NewRetryableError(plain), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"collector, zero":         {err: &consumererror.Error{}, kind: capi.ErrorKindRetryable, code: codes.Unknown},
		"partial failure":         {err: consumererror.NewTraces(plain, ptrace.NewTraces()), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"cancelled":               {err: context.Canceled, kind: capi.ErrorKindCancelled, code: codes.Canceled},
		"deadline":                {err: fmt.Errorf("x: %w", context.DeadlineExceeded), kind: capi.ErrorKindTimeout, code: codes.DeadlineExceeded},
		"file deadline":           {err: os.ErrDeadlineExceeded, kind: capi.ErrorKindTimeout, code: codes.DeadlineExceeded},
		"network timeout":         {err: &net.DNSError{IsTimeout: true}, kind: capi.ErrorKindTimeout, code: codes.DeadlineExceeded},
		"network error":           {err: &net.DNSError{}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"no throttle":             {err: errors.New("Throttle (1.5s), error: busy"), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"joined, one retryable":   {err: errors.Join(consumererror.NewPermanent(plain), status.Error(codes.Aborted, "x")), kind: capi.ErrorKindRetryable, code: codes.Aborted},
		"joined, all permanent":   {err: errors.Join(consumererror.NewPermanent(plain), consumererror.NewPermanent(plain)), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"two wrapped":             {err: fmt.Errorf("%w and %w", context.Canceled, plain), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"hostile":                 {err: errortest.Hostile{}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"wrapped hostile":         {err: fmt.Errorf("x: %w", errors.Join(hostile2{})), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"without a text":          {err: errortest.EmptyText{}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			result := FromError(test.err)
			require.NotNil(t, result)
			assert.Equal(t, test.kind, result.Kind())
			assert.Equal(t, test.code, result.GRPCStatus().Code())
			assert.Equal(t, test.permanent, result.IsPermanent())
			delay, has := result.RetryAfter()
			assert.Equal(t, test.delay, delay)
			assert.Equal(t, test.delay != 0, has)
			assert.NotEmpty(t, result.Message())
			host := ToHost(result, 7)
			assert.Equal(t, uint64(7), host.HostErrorID)
			assert.Equal(t, test.permanent, host.Flags&capi.ErrorFlagPermanent != 0)
		})
	}
	assert.Nil(t, FromError(nil))
}

// hostile2 panics only where errors.As looks.
type hostile2 struct{}

func (hostile2) Error() string { return "text" }
func (hostile2) As(any) bool   { panic("As") }

func TestFromErrorNamesTheFieldOnce(t *testing.T) {
	own := New(capi.ErrorKindConfiguration, "config::key", "wrong")
	assert.Equal(t, "config::key", FromError(own).Field())
	assert.Equal(t, "config::key: wrong", FromError(own).Error())
	assert.Equal(t, "outer: config::key: wrong", FromError(fmt.Errorf("outer: %w", own)).Error())
}

func TestFromErrorKeepsStatusDetails(t *testing.T) {
	given, err := status.New(codes.Aborted, "x").WithDetails(&errdetails.ErrorInfo{Reason: "BUSY"})
	require.NoError(t, err)
	details := FromError(fmt.Errorf("x: %w", given.Err())).GRPCStatus().Details()
	require.Len(t, details, 1)
	assert.Equal(t, "BUSY", details[0].(*errdetails.ErrorInfo).GetReason())
}
