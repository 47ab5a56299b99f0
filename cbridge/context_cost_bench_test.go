// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64 && !race && !asan

package cbridge_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
)

// BenchmarkContextCost is what a full context (deadline, span, ten metadata keys, address,
// authentication) costs requests of 100 spans against none. Both are measured in
// turns of a few milliseconds, so that what else the machine does hits both; the
// cost is the median of the turns' ratios, in time and in processor time, which others
// on the machine disturb less. ns/op is the time of two turns.
func BenchmarkContextCost(b *testing.B) {
	for _, pipeline := range []struct{ name, configuration string }{
		{"pass", `{"type": "urn:otapbridge:processor:fault", "config": {}}`},
		{"attribute", `{"type": "processor:attribute", "config": {"actions": [{"action": "insert", "key": "env", "value": "prod"}], "apply_to": ["resource"]}}`},
	} {
		for _, callers := range []struct {
			name         string
			count, calls int
		}{{"1_caller", 1, 8}, {"64_callers", 64, 512}} {
			b.Run(pipeline.name+"/"+callers.name, func(b *testing.B) {
				component := startTraces(b, pipeline.configuration)
				traces := sdkSpans(100)
				contexts := []context.Context{context.Background(), contexttest.Full(b)}
				turn := func(which int) cost {
					began, used := time.Now(), processorTime(b)
					var wg sync.WaitGroup
					for range callers.count {
						wg.Go(func() {
							for range callers.calls / callers.count {
								if err := component.ConsumeTraces(contexts[which], traces); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					wg.Wait()
					calls := float64(callers.calls)
					return cost{float64(time.Since(began)) / calls, float64(processorTime(b)-used) / calls}
				}
				var time, processor, extra []float64
				for i := 0; b.Loop() && !b.Failed(); i++ {
					var took [2]cost
					for _, which := range []int{i % 2, 1 - i%2} {
						took[which] = turn(which)
					}
					time = append(time, took[1].time/took[0].time)
					processor = append(processor, took[1].processor/took[0].processor)
					extra = append(extra, took[1].processor-took[0].processor)
				}
				b.ReportMetric((median(time)-1)*100, "cost-%")
				b.ReportMetric((median(processor)-1)*100, "processor-cost-%")
				b.ReportMetric(median(extra), "processor-cost-ns/call")
				b.ReportMetric(float64(len(time)), "samples")
			})
		}
	}
}

// cost is what a call takes, in nanoseconds.
type cost struct{ time, processor float64 }

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// sdkSpans are a request as an SDK sends it: each span has five attributes.
func sdkSpans(count int) ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "checkout")
	scope := resource.ScopeSpans().AppendEmpty()
	scope.Scope().SetName("instrumentation")
	for i := range count {
		span := scope.Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{1, 2, 3, byte(i)})
		span.SetSpanID(pcommon.SpanID{4, 5, 6, byte(i)})
		span.SetParentSpanID(pcommon.SpanID{7, 8, 9, byte(i)})
		span.SetName("GET /products/{id}")
		span.SetKind(ptrace.SpanKindServer)
		span.SetStartTimestamp(1_700_000_000_000_000_000)
		span.SetEndTimestamp(1_700_000_000_050_000_000)
		span.Attributes().PutStr("http.request.method", "GET")
		span.Attributes().PutStr("url.path", "/products/1234567")
		span.Attributes().PutInt("http.response.status_code", 200)
		span.Attributes().PutStr("server.address", "shop.example.com")
		span.Attributes().PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
	}
	return traces
}

func startTraces(tb testing.TB, configuration string) *cbridge.Component {
	tb.Helper()
	next, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return nil })
	require.NoError(tb, err)
	limits := cbridge.DefaultLimits()
	// A timeout stands in for a deadline.
	limits.Timeout = 0
	component, err := cbridge.NewComponent(cbridge.Settings{
		Kind: cbridge.Processor, Name: "processors::otap/bench", Next: cbridge.Consumers{Traces: next}, Limits: limits, Configuration: []byte(configuration),
	})
	require.NoError(tb, err)
	require.NoError(tb, component.Start(tb.Context(), componenttest.NewNopHost()))
	tb.Cleanup(func() { require.NoError(tb, component.Shutdown(context.Background())) })
	return component
}
