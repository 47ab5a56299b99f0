// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// contextAttributes is a node that writes the tenant into the data.
const contextAttributes = `{"type": "urn:otapbridge:processor:context_attributes", "config": {"actions": [{"key": "tenant", "from_context": "metadata.x-tenant"}]}}`

func shared(s *cbridge.Settings) { s.ShareUnchangedData = true }

// anySignal is a next consumer of every signal. Data of all signals are told apart by ==:
// values are equal if they are the same data.
func anySignal(t testing.TB, mutates bool, f func(data any) error) cbridge.Consumers {
	t.Helper()
	capabilities := consumer.WithCapabilities(consumer.Capabilities{MutatesData: mutates})
	traces, err := consumer.NewTraces(func(_ context.Context, data ptrace.Traces) error { return f(data) }, capabilities)
	require.NoError(t, err)
	metrics, err := consumer.NewMetrics(func(_ context.Context, data pmetric.Metrics) error { return f(data) }, capabilities)
	require.NoError(t, err)
	logs, err := consumer.NewLogs(func(_ context.Context, data plog.Logs) error { return f(data) }, capabilities)
	require.NoError(t, err)
	return cbridge.Consumers{Traces: traces, Metrics: metrics, Logs: logs}
}

var generated = map[string]func() any{
	"traces": func() any {
		traces := testdata.GenerateTraces(2)
		for _, span := range traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			// The engine refuses links without ids.
			for _, link := range span.Links().All() {
				link.SetTraceID(pcommon.TraceID{1})
				link.SetSpanID(pcommon.SpanID{1})
			}
		}
		return traces
	},
	"metrics": func() any { return testdata.GenerateMetrics(2) },
	"logs":    func() any { return testdata.GenerateLogs(2) },
}

func consumeAny(ctx context.Context, component *cbridge.Component, data any) error {
	switch data := data.(type) {
	case ptrace.Traces:
		return component.ConsumeTraces(ctx, data)
	case pmetric.Metrics:
		return component.ConsumeMetrics(ctx, data)
	default:
		return component.ConsumeLogs(ctx, data.(plog.Logs))
	}
}

func attributesOf(data any) pcommon.Map {
	switch data := data.(type) {
	case ptrace.Traces:
		return data.ResourceSpans().At(0).Resource().Attributes()
	case pmetric.Metrics:
		return data.ResourceMetrics().At(0).Resource().Attributes()
	default:
		return data.(plog.Logs).ResourceLogs().At(0).Resource().Attributes()
	}
}

func has(data any, key string) bool {
	_, ok := attributesOf(data).Get(key)
	return ok
}

// isReadOnly is of data of any signal.
func isReadOnly(data any) bool { return data.(interface{ IsReadOnly() bool }).IsReadOnly() }

func TestUnchangedDataAreTheCallersOwn(t *testing.T) {
	for name, test := range map[string]struct {
		nodes             string
		share             func(*cbridge.Settings)
		readOnly, mutates bool
		own               bool
	}{
		"next mutates":                   {nodes: passThrough, share: shared, mutates: true, own: true},
		"next reads":                     {nodes: passThrough, share: shared, own: true},
		"several nodes":                  {nodes: chain(passThrough, passThrough), share: shared, mutates: true, own: true},
		"read-only data, next reads":     {nodes: passThrough, share: shared, readOnly: true, own: true},
		"read-only data, next mutates":   {nodes: passThrough, share: shared, readOnly: true, mutates: true},
		"a node of ours changes data":    {nodes: contextAttributes, share: shared, mutates: true},
		"an engine node changes data":    {nodes: attributeNode, share: shared, mutates: true},
		"nobody asked for it, mutates":   {nodes: passThrough, share: func(*cbridge.Settings) {}, mutates: true},
		"nobody asked for it, next read": {nodes: passThrough, share: func(*cbridge.Settings) {}},
	} {
		t.Run(name, func(t *testing.T) {
			var given, got any
			var component *cbridge.Component
			component = start(t, test.nodes, anySignal(t, test.mutates, func(data any) error {
				got = data
				assert.Zero(t, component.InputsKept(), "kept while next has the data")
				if test.mutates {
					attributesOf(data).PutBool("written by next", true)
				}
				return nil
			}), test.share)
			for signal, generate := range generated {
				// Each time in the same record.
				for range 2 {
					given, got = generate(), nil
					if test.readOnly {
						given.(interface{ MarkReadOnly() }).MarkReadOnly()
					}
					require.NoError(t, consumeAny(tenantContext(t.Context(), "a"), component, given), signal)
					require.NotNil(t, got, signal)
					assert.Equal(t, test.own, got == given, signal)
					assert.Equal(t, test.own && test.mutates, has(given, "written by next"), signal)
					assert.Equal(t, test.own && test.readOnly, isReadOnly(got), signal)
				}
			}
		})
	}
}

// TestSecondOutputIsACopy: of data that two branches put out, which are the same bytes.
func TestSecondOutputIsACopy(t *testing.T) {
	for signal, generate := range generated {
		t.Run(signal, func(t *testing.T) {
			var outputs []any
			component := start(t, fanout("all", passThrough), anySignal(t, true, func(data any) error {
				assert.False(t, has(data, "written by next"), "another output's change")
				attributesOf(data).PutBool("written by next", true)
				outputs = append(outputs, data)
				return nil
			}), shared)
			given := generate()
			require.NoError(t, consumeAny(t.Context(), component, given))
			require.Len(t, outputs, 3)
			assert.True(t, outputs[0] == given, "the first is the caller's own")
			assert.False(t, outputs[1] == given || outputs[2] == given || outputs[1] == outputs[2], "the same data twice")
			assert.Equal(t, given, outputs[1])
			assert.Equal(t, given, outputs[2])
		})
	}
}

// TestUnchangedDataAfterOtherOutputAreACopy: the caller's own data can only be what comes first.
func TestUnchangedDataAfterOtherOutputAreACopy(t *testing.T) {
	var outputs []any
	component := start(t, `{"nodes": {
		"both": {"type": "processor:fanout", "config": {"mode": "sequential", "await_ack": "all", "destinations": [{"port": "a", "primary": true}, {"port": "b"}]}},
		"a": `+contextAttributes+`, "b": `+passThrough+`
	}, "connections": [{"from": "both", "port": "a", "to": "a"}, {"from": "both", "port": "b", "to": "b"}]}`,
		anySignal(t, true, func(data any) error {
			outputs = append(outputs, data)
			return nil
		}), shared)
	given := testdata.GenerateLogs(2)
	require.NoError(t, component.ConsumeLogs(tenantContext(t.Context(), "a"), given))
	require.Len(t, outputs, 2)
	assert.True(t, has(outputs[0], "tenant"))
	assert.False(t, outputs[1] == any(given))
	assert.Equal(t, given, outputs[1])
}

// TestDataThatAreSentAgainAreACopy: next may have changed those that it refused.
func TestDataThatAreSentAgainAreACopy(t *testing.T) {
	for signal, generate := range generated {
		t.Run(signal, func(t *testing.T) {
			var outputs []any
			component := start(t, `{"type": "processor:retry", "config": {"initial_interval": "1ms", "max_interval": "1ms", "max_elapsed_time": "1m"}}`,
				anySignal(t, true, func(data any) error {
					assert.False(t, has(data, "written by next"), "the change of an earlier output")
					attributesOf(data).PutBool("written by next", true)
					if outputs = append(outputs, data); len(outputs) < 3 {
						return errors.New("not now")
					}
					return nil
				}), shared)
			given := generate()
			require.NoError(t, consumeAny(t.Context(), component, given))
			require.Len(t, outputs, 3)
			assert.True(t, outputs[0] == given, "the first is the caller's own")
			assert.False(t, outputs[1] == given || outputs[2] == given || outputs[1] == outputs[2], "the same data twice")
		})
	}
}

// TestMergedDataAreNobodysOwn: also those of a batch with a single request in it.
func TestMergedDataAreNobodysOwn(t *testing.T) {
	for name, calls := range map[string]int{"one request": 1, "several requests": 5} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var outputs []any
			component := start(t, merging, anySignal(t, true, func(data any) error {
				mu.Lock()
				defer mu.Unlock()
				outputs = append(outputs, data)
				return nil
			}), shared)
			given := make([]plog.Logs, calls)
			var wg sync.WaitGroup
			for i := range given {
				given[i] = testdata.GenerateLogs(1)
				wg.Go(func() { assert.NoError(t, component.ConsumeLogs(t.Context(), given[i])) })
			}
			wg.Wait()
			require.NotEmpty(t, outputs)
			for i := range given {
				assert.False(t, slices.Contains(outputs, any(given[i])))
			}
		})
	}
}

// TestEachCallerGetsItsOwnDataBack: records serve one call after another.
func TestEachCallerGetsItsOwnDataBack(t *testing.T) {
	const callers, rounds = 16, 50
	component := start(t, passThrough, anySignal(t, true, func(data any) error {
		attributes := attributesOf(data)
		caller, _ := attributes.Get("caller")
		attributes.PutInt("seen", caller.Int())
		return nil
	}), shared, func(s *cbridge.Settings) { s.Limits.MaxInFlight = callers / 4 })
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				logs, id := testdata.GenerateLogs(2), int64(caller*rounds+round+1)
				attributesOf(logs).PutInt("caller", id)
				if !assert.NoError(t, component.ConsumeLogs(t.Context(), logs)) {
					return
				}
				seen, _ := attributesOf(logs).Get("seen")
				assert.Equal(t, id, seen.Int())
			}
		})
	}
	wg.Wait()
	assert.Zero(t, component.InputsKept())
}

// TestCallsWithoutOutputKeepNoData: their records serve others later, or nobody.
func TestCallsWithoutOutputKeepNoData(t *testing.T) {
	for name, settings := range map[string]string{
		"a node fails": `"error": {"kind": "permanent", "message": "on purpose"}`,
		"cancelled":    `"delay": "1h"`,
	} {
		t.Run(name, func(t *testing.T) {
			runtime := cbridgetest.VerifyIdle(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			component := start(t, faultNode(settings), logsFunc(t, accept), shared)
			result := make(chan error)
			go func() { result <- component.ConsumeLogs(ctx, testdata.GenerateLogs(1)) }()
			if name == "cancelled" {
				awaitInRust(t, runtime, 1)
				cancel()
			}
			require.Error(t, <-result)
			assert.Zero(t, component.InputsKept())
		})
	}
}
