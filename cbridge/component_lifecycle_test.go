// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

func TestShutdownCompletesEveryCall(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	component := newComponent(t, faultNode(`"delay": "1h"`), logsFunc(t, accept), func(s *cbridge.Settings) { s.Limits.MaxInFlight = 40 })
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	const calls = 50
	results := make(chan error, calls)
	for range calls {
		go func() { results <- component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)) }()
	}
	awaitInRust(t, runtime, 40)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.NoError(t, component.Shutdown(ctx))
	for range calls {
		err := <-results
		require.Error(t, err)
		assert.False(t, consumererror.IsPermanent(err))
		assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	}
	require.ErrorContains(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)), "shutting down")
	require.ErrorContains(t, component.ConsumeLogs(t.Context(), plog.NewLogs()), "shutting down")
	require.NoError(t, component.Shutdown(t.Context()), "twice is fine")
	require.Error(t, component.Start(t.Context(), componenttest.NewNopHost()), "started once")
}

func TestShutdownLetsCallsFinish(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	component := newComponent(t, passThrough, logsFunc(t, func(_ context.Context, logs plog.Logs) error {
		if logs.LogRecordCount() > 0 {
			close(inside)
			<-leave
		}
		return nil
	}))
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	result := make(chan error)
	go func() { result <- component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)) }()
	<-inside
	stopped := make(chan error)
	go func() { stopped <- component.Shutdown(context.Background()) }()
	require.Eventually(t, func() bool {
		return component.ConsumeLogs(t.Context(), plog.NewLogs()) != nil
	}, 30*time.Second, time.Millisecond)
	close(leave)
	require.NoError(t, <-result)
	require.NoError(t, <-stopped)
}

func TestShutdownDoesNotWaitForeverForNext(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	component := newComponent(t, passThrough, logsFunc(t, func(context.Context, plog.Logs) error {
		close(inside)
		<-leave
		return nil
	}))
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	result := make(chan error)
	go func() { result <- component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)) }()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, component.Shutdown(ctx), "1 callers and 0 outputs without a caller are still inside the next consumer")
	stats, err := runtime.Stats()
	require.NoError(t, err)
	assert.Zero(t, stats.PayloadsPinned, "Rust is gone, so nothing stays pinned")
	assert.Zero(t, stats.Components)
	close(leave)
	require.Error(t, <-result)
}

func TestLifecycleWithoutStart(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	component := newComponent(t, passThrough, logsFunc(t, accept))
	require.ErrorContains(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)), "not started")
	require.NoError(t, component.Shutdown(t.Context()))
	require.Error(t, component.Start(t.Context(), componenttest.NewNopHost()))
}

// noTimeLeft is a context whose deadline is past and that does not know it yet.
type noTimeLeft struct{ context.Context }

func (noTimeLeft) Deadline() (time.Time, bool) { return time.Unix(0, 0), true }

func TestFailedStartLeavesNothing(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	// So many threads cannot all be ready at once.
	component := newComponent(t, `{"type": "urn:otapbridge:processor:fault", "shards": 64}`, logsFunc(t, accept))
	require.Error(t, component.Start(noTimeLeft{t.Context()}, componenttest.NewNopHost()))
	require.ErrorContains(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)), "shutting down")
	require.NoError(t, component.Shutdown(t.Context()))
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*cbridge.Settings)
		names  string
	}{
		"timeout":             {func(s *cbridge.Settings) { s.Limits.Timeout = -1 }, "timeout"},
		"cancel_grace":        {func(s *cbridge.Settings) { s.Limits.CancelGrace = -1 }, "cancel_grace"},
		"max_in_flight":       {func(s *cbridge.Settings) { s.Limits.MaxInFlight = 0 }, "max_in_flight"},
		"max_in_flight_bytes": {func(s *cbridge.Settings) { s.Limits.MaxInFlightBytes = 0 }, "max_in_flight_bytes"},
		"workers":             {func(s *cbridge.Settings) { s.Limits.Workers = -1 }, "workers"},
		"configuration": {func(s *cbridge.Settings) { s.Configuration = []byte(faultNode(`"colour": 1`)) },
			"processors::otap/test::config::colour"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := cbridge.Settings{
				Kind: cbridge.Processor, Name: "processors::otap/test", Configuration: []byte(passThrough), Limits: cbridge.DefaultLimits(),
			}
			test.change(&settings)
			_, err := cbridge.NewComponent(settings)
			require.ErrorContains(t, err, test.names)
		})
	}
}
