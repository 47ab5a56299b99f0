// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// wrapsItself never ends for whoever follows Unwrap.
type wrapsItself struct{}

func (wrapsItself) Error() string   { return "wraps itself" }
func (e wrapsItself) Unwrap() error { return e }

// joinsItself has the longest tree that a small value can have.
type joinsItself struct{}

func (joinsItself) Error() string     { panic("a text without end") }
func (e joinsItself) Unwrap() []error { return []error{e, e} }

func withDelay(t testing.TB, code codes.Code, delay time.Duration) error {
	t.Helper()
	st, err := status.New(code, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	require.NoError(t, err)
	return st.Err()
}

// throttleRetry is what exporterhelper has for its NewThrottleRetry, which tests of the
// collector run with.
type throttleRetry struct {
	delay time.Duration
	err   error
}

func init() { throttlePackage = reflect.TypeFor[throttleRetry]().PkgPath() }

func (e throttleRetry) Error() string { return fmt.Sprintf("Throttle (%s), error: %v", e.delay, e.err) }
func (e throttleRetry) Unwrap() error { return e.err }

func throttle(err error, delay time.Duration) error { return throttleRetry{delay, err} }

func TestFromErrorOfTrees(t *testing.T) {
	plain := errors.New("plain")
	permanent := consumererror.NewPermanent(plain)
	mixed := errors.Join(permanent, plain)
	var nilError *consumererror.Error
	var nilOwn *ProcessingError
	for name, test := range map[string]struct {
		err       error
		kind      ErrorKind
		code      codes.Code
		permanent bool
		delay     time.Duration
	}{
		"wrapped join":                    {err: fmt.Errorf("x: %w", mixed), kind: KindRetryable, code: codes.Unavailable},
		"downstream join":                 {err: consumererror.NewDownstream(mixed), kind: KindRetryable, code: codes.Unavailable},
		"join inside a join":              {err: errors.Join(permanent, mixed), kind: KindRetryable, code: codes.Unavailable},
		"traces of a join":                {err: consumererror.NewTraces(mixed, ptrace.NewTraces()), kind: KindRetryable, code: codes.Unavailable},
		"metrics of a join":               {err: consumererror.NewMetrics(mixed, pmetric.NewMetrics()), kind: KindRetryable, code: codes.Unavailable},
		"logs of a join":                  {err: consumererror.NewLogs(mixed, plog.NewLogs()), kind: KindRetryable, code: codes.Unavailable},
		"logs of a status":                {err: consumererror.NewLogs(withDelay(t, codes.ResourceExhausted, time.Second), plog.NewLogs()), kind: KindResourceExhausted, code: codes.ResourceExhausted, delay: time.Second},
		"logs of a refusal":               {err: consumererror.NewLogs(status.Error(codes.InvalidArgument, "x"), plog.NewLogs()), kind: KindPermanent, code: codes.InvalidArgument, permanent: true},
		"collector, gRPC and delay":       {err: consumererror.NewOTLPGRPCError(plain, status.Convert(withDelay(t, codes.Unavailable, time.Second))), kind: KindRetryable, code: codes.Unavailable, delay: time.Second},
		"join made permanent":             {err: consumererror.NewPermanent(mixed), kind: KindPermanent, code: codes.Internal, permanent: true},
		"retryable join":                  {err: consumererror.NewRetryableError(mixed), kind: KindRetryable, code: codes.Unavailable},
		"merged join":                     {err: mergedError{mixed}, kind: KindRetryable, code: codes.Unavailable},
		"wrapped merged join":             {err: fmt.Errorf("x: %w", mergedError{mixed}), kind: KindRetryable, code: codes.Unavailable},
		"merged permanent":                {err: mergedError{permanent}, kind: KindPermanent, code: codes.Internal, permanent: true},
		"wrapped join, all permanent":     {err: fmt.Errorf("x: %w", errors.Join(permanent, status.Error(codes.InvalidArgument, "y"))), kind: KindPermanent, code: codes.Internal, permanent: true},
		"join of a permanent code":        {err: errors.Join(status.Error(codes.InvalidArgument, "x"), withDelay(t, codes.Unavailable, time.Second)), kind: KindRetryable, code: codes.Unavailable, delay: time.Second},
		"join, one hostile":               {err: errors.Join(hostile2{}, status.Error(codes.Aborted, "y")), kind: KindRetryable, code: codes.Unavailable},
		"permanent hostile":               {err: consumererror.NewPermanent(hostile{}), kind: KindPermanent, code: codes.Internal, permanent: true},
		"wrapped permanent hostile":       {err: fmt.Errorf("x: %w", consumererror.NewPermanent(hostile2{})), kind: KindPermanent, code: codes.Internal, permanent: true},
		"permanent without a cause":       {err: consumererror.NewPermanent(nil), kind: KindPermanent, code: codes.Internal, permanent: true},
		"downstream without a cause":      {err: consumererror.NewDownstream(nil), kind: KindRetryable, code: codes.Unavailable},
		"logs without a cause":            {err: consumererror.NewLogs(nil, plog.NewLogs()), kind: KindRetryable, code: codes.Unavailable},
		"nil collector error":             {err: nilError, kind: KindRetryable, code: codes.Unavailable},
		"nil own error":                   {err: nilOwn, kind: KindRetryable, code: codes.Unavailable},
		"wrapped nil own error":           {err: fmt.Errorf("x: %w", nilOwn), kind: KindRetryable, code: codes.Unavailable},
		"wraps itself":                    {err: wrapsItself{}, kind: KindRetryable, code: codes.Unavailable},
		"joins itself":                    {err: joinsItself{}, kind: KindRetryable, code: codes.Unavailable},
		"merged, wraps itself":            {err: mergedError{wrapsItself{}}, kind: KindRetryable, code: codes.Unavailable},
		"permanent, wraps itself":         {err: consumererror.NewPermanent(wrapsItself{}), kind: KindPermanent, code: codes.Internal, permanent: true},
		"throttle":                        {err: throttle(plain, 3*time.Second), kind: KindRetryable, code: codes.Unavailable, delay: 3 * time.Second},
		"wrapped throttle":                {err: fmt.Errorf("sending: %w", throttle(plain, time.Minute+500*time.Millisecond)), kind: KindRetryable, code: codes.Unavailable, delay: time.Minute + 500*time.Millisecond},
		"throttle with RetryInfo":         {err: throttle(withDelay(t, codes.ResourceExhausted, 2*time.Second), 3*time.Second), kind: KindResourceExhausted, code: codes.ResourceExhausted, delay: 2 * time.Second},
		"throttle of a status":            {err: throttle(status.Error(codes.Unavailable, "x"), 3*time.Second), kind: KindRetryable, code: codes.Unavailable, delay: 3 * time.Second},
		"throttle of our own":             {err: throttle(newProcessingError(KindResourceExhausted, "", "x"), 3*time.Second), kind: KindResourceExhausted, code: codes.ResourceExhausted, delay: 3 * time.Second},
		"throttle of a join":              {err: throttle(mixed, 3*time.Second), kind: KindRetryable, code: codes.Unavailable, delay: 3 * time.Second},
		"throttle back in time":           {err: throttle(plain, -time.Second), kind: KindRetryable, code: codes.Unavailable},
		"RetryInfo back in time":          {err: withDelay(t, codes.Unavailable, -time.Second), kind: KindRetryable, code: codes.Unavailable},
		"unknown code":                    {err: status.Error(99, "x"), kind: KindRetryable, code: codes.Unknown},
		"code that is negative in C":      {err: status.Error(1<<31+3, "x"), kind: KindRetryable, code: codes.Unknown},
		"throttle of what is permanent":   {err: throttle(consumererror.NewPermanent(plain), time.Second), kind: KindPermanent, code: codes.Internal, permanent: true},
		"permanent of a throttle":         {err: consumererror.NewPermanent(throttle(plain, time.Second)), kind: KindPermanent, code: codes.Internal, permanent: true},
		"throttle of a permanent code":    {err: throttle(status.Error(codes.InvalidArgument, "x"), time.Second), kind: KindPermanent, code: codes.InvalidArgument, permanent: true},
		"a peer's text":                   {err: status.Error(codes.Unavailable, "Throttle (9s), error: x"), kind: KindRetryable, code: codes.Unavailable},
		"text of an error inside":         {err: fmt.Errorf("x: %w", errors.New("Throttle (9s), error: x")), kind: KindRetryable, code: codes.Unavailable},
		"throttle of throttle":            {err: throttle(throttle(plain, 9*time.Second), time.Second), kind: KindRetryable, code: codes.Unavailable, delay: time.Second},
		"join of throttles":               {err: errors.Join(throttle(plain, time.Second), throttle(plain, 9*time.Second), throttle(plain, 3*time.Second)), kind: KindRetryable, code: codes.Unavailable, delay: 9 * time.Second},
		"join of a permanent throttle":    {err: errors.Join(throttle(plain, time.Second), consumererror.NewPermanent(throttle(plain, 9*time.Second))), kind: KindRetryable, code: codes.Unavailable, delay: time.Second},
		"join of delays":                  {err: errors.Join(withDelay(t, codes.ResourceExhausted, time.Second), withDelay(t, codes.Unavailable, 9*time.Second)), kind: KindResourceExhausted, code: codes.ResourceExhausted, delay: 9 * time.Second},
		"join, permanent with a delay":    {err: errors.Join(plain, withDelay(t, codes.InvalidArgument, time.Second)), kind: KindRetryable, code: codes.Unavailable},
		"unknown HTTP status":             {err: consumererror.NewOTLPHTTPError(plain, 12345), kind: KindRetryable, code: codes.Unknown},
		"own with a code that forbids it": {err: &ProcessingError{kind: KindRetryable, code: codes.Unauthenticated, httpStatus: 401, message: "x"}, kind: KindRetryable, code: codes.Unauthenticated, permanent: true},
	} {
		t.Run(name, func(t *testing.T) {
			result := FromError(test.err)
			requireSane(t, result)
			assert.Equal(t, test.kind, result.Kind())
			assert.Equal(t, test.code, result.GRPCStatus().Code())
			assert.Equal(t, test.permanent, result.IsPermanent())
			delay, has := result.RetryAfter()
			assert.Equal(t, test.delay, delay)
			assert.Equal(t, test.delay != 0, has)
		})
	}
	assert.True(t, consumererror.IsPermanent(mixed), "to Go the same value is what it was")
}

func TestFromErrorKeepsTheDataOfPartialFailures(t *testing.T) {
	var (
		traces  consumererror.Traces
		metrics consumererror.Metrics
		logs    consumererror.Logs
	)
	require.ErrorAs(t, FromError(consumererror.NewTraces(errors.New("x"), ptrace.NewTraces())), &traces)
	require.ErrorAs(t, FromError(consumererror.NewMetrics(errors.New("x"), pmetric.NewMetrics())), &metrics)
	original := consumererror.NewLogs(errors.New("x"), plog.NewLogs())
	require.ErrorAs(t, FromError(original), &logs)
	assert.NotErrorAs(t, FromError(mergedError{original}), &logs, "it holds other callers' data")
}

func TestMergedErrorOfAnyErrorIsMade(t *testing.T) {
	for _, err := range []error{hostile{}, hostile2{}, wrapsItself{}, joinsItself{}, consumererror.NewLogs(nil, plog.NewLogs())} {
		assert.IsType(t, mergedError{}, withoutData(err))
	}
}

// requireSane checks what holds for every error that crosses.
func requireSane(t testing.TB, result *ProcessingError) {
	t.Helper()
	require.NotNil(t, result)
	require.NotEmpty(t, result.Error()+result.Field())
	require.NotEqual(t, "unknown", result.Kind().String())
	require.True(t, utf8.ValidString(result.Message()))
	code := result.GRPCStatus().Code()
	require.True(t, code >= codes.Canceled && code <= codes.Unauthenticated, "%d", code)
	require.True(t, result.HTTPStatusCode() >= 100 && result.HTTPStatusCode() <= 599, "%d", result.HTTPStatusCode())
	delay, has := result.RetryAfter()
	require.GreaterOrEqual(t, delay, time.Duration(0))
	require.True(t, has || delay == 0)
}

// errorTree makes an error of random bytes, and says whether it is permanent, which
// it knows unless a part of it is odd.
type errorTree struct {
	t    testing.TB
	data []byte
	odd  bool
}

func (e *errorTree) next() byte {
	if len(e.data) == 0 {
		return 0
	}
	b := e.data[0]
	e.data = e.data[1:]
	return b
}

func (e *errorTree) grow(depth int) (permanent bool, err error) {
	choice := e.next() % 20
	if depth == 0 {
		choice %= 10
	}
	if choice < 10 {
		return e.leaf(choice)
	}
	if choice < 13 {
		parts := make([]error, e.next()%5+1)
		permanent = true
		for i := range parts {
			isPermanent, part := e.grow(depth - 1)
			parts[i], permanent = part, permanent && isPermanent
		}
		return permanent, errors.Join(parts...)
	}
	permanent, inner := e.grow(depth - 1)
	switch choice {
	case 13:
		return true, consumererror.NewPermanent(inner)
	case 14:
		return permanent, consumererror.NewDownstream(inner)
	case 15:
		return permanent, consumererror.NewLogs(inner, plog.NewLogs())
	case 16:
		return permanent, throttle(inner, time.Duration(e.next())*time.Second)
	case 17:
		e.odd = true
		return false, consumererror.NewOTLPHTTPError(inner, 300+10*int(e.next()))
	case 18:
		return permanent, mergedError{inner}
	}
	return permanent, fmt.Errorf("wrapped: %w", inner)
}

func (e *errorTree) leaf(choice byte) (permanent bool, err error) {
	switch choice {
	case 0:
		return false, errors.New(string(e.data[:min(len(e.data), 16)]))
	case 1:
		code := codes.Code(e.next()%20 + 1)
		return isPermanentCode(code), withDelay(e.t, code, time.Duration(int8(e.next()))*time.Second)
	case 2:
		own := newProcessingError(ErrorKind(e.next()%6+1), "field", "text")
		return own.permanent || isPermanentCode(own.code), own
	case 3:
		return false, context.Canceled
	case 4:
		return false, context.DeadlineExceeded
	case 5:
		return false, emptyText{}
	}
	e.odd = true
	switch choice {
	case 6:
		return false, hostile{}
	case 7:
		return false, hostile2{}
	case 8:
		return false, wrapsItself{}
	}
	return false, statusCarrier{}
}

func FuzzFromError(f *testing.F) {
	for _, seed := range [][]byte{nil, {1, 3}, {10, 4, 1, 3, 1, 14, 13, 0}, {19, 10, 1, 13, 0, 0}, {13, 6}, {17, 40, 10, 2, 13, 0}, {14, 8}, {16, 9, 2, 4}, {18, 11, 2, 7}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := errorTree{t: t, data: data}
		permanent, err := tree.grow(6)
		result := FromError(err)
		requireSane(t, result)
		require.NotPanics(t, func() { _ = withoutData(err) })
		if !tree.odd {
			require.Equal(t, permanent, result.IsPermanent(), "%#v", err)
		}
	})
}
