// SPDX-License-Identifier: Apache-2.0

package comparison

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/processor/processortest"
)

const (
	// callers keep a component's thread at work, so that nobody sleeps and is woken.
	callers = 16
	// itemsOfTurn are in the requests of one turn, which are made before.
	itemsOfTurn = 32_000
)

// BenchmarkNodes measures the processor time of the whole process for a request, in turns: by Go's processors, which
// edit in place, by an otap component with our nodes, by one with the engine's, and by one that only crosses.
// What the crossing takes, and reading the result from OTLP, is no node's own work.
func BenchmarkNodes(b *testing.B) {
	var rows []string
	for _, of := range signals {
		for _, items := range []int{100, 1000} {
			for _, work := range works(of) {
				name := fmt.Sprintf("%s/%d/%s", of.name, items, work.name)
				b.Run(name, func(b *testing.B) { rows = append(rows, compare(b, of, items, work)) })
			}
		}
	}
	fmt.Fprintln(os.Stderr, "| signal | items | work | Go's own | ours | of Go's | engine's | of the engine's | crossing |")
	fmt.Fprintln(os.Stderr, "| --- | --: | --- | --: | --: | --: | --: | --: | --: |")
	for _, row := range rows {
		fmt.Fprintln(os.Stderr, row)
	}
}

// A way to do a work, with the processor time that each turn took for a request.
type way struct {
	consume func(data any) error
	took    []time.Duration
}

func compare(b *testing.B, of signal, items int, work work) string {
	b.Helper()
	encoded, err := of.generate(items)
	require.NoError(b, err)
	result := checkSame(b, of, encoded, work)
	// Collections belong to nobody: what one takes depends on what else is there.
	percent := debug.SetGCPercent(-1)
	b.Cleanup(func() { debug.SetGCPercent(percent) })

	nothing := func(any) {}
	byGo := &way{consume: start(b, of, work.byGo, nothing)}
	ours := &way{consume: start(b, of, work.ours, nothing)}
	ways := []*way{byGo, ours}
	var engine *way
	if work.engine != nil {
		engine = &way{consume: start(b, of, work.engine, nothing)}
		ways = append(ways, engine)
	}
	// What has changed is read from OTLP.
	cross := &way{consume: start(b, of, crossing, func(any) {
		if _, err := of.decode(result); err != nil {
			b.Error(err)
		}
	})}
	ways = append(ways, cross)

	requests := itemsOfTurn / items
	for _, way := range ways {
		way.turn(b, of, encoded, requests) // warms up
		way.took = nil
	}
	for b.Loop() {
		for _, way := range ways {
			way.turn(b, of, encoded, requests)
		}
	}
	report := func(name string, value float64) { b.ReportMetric(value, name) }
	report("ns/op", 0)
	crossing := cross.median()
	row := fmt.Sprintf("| %s | %d | %s | %s |", of.name, items, work.name, microseconds(byGo.median()))
	own := ours.median() - crossing
	report("of-go", own/byGo.median())
	row += fmt.Sprintf(" %s | %.2f |", microseconds(own), own/byGo.median())
	if engine == nil {
		row += " | |"
	} else {
		of := engine.median() - crossing
		report("of-engine", own/of)
		row += fmt.Sprintf(" %s | %.3f |", microseconds(of), own/of)
	}
	return row + fmt.Sprintf(" %s |", microseconds(crossing))
}

func microseconds(nanoseconds float64) string { return fmt.Sprintf("%.1f µs", nanoseconds/1000) }

// turn makes requests, then has them consumed, and notes the processor time.
func (w *way) turn(b *testing.B, of signal, encoded []byte, requests int) {
	b.Helper()
	// As much again is made for nothing: what the work allocates is in memory that the process has.
	made := make([]any, 2*requests)
	for i := range made {
		var err error
		made[i], err = of.decode(encoded)
		require.NoError(b, err)
	}
	clear(made[requests:])
	runtime.GC()
	began := processorTime(b)
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := caller; i < requests; i += callers {
				if err := w.consume(made[i]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.took = append(w.took, (processorTime(b)-began)/time.Duration(requests))
}

// median in nanoseconds.
func (w *way) median() float64 {
	slices.Sort(w.took)
	return float64(w.took[len(w.took)/2])
}

// start runs processors one behind the other until the benchmark ends; next gets what comes out of the last.
func start(b *testing.B, of signal, stages []stage, next func(data any)) func(data any) error {
	b.Helper()
	consumer, err := of.discard(next)
	require.NoError(b, err)
	for _, stage := range slices.Backward(stages) {
		config := stage.factory.CreateDefaultConfig()
		require.NoError(b, confmap.NewFromStringMap(stage.configuration).Unmarshal(config))
		made, err := of.create(stage.factory, processortest.NewNopSettings(stage.factory.Type()), config, consumer)
		require.NoError(b, err)
		require.NoError(b, made.Start(b.Context(), componenttest.NewNopHost()))
		b.Cleanup(func() { require.NoError(b, made.Shutdown(context.Background())) })
		consumer = made
	}
	return func(data any) error { return of.consume(b.Context(), consumer, data) }
}

// checkSame makes sure that all ways do the same, and returns the result.
func checkSame(b *testing.B, of signal, encoded []byte, work work) (result []byte) {
	b.Helper()
	do := func(stages []stage) (attributes []map[string]any) {
		data, err := of.decode(encoded)
		require.NoError(b, err)
		consume := start(b, of, stages, func(data any) {
			for _, of := range of.attributes(data) {
				attributes = append(attributes, of.AsRaw())
			}
			result, err = of.encode(data)
			require.NoError(b, err)
		})
		require.NoError(b, consume(data))
		return attributes
	}
	if work.engine != nil {
		require.Equal(b, do(work.byGo), do(work.engine))
	}
	require.Equal(b, do(work.byGo), do(work.ours))
	require.Less(b, len(result), 10*len(encoded))
	return result
}

// processorTime is what the process has used of its processors so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
