// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// merging is the configuration of an engine node that makes one request of several.
const merging = `{"type": "processor:batch", "config": {"otlp": {"min_size": 1000000, "sizer": "bytes"}, "format": "otlp", "max_batch_duration": "50ms"}}`

// mergingForAnHour keeps what it gets for longer than any test.
var mergingForAnHour = strings.Replace(merging, "50ms", "1h", 1)

// consumeAtOnce makes calls that are all in Rust together, and returns their errors.
func consumeAtOnce(component *cbridge.Component, calls int, ctx context.Context) []error {
	errs := make([]error, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() { errs[i] = component.ConsumeLogs(ctx, testdata.GenerateLogs(3)) })
	}
	wg.Wait()
	return errs
}

func TestMergedOutputIsForwardedOnce(t *testing.T) {
	var mu sync.Mutex
	var records, requests int
	component := start(t, merging, logsFunc(t, func(ctx context.Context, logs plog.Logs) error {
		mu.Lock()
		defer mu.Unlock()
		requests++
		records += logs.LogRecordCount()
		assert.NoError(t, ctx.Err())
		return nil
	}))
	for _, err := range consumeAtOnce(component, 20, t.Context()) {
		require.NoError(t, err)
	}
	assert.Equal(t, 20*3, records)
	assert.Less(t, requests, 20, "nothing was merged")
}

// throttled is an error with a status of its own, found to be the same by its address.
type throttled struct{ status *status.Status }

func (t *throttled) Error() string              { return "throttled on purpose" }
func (t *throttled) GRPCStatus() *status.Status { return t.status }

func TestErrorOfMergedOutputReachesEveryCaller(t *testing.T) {
	const delay = 1500 * time.Millisecond
	info := &errdetails.ErrorInfo{Reason: "QUOTA", Domain: "example.com"}
	detailed, err := status.New(codes.ResourceExhausted, "throttled on purpose").
		WithDetails(info, &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	require.NoError(t, err)
	original := &throttled{detailed}
	for _, err := range errorsOfMergedOutput(t, func(plog.Logs) error { return original }) {
		require.Same(t, original, err)
		meaning := cbridge.FromError(err)
		assert.Equal(t, cbridge.KindResourceExhausted, meaning.Kind())
		after, ok := meaning.RetryAfter()
		assert.True(t, ok)
		assert.Equal(t, delay, after)
		st := meaning.GRPCStatus()
		assert.Equal(t, codes.ResourceExhausted, st.Code())
		require.NotEmpty(t, st.Details())
		assert.True(t, proto.Equal(info, st.Details()[0].(*errdetails.ErrorInfo)))
	}
}

func TestErrorOfMergedOutputHidesOtherCallersData(t *testing.T) {
	sentinel := errors.New("sentinel")
	for _, err := range errorsOfMergedOutput(t, func(logs plog.Logs) error {
		return consumererror.NewDownstream(consumererror.NewLogs(sentinel, logs))
	}) {
		require.ErrorIs(t, err, sentinel)
		assert.True(t, consumererror.IsDownstream(err))
		var data consumererror.Logs
		assert.NotErrorAs(t, err, &data, "it contains other callers' data")
	}
}

// errorsOfMergedOutput is what callers get whose data goes to next in common.
func errorsOfMergedOutput(t *testing.T, next func(plog.Logs) error) []error {
	t.Helper()
	var requests atomic.Int64
	component := start(t, merging, logsFunc(t, func(_ context.Context, logs plog.Logs) error {
		requests.Add(1)
		return next(logs)
	}))
	const calls = 20
	errs := consumeAtOnce(component, calls, t.Context())
	assert.Less(t, requests.Load(), int64(calls), "nothing was merged")
	assert.True(t, component.NoHostErrors(), "left in the table")
	return errs
}

func TestShutdownEndsMergedWorkUnderWay(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	inside := make(chan struct{}, 100)
	component := newComponent(t, merging, logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
		inside <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	}))
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	result := make(chan []error)
	go func() { result <- consumeAtOnce(component, 5, context.Background()) }()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.NoError(t, component.Shutdown(ctx))
	for _, err := range <-result {
		require.Error(t, err)
		assert.False(t, consumererror.IsPermanent(err), "%v", err)
	}
}

// TestPayloadOutlivesItsCall: a node that is not context-aware keeps the payload of a
// call that was given up, so it stays pinned, and counts, until the node lets go.
func TestPayloadOutlivesItsCall(t *testing.T) {
	var marshaler plog.ProtoMarshaler
	size := int64(marshaler.LogsSize(testdata.GenerateLogs(3)))
	for limit, set := range map[string]func(*cbridge.Limits){
		"max_in_flight":       func(l *cbridge.Limits) { l.MaxInFlight = 1 },
		"max_in_flight_bytes": func(l *cbridge.Limits) { l.MaxInFlightBytes = size },
	} {
		t.Run(limit, func(t *testing.T) {
			runtime := cbridgetest.VerifyIdle(t)
			component := newComponent(t, mergingForAnHour, logsFunc(t, accept), func(s *cbridge.Settings) { set(&s.Limits) })
			require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
			require.NoError(t, giveUpInNode(t, component, runtime))
			stats, err := runtime.Stats()
			require.NoError(t, err)
			assert.Equal(t, int64(1), stats.PayloadsPinned)
			assert.Equal(t, uint64(1), stats.PayloadsUnreleased)

			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			require.ErrorContains(t, component.ConsumeLogs(ctx, testdata.GenerateLogs(3)), "("+limit+")")

			stopping, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer stop()
			require.NoError(t, component.Shutdown(stopping))
			stats, err = runtime.Stats()
			require.NoError(t, err)
			assert.Zero(t, stats.PayloadsPinned)
		})
	}
}

// giveUpInNode makes a call that ends at its deadline. Nothing tells when it has come to a node
// that is not context-aware, but that it stays there: what ends before is released, and is made
// again with more time.
func giveUpInNode(t *testing.T, component *cbridge.Component, runtime *cbridge.Runtime) error {
	t.Helper()
	for within := 500 * time.Millisecond; within < time.Minute; within *= 4 {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		err := component.ConsumeLogs(ctx, testdata.GenerateLogs(3))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		awaitInRust(t, runtime, 0)
		released := func() bool {
			stats, err := runtime.Stats()
			return err != nil || stats.PayloadsUnreleased == 0
		}
		if !assert.Eventually(new(assert.CollectT), released, 200*time.Millisecond, time.Millisecond) {
			return nil
		}
	}
	return errors.New("no call has come to the node")
}

// TestShutdownPutsOutWhatNodesKeep: a node that merges does not let callers wait for
// its time, which is longer than any shutdown's.
func TestShutdownPutsOutWhatNodesKeep(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	sink := new(consumertest.LogsSink)
	component := newComponent(t, mergingForAnHour, cbridge.Consumers{Logs: sink}, func(s *cbridge.Settings) { s.Limits.Timeout = 0 })
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	const calls = 5
	result := make(chan []error)
	go func() { result <- consumeAtOnce(component, calls, context.Background()) }()
	awaitInRust(t, runtime, calls)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, component.Shutdown(ctx))
	for _, err := range <-result {
		require.NoError(t, err)
	}
	assert.Equal(t, calls*3, sink.LogRecordCount())
	require.NoError(t, ctx.Err(), "it took all the time that there was")
}

// TestRetryNodeHeedsPermanence: an error is permanent if the host says so, whatever its kind.
func TestRetryNodeHeedsPermanence(t *testing.T) {
	fails := newComponent(t, faultNode(`"error": {"kind": "retryable", "message": "not now"}`), logsFunc(t, accept))
	require.NoError(t, fails.Start(t.Context(), componenttest.NewNopHost()))
	retryable := fails.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))
	require.Error(t, retryable)
	require.NoError(t, fails.Shutdown(t.Context()))
	for _, test := range []struct {
		name  string
		err   error
		calls int64
	}{
		{"retryable", retryable, 2},
		{"permanent", consumererror.NewPermanent(retryable), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var calls atomic.Int64
			component := start(t, `{"type": "processor:retry", "config": {"initial_interval": "1ms", "max_interval": "1ms"}}`,
				logsFunc(t, func(context.Context, plog.Logs) error {
					if calls.Add(1) == 1 {
						return test.err
					}
					return nil
				}))
			err := component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))
			assert.Equal(t, test.calls, calls.Load())
			assert.Equal(t, test.calls == 1, consumererror.IsPermanent(err), "%v", err)
		})
	}
}

// branching has one output that comes at once, and another that is worked on for an hour.
const branching = `{"nodes": {
	"both": {"type": "processor:fanout", "config": {"mode": "parallel", "await_ack": "all", "destinations": [{"port": "fast", "primary": true}, {"port": "slow"}]}},
	"slow": {"type": "urn:otapbridge:processor:fault", "config": {"delay": "1h"}},
	"exit": {"type": "urn:otapbridge:processor:fault", "config": {}}
}, "connections": [{"from": "both", "port": "fast", "to": "exit"}, {"from": "both", "port": "slow", "to": "slow"}, {"from": "slow", "to": "exit"}]}`

func TestCancelInsideNextReachesTheRestOfTheWork(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	reason := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	component := start(t, branching, logsFunc(t, func(context.Context, plog.Logs) error {
		cancel(reason)
		// Rust completes the call while this consumer still runs: the other branch has ended.
		awaitInRust(t, runtime, 0)
		return nil
	}))
	err := component.ConsumeLogs(ctx, testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reason)
}
