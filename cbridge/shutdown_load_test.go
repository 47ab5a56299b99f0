// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// callsAtShutdown are in flight when the shutdown begins.
const callsAtShutdown = 1000

const (
	longShutdown  = patience
	shortShutdown = 100 * time.Millisecond
)

// TestShutdownWithManyCallsInFlight: a shutdown completes every call, with its result
// where the time allows. After it returns nothing enters the next consumer.
func TestShutdownWithManyCallsInFlight(t *testing.T) {
	for _, test := range []struct {
		name          string
		configuration string
		// deadline is the calls'; 0: none.
		deadline time.Duration
		shutdown time.Duration
		// next gets the output's context, and a channel that is closed when every caller has left.
		next func(ctx context.Context, left <-chan struct{}) error
		// result is every call's: OK where it is acknowledged; without one, calls may
		// be acknowledged, time out or be refused for now.
		result codes.Code
		any    bool
	}{
		{
			name:          "in a node, longer than the shutdown",
			configuration: waitingNode, shutdown: shortShutdown, result: codes.Unavailable,
		},
		{
			name:          "in a node, until their deadlines",
			configuration: waitingNode, deadline: 2 * time.Second, shutdown: longShutdown, result: codes.DeadlineExceeded,
		},
		{
			name:          "in a node, with deadlines beyond the shutdown's",
			configuration: waitingNode, deadline: forever, shutdown: shortShutdown, result: codes.Unavailable,
		},
		{
			name:          "in a batch",
			configuration: ownBatchNode, shutdown: longShutdown, result: codes.OK,
		},
		{
			name:          "in a batch, without time",
			configuration: ownBatchNode, shutdown: time.Nanosecond, any: true,
		},
		{
			name:          "in a batch, with deadlines that leave time",
			configuration: ownBatchNode, deadline: forever, shutdown: longShutdown, result: codes.OK,
		},
		{
			name:          "in a batch, with deadlines during the shutdown",
			configuration: ownBatchNode, deadline: 2 * time.Second, shutdown: longShutdown, result: codes.DeadlineExceeded,
			next: func(_ context.Context, left <-chan struct{}) error {
				<-left
				return nil
			},
		},
		{
			name:          "in a batch before a consumer that takes too long",
			configuration: ownBatchNode, shutdown: shortShutdown, result: codes.Unavailable,
			next: func(ctx context.Context, _ <-chan struct{}) error {
				<-ctx.Done()
				return context.Cause(ctx)
			},
		},
		{
			name:          "in an engine's batch",
			configuration: batchNode, shutdown: longShutdown, result: codes.OK,
		},
		{
			name:          "in an engine's batch, with deadlines that leave time",
			configuration: batchNode, deadline: forever, shutdown: longShutdown, result: codes.OK,
		},
		{
			name:          "in an engine's batch, with deadlines during the shutdown",
			configuration: batchNode, deadline: 2 * time.Second, shutdown: longShutdown, result: codes.DeadlineExceeded,
			next: func(_ context.Context, left <-chan struct{}) error {
				<-left
				return nil
			},
		},
		{
			name:          "in an engine's batch, with little time",
			configuration: batchNode, shutdown: shortShutdown, any: true,
		},
		{
			name:          "in an engine's batch before a consumer that takes too long",
			configuration: batchNode, shutdown: shortShutdown, result: codes.Unavailable,
			next: func(ctx context.Context, _ <-chan struct{}) error {
				<-ctx.Done()
				return context.Cause(ctx)
			},
		},
		{
			name:          "in an engine node and its queue",
			configuration: chain(attributeNode, faultNode(`"delay": "1h", "max_concurrency": 1`)), shutdown: shortShutdown, result: codes.Unavailable,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			runtime := cbridgetest.VerifyIdle(t)
			callersContext := context.Background()
			if test.deadline > 0 {
				var cancel context.CancelFunc
				callersContext, cancel = context.WithTimeout(callersContext, test.deadline)
				defer cancel()
			}
			var stopped atomic.Bool
			left := make(chan struct{})
			sink := newBodySink()
			component := newComponent(t, test.configuration, logsFunc(t, func(ctx context.Context, logs plog.Logs) error {
				assert.False(t, stopped.Load(), "entered after the shutdown had returned")
				if test.next != nil {
					if err := test.next(ctx, left); err != nil {
						return err
					}
				}
				sink.add(logs)
				return nil
			}), func(s *cbridge.Settings) { s.Limits.MaxInFlight, s.Limits.Timeout = callsAtShutdown, 0 })
			require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))

			errs := make([]error, callsAtShutdown)
			var callers sync.WaitGroup
			for i := range errs {
				callers.Go(func() { errs[i] = component.ConsumeLogs(callersContext, placeLogs(fillerName(i))) })
			}
			awaitInRust(t, runtime, callsAtShutdown)
			go func() {
				callers.Wait()
				close(left)
			}()

			stopping, cancel := context.WithTimeout(context.Background(), test.shutdown)
			defer cancel()
			require.NoError(t, component.Shutdown(stopping))
			stopped.Store(true)
			if test.shutdown == longShutdown {
				require.NoError(t, stopping.Err(), "it took all the time that there was")
			}
			<-left
			for i, err := range errs {
				arrived := sink.count(fillerName(i))
				if !test.any {
					require.Equal(t, test.result, status.Code(err), "%v", err)
				}
				switch {
				case err == nil:
					require.Equal(t, 1, arrived, "acknowledged, but not accepted once")
				case errors.Is(err, context.DeadlineExceeded):
					require.Error(t, callersContext.Err())
					require.LessOrEqual(t, arrived, 1, "accepted twice")
				default:
					// Its result may have come too late.
					require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
					require.False(t, consumererror.IsPermanent(err), "%v", err)
					require.LessOrEqual(t, arrived, 1, "accepted twice")
				}
			}
			assert.True(t, component.NoHostErrors())
		})
	}
}

// bodySink counts log records by their bodies.
type bodySink struct {
	mu     sync.Mutex
	bodies map[string]int
}

func newBodySink() *bodySink { return &bodySink{bodies: map[string]int{}} }

func (s *bodySink) add(logs plog.Logs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range bodiesOf(logs) {
		s.bodies[body]++
	}
}

func (s *bodySink) count(body string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[body]
}
