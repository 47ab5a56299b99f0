// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faultNode is the configuration of a node that does what its settings say.
func faultNode(settings string) string {
	return `{"type": "urn:otapbridge:processor:fault", "config": {` + settings + `}}`
}

// passThrough is the configuration of a node that passes on what it gets.
var passThrough = faultNode("")

// forever is longer than any test.
const forever = time.Hour

func newComponent(t testing.TB, configuration string, next cbridge.Consumers, change ...func(*cbridge.Settings)) *cbridge.Component {
	t.Helper()
	settings := cbridge.Settings{
		Kind: cbridge.Processor, Name: "processors::otap/test", Configuration: []byte(configuration),
		Next: next, Limits: cbridge.DefaultLimits(),
	}
	for _, change := range change {
		change(&settings)
	}
	component, err := cbridge.NewComponent(settings)
	require.NoError(t, err)
	return component
}

// start runs a component until the end of the test, and checks that nothing is left then.
func start(t testing.TB, configuration string, next cbridge.Consumers, change ...func(*cbridge.Settings)) *cbridge.Component {
	t.Helper()
	cbridgetest.VerifyIdle(t)
	component := newComponent(t, configuration, next, change...)
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, component.Shutdown(context.Background())) })
	return component
}

// logsFunc is a next consumer for logs.
func logsFunc(t testing.TB, f func(context.Context, plog.Logs) error) cbridge.Consumers {
	t.Helper()
	next, err := consumer.NewLogs(f)
	require.NoError(t, err)
	return cbridge.Consumers{Logs: next}
}

func accept(context.Context, plog.Logs) error { return nil }

func TestEverySignalPasses(t *testing.T) {
	traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
	component := start(t, passThrough, cbridge.Consumers{Traces: traces, Metrics: metrics, Logs: logs})
	for range 3 {
		require.NoError(t, component.ConsumeTraces(t.Context(), testdata.GenerateTraces(5)))
		require.NoError(t, component.ConsumeMetrics(t.Context(), testdata.GenerateMetrics(5)))
		require.NoError(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(5)))
	}
	require.Len(t, traces.AllTraces(), 3)
	require.Len(t, metrics.AllMetrics(), 3)
	require.Len(t, logs.AllLogs(), 3)
	assert.Equal(t, testdata.GenerateTraces(5), traces.AllTraces()[2])
	assert.Equal(t, testdata.GenerateMetrics(5), metrics.AllMetrics()[2])
	assert.Equal(t, testdata.GenerateLogs(5), logs.AllLogs()[2])
}

func TestEngineNodeChangesData(t *testing.T) {
	sink := new(consumertest.LogsSink)
	component := start(t, `{"nodes": {
		"tag":  {"type": "processor:attribute", "config": {"actions": [{"action": "insert", "key": "env", "value": "prod"}], "apply_to": ["resource"]}},
		"pass": {"type": "urn:otapbridge:processor:fault", "config": {}}
	}, "connections": [{"from": "tag", "to": "pass"}]}`, cbridge.Consumers{Logs: sink})
	require.NoError(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(5)))
	require.Equal(t, 5, sink.LogRecordCount())
	value, ok := sink.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes().Get("env")
	require.True(t, ok)
	assert.Equal(t, "prod", value.Str())
}

func TestNextGetsTheIdenticalContext(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Minute)
	defer cancel()
	for _, ctx := range []context.Context{ctx, context.Background()} {
		var seen context.Context
		component := newComponent(t, passThrough, logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
			seen = ctx
			return nil
		}))
		require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
		require.NoError(t, component.ConsumeLogs(ctx, testdata.GenerateLogs(1)))
		assert.True(t, ctx == seen, "not the same context")
		seen = nil
		require.NoError(t, component.ConsumeLogs(ctx, plog.NewLogs()))
		assert.True(t, ctx == seen, "not the same context for empty data")
		require.NoError(t, component.Shutdown(t.Context()))
	}
}

func TestNextRunsOnTheCallersGoroutine(t *testing.T) {
	component := start(t, passThrough, logsFunc(t, func(context.Context, plog.Logs) error { panic("from next") }))
	require.PanicsWithValue(t, "from next", func() { _ = component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)) })
}

func TestEmptyDataGoesStraightOn(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
	component := start(t, passThrough, cbridge.Consumers{Traces: traces, Metrics: metrics, Logs: logs})
	before, err := runtime.Stats()
	require.NoError(t, err)
	require.NoError(t, component.ConsumeTraces(t.Context(), ptrace.NewTraces()))
	require.NoError(t, component.ConsumeMetrics(t.Context(), pmetric.NewMetrics()))
	require.NoError(t, component.ConsumeLogs(t.Context(), plog.NewLogs()))
	after, err := runtime.Stats()
	require.NoError(t, err)
	assert.Equal(t, before.CallsTotal, after.CallsTotal, "nothing crosses")
	assert.Len(t, traces.AllTraces(), 1)
	assert.Len(t, metrics.AllMetrics(), 1)
	assert.Len(t, logs.AllLogs(), 1)
}

func TestNodeErrorsKeepTheirMeaning(t *testing.T) {
	for _, test := range []struct {
		kind      cbridge.ErrorKind
		settings  string
		code      codes.Code
		status    int
		permanent bool
	}{
		{cbridge.KindPermanent, ``, codes.Internal, 500, true},
		{cbridge.KindRetryable, ``, codes.Unavailable, 503, false},
		{cbridge.KindCancelled, ``, codes.Canceled, 499, true},
		{cbridge.KindTimeout, ``, codes.DeadlineExceeded, 504, false},
		{cbridge.KindResourceExhausted, ``, codes.ResourceExhausted, 429, false},
		{cbridge.KindConfiguration, ``, codes.InvalidArgument, 400, true},
		{cbridge.KindRetryable, `, "grpc_code": 10, "http_status": 502`, codes.Aborted, 502, false},
		{cbridge.KindRetryable, `, "grpc_code": 16`, codes.Unauthenticated, 503, true},
		{cbridge.KindPermanent, `, "grpc_code": 14`, codes.Unavailable, 500, true},
	} {
		t.Run(test.kind.String()+test.settings, func(t *testing.T) {
			component := start(t, faultNode(fmt.Sprintf(
				`"error": {"kind": %q, "message": "broken on purpose", "retry_after": "1.5s", "field": "f"%s}`, test.kind, test.settings)),
				logsFunc(t, accept))
			err := component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))
			var own *cbridge.ProcessingError
			require.ErrorAs(t, err, &own)
			assert.Equal(t, test.kind, own.Kind())
			assert.Contains(t, own.Message(), "broken on purpose")
			assert.Equal(t, "f", own.Field())
			assert.Equal(t, test.status, own.HTTPStatusCode())
			assert.Equal(t, test.permanent, consumererror.IsPermanent(err))
			assert.Equal(t, test.code, status.Code(err))
			delay, ok := own.RetryAfter()
			assert.True(t, ok)
			assert.Equal(t, 1500*time.Millisecond, delay)
		})
	}
}

func TestPanicOfANodeIsOneCallersError(t *testing.T) {
	sink := new(consumertest.LogsSink)
	component := start(t, faultNode(`"panic": "broken on purpose", "every": 2`), cbridge.Consumers{Logs: sink})
	var failed int
	for range 4 {
		if err := component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)); err != nil {
			failed++
			var own *cbridge.ProcessingError
			require.ErrorAs(t, err, &own)
			assert.Contains(t, err.Error(), "panic")
		}
	}
	assert.Equal(t, 2, failed)
	assert.Equal(t, 2, sink.LogRecordCount())
}

func TestContextThatIsDoneCrossesNothing(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	component := start(t, passThrough, logsFunc(t, accept))
	before, err := runtime.Stats()
	require.NoError(t, err)
	reason := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	err = component.ConsumeLogs(ctx, testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reason)
	require.ErrorIs(t, component.ConsumeLogs(ctx, plog.NewLogs()), reason)
	after, err := runtime.Stats()
	require.NoError(t, err)
	assert.Equal(t, before.CallsTotal, after.CallsTotal)
}

// awaitInRust waits until that many calls are in Rust.
func awaitInRust(t testing.TB, runtime *cbridge.Runtime, calls uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		stats, err := runtime.Stats()
		require.NoError(t, err)
		return stats.CallsInFlight == calls
	}, 30*time.Second, time.Millisecond)
}

func TestCancelStopsTheNodesWork(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	component := start(t, faultNode(`"delay": "1h"`), logsFunc(t, accept), func(s *cbridge.Settings) { s.Limits.CancelGrace = forever })
	reason := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error)
	go func() { result <- component.ConsumeLogs(ctx, testdata.GenerateLogs(1)) }()
	awaitInRust(t, runtime, 1)
	cancel(reason)
	// The grace never ends, so this answer is the node's own.
	err := <-result
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reason)
	assert.Equal(t, codes.Canceled, status.Code(err))
	assert.True(t, consumererror.IsPermanent(err), "nobody wants it retried")
}

func TestDeadlineStopsTheNodesWork(t *testing.T) {
	component := start(t, faultNode(`"delay": "1h"`), logsFunc(t, accept), func(s *cbridge.Settings) { s.Limits.CancelGrace = forever })
	reason := errors.New("too slow")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, reason)
	defer cancel()
	err := component.ConsumeLogs(ctx, testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, reason)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
}

func TestTimeoutBoundsCallersWithoutADeadline(t *testing.T) {
	component := start(t, faultNode(`"delay": "1h"`), logsFunc(t, accept), func(s *cbridge.Settings) {
		s.Limits.Timeout, s.Limits.CancelGrace = 20*time.Millisecond, forever
	})
	err := component.ConsumeLogs(context.Background(), testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
}

func TestWithoutGraceTheCallerLeavesAtOnce(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	component := start(t, faultNode(`"delay": "1h"`), logsFunc(t, accept), func(s *cbridge.Settings) {
		s.Limits.Timeout, s.Limits.CancelGrace = 20*time.Millisecond, 0
	})
	reason := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	deadlined, done := context.WithTimeout(ctx, forever)
	defer done()
	result := make(chan error)
	go func() { result <- component.ConsumeLogs(deadlined, testdata.GenerateLogs(1)) }()
	awaitInRust(t, runtime, 1)
	cancel(reason)
	err := <-result
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reason)
	assert.Equal(t, codes.Canceled, status.Code(err))
	assert.True(t, consumererror.IsPermanent(err))

	deadlined, done = context.WithTimeoutCause(t.Context(), time.Millisecond, reason)
	defer done()
	err = component.ConsumeLogs(deadlined, testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, reason)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	assert.False(t, consumererror.IsPermanent(err))

	err = component.ConsumeLogs(context.Background(), testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	assert.False(t, consumererror.IsPermanent(err))
}

// TestTimeoutDoesNotCountTimeInNext: a second is far more than the crossing takes on
// a busy machine. Without a grace a timeout that counts beats the answer to most callers.
func TestTimeoutDoesNotCountTimeInNext(t *testing.T) {
	const timeout = time.Second
	component := start(t, passThrough, logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
		_, ok := ctx.Deadline()
		assert.False(t, ok)
		<-time.After(timeout + timeout/10)
		return nil
	}), func(s *cbridge.Settings) { s.Limits.Timeout, s.Limits.CancelGrace = timeout, 0 })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { assert.NoError(t, component.ConsumeLogs(context.Background(), testdata.GenerateLogs(1))) })
	}
	wg.Wait()
}

// mute is a context that has a deadline and never tells that it came.
type mute struct {
	context.Context
	deadline time.Time
}

func (m mute) Deadline() (time.Time, bool) { return m.deadline, true }

func TestDeadlineWithoutDoneEndsTheCall(t *testing.T) {
	inside, leave := make(chan struct{}, 1), make(chan struct{})
	next := logsFunc(t, func(context.Context, plog.Logs) error {
		inside <- struct{}{}
		<-leave
		return nil
	})
	oneCall := func(s *cbridge.Settings) { s.Limits.MaxInFlight = 1 }
	var marshaler plog.ProtoMarshaler
	size := int64(marshaler.LogsSize(testdata.GenerateLogs(1)))
	fewBytes := func(s *cbridge.Settings) { s.Limits.MaxInFlightBytes = size }
	for name, test := range map[string]struct {
		configuration string
		left          time.Duration
		occupied      bool
		limits        func(*cbridge.Settings)
		says          string
	}{
		"past":             {passThrough, -time.Second, false, oneCall, "before the request"},
		"in the nodes":     {faultNode(`"delay": "1h"`), 20 * time.Millisecond, false, oneCall, ""},
		"waiting":          {passThrough, 20 * time.Millisecond, true, oneCall, "(max_in_flight)"},
		"waiting for room": {passThrough, 20 * time.Millisecond, true, fewBytes, "(max_in_flight_bytes)"},
	} {
		t.Run(name, func(t *testing.T) {
			component := start(t, test.configuration, next, test.limits)
			var wg sync.WaitGroup
			if test.occupied {
				wg.Go(func() { assert.NoError(t, component.ConsumeLogs(context.Background(), testdata.GenerateLogs(1))) })
				<-inside
			}
			result := make(chan error, 1)
			go func() {
				result <- component.ConsumeLogs(mute{context.Background(), time.Now().Add(test.left)}, testdata.GenerateLogs(1))
			}()
			select {
			case err := <-result:
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, test.says)
				assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
			case <-time.After(30 * time.Second):
				t.Error("the call does not end")
			}
			if test.occupied {
				leave <- struct{}{}
			}
			wg.Wait()
		})
	}
}

func TestDeadlineWithoutDoneLeavesTheContextAsItIs(t *testing.T) {
	given := mute{context.Background(), time.Now().Add(forever)}
	component := start(t, passThrough, logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
		assert.True(t, ctx == context.Context(given), "not the same context")
		return nil
	}))
	require.NoError(t, component.ConsumeLogs(given, testdata.GenerateLogs(1)))
}

// partial is a consumer's error that only its identity can prove to be the same.
type partial struct{ data *int }

func (partial) Error() string { return "partial" }

func TestConsumersErrorComesBackAsTheSameValue(t *testing.T) {
	data := 7
	for name, original := range map[string]error{
		"plain":      errors.New("plain"),
		"permanent":  consumererror.NewPermanent(errors.New("x")),
		"downstream": consumererror.NewDownstream(status.Error(codes.ResourceExhausted, "x")),
		"data":       consumererror.NewLogs(errors.New("x"), testdata.GenerateLogs(1)),
		"own type":   partial{&data},
		"empty text": errors.New(""),
		"not UTF-8":  errors.New("\xff\x00"),
		"cancelled":  context.Canceled,
	} {
		t.Run(name, func(t *testing.T) {
			component := start(t, passThrough, logsFunc(t, func(context.Context, plog.Logs) error { return original }))
			err := component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))
			require.Error(t, err)
			assert.Equal(t, fmt.Sprintf("%T %p", original, original), fmt.Sprintf("%T %p", err, err))
			assert.Equal(t, consumererror.IsPermanent(original), consumererror.IsPermanent(err))
			assert.Equal(t, consumererror.IsDownstream(original), consumererror.IsDownstream(err))
			if own, ok := original.(partial); ok {
				assert.Same(t, own.data, err.(partial).data)
			}
			assert.True(t, component.NoHostErrors(), "left in the table")
		})
	}
}

func TestPanicInNextLeavesTheComponentWorking(t *testing.T) {
	broken := true
	component := start(t, passThrough, logsFunc(t, func(context.Context, plog.Logs) error {
		if broken {
			panic("once")
		}
		return nil
	}), func(s *cbridge.Settings) { s.Limits.MaxInFlight = 1 })
	assert.Panics(t, func() { _ = component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)) })
	broken = false
	require.NoError(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)))
}

func TestMaxInFlightMakesCallersWait(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	component := start(t, passThrough, logsFunc(t, func(context.Context, plog.Logs) error {
		inside <- struct{}{}
		<-leave
		return nil
	}), func(s *cbridge.Settings) { s.Limits.MaxInFlight = 2 })
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { assert.NoError(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))) })
		<-inside
	}
	reason := errors.New("no patience")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, reason)
	defer cancel()
	err := component.ConsumeLogs(ctx, testdata.GenerateLogs(1))
	require.ErrorIs(t, err, reason)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "max_in_flight")
	wg.Go(func() { assert.NoError(t, component.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))) })
	leave <- struct{}{}
	<-inside // the third entered when the first left
	close(leave)
	wg.Wait()
}

func TestMaxInFlightBytesMakesCallersWait(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	var marshaler plog.ProtoMarshaler
	size := int64(marshaler.LogsSize(testdata.GenerateLogs(1)))
	component := start(t, faultNode(`"delay": "1h"`), logsFunc(t, accept), func(s *cbridge.Settings) {
		s.Limits.MaxInFlightBytes = size + 1
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { first <- component.ConsumeLogs(ctx, testdata.GenerateLogs(1)) }()
	awaitInRust(t, runtime, 1)

	waiting, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	err := component.ConsumeLogs(waiting, testdata.GenerateLogs(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "max_in_flight_bytes")

	err = component.ConsumeLogs(t.Context(), testdata.GenerateLogs(100))
	require.ErrorContains(t, err, "max_in_flight_bytes")
	assert.True(t, consumererror.IsPermanent(err), "it can never fit")
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))

	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
}

func TestHostileContextsCross(t *testing.T) {
	const keys = 10_000
	metadata := map[string][]string{"x-bin": {"\xff\xfe\x00"}, "X-Mixed": {"a", "b"}, "x-long": {strings.Repeat("v", 100_000)}}
	for i := range keys {
		metadata[fmt.Sprintf("x-key-%d", i)] = []string{fmt.Sprint(i)}
	}
	// What a node of ours reads, it writes into the resource.
	sink := new(consumertest.LogsSink)
	component := start(t, `{"type": "urn:otapbridge:processor:context_attributes", "config": {"actions": [
		{"key": "bin", "from_context": "metadata.x-bin"},
		{"key": "mixed", "from_context": "metadata.x-mixed"},
		{"key": "long", "from_context": "metadata.x-long"},
		{"key": "first", "from_context": "metadata.x-key-0"},
		{"key": "last", "from_context": "metadata.x-key-9999"},
		{"key": "none", "from_context": "metadata.x-key-10000"},
		{"key": "subject", "from_context": "auth.subject"},
		{"key": "groups", "from_context": "auth.groups"},
		{"key": "address", "from_context": "client.address"}
	]}}`, cbridge.Consumers{Logs: sink})
	ctx := client.NewContext(t.Context(), client.Info{
		Metadata: client.NewMetadata(metadata),
		Addr:     &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 65535, Zone: "eth0"},
		Auth:     authentication{"subject": "\u2028\n\"", "groups": []string{"a", "", "c"}},
	})
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("text")
	require.NoError(t, component.ConsumeLogs(ctx, logs))
	require.Equal(t, 1, sink.LogRecordCount())
	assert.Equal(t, map[string]any{
		"bin": "\uFFFD\uFFFD\x00", "mixed": "a;b", "long": strings.Repeat("v", 100_000), "first": "0", "last": "9999",
		"subject": "\u2028\n\"", "groups": "a;;c", "address": "fe80::1",
	}, sink.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes().AsRaw())
}

// authentication is what an authenticator of the collector leaves.
type authentication map[string]any

func (a authentication) GetAttribute(name string) any { return a[name] }
func (a authentication) GetAttributeNames() []string  { return slices.Collect(maps.Keys(a)) }

func TestRuntimeIsSharedAndEndsWithTheLast(t *testing.T) {
	first := cbridgetest.VerifyIdle(t)
	for range 3 {
		component := newComponent(t, passThrough, logsFunc(t, accept))
		require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
		stats, err := first.Stats()
		require.NoError(t, err)
		assert.Equal(t, uint32(1), stats.Components)
		require.NoError(t, component.Shutdown(t.Context()))
	}
	second, err := cbridge.OpenRuntime(zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, second.Close(t.Context()))
	require.NoError(t, second.Close(t.Context()), "twice is fine")
	_, err = second.Stats()
	require.ErrorIs(t, err, cbridge.ErrRuntimeClosed)
	_, err = first.Stats()
	require.NoError(t, err)
}
