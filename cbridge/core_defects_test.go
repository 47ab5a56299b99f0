// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"
)

// Each of these was a defect once.

// TestOutputIsDeliveredWhileAnotherNodeBlocks: a call's output is ready when a node blocks the
// thread that would deliver it, and there is no other call that would have it delivered.
func TestOutputIsDeliveredWhileAnotherNodeBlocks(t *testing.T) {
	const configuration = `{"nodes": {
		"a": {"type": "urn:otapbridge:processor:fault", "config": {"delay": "100ms"}},
		"r": {"type": "processor:type_router", "config": {}},
		"x": {"type": "urn:otapbridge:processor:fault", "config": {}},
		"b": {"type": "urn:otapbridge:processor:fault", "config": {"block": "10s", "every": 2}}},
		"connections": [{"from": "a", "to": "r"}, {"from": "r", "port": "logs", "to": "b"},
			{"from": "r", "port": "traces", "to": "x"}, {"from": "x", "to": "b"}]}`
	logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(t, err)
	traces, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return nil })
	require.NoError(t, err)
	// Which of the two comes first is left to chance.
	var pairs sync.WaitGroup
	for range 4 {
		pairs.Go(func() {
			c, err := NewComponent(Settings{
				Kind: Processor, Name: "processors::otap/blocked", Next: Consumers{Logs: logs, Traces: traces}, Limits: DefaultLimits(),
				Configuration: []byte(configuration),
			})
			require.NoError(t, err)
			require.NoError(t, c.Start(context.Background(), componenttest.NewNopHost()))
			defer func() { assert.NoError(t, c.Shutdown(context.Background())) }()
			started := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			var callers sync.WaitGroup
			callers.Go(func() { _ = c.ConsumeTraces(ctx, testdata.GenerateTraces(1)) })
			callers.Go(func() { _ = c.ConsumeLogs(ctx, testdata.GenerateLogs(1)) })
			callers.Wait()
			assert.Less(t, time.Since(started), 5*time.Second)
		})
	}
	pairs.Wait()
}

// TestShutdownKeepsTheAnswerOfTheNextConsumer: Rust has the answer that ends the call, and is
// shut down before the caller has noted it.
func TestShutdownKeepsTheAnswerOfTheNextConsumer(t *testing.T) {
	refusal := errors.New("refused on purpose")
	for _, answer := range []error{nil, refusal} {
		for range 40 {
			const callers = 50
			release := make(chan struct{})
			var inside, wg sync.WaitGroup
			inside.Add(callers)
			c := startWithHost(t, reportingHost{}, DefaultLimits(), nil, func(context.Context, plog.Logs) error {
				inside.Done()
				<-release
				return answer
			})
			for range callers {
				wg.Go(func() { assert.Equal(t, answer, c.ConsumeLogs(context.Background(), testdata.GenerateLogs(1))) })
			}
			inside.Wait()
			wg.Go(func() { assert.NoError(t, c.Shutdown(context.Background())) })
			close(release)
			wg.Wait()
		}
	}
}

// TestReferenceWithoutAConsumerIsRefused: also of a batch, in a worker.
func TestReferenceWithoutAConsumerIsRefused(t *testing.T) {
	for _, configuration := range []string{`{"type": "urn:otapbridge:processor:fault", "config": {}}`, blindBatch} {
		c := startBlind(t, configuration, func(context.Context, plog.Logs) error { return nil }, false)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				var refused *ProcessingError
				assert.ErrorAs(t, c.ConsumeTraces(context.Background(), testdata.GenerateTraces(1)), &refused)
				assert.Equal(t, KindConfiguration, refused.Kind())
			})
		}
		wg.Wait()
	}
}

// panicking says with a panic what it does with data.
type panicking struct{ consumer.Logs }

func (panicking) Capabilities() consumer.Capabilities { panic("on purpose") }

// TestPanicBeforeTheNextConsumerIsAnswered: nothing is left in flight, and the shutdown ends.
func TestPanicBeforeTheNextConsumerIsAnswered(t *testing.T) {
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(t, err)
	for _, configuration := range []string{`{"type": "urn:otapbridge:processor:fault", "config": {}}`, `{"type": "processor:type_router", "config": {}}`} {
		c, err := NewComponent(Settings{
			Kind: Processor, Name: "processors::otap/panic", Next: Consumers{Logs: panicking{next}}, Limits: DefaultLimits(),
			Configuration: []byte(configuration), ShareUnchangedData: true,
		})
		require.NoError(t, err)
		require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
		data := testdata.GenerateLogs(1)
		data.MarkReadOnly()
		assert.PanicsWithValue(t, "on purpose", func() { _ = c.ConsumeLogs(context.Background(), data) })
		require.NoError(t, c.Shutdown(t.Context()))
		assert.Zero(t, c.InRust())
	}
}

// TestErrorOfAPartCarriesNoData: our batch divides a call, the consumer refuses the first
// part with its data, and the rest is not sent. Who sends again what the error carries would
// lose the rest.
func TestErrorOfAPartCarriesNoData(t *testing.T) {
	refusal := errors.New("refused on purpose")
	c := startTopology(t, `{"type": "urn:otapbridge:processor:batch", "config": {"flush_timeout": "1h", "min_size": 4, "max_size": 4}}`,
		func(_ context.Context, logs plog.Logs) error { return consumererror.NewLogs(refusal, logs) })
	for items, whole := range map[int]bool{6: false, 4: true} {
		err := c.ConsumeLogs(t.Context(), testdata.GenerateLogs(items))
		require.ErrorIs(t, err, refusal)
		var data consumererror.Logs
		assert.Equal(t, whole, errors.As(err, &data), "%d items", items)
	}
}
