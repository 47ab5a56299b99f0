// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// propertySeedVariable runs one seed, or begins with it if there is a time.
	propertySeedVariable = "OTAPBRIDGE_PROPERTY_SEED"
	// propertyTimeVariable runs one seed after the other for so long, such as "1h".
	propertyTimeVariable = "OTAPBRIDGE_PROPERTY_TIME"

	propertySeeds      = 128
	propertySeedsShort = 48

	propertyPatience = time.Minute
)

// TestAnySequenceOfCalls drives components from several goroutines and from callbacks by
// random sequences of all that the header allows and much that it refuses, while a model
// looks from outside for what breaks its promises:
//   - every accepted call gets one DONE and one notice that its payload was released, and a
//     refused one gets neither; nothing comes for a call that has ended, nor after the shutdown;
//   - until its release a payload is untouched, and afterwards nobody looks at it: the test
//     overwrites it and lends the memory again;
//   - all output is, byte for byte, data of the calls that it says it stems from;
//   - a call ends as its output was answered, or because of its cancel, its deadline or the shutdown;
//   - of several answers to an emission exactly one counts, and the library counts the others;
//   - in the end nothing is left.
//
// A seed decides the pipeline and what each goroutine tries; threads still run as they like. To run
// other seeds, or a single one:
//
//	OTAPBRIDGE_PROPERTY_TIME=1h go test -run TestAnySequenceOfCalls -timeout 2h ./capi
//	OTAPBRIDGE_PROPERTY_SEED=17 go test -run TestAnySequenceOfCalls -count 100 ./capi
//
// With a time it begins with the seed, if there is one, or with a seed taken from the clock, and says
// how far it came.
func TestAnySequenceOfCalls(t *testing.T) {
	happened := map[string]int{}
	first, last := uint64(0), uint64(propertySeeds)
	if testing.Short() {
		last = propertySeedsShort
	}
	if text := os.Getenv(propertySeedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, propertySeedVariable)
		first, last = seed, seed+1
	}
	if text := os.Getenv(propertyTimeVariable); text != "" {
		length, err := time.ParseDuration(text)
		require.NoError(t, err, propertyTimeVariable)
		if os.Getenv(propertySeedVariable) == "" {
			first = uint64(time.Now().Unix()) << 20
		}
		seed := first
		for began := time.Now(); time.Since(began) < length && !t.Failed(); seed++ {
			newScenario(t, seed).check(happened)
		}
		t.Logf("seeds %d to %d", first, seed-1)
		return
	}
	// What one scenario leaves behind would be found in each one after it.
	for seed := first; seed < last && !t.Failed(); seed++ {
		scenario := newScenario(t, seed)
		t.Run(fmt.Sprintf("%s/%d", scenario.pipeline.name, seed), func(t *testing.T) {
			scenario.T = t
			scenario.check(happened)
		})
	}
	if last-first > 1 && !t.Failed() {
		for _, what := range mustHappen {
			assert.NotZero(t, happened[what], "%q never happened", what)
		}
	}
}

// mustHappen is what the seeds that run by default lead to, or they would prove little.
var mustHappen = []string{
	"DONE of call", "PAYLOAD_RELEASED of call", "EMIT of emission, call", "EMISSION_CANCELLED of emission", "HOST_ERROR_RELEASED of error", "early answer to call", "EMIT by reference",
	"refused call", "submit wrongly, call", "submit again, call", "submit twice, call", "used an id again", "cancel counted", "answer was late for emission",
	"succeeded", "was refused by the test", "was refused by a node", "was cancelled", "timed out", "was ended by the shutdown",
	"was released without notice at the shutdown", "an answer beat another",
}

// pipelineUnderTest is a configuration and what is true of its output.
type pipelineUnderTest struct {
	name  string
	nodes string
	// inPlace: output shows the memory that the test lent.
	inPlace bool
	// joins: output may contain data of several calls; namesOrigins: and says of which.
	joins, namesOrigins bool
	// divides: output may contain a part of a call's items.
	divides bool
	// retries: data may come out again after a refusal.
	retries bool
	// copies: data come out twice, by two branches.
	copies bool
	// orphans: data may come out after their calls have ended; acceptsEarly: also after success.
	orphans, acceptsEarly bool
	// blind: no node looks at data, so that they may stay with the test.
	blind bool
	// tenants: data of two tenants are never joined.
	tenants bool
	// hangs: some calls end only by a cancel, a deadline or the shutdown.
	hangs bool
	// injects is in the texts of errors that nodes make.
	injects string
}

// branches is how often an item comes out.
func (p *pipelineUnderTest) branches() int {
	if p.copies {
		return 2
	}
	return 1
}

// single is whether only the answer to the one emission of a call ends it while the test has that emission.
func (p *pipelineUnderTest) single() bool { return !p.joins && !p.copies }

func faultOf(settings string) string {
	return `{"type": "urn:otapbridge:processor:fault", "config": {` + settings + `}}`
}

func batchOf(settings string) string {
	return `{"type": "urn:otapbridge:processor:batch", "config": {` + settings + `}}`
}

// chained is a pipeline of nodes behind each other.
func chained(nodes ...string) string {
	var all, connections []string
	for i, node := range nodes {
		all = append(all, fmt.Sprintf(`"n%d": %s`, i, node))
		if i > 0 {
			connections = append(connections, fmt.Sprintf(`{"from": "n%d", "to": "n%d"}`, i-1, i))
		}
	}
	return `{"nodes": {` + strings.Join(all, ", ") + `}, "connections": [` + strings.Join(connections, ", ") + `]}`
}

func fannedOut(await, a, b string) string {
	return `{"nodes": {"fanout": {"type": "processor:fanout", "config": {"mode": "parallel", "await_ack": "` + await + `",
		"destinations": [{"port": "a", "primary": true}, {"port": "b"}]}}, "a": ` + a + `, "b": ` + b + `},
		"connections": [{"from": "fanout", "port": "a", "to": "a"}, {"from": "fanout", "port": "b", "to": "b"}]}`
}

const (
	injectedText = "injected by the fault processor"
	quickRetry   = `{"type": "urn:otel:processor:retry", "config": {"initial_interval": "1ms", "max_interval": "4ms", "max_elapsed_time": "1m"}}`
	engineBatch  = `{"type": "processor:batch", "config": {"otlp": {"min_size": 800, "sizer": "bytes"}, "format": "otlp", "max_batch_duration": "3ms"}}`
)

var pipelinesUnderTest = []*pipelineUnderTest{
	{name: "pass", blind: true, nodes: faultOf(""), inPlace: true},
	{name: "listens", blind: true, nodes: faultOf(`"log_refusals": true`), inPlace: true},
	{name: "slow", blind: true, nodes: faultOf(`"delay": "2ms", "every": 3, "max_concurrency": 3`), inPlace: true},
	{name: "two nodes", blind: true, nodes: chained(faultOf(`"delay": "1ms", "every": 2`), faultOf(`"delay": "1ms", "every": 3`)), inPlace: true},
	{name: "hangs", blind: true, nodes: chained(faultOf(`"delay": "1h", "every": 5`), faultOf("")), inPlace: true, hangs: true},
	{name: "refuses", blind: true, nodes: faultOf(`"delay": "1ms", "every": 3, "error": {"kind": "retryable", "retry_after": "1ms"}`), inPlace: true, injects: injectedText},
	{name: "batch", blind: true, nodes: batchOf(`"min_size": 8, "flush_timeout": "3ms"`), joins: true, namesOrigins: true},
	{name: "batch of tenants", blind: true, joins: true, namesOrigins: true, tenants: true,
		nodes: batchOf(`"min_size": 8, "flush_timeout": "3ms", "partition": {"metadata_keys": ["x-tenant"]}`)},
	{name: "batch that divides", nodes: batchOf(`"min_size": 3, "max_size": 3, "flush_timeout": "3ms"`), joins: true, namesOrigins: true, divides: true},
	{name: "batches", blind: true, joins: true, namesOrigins: true,
		nodes: chained(batchOf(`"min_size": 4, "flush_timeout": "2ms"`), faultOf(`"delay": "1ms", "every": 3`), batchOf(`"min_size": 12, "flush_timeout": "3ms"`))},
	{name: "fanout", nodes: fannedOut("all", faultOf(""), faultOf(`"delay": "1ms", "every": 2`)), inPlace: true, copies: true},
	{name: "fanout of the first", nodes: fannedOut("primary", faultOf(""), faultOf(`"delay": "1ms", "every": 2`)),
		inPlace: true, copies: true, orphans: true, acceptsEarly: true},
	{name: "retry", nodes: chained(quickRetry, faultOf("")), inPlace: true, retries: true},
	{name: "retry of refusals", nodes: chained(faultOf(`"delay": "1ms", "every": 7`), quickRetry, faultOf(`"every": 3, "error": {"kind": "retryable"}`)),
		inPlace: true, retries: true, injects: injectedText},
	{name: "engine's batch", nodes: engineBatch, joins: true, orphans: true},
	{name: "retry of batches", nodes: chained(quickRetry, batchOf(`"min_size": 8, "flush_timeout": "3ms"`)), joins: true, namesOrigins: true, retries: true},
}

// How a component is ended.
const (
	byShutdown = iota
	byTwoShutdowns
	byRuntimeShutdown
	byDestroy
	waysToEnd
)

// scenario is one component's life.
type scenario struct {
	*testing.T
	*model
	handler   EventHandler // the model, or what stands before it
	seed      uint64
	shards    int
	workers   int
	target    int // how many calls to make
	limit     int // of calls in flight
	ending    int
	timeout   time.Duration // of the shutdown
	midway    int           // the shutdown begins after so many calls; 0: when all have ended
	runtime   *Runtime
	component *Component
	lastID    uint64
	// patience is how long anything may take that must come.
	patience time.Duration
	// running is taken by who needs the component to run on.
	running sync.RWMutex
}

func newScenario(t *testing.T, seed uint64) *scenario {
	random := rand.New(rand.NewPCG(seed, 0))
	pipeline := pipelinesUnderTest[seed%uint64(len(pipelinesUnderTest))]
	s := &scenario{
		T: t, seed: seed, model: newModel(pipeline, random), shards: 1 + 2*random.IntN(2), workers: 2 + random.IntN(3),
		target: 50 + random.IntN(250), limit: 1 + random.IntN(100), ending: random.IntN(waysToEnd),
		timeout: propertyPatience, patience: propertyPatience,
	}
	s.handler = s.model
	if random.IntN(2) == 0 {
		s.midway = 1 + random.IntN(s.target)
		if pipeline.hangs || random.IntN(2) == 0 {
			s.timeout = time.Duration(random.IntN(3)) * time.Duration(random.IntN(int(10*time.Millisecond)))
		}
	}
	s.references = pipeline.blind && random.IntN(3) == 0
	s.lastID = []uint64{0, 1 << 32, 1<<64 - 1<<32}[random.IntN(3)]
	s.inCallback = s.reaction
	return s
}

// check runs a scenario and adds what has happened.
func (s *scenario) check(happened map[string]int) {
	watchdog := time.AfterFunc(5*s.patience, func() {
		s.mu.Lock()
		panic(fmt.Sprintf("%s=%d does not end\n%s", propertySeedVariable, s.seed, s.story()))
	})
	s.run()
	watchdog.Stop()
	s.report()
	for what, times := range s.happened {
		happened[what] += times
	}
}

func (s *scenario) run() {
	var err error
	s.runtime, err = NewRuntime(RuntimeOptions{}, nil)
	require.NoError(s, err)
	s.component, err = s.runtime.NewComponent(ComponentOptions{
		Kind: ComponentProcessor, Name: "processors::otap/property",
		Configuration: fmt.Appendf(nil, `%s, "shards": %d}`, strings.TrimSuffix(s.pipeline.nodes, "}"), s.shards),
		References:    s.references || !s.pipeline.blind,
	}, s.handler)
	require.NoError(s, err)
	require.Equal(s, s.references, s.component.TakesReferences())
	require.NoError(s, s.component.Start(propertyPatience))

	var wg sync.WaitGroup
	for i := range s.workers {
		wg.Go(func() { (&worker{s, rand.New(rand.NewPCG(s.seed, uint64(i+1)))}).run() })
	}
	if s.midway > 0 {
		s.await("calls before the shutdown", func() bool { return len(s.calls) >= s.midway })
		s.end()
		wg.Wait()
	} else {
		wg.Wait()
		s.settle()
		s.end()
		last := worker{s, rand.New(rand.NewPCG(s.seed, 1<<32))}
		last.afterShutdown()
	}
	s.afterwards()
}

// await waits until something is true of the model. It is false if that takes too long.
func (s *scenario) await(what string, isTrue func() bool) bool {
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	for {
		s.mu.Lock()
		is, changed := isTrue(), s.changed
		s.mu.Unlock()
		if is {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			s.mu.Lock()
			s.fail("waited %v for %s", s.patience, what)
			s.mu.Unlock()
			return false
		}
	}
}

// settle answers and releases everything, and waits until every call has ended and the
// library says that nothing is left.
func (s *scenario) settle() {
	worker := worker{s, rand.New(rand.NewPCG(s.seed, 1<<32))}
	isWaiting := func(call *modelCall) bool { return !call.refused && (call.done == 0 || call.released == 0) }
	someWork := func() bool {
		if len(s.unanswered) > 0 || len(s.buffers) > 0 || len(s.unreleasedErrors) > 0 || s.hanging() != nil {
			return true
		}
		for _, lent := range s.lent {
			if lent.kept && lent.released == 0 {
				return false
			}
		}
		return !slices.ContainsFunc(s.calls, isWaiting)
	}
	for s.await("the ends of all calls", someWork) {
		s.mu.Lock()
		hanging := s.hanging()
		s.mu.Unlock()
		if hanging != nil {
			s.cancel(s.component, hanging, CancelReasonCancelled, "the test ends")
			continue
		}
		answered, released := worker.answerOne(), worker.releaseOne()
		if !worker.releaseOneError() && !released && !answered {
			break
		}
	}
	s.awaitIdle(Stats{Components: 1, Pipelines: uint64(s.shards)})
}

// awaitIdle waits for counters, without the totals. It looks again and again: they change a
// moment after the event that tells of it, and the library's own threads may still be about to
// let go of something.
func (s *scenario) awaitIdle(want Stats) {
	var stats Stats
	for began := time.Now(); time.Since(began) < s.patience; time.Sleep(time.Millisecond) {
		var err error
		stats, err = s.runtime.Stats()
		require.NoError(s, err)
		stats.CallsTotal, stats.LateCompletionsTotal, stats.PanicsTotal, stats.RestartsTotal = 0, 0, 0, 0
		if stats == want {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail("left behind: %+v", stats)
}

// hanging is a call that may wait for a cancel. The caller has the lock.
func (s *scenario) hanging() *modelCall {
	if !s.pipeline.hangs {
		return nil
	}
	for _, call := range s.inFlight {
		// Before a call is accepted, a cancel may find nothing.
		reached := func(cancel *modelCancel) bool { return cancel.counted || cancel.started > call.accepted }
		if call.accepted != 0 && !slices.ContainsFunc(call.cancels, reached) {
			return call
		}
	}
	return nil
}

// end shuts the component down.
func (s *scenario) end() {
	s.running.Lock()
	s.mu.Lock()
	s.shutdownBegan = s.tick("shutdown begins, milliseconds, way", uint64(s.timeout.Milliseconds()), uint64(s.ending))
	s.finishes = s.timeout == propertyPatience && s.ending != byDestroy
	if s.ending == byDestroy {
		s.destroyBegan = s.shutdownBegan
	}
	s.mu.Unlock()
	s.running.Unlock()
	shutDown := func() {
		s.ended(s.component.Shutdown(s.timeout))
	}
	switch s.ending {
	case byShutdown:
		shutDown()
	case byTwoShutdowns:
		var wg sync.WaitGroup
		wg.Go(shutDown)
		wg.Go(shutDown)
		wg.Wait()
	case byRuntimeShutdown:
		s.ended(s.runtime.Shutdown(s.timeout))
	case byDestroy:
		s.component.Destroy()
		s.ended(nil)
	}
}

// ended notices that a shutdown has returned.
func (s *scenario) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.fail("the shutdown failed: %v", err)
	}
	now := s.tick("shutdown returned", 0, 0)
	if s.shutdownEnded == 0 {
		s.shutdownEnded = now
	}
	if s.callbacks > 0 {
		s.fail("the shutdown returned during a callback")
	}
	s.broadcast()
}

// afterwards releases what the test still has, partly after the component is gone, and
// looks at the counters.
func (s *scenario) afterwards() {
	worker := worker{s, rand.New(rand.NewPCG(s.seed, 1<<32))}
	for range len(s.buffers) / 2 {
		worker.releaseOne()
	}
	for range len(s.unreleasedErrors) / 2 {
		worker.releaseOneError()
	}
	s.destroyBegan = s.tick("destroy", 0, 0)
	s.component.Destroy()
	for worker.answerOne() || worker.releaseOne() || worker.releaseOneError() {
	}
	for _, call := range s.calls {
		if call.payload != nil {
			s.takeBack(call)
		}
	}
	s.awaitIdle(Stats{})
	stats, err := s.runtime.Stats()
	require.NoError(s, err)
	s.verify(stats.LateCompletionsTotal)
	if stats.CallsTotal != uint64(s.accepted) || stats.PanicsTotal != 0 || stats.RestartsTotal != 0 {
		s.fail("%d calls were accepted, and nothing panicked: %+v", s.accepted, stats)
	}
	if pins := Pins(); pins != 0 {
		s.fail("%d payloads are still pinned", pins)
	}
	require.NoError(s, s.runtime.Shutdown(0))
	s.runtime.Destroy()
	if _, err := s.runtime.Stats(); !errors.Is(err, ErrDestroyed) {
		s.fail("stats of a runtime that was destroyed: %v", err)
	}
}

// report says what was wrong, and what happened before.
func (s *scenario) report() {
	if len(s.failures) > 0 {
		s.Errorf("%s\n%s=%d: %q with %d pipelines, %d goroutines, references %v, %d calls in flight at most, %d accepted\n%s", strings.Join(s.failures, "\n"),
			propertySeedVariable, s.seed, s.pipeline.name, s.shards, s.workers, s.references, s.limit, s.accepted, s.story())
	}
}
