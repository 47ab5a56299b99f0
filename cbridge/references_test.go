// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/otapbridge/otapbridge/capi"
)

const blindBatch = `{"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "2ms", "min_size": 20}}`

// startBlind runs a pipeline in which no node looks at data.
func startBlind(t *testing.T, configuration string, next consumer.ConsumeLogsFunc, mutates bool, change ...func(*Settings)) *Component {
	t.Helper()
	logs, err := consumer.NewLogs(next, consumer.WithCapabilities(consumer.Capabilities{MutatesData: mutates}))
	require.NoError(t, err)
	settings := Settings{
		Kind: Processor, Name: "processors::otap/blind", Next: Consumers{Logs: logs}, Limits: DefaultLimits(),
		Configuration: []byte(configuration), ShareUnchangedData: true,
	}
	for _, change := range change {
		change(&settings)
	}
	c, err := NewComponent(settings)
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, c.Shutdown(context.Background())) })
	require.True(t, c.references, "it carries references")
	return c
}

// named is data of one record, and of one without a name.
func named(name string) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().Body().SetStr(name)
	records.AppendEmpty()
	return logs
}

// names are those of the records in data.
func names(logs plog.Logs) []string {
	var found []string
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				if name := record.Body().AsString(); name != "" {
					found = append(found, name)
				}
			}
		}
	}
	return found
}

func TestWhichPipelinesAreBlind(t *testing.T) {
	for configuration, blind := range map[string]bool{
		`{"type": "urn:otapbridge:processor:fault", "config": {}}`: true,
		blindBatch: true,
		`{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 5, "max_size": 10}}`: false,
		`{"type": "processor:type_router", "config": {}}`:                                       false,
		`{"nodes": {"a": {"type": "urn:otapbridge:processor:fault", "config": {}}, "b": {"type": "urn:otapbridge:processor:batch", "config": {}}},
			"connections": [{"from": "a", "to": "b"}]}`: true,
		`{"nodes": {"a": {"type": "urn:otapbridge:processor:fault", "config": {}}, "b": {"type": "processor:debug", "config": {}}},
			"connections": [{"from": "a", "to": "b"}]}`: false,
	} {
		c := startTopology(t, configuration, func(context.Context, plog.Logs) error { return nil },
			func(s *Settings) { s.alwaysMarshal = false })
		assert.Equal(t, blind, c.references, configuration)
	}
}

// TestBlindPipelineForwardsTheCallersData: itself where that may be, else a copy.
func TestBlindPipelineForwardsTheCallersData(t *testing.T) {
	for _, test := range []struct{ readOnly, mutates, share, same bool }{
		{false, true, true, true}, {true, false, true, true}, {true, true, true, false}, {false, true, false, false},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			given, same := named("a"), false
			c := startBlind(t, `{"type": "urn:otapbridge:processor:fault", "config": {}}`, func(_ context.Context, got plog.Logs) error {
				same = got == given
				assert.Equal(t, []string{"a"}, names(got))
				return nil
			}, test.mutates, func(s *Settings) { s.ShareUnchangedData = test.share })
			if test.readOnly {
				given.MarkReadOnly()
			}
			require.NoError(t, c.ConsumeLogs(t.Context(), given))
			assert.Equal(t, test.same, same)
		})
	}
}

func TestEverySignalGoesByReference(t *testing.T) {
	sinks, seen := sinksOf(t)
	c, err := NewComponent(Settings{
		Kind: Processor, Name: "processors::otap/blind", Next: sinks, Limits: DefaultLimits(), Configuration: []byte(blindBatch),
	})
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	defer func() { assert.NoError(t, c.Shutdown(context.Background())) }()
	require.True(t, c.references)
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() { assert.NoError(t, c.ConsumeTraces(context.Background(), testdata.GenerateTraces(3))) })
		calls.Go(func() { assert.NoError(t, c.ConsumeMetrics(context.Background(), testdata.GenerateMetrics(3))) })
		calls.Go(func() { assert.NoError(t, c.ConsumeLogs(context.Background(), testdata.GenerateLogs(3))) })
	}
	calls.Wait()
	assert.Equal(t, [3]int{6, 2 * testdata.GenerateMetrics(3).DataPointCount(), 6}, seen())
}

// sinksOf accept every signal and count spans, data points and log records.
func sinksOf(t *testing.T) (Consumers, func() [3]int) {
	t.Helper()
	var mu sync.Mutex
	var counts [3]int
	count := func(signal, items int) error {
		mu.Lock()
		defer mu.Unlock()
		counts[signal] += items
		return nil
	}
	traces, err := consumer.NewTraces(func(_ context.Context, data ptrace.Traces) error { return count(0, data.SpanCount()) })
	require.NoError(t, err)
	metrics, err := consumer.NewMetrics(func(_ context.Context, data pmetric.Metrics) error { return count(1, data.DataPointCount()) })
	require.NoError(t, err)
	logs, err := consumer.NewLogs(func(_ context.Context, data plog.Logs) error { return count(2, data.LogRecordCount()) })
	require.NoError(t, err)
	return Consumers{Traces: traces, Metrics: metrics, Logs: logs}, func() [3]int {
		mu.Lock()
		defer mu.Unlock()
		return counts
	}
}

func TestWhichComponentsMoveJoinedData(t *testing.T) {
	logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(t, err)
	for _, test := range []struct {
		configuration string
		share, moves  bool
	}{
		{blindBatch, true, true},
		{blindBatch, false, false},
		{`{"type": "urn:otapbridge:processor:fault", "config": {}}`, true, false},
		{`{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 5, "max_size": 10}}`, true, false},
	} {
		c, err := NewComponent(Settings{
			Kind: Processor, Name: "processors::otap/blind", Next: Consumers{Logs: logs}, Limits: DefaultLimits(),
			Configuration: []byte(test.configuration), ShareUnchangedData: test.share,
		})
		require.NoError(t, err)
		assert.Equal(t, test.moves, c.MutatesData(), "%+v", test)
	}
}

// pairs joins two callers that have two records each.
const pairs = `{"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "1h", "min_size": 4}}`

// together makes a call for each of these, and returns their errors.
func together(c *Component, data ...plog.Logs) []error {
	results := make([]error, len(data))
	var calls sync.WaitGroup
	for i := range data {
		calls.Go(func() { results[i] = c.ConsumeLogs(context.Background(), data[i]) })
	}
	calls.Wait()
	return results
}

// TestJoinedDataAreMoved: where that was declared, and they are the component's own.
func TestJoinedDataAreMoved(t *testing.T) {
	for _, test := range []struct{ readOnly, share, moved bool }{
		{false, true, true}, {true, true, false}, {false, false, false},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			var got []string
			c := startBlind(t, pairs, func(_ context.Context, logs plog.Logs) error {
				got = names(logs)
				return nil
			}, false, func(s *Settings) { s.ShareUnchangedData = test.share })
			a, b := named("a"), named("b")
			if test.readOnly {
				a.MarkReadOnly()
			}
			for _, err := range together(c, a, b) {
				require.NoError(t, err)
			}
			assert.ElementsMatch(t, []string{"a", "b"}, got)
			assert.Equal(t, test.moved, a.ResourceLogs().Len() == 0)
			assert.Equal(t, test.moved || test.readOnly, b.ResourceLogs().Len() == 0)
		})
	}
}

// TestRefusedJoinedDataComeBack: to each caller its own, whatever next has done with them or
// still does.
func TestRefusedJoinedDataComeBack(t *testing.T) {
	var later sync.WaitGroup
	defer later.Wait()
	for name, refuse := range map[string]consumer.ConsumeLogsFunc{
		"an error": func(context.Context, plog.Logs) error { return errRefusedBatch },
		"shared": func(_ context.Context, logs plog.Logs) error {
			logs.MarkReadOnly()
			later.Go(func() { assert.Len(t, names(logs), 4) })
			return errRefusedBatch
		},
		"taken apart later": func(_ context.Context, logs plog.Logs) error {
			later.Go(func() {
				for _, resource := range logs.ResourceLogs().All() {
					resource.ScopeLogs().At(0).LogRecords().At(0).Body().SetStr("foreign")
				}
				logs.ResourceLogs().MoveAndAppendTo(plog.NewLogs().ResourceLogs())
			})
			return errRefusedBatch
		},
		"some taken out": func(_ context.Context, logs plog.Logs) error {
			logs.ResourceLogs().RemoveIf(func(resource plog.ResourceLogs) bool {
				return resource.ScopeLogs().At(0).LogRecords().At(0).Body().Str() != "c"
			})
			return errRefusedBatch
		},
		"the goroutine ended": func(context.Context, plog.Logs) error {
			runtime.Goexit()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var moved atomic.Bool
			several := named("a0")
			named("a1").ResourceLogs().MoveAndAppendTo(several.ResourceLogs())
			shared, single := named("b"), named("c")
			shared.MarkReadOnly()
			c := startBlind(t, `{"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "1h", "min_size": 8}}`,
				func(ctx context.Context, logs plog.Logs) error {
					moved.Store(several.ResourceLogs().Len() == 0 && single.ResourceLogs().Len() == 0)
					assert.Len(t, names(logs), 4)
					return refuse(ctx, logs)
				}, true)
			expected := named("a0")
			named("a1").ResourceLogs().MoveAndAppendTo(expected.ResourceLogs())
			// They can be sent again.
			for range 2 {
				for _, err := range together(c, several, shared, single) {
					require.Error(t, err)
				}
				assert.True(t, moved.Load())
				assertSame(t, expected, several)
				assertSame(t, named("b"), shared)
				assertSame(t, named("c"), single)
			}
		})
	}
}

// assertSame compares data as they are written.
func assertSame(t *testing.T, expected, got plog.Logs) {
	t.Helper()
	var marshaler plog.ProtoMarshaler
	want, err := marshaler.MarshalLogs(expected)
	require.NoError(t, err)
	written, err := marshaler.MarshalLogs(got)
	require.NoError(t, err)
	assert.Equal(t, want, written)
}

func TestEverySignalComesBackFromABatch(t *testing.T) {
	traces, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return errRefusedBatch })
	require.NoError(t, err)
	metrics, err := consumer.NewMetrics(func(context.Context, pmetric.Metrics) error { return errRefusedBatch })
	require.NoError(t, err)
	c := startBlind(t, blindBatch, func(context.Context, plog.Logs) error { return errRefusedBatch }, false,
		func(s *Settings) { s.Next.Traces, s.Next.Metrics = traces, metrics })
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			data := testdata.GenerateTraces(10)
			assert.ErrorIs(t, c.ConsumeTraces(context.Background(), data), errRefusedBatch)
			assert.Equal(t, testdata.GenerateTraces(10), data)
		})
		calls.Go(func() {
			data := testdata.GenerateMetrics(10)
			assert.ErrorIs(t, c.ConsumeMetrics(context.Background(), data), errRefusedBatch)
			assert.Equal(t, testdata.GenerateMetrics(10), data)
		})
		calls.Go(func() {
			data := testdata.GenerateLogs(10)
			assert.ErrorIs(t, c.ConsumeLogs(context.Background(), data), errRefusedBatch)
			assert.Equal(t, testdata.GenerateLogs(10), data)
		})
	}
	calls.Wait()
}

// TestLeavingABatchWithTheOwnData: at once, although next still has what was moved, and is told
// a result that the caller does not wait for.
func TestLeavingABatchWithTheOwnData(t *testing.T) {
	for name, result := range map[string]error{"refused": errRefusedBatch, "accepted": nil} {
		t.Run(name, func(t *testing.T) {
			inside, answer := make(chan struct{}), make(chan struct{})
			c := startBlind(t, pairs, func(_ context.Context, logs plog.Logs) error {
				close(inside)
				<-answer
				assert.ElementsMatch(t, []string{"left", "waits"}, names(logs))
				return result
			}, true)
			left, waits := named("left"), named("waits")
			ctx, leave := context.WithCancel(t.Context())
			leaver, waiter := make(chan error), make(chan error)
			go func() { leaver <- c.ConsumeLogs(ctx, left) }()
			go func() { waiter <- c.ConsumeLogs(context.Background(), waits) }()
			<-inside
			leave()
			require.ErrorIs(t, <-leaver, context.Canceled)
			assertSame(t, named("left"), left)
			left.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true })
			close(answer)
			require.ErrorIs(t, <-waiter, result)
			assert.Equal(t, result == nil, waits.ResourceLogs().Len() == 0)
		})
	}
}

// TestDataThatNextHasAtTheEndOfTheComponent: the callers have theirs back when they hear of the end.
func TestDataThatNextHasAtTheEndOfTheComponent(t *testing.T) {
	inside, refuse := make(chan struct{}), make(chan struct{})
	c := startBlind(t, pairs, func(context.Context, plog.Logs) error {
		close(inside)
		<-refuse
		return errRefusedBatch
	}, true)
	a, b := named("a"), named("b")
	results := make(chan error, 2)
	for _, data := range []plog.Logs{a, b} {
		go func() { results <- c.ConsumeLogs(context.Background(), data) }()
	}
	<-inside
	ended, stop := context.WithCancel(t.Context())
	stop()
	stopped := make(chan error, 1)
	go func() { stopped <- c.Shutdown(ended) }()
	for range 2 {
		require.Error(t, <-results)
	}
	assertSame(t, named("a"), a)
	assertSame(t, named("b"), b)
	close(refuse)
	<-stopped
}

// TestDataThatAreSentAgain: no node of ours does that. What next has got is not there any more, which is
// no reason to leave it out of a batch; what was moved is.
func TestDataThatAreSentAgain(t *testing.T) {
	logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(t, err)
	next := &Consumers{Logs: logs}
	begin := func() *call {
		c := newCall(&Component{mutatesData: true, references: true}, 0)
		c.waiting, c.input = true, input{data: pdata{signal: capi.SignalLogs, logs: named("a")}}
		return c
	}
	joined := newPdata(capi.SignalLogs)

	shared := begin()
	given := shared.input.data.logs
	assert.Equal(t, given, shared.takeReference(next, true).logs)
	again := shared.takeReference(next, true)
	assert.Zero(t, again.signal)
	waits, added := shared.giveData(shared.id(), &joined)
	assert.True(t, waits && !added)

	moved := begin()
	given = moved.input.data.logs
	for range 2 {
		waits, added = moved.giveData(moved.id(), &joined)
		assert.True(t, waits && added)
		assert.Empty(t, names(given))
		assert.Equal(t, []string{"a"}, names(moved.takeReference(next, true).logs))
	}
	assert.Equal(t, []string{"a", "a"}, names(joined.logs))
	moved.forgetData(false)
	assertSame(t, named("a"), given)
	waits, _ = moved.giveData(moved.id(), &joined)
	assert.False(t, waits, "it is leaving")
}

var errRefusedBatch = errors.New("this batch is refused")

// TestBatchByReference: callers leave at random while their data are joined, next fails at
// random and changes what it got after it has answered, and data are read-only at random. Every
// item is forwarded once at most, every caller gets its own batch's result, and nobody's data
// are changed, except that those accepted may be gone.
func TestBatchByReference(t *testing.T) {
	for name, share := range map[string]bool{"copied": false, "moved": true} {
		t.Run(name, func(t *testing.T) { batchByReference(t, share) })
	}
}

func batchByReference(t *testing.T, share bool) {
	const callers, calls = 32, 60
	var mu sync.Mutex
	results := map[string]error{}
	var later sync.WaitGroup
	defer later.Wait()
	c := startBlind(t, blindBatch, func(_ context.Context, logs plog.Logs) error {
		found := names(logs)
		var result error
		if len(found) > 0 && rand.IntN(4) == 0 {
			result = errRefusedBatch
		}
		mu.Lock()
		defer mu.Unlock()
		for _, name := range found {
			_, twice := results[name]
			assert.False(t, twice, "%s was forwarded before", name)
			results[name] = result
		}
		// A caller on its own is forwarded as it is.
		if len(found) > 1 {
			// What next does with its data is nothing to their callers.
			later.Go(func() { logs.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true }) })
		}
		return result
	}, true, func(s *Settings) { s.ShareUnchangedData = share })
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for number := range calls {
				name := fmt.Sprintf("%d-%d", caller, number)
				data := named(name)
				if rand.IntN(3) == 0 {
					data.MarkReadOnly()
				}
				ctx, cancel := context.WithCancel(context.Background())
				timer := time.AfterFunc(time.Duration(rand.IntN(6000))*time.Microsecond, cancel)
				err := c.ConsumeLogs(ctx, data)
				timer.Stop()
				cancelled := ctx.Err() != nil
				cancel()
				mu.Lock()
				result, forwarded := results[name]
				mu.Unlock()
				switch {
				case err == nil:
					assert.True(t, forwarded && result == nil, "%s was accepted", name)
				case errors.Is(err, errRefusedBatch):
					assert.True(t, forwarded && result != nil, "%s was refused", name)
				default:
					assert.True(t, cancelled && errors.Is(err, context.Canceled), "%s: %v", name, err)
				}
				if err != nil || !share || data.IsReadOnly() {
					assertSame(t, named(name), data)
				}
				if !data.IsReadOnly() {
					data.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true })
				}
			}
		})
	}
	wg.Wait()
	assert.NotEmpty(t, results)
}
