// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
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

var errRefusedBatch = errors.New("this batch is refused")

// TestBatchByReference: callers leave at random while their data are joined, next fails at
// random, and data are read-only at random. Every item is forwarded once at most, every
// caller gets its own batch's result, and nobody's data are changed.
func TestBatchByReference(t *testing.T) {
	const callers, calls = 32, 60
	var mu sync.Mutex
	results := map[string]error{}
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
		// What next does with its data is nothing to their callers.
		logs.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true })
		return result
	}, true)
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
				if !data.IsReadOnly() {
					// A caller on its own is forwarded as it is, to a next that empties it.
					data.ResourceLogs().AppendEmpty()
				} else {
					assert.Equal(t, []string{name}, names(data))
				}
			}
		})
	}
	wg.Wait()
	assert.NotEmpty(t, results)
}
