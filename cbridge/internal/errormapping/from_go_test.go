// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping/errortest"
)

// joinsItself has the longest tree that a small value can have.
type joinsItself struct{}

func (joinsItself) Error() string     { panic("a text without end") }
func (e joinsItself) Unwrap() []error { return []error{e, e} }

func init() { ThrottlePackage = errortest.ThrottlePackage }

func TestFromErrorOfTrees(t *testing.T) {
	plain := errors.New("plain")
	permanent := consumererror.NewPermanent(plain)
	mixed := errors.Join(permanent, plain)
	var nilError *consumererror.Error
	var nilOwn *ProcessingError
	for name, test := range map[string]struct {
		err       error
		kind      capi.ErrorKind
		code      codes.Code
		permanent bool
		delay     time.Duration
	}{
		"wrapped join":                    {err: fmt.Errorf("x: %w", mixed), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"downstream join":                 {err: consumererror.NewDownstream(mixed), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"join inside a join":              {err: errors.Join(permanent, mixed), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"traces of a join":                {err: consumererror.NewTraces(mixed, ptrace.NewTraces()), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"metrics of a join":               {err: consumererror.NewMetrics(mixed, pmetric.NewMetrics()), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"logs of a join":                  {err: consumererror.NewLogs(mixed, plog.NewLogs()), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"logs of a status":                {err: consumererror.NewLogs(errortest.WithDelay(t, codes.ResourceExhausted, time.Second), plog.NewLogs()), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted, delay: time.Second},
		"logs of a refusal":               {err: consumererror.NewLogs(status.Error(codes.InvalidArgument, "x"), plog.NewLogs()), kind: capi.ErrorKindPermanent, code: codes.InvalidArgument, permanent: true},
		"collector, gRPC and delay":       {err: consumererror.NewOTLPGRPCError(plain, status.Convert(errortest.WithDelay(t, codes.Unavailable, time.Second))), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: time.Second},
		"join made permanent":             {err: consumererror.NewPermanent(mixed), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"retryable join":                  {err: consumererror.NewRetryableError(mixed), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"join without data":               {err: errorWithoutData{mixed}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"wrapped join without data":       {err: fmt.Errorf("x: %w", errorWithoutData{mixed}), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"permanent without data":          {err: errorWithoutData{permanent}, kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"wrapped join, all permanent":     {err: fmt.Errorf("x: %w", errors.Join(permanent, status.Error(codes.InvalidArgument, "y"))), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"join of a permanent code":        {err: errors.Join(status.Error(codes.InvalidArgument, "x"), errortest.WithDelay(t, codes.Unavailable, time.Second)), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: time.Second},
		"join, one hostile":               {err: errors.Join(hostile2{}, status.Error(codes.Aborted, "y")), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"permanent hostile":               {err: consumererror.NewPermanent(errortest.Hostile{}), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"wrapped permanent hostile":       {err: fmt.Errorf("x: %w", consumererror.NewPermanent(hostile2{})), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"permanent without a cause":       {err: consumererror.NewPermanent(nil), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"downstream without a cause":      {err: consumererror.NewDownstream(nil), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"logs without a cause":            {err: consumererror.NewLogs(nil, plog.NewLogs()), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"nil collector error":             {err: nilError, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"nil own error":                   {err: nilOwn, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"wrapped nil own error":           {err: fmt.Errorf("x: %w", nilOwn), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"wraps itself":                    {err: errortest.WrapsItself{}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"joins itself":                    {err: joinsItself{}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"without data, wraps itself":      {err: errorWithoutData{errortest.WrapsItself{}}, kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"permanent, wraps itself":         {err: consumererror.NewPermanent(errortest.WrapsItself{}), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"throttle":                        {err: errortest.Throttle(plain, 3*time.Second), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: 3 * time.Second},
		"wrapped throttle":                {err: fmt.Errorf("sending: %w", errortest.Throttle(plain, time.Minute+500*time.Millisecond)), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: time.Minute + 500*time.Millisecond},
		"throttle with RetryInfo":         {err: errortest.Throttle(errortest.WithDelay(t, codes.ResourceExhausted, 2*time.Second), 3*time.Second), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted, delay: 2 * time.Second},
		"throttle of a status":            {err: errortest.Throttle(status.Error(codes.Unavailable, "x"), 3*time.Second), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: 3 * time.Second},
		"throttle of our own":             {err: errortest.Throttle(New(capi.ErrorKindResourceExhausted, "", "x"), 3*time.Second), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted, delay: 3 * time.Second},
		"throttle of a join":              {err: errortest.Throttle(mixed, 3*time.Second), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: 3 * time.Second},
		"throttle back in time":           {err: errortest.Throttle(plain, -time.Second), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"RetryInfo back in time":          {err: errortest.WithDelay(t, codes.Unavailable, -time.Second), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"unknown code":                    {err: status.Error(99, "x"), kind: capi.ErrorKindRetryable, code: codes.Unknown},
		"code that is negative in C":      {err: status.Error(1<<31+3, "x"), kind: capi.ErrorKindRetryable, code: codes.Unknown},
		"throttle of what is permanent":   {err: errortest.Throttle(consumererror.NewPermanent(plain), time.Second), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"permanent of a throttle":         {err: consumererror.NewPermanent(errortest.Throttle(plain, time.Second)), kind: capi.ErrorKindPermanent, code: codes.Internal, permanent: true},
		"throttle of a permanent code":    {err: errortest.Throttle(status.Error(codes.InvalidArgument, "x"), time.Second), kind: capi.ErrorKindPermanent, code: codes.InvalidArgument, permanent: true},
		"a peer's text":                   {err: status.Error(codes.Unavailable, "Throttle (9s), error: x"), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"text of an error inside":         {err: fmt.Errorf("x: %w", errors.New("Throttle (9s), error: x")), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"throttle of throttle":            {err: errortest.Throttle(errortest.Throttle(plain, 9*time.Second), time.Second), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: time.Second},
		"join of throttles":               {err: errors.Join(errortest.Throttle(plain, time.Second), errortest.Throttle(plain, 9*time.Second), errortest.Throttle(plain, 3*time.Second)), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: 9 * time.Second},
		"join of a permanent throttle":    {err: errors.Join(errortest.Throttle(plain, time.Second), consumererror.NewPermanent(errortest.Throttle(plain, 9*time.Second))), kind: capi.ErrorKindRetryable, code: codes.Unavailable, delay: time.Second},
		"join of delays":                  {err: errors.Join(errortest.WithDelay(t, codes.ResourceExhausted, time.Second), errortest.WithDelay(t, codes.Unavailable, 9*time.Second)), kind: capi.ErrorKindResourceExhausted, code: codes.ResourceExhausted, delay: 9 * time.Second},
		"join, permanent with a delay":    {err: errors.Join(plain, errortest.WithDelay(t, codes.InvalidArgument, time.Second)), kind: capi.ErrorKindRetryable, code: codes.Unavailable},
		"unknown HTTP status":             {err: consumererror.NewOTLPHTTPError(plain, 12345), kind: capi.ErrorKindRetryable, code: codes.Unknown},
		"own with a code that forbids it": {err: &ProcessingError{kind: capi.ErrorKindRetryable, code: codes.Unauthenticated, httpStatus: 401, message: "x"}, kind: capi.ErrorKindRetryable, code: codes.Unauthenticated, permanent: true},
	} {
		t.Run(name, func(t *testing.T) {
			result := FromError(test.err)
			errortest.RequireSane(t, result)
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
	assert.NotErrorAs(t, FromError(errorWithoutData{original}), &logs, "it contains other callers' data")
}

func TestAnyErrorCanBeWithoutItsData(t *testing.T) {
	for _, err := range []error{errortest.Hostile{}, hostile2{}, errortest.WrapsItself{}, joinsItself{}, consumererror.NewLogs(nil, plog.NewLogs())} {
		assert.IsType(t, errorWithoutData{}, WithoutData(err))
	}
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
		return permanent, errortest.Throttle(inner, time.Duration(e.next())*time.Second)
	case 17:
		e.odd = true
		return false, consumererror.NewOTLPHTTPError(inner, 300+10*int(e.next()))
	case 18:
		return permanent, errorWithoutData{inner}
	}
	return permanent, fmt.Errorf("wrapped: %w", inner)
}

func (e *errorTree) leaf(choice byte) (permanent bool, err error) {
	switch choice {
	case 0:
		return false, errors.New(string(e.data[:min(len(e.data), 16)]))
	case 1:
		code := codes.Code(e.next()%20 + 1)
		return isPermanentCode(code), errortest.WithDelay(e.t, code, time.Duration(int8(e.next()))*time.Second)
	case 2:
		own := New(capi.ErrorKind(e.next()%6+1), "field", "text")
		return own.permanent || isPermanentCode(own.code), own
	case 3:
		return false, context.Canceled
	case 4:
		return false, context.DeadlineExceeded
	case 5:
		return false, errortest.EmptyText{}
	}
	e.odd = true
	switch choice {
	case 6:
		return false, errortest.Hostile{}
	case 7:
		return false, hostile2{}
	case 8:
		return false, errortest.WrapsItself{}
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
		errortest.RequireSane(t, result)
		require.NotPanics(t, func() { _ = WithoutData(err) })
		if !tree.odd {
			require.Equal(t, permanent, result.IsPermanent(), "%#v", err)
		}
	})
}
