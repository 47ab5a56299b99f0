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
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// generator is the configuration of a source of log records.
func generator(settings string) string {
	return `{"type": "urn:otapbridge:receiver:generator", "config": {"signal": "logs", ` + settings + `}}`
}

// generatedDataRefused is what it logs about each request that was refused.
const generatedDataRefused = "generated data was refused"

// newSource makes a receiver component. It has no limits of calls: it takes none.
func newSource(t *testing.T, configuration string, next func(context.Context, plog.Logs) error, change ...func(*cbridge.Settings)) *cbridge.Component {
	t.Helper()
	cbridgetest.VerifyIdle(t)
	return newComponent(t, configuration, logsFunc(t, next), append([]func(*cbridge.Settings){func(s *cbridge.Settings) {
		s.Kind, s.Name, s.Limits = cbridge.Receiver, "receivers::otap/test", cbridge.Limits{}
	}}, change...)...)
}

func startSource(t *testing.T, component *cbridge.Component) {
	t.Helper()
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
}

func TestWorkThatBeginsInRustHasItsContext(t *testing.T) {
	type arrival struct {
		ctx     context.Context
		records int
	}
	arrivals := make(chan arrival, 3)
	source := newSource(t, generator(`"interval": "0s", "count": 3, "batch_size": 7, "timeout": "1m",
		"metadata": {"x-tenant": ["acme", "second"], "region": "north"},
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"`),
		func(ctx context.Context, logs plog.Logs) error {
			assert.NoError(t, ctx.Err())
			arrivals <- arrival{ctx, logs.LogRecordCount()}
			return nil
		})
	startSource(t, source)
	for range 3 {
		got := <-arrivals
		assert.Equal(t, 7, got.records)
		deadline, ok := got.ctx.Deadline()
		require.True(t, ok)
		assert.WithinDuration(t, time.Now().Add(time.Minute), deadline, 30*time.Second)
		metadata := client.FromContext(got.ctx).Metadata
		assert.Equal(t, []string{"acme", "second"}, metadata.Get("X-Tenant"))
		assert.Equal(t, []string{"north"}, metadata.Get("region"))
		span := trace.SpanContextFromContext(got.ctx)
		assert.True(t, span.IsRemote())
		assert.True(t, span.IsSampled())
		assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", span.TraceID().String())
		assert.Equal(t, "b7ad6b7169203331", span.SpanID().String())
		assert.Empty(t, cbridge.LinksFromContext(got.ctx))
	}
	require.NoError(t, source.Shutdown(t.Context()))
}

func TestWorkThatBeginsInRustEndsAtItsDeadline(t *testing.T) {
	// Rust's clock and Go's tell of a deadline at the same time, and either may be first.
	const count = 100
	causes := make(chan error, count)
	source := newSource(t, generator(`"interval": "0s", "count": 100, "timeout": "50ms"`), func(ctx context.Context, _ plog.Logs) error {
		<-ctx.Done()
		assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		causes <- context.Cause(ctx)
		return ctx.Err()
	}, func(s *cbridge.Settings) { s.Limits.Workers = count })
	startSource(t, source)
	first := <-causes
	require.NoError(t, source.Shutdown(t.Context()))
	close(causes)
	for cause := first; cause != nil; cause = <-causes {
		assert.Equal(t, cbridge.KindTimeout, kindOf(t, cause), "%v", cause)
	}
}

// TestTimeInTheQueueCounts: a deadline does not begin anew when a worker is free at last.
func TestTimeInTheQueueCounts(t *testing.T) {
	const count, timeout = 100, 100 * time.Millisecond
	causes := make(chan error, count)
	source := newSource(t, generator(`"interval": "0s", "count": 100, "timeout": "100ms"`), func(ctx context.Context, _ plog.Logs) error {
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return ctx.Err()
	}, func(s *cbridge.Settings) { s.Limits.Workers = 1 })
	began := time.Now()
	startSource(t, source)
	<-causes
	require.NoError(t, source.Shutdown(t.Context()))
	assert.Less(t, time.Since(began), count*timeout/2, "deadlines were counted one after the other")
}

func TestWorkersBoundForwarding(t *testing.T) {
	const workers, count = 3, 60
	var inside, most, total atomic.Int64
	full, done := make(chan struct{}), make(chan struct{})
	var once sync.Once
	source := newSource(t, generator(`"interval": "0s", "count": 60`), func(context.Context, plog.Logs) error {
		now := inside.Add(1)
		defer inside.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		if now == workers {
			once.Do(func() { close(full) })
		}
		<-full
		if total.Add(1) == count {
			close(done)
		}
		return nil
	}, func(s *cbridge.Settings) { s.Limits.Workers = workers })
	startSource(t, source)
	<-done
	require.NoError(t, source.Shutdown(t.Context()))
	assert.Equal(t, int64(workers), most.Load())
	assert.Equal(t, int64(count), total.Load())
}

func TestRefusalReachesTheSource(t *testing.T) {
	core, records := observer.New(zapcore.WarnLevel)
	refused := make(chan struct{})
	source := newSource(t, generator(`"interval": "0s", "count": 1`), func(context.Context, plog.Logs) error {
		defer close(refused)
		return consumererror.NewPermanent(errors.New("no such tenant"))
	}, func(s *cbridge.Settings) { s.Logger = zap.New(core) })
	startSource(t, source)
	<-refused
	require.NoError(t, source.Shutdown(t.Context()))
	refusals := records.FilterMessage(generatedDataRefused).All()
	require.Len(t, refusals, 1)
	assert.Contains(t, refusals[0].ContextMap()["error"], "no such tenant")
}

func TestSignalWithoutConsumerIsRefused(t *testing.T) {
	core, records := observer.New(zapcore.WarnLevel)
	logged := make(chan struct{}, 10)
	logger := zap.New(core, zap.Hooks(func(entry zapcore.Entry) error {
		if entry.Message == generatedDataRefused {
			logged <- struct{}{}
		}
		return nil
	}))
	source := newSource(t, `{"type": "urn:otapbridge:receiver:generator", "config": {"signal": "metrics", "interval": "0s", "count": 1}}`,
		accept, func(s *cbridge.Settings) { s.Logger = logger })
	startSource(t, source)
	<-logged
	require.NoError(t, source.Shutdown(t.Context()))
	refusals := records.FilterMessage(generatedDataRefused).All()
	require.Len(t, refusals, 1)
	assert.Contains(t, refusals[0].ContextMap()["error"], "the pipeline put out metrics, for which receivers::otap/test has no consumer")
}

func TestReceiverTakesNoCalls(t *testing.T) {
	source := newSource(t, generator(`"interval": "1h", "count": 1`), accept)
	startSource(t, source)
	for name, err := range map[string]error{
		"traces": source.ConsumeTraces(t.Context(), testdata.GenerateTraces(1)), "no traces": source.ConsumeTraces(t.Context(), ptrace.NewTraces()),
		"metrics": source.ConsumeMetrics(t.Context(), testdata.GenerateMetrics(1)), "no metrics": source.ConsumeMetrics(t.Context(), pmetric.NewMetrics()),
		"logs": source.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)), "no logs": source.ConsumeLogs(t.Context(), plog.NewLogs()),
	} {
		require.ErrorContains(t, err, "receivers::otap/test is a receiver", name)
		assert.True(t, consumererror.IsPermanent(err), name)
		assert.Equal(t, cbridge.KindConfiguration, kindOf(t, err), name)
	}
	require.NoError(t, source.Shutdown(t.Context()))
}

// TestShutdownDrainsASource: what is under way is forwarded, and nothing comes after.
func TestShutdownDrainsASource(t *testing.T) {
	var stopped atomic.Bool
	var failed atomic.Int64
	busy := make(chan struct{})
	var calls atomic.Int64
	core, records := observer.New(zapcore.WarnLevel)
	source := newSource(t, generator(`"interval": "0s"`), func(ctx context.Context, _ plog.Logs) error {
		assert.False(t, stopped.Load(), "called after the shutdown")
		if calls.Add(1) == 1000 {
			close(busy)
		}
		if ctx.Err() != nil {
			failed.Add(1)
		}
		return ctx.Err()
	}, func(s *cbridge.Settings) { s.Logger = zap.New(core) })
	startSource(t, source)
	<-busy
	require.NoError(t, source.Shutdown(t.Context()))
	stopped.Store(true)
	assert.Zero(t, failed.Load(), "cancelled although there was time")
	assert.Empty(t, records.FilterMessage(generatedDataRefused).All())
}

func TestShutdownCancelsWhatDoesNotFinish(t *testing.T) {
	entered := make(chan struct{}, 1000)
	causes := make(chan error, 1000)
	source := newSource(t, generator(`"interval": "0s"`), func(ctx context.Context, _ plog.Logs) error {
		entered <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return ctx.Err()
	}, func(s *cbridge.Settings) { s.Limits.Workers = 2 })
	startSource(t, source)
	<-entered
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.NoError(t, source.Shutdown(ctx))
	require.Len(t, causes, 2)
	assert.ErrorContains(t, <-causes, "shutting down")
}

func TestShutdownSaysWhatIsStuck(t *testing.T) {
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	var left sync.WaitGroup
	left.Add(1)
	source := newSource(t, generator(`"interval": "0s", "count": 1`), func(context.Context, plog.Logs) error {
		defer left.Done()
		entered <- struct{}{}
		<-leave
		return nil
	})
	startSource(t, source)
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, source.Shutdown(ctx), "1 outputs without a caller are still inside the next consumer")
	close(leave)
	left.Wait()
}
