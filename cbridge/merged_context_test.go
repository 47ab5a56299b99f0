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
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// batchOfTwo joins two requests with three records each, and waits for both.
const batchOfTwo = `{"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "1h", "min_size": 6, "partition": {"metadata_keys": ["x-tenant"]}}}`

// waitsForRust lets callers wait for Rust's own result for longer than any test.
func waitsForRust(s *cbridge.Settings) { s.Limits.CancelGrace = forever }

// slowNext is a next consumer that keeps what it gets until it is let go, or until
// the context ends, and then returns the cause.
type slowNext struct {
	entered chan context.Context
	letGo   chan error
}

func newSlowNext() *slowNext {
	return &slowNext{entered: make(chan context.Context, 10), letGo: make(chan error)}
}

func (h *slowNext) consume(ctx context.Context, _ plog.Logs) error {
	h.entered <- ctx
	select {
	case err := <-h.letGo:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call makes one call in the background.
func call(ctx context.Context, component *cbridge.Component) <-chan error {
	result := make(chan error, 1)
	go func() { result <- component.ConsumeLogs(ctx, testdata.GenerateLogs(3)) }()
	return result
}

func kindOf(t *testing.T, err error) cbridge.ErrorKind {
	t.Helper()
	var processing *cbridge.ProcessingError
	require.ErrorAs(t, err, &processing)
	return processing.Kind()
}

func TestMergedContextEndsWhenEveryCallerIsCancelled(t *testing.T) {
	next := newSlowNext()
	component := start(t, batchOfTwo, logsFunc(t, next.consume), waitsForRust)
	reason := errors.New("client went away")
	one, cancelOne := context.WithCancelCause(t.Context())
	two, cancelTwo := context.WithCancelCause(t.Context())
	first, second := call(one, component), call(two, component)
	merged := <-next.entered
	require.NoError(t, merged.Err())
	_, hasDeadline := merged.Deadline()
	assert.False(t, hasDeadline, "the callers have none")

	cancelOne(reason)
	require.ErrorIs(t, <-first, reason)
	require.NoError(t, merged.Err(), "one caller is still waiting")
	cancelTwo(reason)
	err := <-second
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reason)
	<-merged.Done()
	require.ErrorIs(t, merged.Err(), context.Canceled)
	cause := context.Cause(merged)
	assert.Equal(t, cbridge.KindCancelled, kindOf(t, cause), "%v", cause)
	require.ErrorIs(t, cause, context.Canceled)
}

func TestMergedContextOfOneCancelledCallerLives(t *testing.T) {
	next := newSlowNext()
	component := start(t, batchOfTwo, logsFunc(t, next.consume), waitsForRust)
	one, cancel := context.WithCancel(t.Context())
	first, second := call(one, component), call(t.Context(), component)
	merged := <-next.entered
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	require.NoError(t, merged.Err())
	next.letGo <- nil
	require.NoError(t, <-second)
}

func TestMergedContextEndsAtTheLatestDeadline(t *testing.T) {
	next := newSlowNext()
	component := start(t, batchOfTwo, logsFunc(t, next.consume), waitsForRust)
	began := time.Now()
	one, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	two, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	first, second := call(one, component), call(two, component)
	merged := <-next.entered
	latest, _ := two.Deadline()
	deadline, ok := merged.Deadline()
	require.True(t, ok)
	// The time that is left crosses: each way adds to it what the way takes.
	assert.WithinRange(t, deadline, latest.Add(-time.Millisecond), latest.Add(time.Since(began)))

	require.ErrorIs(t, <-first, context.DeadlineExceeded)
	require.NoError(t, merged.Err(), "one caller is still waiting")
	require.ErrorIs(t, <-second, context.DeadlineExceeded)
	<-merged.Done()
	cause := context.Cause(merged)
	assert.Equal(t, cbridge.KindTimeout, kindOf(t, cause), "%v", cause)
	require.ErrorIs(t, cause, context.DeadlineExceeded)
}

func TestMergedContextSaysWhatIsCommon(t *testing.T) {
	next := newSlowNext()
	component := start(t, batchOfTwo, logsFunc(t, next.consume))
	var results []<-chan error
	var spans []trace.SpanContext
	for i, agent := range []string{"one", "two"} {
		span := trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(i + 1)}, TraceFlags: trace.FlagsSampled, Remote: true,
		})
		spans = append(spans, span)
		ctx := client.NewContext(trace.ContextWithSpanContext(t.Context(), span), client.Info{
			Metadata: client.NewMetadata(map[string][]string{
				"X-Tenant": {"acme", "second"}, "user-agent": {agent}, "region": {"north"},
			}),
		})
		results = append(results, call(ctx, component))
	}
	merged := <-next.entered
	metadata := client.FromContext(merged).Metadata
	assert.Equal(t, []string{"acme", "second"}, metadata.Get("x-tenant"))
	assert.Equal(t, []string{"north"}, metadata.Get("region"))
	assert.Empty(t, metadata.Get("user-agent"), "the callers' differ")
	assert.False(t, trace.SpanContextFromContext(merged).IsValid(), "it has several origins")
	var linked []trace.SpanContext
	for _, link := range cbridge.LinksFromContext(merged) {
		linked = append(linked, link.SpanContext)
	}
	assert.ElementsMatch(t, spans, linked)
	next.letGo <- nil
	for _, result := range results {
		require.NoError(t, <-result)
	}
}

// TestCancelledBatchLeavesTheQueue: it is not kept until a worker has time for it.
func TestCancelledBatchLeavesTheQueue(t *testing.T) {
	runtime := cbridgetest.VerifyIdle(t)
	next := newSlowNext()
	component := start(t, batchOfTwo, logsFunc(t, next.consume), waitsForRust, func(s *cbridge.Settings) { s.Limits.Workers = 1 })
	emissions := func(count uint64) {
		t.Helper()
		require.Eventually(t, func() bool {
			stats, err := runtime.Stats()
			require.NoError(t, err)
			return stats.EmissionsInFlight == count && stats.BuffersUnreleased == count-1
		}, 10*time.Second, time.Millisecond)
	}
	first, second := call(t.Context(), component), call(t.Context(), component)
	<-next.entered
	ctx, cancel := context.WithCancel(t.Context())
	third, fourth := call(ctx, component), call(ctx, component)
	emissions(2)
	cancel()
	require.ErrorIs(t, <-third, context.Canceled)
	require.ErrorIs(t, <-fourth, context.Canceled)
	emissions(1)
	next.letGo <- nil
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	assert.Empty(t, next.entered, "forwarded although nobody waits")
}

// TestErrorOfMergedOutputReachesItsOriginsOnly: another batch that is under way at the
// same time has its own result.
func TestErrorOfMergedOutputReachesItsOriginsOnly(t *testing.T) {
	failed := errors.New("next consumer failed")
	next := newSlowNext()
	component := start(t, batchOfTwo, logsFunc(t, func(ctx context.Context, logs plog.Logs) error {
		if client.FromContext(ctx).Metadata.Get("x-tenant")[0] == "failing" {
			return failed
		}
		return next.consume(ctx, logs)
	}))
	tenant := func(name string) context.Context {
		return client.NewContext(t.Context(), client.Info{Metadata: client.NewMetadata(map[string][]string{"x-tenant": {name}})})
	}
	first, second := call(tenant("other"), component), call(tenant("other"), component)
	<-next.entered
	for _, err := range consumeAtOnce(component, 2, tenant("failing")) {
		require.Same(t, failed, err)
	}
	next.letGo <- nil
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	assert.True(t, component.NoHostErrors(), "left in the table")
}
