// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// ending is how a caller stops waiting.
type ending struct {
	name string
	// begin makes the caller's context, and a function that makes or awaits its end. A deadline
	// is so far away.
	begin func(tb testing.TB, within time.Duration) (ctx context.Context, end func())
	err   error
	cause error
	kind  cbridge.ErrorKind
	code  codes.Code
	// permanent: nobody wants it retried.
	permanent bool
}

// A deadline leaves time to bring a call to its place: 250 ms, and on a busy machine many times
// what the calls took that were cancelled there.
const (
	placeDeadline = 250 * time.Millisecond
	manyTimes     = 20
)

var errReason = errors.New("the reason of the test")

var endings = []ending{
	{
		name: "cancel",
		begin: func(testing.TB, time.Duration) (context.Context, func()) {
			ctx, cancel := context.WithCancel(context.Background())
			return ctx, cancel
		},
		err: context.Canceled, cause: context.Canceled, kind: cbridge.KindCancelled, code: codes.Canceled, permanent: true,
	},
	{
		name: "cancel with cause",
		begin: func(testing.TB, time.Duration) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(context.Background())
			return ctx, func() { cancel(errReason) }
		},
		err: context.Canceled, cause: errReason, kind: cbridge.KindCancelled, code: codes.Canceled, permanent: true,
	},
	{
		name: "deadline",
		begin: func(tb testing.TB, within time.Duration) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(context.Background(), within)
			tb.Cleanup(cancel)
			return ctx, func() { <-ctx.Done() }
		},
		err: context.DeadlineExceeded, cause: context.DeadlineExceeded, kind: cbridge.KindTimeout, code: codes.DeadlineExceeded,
	},
	{
		name: "deadline with cause",
		begin: func(tb testing.TB, within time.Duration) (context.Context, func()) {
			ctx, cancel := context.WithTimeoutCause(context.Background(), within, errReason)
			tb.Cleanup(cancel)
			return ctx, func() { <-ctx.Done() }
		},
		err: context.DeadlineExceeded, cause: errReason, kind: cbridge.KindTimeout, code: codes.DeadlineExceeded,
	},
}

// graces: with one that never ends the result is Rust's own; without one the caller
// leaves at once, and Rust's result finds nobody.
var graces = []struct {
	name  string
	grace time.Duration
}{
	{"Rust completes", forever},
	{"nobody waits", 0},
}

// TestWhoStopsWhat: wherever a call's work is, its caller leaves when its context
// ends and learns why, its output goes nowhere from then on, and nothing of it stays.
func TestWhoStopsWhat(t *testing.T) {
	for i := range places {
		for _, end := range endings {
			for _, grace := range graces {
				t.Run(places[i].name+"/"+end.name+"/"+grace.name, func(t *testing.T) {
					s := places[i].setUp(t, func(l *cbridge.Limits) { l.CancelGrace = grace.grace })
					s.stopWaiting(&end, grace.grace)
				})
			}
		}
	}
}

func (s *stage) stopWaiting(how *ending, grace time.Duration) {
	began := time.Now()
	ctx, end := how.begin(s, max(placeDeadline, manyTimes*s.place.took))
	result := make(chan error, 1)
	go func() { result <- s.component.ConsumeLogs(ctx, placeLogs(theCall)) }()
	early := s.place.early != nil && how.kind == cbridge.KindTimeout
	if !early {
		s.place.arrived(s)
		s.place.took = max(s.place.took, time.Since(began))
		require.NoError(s, ctx.Err(), "the call came to its place too late")
		end()
	}
	select {
	case err := <-result:
		switch {
		case early:
			assert.True(s, err == s.place.early(s), "%v", err)
		case s.place.answer != nil && grace == forever:
			assert.True(s, err == s.place.answer(ctx), "not the same error value: %v", err)
		case s.place.answer != nil:
			// It leaves without the answer, unless that is there already.
			if err != s.place.answer(ctx) {
				s.expectEnd(ctx, how, err)
			}
		default:
			s.expectEnd(ctx, how, err)
		}
	case <-time.After(patience):
		require.Fail(s, "the caller does not return")
	}
	s.clear()
	s.awaitStats(func(stats cbridge.Stats) bool { return stats.CallsInFlight == 0 && stats.EmissionsInFlight == 0 })
	if !s.place.keeps {
		s.awaitStats(func(stats cbridge.Stats) bool {
			return stats.PayloadsUnreleased == 0 && stats.PayloadsPinned == 0 && stats.ContextsAlive == 0 && stats.BuffersUnreleased == 0
		})
	}
	if s.place.routed {
		s.probe()
	}
	assert.True(s, s.component.NoHostErrors())

	stopping, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(s, s.component.Shutdown(stopping))
	require.NoError(s, stopping.Err(), "it took all the time that there was")
	switch {
	case s.place.later:
		assert.LessOrEqual(s, s.visited(theCall), s.place.visits+1, "output came twice")
	case early:
		assert.Equal(s, 1, s.visited(theCall))
	default:
		assert.Equal(s, s.place.visits, s.visited(theCall), "output of a caller that has left went on")
	}
}

// expectEnd checks what the caller is told.
func (s *stage) expectEnd(ctx context.Context, how *ending, err error) {
	require.ErrorIs(s, err, how.cause)
	assert.Equal(s, how.err, ctx.Err())
	assert.Equal(s, how.cause, context.Cause(ctx))
	require.ErrorIs(s, err, how.err)
	var own *cbridge.ProcessingError
	require.ErrorAs(s, err, &own)
	assert.Equal(s, how.kind, own.Kind())
	assert.Equal(s, how.code, status.Code(err))
	assert.Equal(s, how.permanent, consumererror.IsPermanent(err))
}

// twice puts out what it gets two times.
const twice = `{"nodes": {
	"both": {"type": "processor:fanout", "config": {"mode": "parallel", "await_ack": "all", "destinations": [{"port": "a", "primary": true}, {"port": "b"}]}},
	"a": {"type": "urn:otapbridge:processor:fault", "config": {}},
	"b": {"type": "urn:otapbridge:processor:fault", "config": {}}
}, "connections": [{"from": "both", "port": "a", "to": "a"}, {"from": "both", "port": "b", "to": "b"}]}`

// TestOutputThatWaitsForItsCallerIsRefusedWhenTheCallerIsCancelled: what came while the
// caller was inside the next consumer goes nowhere if the context ended there.
func TestOutputThatWaitsForItsCallerIsRefusedWhenTheCallerIsCancelled(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	entered := 0
	component := start(t, twice, logsFunc(t, func(context.Context, plog.Logs) error {
		if entered++; entered == 1 {
			require.Eventually(t, func() bool {
				stats, err := runtime.Stats()
				return err == nil && stats.EmissionsInFlight == 2
			}, patience, time.Millisecond)
			cancel(errReason)
		}
		return nil
	}))
	err := component.ConsumeLogs(ctx, testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errReason)
	assert.Equal(t, 1, entered, "output went on after the caller was cancelled")
}
