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
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pipeline"
)

// fanOut is the collector's own, as its pipelines get it: connectors are its only public way to it.
func fanOut(branches ...consumer.Logs) consumer.Logs {
	all := map[pipeline.ID]consumer.Logs{}
	for i, branch := range branches {
		all[pipeline.NewIDWithName(pipeline.SignalLogs, fmt.Sprint(i))] = branch
	}
	return connector.NewLogsRouter(all)
}

// errOfBatch is what a branch refuses one batch with: each has its own.
type errOfBatch struct{ number int }

func (e *errOfBatch) Error() string { return fmt.Sprintf("batch %d is refused", e.number) }

// branch is a consumer behind a fan-out.
type branch struct {
	// every of so many batches with names is refused; 0: none.
	every   int
	mutates bool

	mu      sync.Mutex
	batches int
	joined  bool
	refused int
	// arrived has for each name the error of its batch, or nil.
	arrived map[string]*errOfBatch
	twice   []string
}

func (b *branch) consumer(t *testing.T) consumer.Logs {
	t.Helper()
	b.arrived = map[string]*errOfBatch{}
	logs, err := consumer.NewLogs(b.consume, consumer.WithCapabilities(consumer.Capabilities{MutatesData: b.mutates}))
	require.NoError(t, err)
	return logs
}

func (b *branch) consume(_ context.Context, logs plog.Logs) error {
	found := names(logs)
	// So that some callers leave meanwhile.
	<-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond)
	if again := names(logs); !assert.ObjectsAreEqual(found, again) {
		return fmt.Errorf("data were changed meanwhile: %v, %v", found, again)
	}
	if b.mutates {
		logs.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true })
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches++
	b.joined = b.joined || len(found) > 1
	var refusal *errOfBatch
	if b.every > 0 && b.batches%b.every == 0 {
		b.refused++
		refusal = &errOfBatch{b.batches}
	}
	for _, name := range found {
		if _, before := b.arrived[name]; before {
			b.twice = append(b.twice, name)
		}
		b.arrived[name] = refusal
	}
	if refusal != nil {
		return refusal
	}
	return nil
}

// TestBatchByReferenceBetweenFanOuts: the collector's fan-out before the batch makes all data
// read-only, because two more branches have them, too, or gives a batch that moves data a copy of its
// own; the one behind gives each batch to two. Callers
// leave at random while their data are joined or forwarded, and one branch behind refuses at times.
// Every item comes to each branch once at most, and exactly once if its caller stayed; every
// caller that stayed has the result of its own batch; and nobody's data are changed.
func TestBatchByReferenceBetweenFanOuts(t *testing.T) {
	for _, test := range []struct{ refusingMutates, acceptingMutates, moves bool }{
		{false, false, false}, {false, true, false}, {true, false, false}, {true, true, false},
		{false, false, true}, {false, true, true}, {true, false, true}, {true, true, true},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			t.Parallel()
			refusing, accepting := &branch{every: 3, mutates: test.refusingMutates}, &branch{mutates: test.acceptingMutates}
			behind := fanOut(refusing.consumer(t), accepting.consumer(t))
			// The batch's next says itself what it does with data, as the collector's fan-out does.
			c := startBlind(t, blindBatch, behind.ConsumeLogs, behind.Capabilities().MutatesData,
				func(s *Settings) { s.ShareUnchangedData = test.moves })
			require.Equal(t, test.moves, c.MutatesData())
			batched, err := consumer.NewLogs(c.ConsumeLogs, consumer.WithCapabilities(consumer.Capabilities{MutatesData: c.MutatesData()}))
			require.NoError(t, err)
			beside, third := &branch{}, &branch{}
			before := fanOut(batched, beside.consumer(t), third.consumer(t))

			results := callBetweenFanOuts(before)
			// Callers may have left before the branches have answered.
			require.NoError(t, c.Shutdown(t.Context()))

			for _, b := range []*branch{refusing, accepting, beside, third} {
				assert.Empty(t, b.twice, "these came twice")
			}
			assert.Len(t, beside.arrived, len(results), "what the branch beside the batch gets is its own matter")
			assert.True(t, accepting.joined, "nothing was joined")
			assert.Positive(t, refusing.refused)
			assert.Equal(t, refusing.batches, accepting.batches)
			for name, result := range results {
				result.check(t, name, refusing, accepting)
			}
		})
	}
}

// called is what became of a call.
type called struct {
	err       error
	cancelled bool
	data      plog.Logs
}

// callBetweenFanOuts has many callers, half of whose calls are cancelled at random.
func callBetweenFanOuts(before consumer.Logs) map[string]called {
	const callers, calls = 24, 30
	var mu sync.Mutex
	var wg sync.WaitGroup
	results := map[string]called{}
	for caller := range callers {
		wg.Go(func() {
			for number := range calls {
				name := fmt.Sprintf("%d-%d", caller, number)
				result := callOnce(before, name)
				mu.Lock()
				results[name] = result
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return results
}

func callOnce(before consumer.Logs, name string) called {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if rand.IntN(2) == 0 {
		defer time.AfterFunc(time.Duration(rand.IntN(6000))*time.Microsecond, cancel).Stop()
	}
	data := named(name)
	err := before.ConsumeLogs(ctx, data)
	return called{err: err, cancelled: ctx.Err() != nil, data: data}
}

func (c called) check(t *testing.T, name string, refusing, accepting *branch) {
	t.Helper()
	refusal, came := refusing.arrived[name]
	_, accepted := accepting.arrived[name]
	assert.Equal(t, accepted, came, "%s came to one branch only", name)
	var got *errOfBatch
	switch {
	case c.err == nil:
		assert.True(t, came && refusal == nil, "%s has a result that its batch has not", name)
	case errors.As(c.err, &got):
		assert.Same(t, refusal, got, "%s has another batch's result", name)
	default:
		assert.True(t, c.cancelled && errors.Is(c.err, context.Canceled), "%s: %v", name, c.err)
	}
	assert.True(t, c.data.IsReadOnly(), "the fan-out before does that")
	assert.Equal(t, []string{name}, names(c.data))
}
