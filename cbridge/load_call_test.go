// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
)

// loadOutcome is how a call ended for its caller.
type loadOutcome string

const (
	acknowledged loadOutcome = "acknowledged"
	refused      loadOutcome = "refused"
	cancelled    loadOutcome = "cancelled"
)

// loadTally counts a caller's calls and items.
type loadTally struct {
	calls, items map[loadOutcome]int64
	sent         int64
}

func (l *loadTally) add(outcome loadOutcome, items int) {
	if l.calls == nil {
		l.calls, l.items = map[loadOutcome]int64{}, map[loadOutcome]int64{}
	}
	l.calls[outcome]++
	l.items[outcome] += int64(items)
}

func (l *loadTally) merge(other *loadTally) {
	for outcome, calls := range other.calls {
		l.add(outcome, int(other.items[outcome]))
		l.calls[outcome] += calls - 1
	}
	l.sent += other.sent
}

const maxLoadItems = 3

// loadCall is one call of the load test; it is kept until the end, because what it
// sent may arrive later.
type loadCall struct {
	pipeline *loadPipeline
	outcome  loadOutcome
	items    int
	// accepted counts how often each item was accepted by the next consumer.
	accepted [maxLoadItems]atomic.Int32
	// ended is when the context ended or will end, in time since the test began; 0: never.
	ended atomic.Int64
	// left is when the caller last left the next consumer. Its goroutine's alone.
	left time.Duration
}

type loadCallKey struct{}

// call makes one call of a caller, and looks at its end.
func (r *loadRun) call(number uint64) {
	caller := &r.callers[number]
	random := caller.random
	which := random.IntN(len(loadPipelines))
	call := &loadCall{pipeline: &loadPipelines[which], items: 1 + random.IntN(maxLoadItems)}
	caller.mu.Lock()
	id := number<<40 | uint64(len(caller.calls))<<8
	caller.calls = append(caller.calls, call)
	caller.mu.Unlock()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for item := range call.items {
		records.AppendEmpty().Body().SetInt(int64(id | uint64(item)))
	}
	caller.tally.sent += int64(call.items)

	ctx, stop := r.context(call, random)
	err := r.components[which].ConsumeLogs(ctx, logs)
	returned := time.Since(r.began)
	ctxErr := ctx.Err()
	stop()

	call.outcome = outcomeOf(err)
	caller.tally.add(call.outcome, call.items)
	switch call.outcome {
	case acknowledged:
		for item := range call.items {
			assert.Equal(r, int32(1), call.accepted[item].Load(), "%s: acknowledged, but not accepted once", call.pipeline.name)
		}
	case cancelled:
		assert.ErrorIs(r, err, ctxErr, "%s: the context says something else", call.pipeline.name)
	case refused:
	default:
		assert.NoError(r, err, call.pipeline.name)
	}
	if ended := time.Duration(call.ended.Load()); ended > 0 && returned > ended {
		overstay := returned - max(ended, call.left)
		caller.overstays[call.pipeline] = append(caller.overstays[call.pipeline], overstay)
		assert.Less(r, overstay, cbridge.DefaultLimits().CancelGrace+loadSlack, "%s: the caller waited too long", call.pipeline.name)
	}
}

// context decides when a call's caller gives up: 3 of 10 are cancelled at some moment,
// and 3 have a deadline.
func (r *loadRun) context(call *loadCall, random *rand.Rand) (context.Context, func()) {
	ctx := context.WithValue(context.Background(), loadCallKey{}, call)
	kind := random.IntN(10)
	if call.pipeline.endless {
		kind %= 6
	}
	switch {
	case kind < 3:
		ctx, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(50*time.Millisecond))), func() {
			call.ended.Store(int64(time.Since(r.began)))
			cancel(errReason)
		})
		return ctx, func() {
			timer.Stop()
			cancel(nil)
		}
	case kind < 6:
		deadline := time.Now().Add(time.Duration(random.Int64N(int64(20 * time.Millisecond))))
		call.ended.Store(int64(deadline.Sub(r.began)))
		return context.WithDeadline(ctx, deadline)
	default:
		return ctx, func() {}
	}
}

func outcomeOf(err error) loadOutcome {
	switch {
	case err == nil:
		return acknowledged
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return cancelled
	case errors.Is(err, errSinkFull), strings.Contains(err.Error(), injected):
		return refused
	}
	return "answered with an unknown error"
}

// check is for the end, when nothing can arrive any more.
func (c *loadCall) check(r *loadRun) {
	for item := range c.items {
		switch accepted := c.accepted[item].Load(); c.outcome {
		case acknowledged:
			assert.Equal(r, int32(1), accepted, "%s: acknowledged, but not accepted once", c.pipeline.name)
		case refused:
			assert.Zero(r, accepted, "%s: refused, but accepted", c.pipeline.name)
		default:
			assert.LessOrEqual(r, accepted, int32(1), "%s: accepted twice", c.pipeline.name)
		}
	}
}

// accepted is how many of the callers' items the next consumer has accepted.
func (l *loadTally) accepted(r *loadRun) (sum int64) {
	for i := range r.callers {
		for _, call := range r.callers[i].calls {
			for item := range call.items {
				sum += int64(call.accepted[item].Load())
			}
		}
	}
	return sum
}

// loadSink is the next consumer of all components.
type loadSink struct {
	run *loadRun
	// arrived counts accepted items.
	arrived atomic.Int64
	// late counts a pipeline's outputs that came after the contexts of all their callers
	// had ended, by latest at most.
	late, latest map[*loadPipeline]*atomic.Int64
}

var errSinkFull = errors.New("the next consumer is full")

// consume works for a while on some of what it gets, and refuses some.
func (s *loadSink) consume(ctx context.Context, pipeline *loadPipeline, logs plog.Logs) error {
	var items []loadItem
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				items = append(items, s.item(uint64(record.Body().Int())))
			}
		}
	}
	if call, single := ctx.Value(loadCallKey{}).(*loadCall); single {
		defer func() { call.left = time.Since(s.run.began) }()
	} else {
		assert.True(s.run, pipeline.merges, "%s: not the caller's context", pipeline.name)
	}
	if !pipeline.forgets {
		s.lookAtEntry(pipeline, items)
	}
	if err := s.work(ctx); err != nil {
		return err
	}
	for _, item := range items {
		item.call.accepted[item.number].Add(1)
	}
	s.arrived.Add(int64(len(items)))
	return nil
}

// loadItem is one of a call's items.
type loadItem struct {
	call   *loadCall
	number int
}

func (s *loadSink) item(id uint64) loadItem {
	caller := &s.run.callers[id>>40]
	caller.mu.Lock()
	defer caller.mu.Unlock()
	return loadItem{caller.calls[id>>8&(1<<32-1)], int(id & 0xff)}
}

// lookAtEntry checks that it has not been known for long that nobody wants the output.
func (s *loadSink) lookAtEntry(pipeline *loadPipeline, items []loadItem) {
	late := time.Duration(math.MaxInt64)
	for _, item := range items {
		ended := time.Duration(item.call.ended.Load())
		if ended == 0 {
			return
		}
		late = min(late, time.Since(s.run.began)-ended)
	}
	if late <= 0 {
		return
	}
	s.late[pipeline].Add(1)
	latest := s.latest[pipeline]
	for most := latest.Load(); int64(late) > most && !latest.CompareAndSwap(most, int64(late)); most = latest.Load() {
	}
	assert.Less(s.run, late, loadSlack, "%s: output of callers that have left", pipeline.name)
}

// work takes a moment for one of eight outputs, and refuses one of 16. Half of the
// former heed the context.
func (s *loadSink) work(ctx context.Context) error {
	switch moment := time.Duration(rand.Int64N(int64(10 * time.Millisecond))); rand.IntN(16) {
	case 0:
		select {
		case <-time.After(moment):
		case <-ctx.Done():
			return ctx.Err()
		}
	case 1:
		<-time.After(moment)
	case 2:
		return errSinkFull
	}
	return nil
}
