// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/otapbridge/otapbridge/cbridge"
)

// BenchmarkCore measures a call through a component as a collector makes it: the median
// time of a call, the processor time that the process spends on each, and allocations. It
// uses nothing that an older commit lacks, so that two commits can be compared in one run:
// see docs/performance.md.
func BenchmarkCore(b *testing.B) {
	// A node of the engine's that leaves data as they are.
	const nothing = `{"type": "processor:attribute", "config": {"actions": []}%s}`
	one, eight := fmt.Sprintf(nothing, ""), fmt.Sprintf(nothing, `, "shards": 8`)
	fault := `{"type": "urn:otapbridge:processor:fault", "config": {}}`
	batch := `{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 1600, "flush_timeout": "5ms"}}`
	writing := `{"type": "urn:otapbridge:processor:context_attributes", "config": {"actions": [{"key": "tenant", "from_context": "metadata.x-tenant"}]}}`
	for _, bench := range []struct {
		name, configuration string
		callers, spans      int
		own                 bool
	}{
		{"unchanged/1_caller/1_span", one, 1, 1, false},
		{"unchanged/64_callers/1_span", one, 64, 1, false},
		{"unchanged/512_callers/1_span", one, 512, 1, false},
		{"unchanged/64_callers/1_span/8_shards", eight, 64, 1, false},
		{"unchanged/1_caller/36_spans", one, 1, 36, false},
		{"unchanged/64_callers/36_spans", one, 64, 36, false},
		{"unchanged/512_callers/36_spans", one, 512, 36, false},
		{"unchanged/64_callers/36_spans/8_shards", eight, 64, 36, false},
		{"unchanged/64_callers/100_spans", one, 64, 100, false},
		{"unchanged/64_callers/1000_spans", one, 64, 1000, false},
		{"blind/1_caller/100_spans", fault, 1, 100, false},
		{"blind/64_callers/100_spans", fault, 64, 100, false},
		{"batch/64_callers/100_spans", batch, 64, 100, false},
		{"batch_own_data/64_callers/100_spans", batch, 64, 100, true},
		{"changed/64_callers/100_spans", writing, 64, 100, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			next, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return nil })
			require.NoError(b, err)
			settings := cbridge.Settings{
				Kind: cbridge.Processor, Name: "processors::otap/core", Next: cbridge.Consumers{Traces: next},
				Limits: cbridge.DefaultLimits(), Configuration: []byte(bench.configuration),
			}
			// As otapprocessor sets it; an older commit has no such field.
			if share := reflect.ValueOf(&settings).Elem().FieldByName("ShareUnchangedData"); share.IsValid() {
				share.SetBool(true)
			}
			component, err := cbridge.NewComponent(settings)
			require.NoError(b, err)
			require.NoError(b, component.Start(b.Context(), componenttest.NewNopHost()))
			defer func() { require.NoError(b, component.Shutdown(context.Background())) }()
			// What the writing node writes.
			ctx := context.Background()
			if bench.configuration == writing {
				ctx = client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(map[string][]string{"x-tenant": {"acme"}})})
			}
			data := func(int) ptrace.Traces { return spans(bench.spans) }
			var prepare func(int)
			if bench.own {
				data, prepare = ownSpans(bench.spans)
			}
			measure(b, bench.callers, prepare, func(number int) error {
				return component.ConsumeTraces(ctx, data(number))
			})
		})
	}
}

var spansBySize sync.Map

// spans are made once for each size, and shared: nobody changes them.
func spans(count int) ptrace.Traces {
	if made, ok := spansBySize.Load(count); ok {
		return made.(ptrace.Traces)
	}
	made := testdata.GenerateTraces(count)
	made.MarkReadOnly()
	spansBySize.Store(count, made)
	return made
}

// ownSpans are data that each call has for itself, so that they may be changed: given by the
// number of the call in its round, for which they are made before.
func ownSpans(count int) (data func(number int) ptrace.Traces, prepare func(calls int)) {
	var made []ptrace.Traces
	data = func(number int) ptrace.Traces { return made[number] }
	prepare = func(calls int) {
		made = make([]ptrace.Traces, calls)
		for i := range made {
			made[i] = testdata.GenerateTraces(count)
		}
		// What the last round has left is not this one's cost.
		runtime.GC()
	}
	return data, prepare
}

// ownDataRound is how many calls have data of their own at a time, which bounds the memory.
const ownDataRound = 1024

// measure divides the benchmark's calls among callers. With prepare it makes them in rounds, each of
// which it prepares while the time stands still.
func measure(b *testing.B, callers int, prepare func(calls int), call func(number int) error) {
	took := make([][]time.Duration, callers)
	round := b.N
	if prepare != nil {
		round = ownDataRound
	}
	var used time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += round {
		calls := min(round, b.N-done)
		if prepare != nil {
			b.StopTimer()
			prepare(calls)
			b.StartTimer()
		}
		before := processorTime(b)
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for number := caller; number < calls; number += callers {
					started := time.Now()
					if err := call(number); err != nil {
						b.Error(err)
						return
					}
					took[caller] = append(took[caller], time.Since(started))
				}
			})
		}
		wg.Wait()
		used += processorTime(b) - before
	}
	b.StopTimer()
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
	if all := slices.Concat(took...); len(all) > 0 {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "p50-ns")
	}
}
