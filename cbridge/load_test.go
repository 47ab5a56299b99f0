// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

const (
	loadCallers   = 512
	loadTime      = time.Minute
	loadTimeShort = 3 * time.Second
	loadSeed      = 4
	// loadSlack is far more than a goroutine waits for a processor that hundreds of
	// others use, too.
	loadSlack = 2 * time.Second
)

// loadPipeline is a component of the load test.
type loadPipeline struct {
	name          string
	configuration string
	// merges: output may stem from several calls; forgets: and nobody can tell from which.
	merges, forgets bool
	// endless: its calls end only with their contexts.
	endless bool
	limits  func(*cbridge.Limits)
}

var loadPipelines = []loadPipeline{
	{name: "pass", configuration: passThrough},
	{name: "delays", configuration: faultNode(`"delay": "2ms", "every": 3`), limits: func(l *cbridge.Limits) { l.MaxInFlight = 32 }},
	{name: "chain", configuration: chain(faultNode(`"delay": "1ms", "every": 2`), attributeNode, passThrough, injecting("7"))},
	{name: "retry", configuration: chain(
		`{"type": "processor:retry", "config": {"initial_interval": "2ms", "max_interval": "5ms", "max_elapsed_time": "1s"}}`,
		faultNode(`"delay": "1ms", "every": 4`), injecting("5"))},
	{name: "batch", configuration: loadBatch, merges: true},
	{name: "chain of batches", configuration: chain(faultNode(`"delay": "1ms", "every": 4`), loadBatch, faultNode(`"delay": "3ms", "every": 2`), loadBatch, injecting("11")),
		merges: true, limits: func(l *cbridge.Limits) { l.MaxInFlightBytes = 8 << 10 }},
	{name: "engine batch", configuration: loadEngineBatch, merges: true, forgets: true},
	{name: "chain of engine batches", merges: true, forgets: true,
		configuration: chain(faultNode(`"delay": "1ms", "every": 4`), loadEngineBatch, faultNode(`"delay": "3ms", "every": 2`), loadBatch, injecting("11"))},
	{name: "branches", configuration: branching, endless: true},
}

const loadBatch = `{"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "5ms", "min_size": 100}}`

const loadEngineBatch = `{"type": "processor:batch", "config": {"otlp": {"min_size": 2000, "sizer": "bytes"}, "format": "otlp", "max_batch_duration": "5ms"}}`

// injecting is a node that refuses each Nth message for now.
func injecting(every string) string {
	return faultNode(`"every": ` + every + `, "error": {"kind": "retryable", "message": "` + injected + `"}`)
}

const injected = "injected by the load test"

// loadRun is the load test under way.
type loadRun struct {
	*testing.T
	began      time.Time
	components []*cbridge.Component
	callers    []loadCaller
	sink       loadSink
}

// loadCaller makes calls one after the other.
type loadCaller struct {
	random *rand.Rand
	tally  loadTally
	// overstays are how long calls were waited for after their contexts had ended, by
	// pipeline.
	overstays map[*loadPipeline][]time.Duration

	mu    sync.Mutex
	calls []*loadCall
}

// TestLoad: under hundreds of callers, of whom most give up at some moment,
//   - no caller waits on Rust longer than its context and the grace last;
//   - no output enters the next consumer after all of its callers have long left;
//   - what was sent was acknowledged, refused or cancelled. Each item of an acknowledged call
//     was accepted once by then, none of a refused one ever, and none of a cancelled one
//     twice; nothing else was accepted;
//   - nothing is left.
func TestLoad(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	run := &loadRun{T: t, began: time.Now(), callers: make([]loadCaller, loadCallers)}
	run.sink = loadSink{run: run, late: map[*loadPipeline]*atomic.Int64{}, latest: map[*loadPipeline]*atomic.Int64{}}
	for i := range loadPipelines {
		pipeline := &loadPipelines[i]
		run.sink.late[pipeline], run.sink.latest[pipeline] = new(atomic.Int64), new(atomic.Int64)
		next := logsFunc(t, func(ctx context.Context, logs plog.Logs) error { return run.sink.consume(ctx, pipeline, logs) })
		component := newComponent(t, pipeline.configuration, next, func(s *cbridge.Settings) {
			if pipeline.limits != nil {
				pipeline.limits(&s.Limits)
			}
		})
		require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
		run.components = append(run.components, component)
	}

	length := loadTime
	if testing.Short() {
		length = loadTimeShort
	}
	var wg sync.WaitGroup
	for i := range run.callers {
		wg.Go(func() {
			caller := &run.callers[i]
			caller.overstays = map[*loadPipeline][]time.Duration{}
			caller.random = rand.New(rand.NewPCG(loadSeed, uint64(i)))
			for time.Since(run.began) < length && !t.Failed() {
				run.call(uint64(i))
			}
		})
	}
	wg.Wait()
	for i, component := range run.components {
		assert.Eventually(t, func() bool { return component.InRust() == 0 }, patience, time.Millisecond, loadPipelines[i].name)
		assert.True(t, component.NoHostErrors(), loadPipelines[i].name)
		// What is still merged comes out here at the latest.
		assert.NoError(t, component.Shutdown(context.Background()))
	}
	run.check()
}

// check compares what the callers were told with what arrived.
func (r *loadRun) check() {
	var total loadTally
	overstays := map[*loadPipeline][]time.Duration{}
	for i := range r.callers {
		caller := &r.callers[i]
		total.merge(&caller.tally)
		for pipeline, samples := range caller.overstays {
			overstays[pipeline] = append(overstays[pipeline], samples...)
		}
		for _, call := range caller.calls {
			call.check(r)
		}
	}
	arrived := r.sink.arrived.Load()
	r.Logf("calls: %+v; items: %+v; accepted by the next consumer: %d", total.calls, total.items, arrived)
	for i := range loadPipelines {
		pipeline := &loadPipelines[i]
		r.Logf("%s: %d outputs went on after the end of all their callers, by %v at most",
			pipeline.name, r.sink.late[pipeline].Load(), time.Duration(r.sink.latest[pipeline].Load()))
		samples := overstays[pipeline]
		slices.Sort(samples)
		if n := len(samples); n > 0 {
			r.Logf("%s: callers stayed on after their contexts' end: p50 %v, p90 %v, p99 %v, longest %v, of %d",
				pipeline.name, samples[n/2], samples[n*9/10], samples[n*99/100], samples[n-1], n)
		}
	}
	for outcome, items := range total.items {
		assert.NotZero(r, items, "no call was %s: the test shows nothing about them", outcome)
	}
	assert.Equal(r, total.sent, total.items[acknowledged]+total.items[refused]+total.items[cancelled], "items sent are not items answered")
	assert.Equal(r, total.accepted(r), arrived, "the next consumer accepted others than the callers' items")
}
