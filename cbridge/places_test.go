// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// place is where a call's work can be when its caller stops waiting: a row of the
// design's table "who stops what".
type place struct {
	name string
	// nodes are one node's or a pipeline's configuration for logs.
	nodes string
	// routed: traces go past the nodes, which a probe needs.
	routed bool
	limits func(*cbridge.Limits)
	// primed: a call goes through the nodes before all others, so that a node which
	// strikes every second time strikes the first filler, and not the call.
	primed bool
	// fillers are calls that occupy the place before.
	fillers int
	// next is what the next consumer does with the call's output; nil: takes it.
	next func(s *stage, ctx context.Context) error
	// answer is what the next consumer says when the context ends; nil: it is not there.
	answer func(context.Context) error
	// arrived waits until the call is where it should be.
	arrived func(s *stage)
	// took is the longest that a call has taken to arrive so far.
	took time.Duration
	// visits is how often the output reaches the next consumer before the caller
	// stops waiting.
	visits int
	// early is what callers get before their deadlines from a node that knows of them,
	// after one visit to the next consumer; nil: no node does.
	early func(*stage) error
	// keeps: a node keeps the payload beyond the call's end.
	keeps bool
	// uses is how many calls can come to the place before it is another one; 0: any number.
	uses int
	// stops: a future in Rust works on nothing but the call, and is dropped at its end.
	stops bool
	// later: what the node keeps may still come out at a shutdown, because nothing in
	// it says any more whose it was.
	later bool
}

// Sizes of queues and pools that decide where a call is.
const (
	// busyHolds is how many messages busyNode has taken: the one that it works on.
	busyHolds = 1
	// nodeQueue is how many messages fit in the queue before an engine node.
	nodeQueue = 128
	// keptSlots is how many payloads can be kept beyond their calls' ends, which is
	// the default of MaxInFlight.
	keptSlots = 1000
	// retryWaits is how many messages can wait in a retry node.
	retryWaits = 1920
)

const (
	waitingNode = `{"type": "urn:otapbridge:processor:fault", "config": {"delay": "1h"}}`
	// busyNode works on one message at a time; every other one goes on at once.
	busyNode      = `{"type": "urn:otapbridge:processor:fault", "config": {"delay": "1h", "max_concurrency": 1, "every": 2}}`
	attributeNode = `{"type": "processor:attribute", "config": {"actions": [{"action": "insert", "key": "env", "value": "prod"}], "apply_to": ["resource"]}}`
	batchNode     = `{"type": "processor:batch", "config": {"otlp": {"min_size": 1000000, "sizer": "bytes"}, "format": "otlp", "max_batch_duration": "1h"}}`
	ownBatchNode  = `{"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "1h"}}`
	retryNode     = `{"type": "processor:retry", "config": {"initial_interval": "1h", "max_interval": "1h", "max_elapsed_time": "3h"}}`
)

// places are the rows.
var places = []place{
	{
		name: "waiting for a slot", nodes: passThrough, fillers: 1,
		limits:  func(l *cbridge.Limits) { l.MaxInFlight = 1 },
		next:    untilLeave,
		arrived: func(s *stage) { s.awaitCallers(2) },
	},
	{
		name: "waiting for room", nodes: passThrough, fillers: 1,
		limits:  func(l *cbridge.Limits) { l.MaxInFlightBytes = payloadSize(placeLogs(fillerName(0))) },
		next:    untilLeave,
		arrived: func(s *stage) { s.awaitCallers(2) },
	},
	{
		name: "queued before a node", nodes: busyNode, primed: true, fillers: busyHolds, routed: true, uses: nodeQueue / 2,
		arrived: (*stage).settle,
	},
	{
		name: "inside a context-aware node", nodes: waitingNode, routed: true, stops: true,
		arrived: (*stage).settle,
	},
	{
		// The engine node has worked on the call's data and cannot send them on.
		name: "inside an engine node", nodes: chain(attributeNode, busyNode), primed: true, fillers: busyHolds + nodeQueue, routed: true, uses: 1,
		arrived: func(s *stage) {
			s.settle()
			if s.busy {
				return
			}
			// The node lets go of the payload when it begins with it.
			require.Zero(s, s.stats().PayloadsUnreleased, "the call has not come to the node")
			s.startFiller()
			s.awaitInRust(s.place.fillers + 2)
			s.probe()
			require.Equal(s, uint64(1), s.stats().PayloadsUnreleased, "the node works on the next already")
		},
	},
	{
		name: "inside a batch", nodes: ownBatchNode, routed: true, stops: true,
		// It sends before a deadline in it passes.
		early:   func(*stage) error { return nil },
		arrived: (*stage).settle,
	},
	{
		name: "inside an engine's batch", nodes: batchNode, routed: true, keeps: true, uses: keptSlots / 2, later: true,
		arrived: (*stage).settle,
	},
	{
		name: "inside a retry node's wait", nodes: retryNode, routed: true, visits: 1, keeps: true, uses: retryWaits / 2,
		// It does not begin a wait that would end too late.
		early: func(s *stage) error { return s.notNow },
		next:  func(s *stage, _ context.Context) error { return s.notNow },
		arrived: func(s *stage) {
			s.awaitVisits(1)
			if s.busy {
				s.probe()
			} else {
				s.awaitStats(func(stats cbridge.Stats) bool { return stats.EmissionsInFlight == 0 })
			}
			s.settle()
		},
	},
	{
		// It has the same context and sees it end.
		name: "inside the next consumer", nodes: passThrough, visits: 1,
		next: untilDone, answer: context.Cause,
		arrived: func(s *stage) { s.awaitVisits(1) },
	},
	{
		name: "inside a next consumer that succeeds all the same", nodes: passThrough, visits: 1,
		next: untilDone, answer: func(context.Context) error { return nil },
		arrived: func(s *stage) { s.awaitVisits(1) },
	},
}

func chain(nodes ...string) string {
	var all, connections []string
	for i, node := range nodes {
		all = append(all, fmt.Sprintf(`"n%d": %s`, i, node))
		if i > 0 {
			connections = append(connections, fmt.Sprintf(`{"from": "n%d", "to": "n%d"}`, i-1, i))
		}
	}
	return `{"nodes": {` + strings.Join(all, ", ") + `}, "connections": [` + strings.Join(connections, ", ") + `]}`
}

// configuration is the component's: the nodes, and a way past them if it is routed.
func (p *place) configuration() string {
	if !p.routed {
		return p.nodes
	}
	nodes, connections := `"n0": `+p.nodes, ""
	if inner, ok := strings.CutPrefix(p.nodes, `{"nodes": {`); ok {
		nodes, connections, _ = strings.Cut(inner, `}, "connections": [`)
		connections = ", " + strings.TrimSuffix(connections, `]}`)
	}
	return `{"nodes": {"route": {"type": "processor:type_router", "config": {}}, "past": ` + passThrough + `, ` + nodes +
		`}, "connections": [{"from": "route", "port": "traces", "to": "past"}, {"from": "route", "port": "logs", "to": "n0"}` + connections + `]}`
}

// untilDone stays inside the next consumer until the context ends.
func untilDone(s *stage, ctx context.Context) error {
	<-ctx.Done()
	return s.place.answer(ctx)
}

// untilLeave keeps fillers inside the next consumer until the stage is cleared.
func untilLeave(s *stage, _ context.Context) error {
	<-s.leave
	return nil
}

func fillerName(number int) string { return fmt.Sprintf("f%03d", number) }

// theCall is the body of the call whose end is looked at.
const theCall = "call"

func placeLogs(body string) plog.Logs {
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(body)
	return logs
}

func bodiesOf(logs plog.Logs) (bodies []string) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				bodies = append(bodies, record.Body().Str())
			}
		}
	}
	return bodies
}

func payloadSize(logs plog.Logs) int64 {
	var marshaler plog.ProtoMarshaler
	return int64(marshaler.LogsSize(logs))
}

// stage is a component with a place in it.
type stage struct {
	testing.TB
	place     *place
	runtime   *cbridge.Runtime
	component *cbridge.Component
	// notNow is an error that a retry node waits for.
	notNow error
	// leave is closed when fillers inside the next consumer may leave.
	leave chan struct{}
	// busy: the runtime's counters count others' work, too.
	busy bool
	// before is the number of calls submitted before the stage's; probes, of the
	// stage's own that are over.
	before, probes uint64

	fillers        sync.WaitGroup
	fillersStarted int
	fillersContext context.Context
	cancelFillers  context.CancelFunc
	clear          func()

	mu      sync.Mutex
	changed *sync.Cond
	visits  map[string]int
}

// setUp starts a component and fills it, until the end of the test.
func (p *place) setUp(tb testing.TB, change func(*cbridge.Limits)) *stage {
	tb.Helper()
	s := p.build(tb, cbridgetest.VerifyIdle(tb), false, change)
	tb.Cleanup(s.tearDown)
	return s
}

// build is setUp for a stage that is torn down before the end of the test.
func (p *place) build(tb testing.TB, runtime *cbridge.Runtime, busy bool, change func(*cbridge.Limits)) *stage {
	tb.Helper()
	s := &stage{TB: tb, place: p, runtime: runtime, busy: busy, leave: make(chan struct{}), visits: map[string]int{}}
	s.changed = sync.NewCond(&s.mu)
	if p.nodes == retryNode {
		s.notNow = notNow(tb)
	}
	traces, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return nil })
	require.NoError(tb, err)
	next := logsFunc(tb, s.consume)
	next.Traces = traces
	s.component = newComponent(tb, p.configuration(), next, func(settings *cbridge.Settings) {
		// A timeout is a deadline, and a retry node does not wait beyond one.
		settings.Limits.Timeout = 0
		if p.limits != nil {
			p.limits(&settings.Limits)
		}
		change(&settings.Limits)
	})
	require.NoError(tb, s.component.Start(tb.Context(), componenttest.NewNopHost()))
	s.clear = sync.OnceFunc(s.endFillers)
	s.before = s.stats().CallsTotal
	s.fill()
	return s
}

func (s *stage) tearDown() {
	s.clear()
	assert.NoError(s, s.component.Shutdown(context.Background()))
}

// notNow is an error that a retry node waits for.
func notNow(tb testing.TB) error {
	tb.Helper()
	fails := newComponent(tb, faultNode(`"error": {"kind": "retryable", "message": "not now"}`), logsFunc(tb, accept))
	require.NoError(tb, fails.Start(tb.Context(), componenttest.NewNopHost()))
	err := fails.ConsumeLogs(tb.Context(), testdata.GenerateLogs(1))
	require.Error(tb, err)
	require.NoError(tb, fails.Shutdown(tb.Context()))
	return err
}

func (s *stage) consume(ctx context.Context, logs plog.Logs) error {
	bodies := bodiesOf(logs)
	s.mu.Lock()
	for _, body := range bodies {
		s.visits[body]++
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	if s.place.next == nil {
		return nil
	}
	return s.place.next(s, ctx)
}

// fill makes the calls that occupy the place.
func (s *stage) fill() {
	s.fillersContext, s.cancelFillers = context.WithCancel(context.Background())
	if s.place.primed {
		require.NoError(s, s.component.ConsumeLogs(s.Context(), placeLogs("primer")))
		s.probes++
	}
	for range s.place.fillers {
		s.startFiller()
	}
	if s.place.fillers == 0 {
		return
	}
	s.awaitInRust(s.place.fillers)
	if s.place.routed {
		s.probe()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.visits) < s.place.fillers {
		s.changed.Wait()
	}
}

func (s *stage) startFiller() {
	name := fillerName(s.fillersStarted)
	s.fillersStarted++
	s.fillers.Go(func() {
		if err := s.component.ConsumeLogs(s.fillersContext, placeLogs(name)); err != nil {
			assert.ErrorIs(s, err, context.Canceled)
		}
	})
}

func (s *stage) endFillers() {
	close(s.leave)
	s.cancelFillers()
	s.fillers.Wait()
}

// visited is how often the next consumer was given these data.
func (s *stage) visited(body string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visits[body]
}

func (s *stage) awaitVisits(visits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.visits[theCall] < visits {
		s.changed.Wait()
	}
}

func (s *stage) awaitCallers(callers int) {
	s.Helper()
	s.await(func() bool { return s.component.Callers() == callers })
}

// awaitInRust waits until that many calls are in Rust, and in the pipeline's queue: a
// call counts as in Rust shortly before.
func (s *stage) awaitInRust(calls int) {
	s.Helper()
	s.await(func() bool {
		return s.component.InRust() == calls && (s.busy || s.stats().CallsTotal-s.before >= s.probes+uint64(calls))
	})
}

// await looks again and again: what it waits for has no event.
func (s *stage) await(done func() bool) {
	s.Helper()
	if !assert.Eventually(s, done, patience, 100*time.Microsecond) {
		require.FailNowf(s, "it does not come", "callers %d, in Rust %d, %+v", s.component.Callers(), s.component.InRust(), s.stats())
	}
}

func (s *stage) stats() cbridge.Stats {
	s.Helper()
	stats, err := s.runtime.Stats()
	require.NoError(s, err)
	return stats
}

func (s *stage) awaitStats(enough func(cbridge.Stats) bool) {
	s.Helper()
	s.await(func() bool { return enough(s.stats()) })
}

// settle waits until the call is in Rust, and then until a request that goes past
// the nodes comes back: the pipeline has one thread, so by then all that was
// submitted before has gone as far as it can.
func (s *stage) settle() {
	s.Helper()
	s.awaitInRust(s.place.fillers + 1)
	s.probe()
}

func (s *stage) probe() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	require.NoError(s, s.component.ConsumeTraces(ctx, testdata.GenerateTraces(1)))
	s.probes++
}

// patience bounds waits for what should come soon.
const patience = 30 * time.Second
