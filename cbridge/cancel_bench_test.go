// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
	"github.com/otapbridge/otapbridge/tests/latency"
)

// The time from a caller's cancel or deadline to its return, and to the moment when
// Go knows that the Rust future is gone (its payload was released), at each place of
// the table. The figures of interest are the percentiles; ns/op is the time of a sample.

// loads are what else the machine does meanwhile.
var loads = []struct {
	name  string
	start func(testing.TB) (stop func())
}{
	{"idle", func(testing.TB) func() { return func() {} }},
	{"busy", startTraffic},
}

func BenchmarkCancel(b *testing.B) {
	measureEach(b, func(*place) bool { return true }, (*stage).measureCancel)
}

func BenchmarkDeadline(b *testing.B) {
	measureEach(b, func(p *place) bool { return p.early == nil }, (*stage).measureDeadline)
}

func measureEach(b *testing.B, wanted func(*place) bool, measure func(s *stage, returned, dropped *latency.Samples)) {
	b.Helper()
	eachPlaceAndLoad(b, wanted, func(b *testing.B, runtime *cbridge.Runtime, p *place) {
		var returned, dropped latency.Samples
		var s *stage
		for uses := 0; b.Loop(); uses++ {
			if s == nil || p.uses > 0 && uses%p.uses == 0 {
				if s != nil {
					s.tearDown()
				}
				s = p.build(b, runtime, true, func(l *cbridge.Limits) { l.CancelGrace = forever })
			}
			measure(s, &returned, &dropped)
		}
		s.tearDown()
		returned.Report(b, "return")
		dropped.Report(b, "drop")
	})
}

func eachPlaceAndLoad(b *testing.B, wanted func(*place) bool, run func(*testing.B, *cbridge.Runtime, *place)) {
	b.Helper()
	for i := range places {
		if !wanted(&places[i]) {
			continue
		}
		for _, load := range loads {
			b.Run(places[i].name+"/"+load.name, func(b *testing.B) {
				library := cbridgetest.VerifyIdle(b)
				stop := load.start(b)
				before, began := processorTime(b), time.Now()
				run(b, library, &places[i])
				used := processorTime(b) - before
				b.ReportMetric(used.Seconds()/time.Since(began).Seconds(), "cores")
				stop()
			})
		}
	}
}

// measureCancel makes one call, and cancels it at its place.
func (s *stage) measureCancel(returned, dropped *latency.Samples) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	back := s.startCall(ctx)
	s.place.arrived(s)
	var gone <-chan time.Time
	if s.place.stops {
		gone = s.awaitDrop()
	}
	runtime.Gosched()
	began := time.Now()
	cancel()
	returned.Add((<-back).Sub(began))
	if s.place.stops {
		dropped.Add((<-gone).Sub(began))
	}
}

// measureDeadline makes one call with a deadline that leaves time to come to its place.
func (s *stage) measureDeadline(returned, dropped *latency.Samples) {
	const enough = 20 * time.Millisecond
	deadline := time.Now().Add(enough)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	back := s.startCall(ctx)
	if s.place.stops {
		s.await(func() bool { return s.component.InRust() > s.place.fillers || len(back) > 0 })
		// One that came late to its place is no sample.
		if after := (<-s.awaitDrop()).Sub(deadline); after > 0 {
			dropped.Add(after)
		}
	}
	returned.Add((<-back).Sub(deadline))
}

// startCall makes a call, and says when its caller is back.
func (s *stage) startCall(ctx context.Context) <-chan time.Time {
	s.mu.Lock()
	clear(s.visits)
	s.mu.Unlock()
	back := make(chan time.Time, 1)
	go func() {
		_ = s.component.ConsumeLogs(ctx, placeLogs(theCall))
		back <- time.Now()
	}()
	return back
}

// awaitDrop says when the future is gone that works on nothing but the call.
func (s *stage) awaitDrop() <-chan time.Time {
	dropped := make(chan time.Time, 1)
	go func() {
		if s.component.AwaitReleased(context.Background()) == nil {
			dropped <- time.Now()
		}
	}()
	return dropped
}

// startTraffic sends requests through a component of its own, from more goroutines than
// there are cores. (Goroutines that never wait would measure Go's scheduler, which
// preempts them every 10 ms.)
func startTraffic(tb testing.TB) func() {
	tb.Helper()
	const shards = `{"shards": 2, `
	component := newComponent(tb, shards+strings.TrimPrefix(attributeNode, "{"), logsFunc(tb, accept))
	require.NoError(tb, component.Start(tb.Context(), componenttest.NewNopHost()))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			logs := testdata.GenerateLogs(100)
			for ctx.Err() == nil {
				_ = component.ConsumeLogs(ctx, logs)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		require.NoError(tb, component.Shutdown(context.Background()))
	}
}

// processorTime is what the process has used of its processors so far.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
