// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/cbridge"
)

const tenantKey = "x-tenant"

// tenantLogs are records that name their tenant in the body.
func tenantLogs(tenant string, records int) plog.Logs {
	logs := plog.NewLogs()
	all := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range records {
		all.AppendEmpty().Body().SetStr(tenant)
	}
	return logs
}

func tenantContext(ctx context.Context, tenant string) context.Context {
	return client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(map[string][]string{tenantKey: {tenant}})})
}

// tenantBatch is a batch node, and behind it a node that writes the tenant which it
// sees in the request's metadata into each resource.
func tenantBatch(minSize, cardinalityLimit int) string {
	return chain(
		fmt.Sprintf(`{"type": "urn:otapbridge:processor:batch", "config": {"min_size": %d, "flush_timeout": "1h",
			"partition": {"metadata_keys": ["X-Tenant"], "cardinality_limit": %d}}}`, minSize, cardinalityLimit),
		`{"type": "urn:otapbridge:processor:context_attributes", "config": {"actions": [{"key": "tenant", "from_context": "metadata.x-tenant"}]}}`,
	)
}

// forEachRecord visits the records with the tenant that the node behind the batch saw.
func forEachRecord(logs plog.Logs, visit func(seen, body string)) {
	for _, resource := range logs.ResourceLogs().All() {
		seen, _ := resource.Resource().Attributes().Get("tenant")
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				visit(seen.Str(), record.Body().Str())
			}
		}
	}
}

func TestBatchesNeverMixTenants(t *testing.T) {
	const tenants, callsOfEach, records = 200, 10, 3
	var batches, items atomic.Int64
	component := start(t, tenantBatch(callsOfEach*records, tenants), logsFunc(t, func(ctx context.Context, logs plog.Logs) error {
		batches.Add(1)
		items.Add(int64(logs.LogRecordCount()))
		values := client.FromContext(ctx).Metadata.Get(tenantKey)
		if assert.Len(t, values, 1) {
			forEachRecord(logs, func(seen, body string) {
				assert.Equal(t, values[0], seen)
				assert.Equal(t, values[0], body)
			})
		}
		return nil
	}), func(s *cbridge.Settings) { s.Limits.MaxInFlight = tenants * callsOfEach })

	var wg sync.WaitGroup
	for call := range tenants * callsOfEach {
		tenant := fmt.Sprintf("tenant %d", call%tenants)
		wg.Go(func() {
			assert.NoError(t, component.ConsumeLogs(tenantContext(t.Context(), tenant), tenantLogs(tenant, records)))
		})
	}
	wg.Wait()
	assert.EqualValues(t, tenants, batches.Load(), "each tenant's calls fill one batch")
	assert.EqualValues(t, tenants*callsOfEach*records, items.Load())
}

// TestTenantsBeyondTheLimitAreToldToComeAgain: all come at once, and which of them is
// one too many is as it happens.
func TestTenantsBeyondTheLimitAreToldToComeAgain(t *testing.T) {
	const limit = 200
	component := start(t, tenantBatch(2, limit), logsFunc(t, accept))
	type answer struct {
		tenant int
		err    error
	}
	send := func(tenant int) error {
		name := fmt.Sprintf("tenant %d", tenant)
		return component.ConsumeLogs(tenantContext(t.Context(), name), tenantLogs(name, 1))
	}
	answers := make(chan answer, limit+1)
	for tenant := range limit + 1 {
		go func() { answers <- answer{tenant, send(tenant)} }()
	}
	// Nobody's batch is full, so the first answer is the refusal.
	tooMany := <-answers
	require.Error(t, tooMany.err)
	refused := cbridge.FromError(tooMany.err)
	assert.Equal(t, cbridge.KindResourceExhausted, refused.Kind())
	assert.Equal(t, codes.ResourceExhausted, status.Code(tooMany.err))
	assert.ErrorContains(t, tooMany.err, "cardinality_limit")
	assert.ErrorContains(t, tooMany.err, tenantKey)
	after, ok := refused.RetryAfter()
	assert.True(t, ok)
	assert.GreaterOrEqual(t, after, time.Second)
	// The second call of each of the others lets the first go.
	var wg sync.WaitGroup
	for tenant := range limit + 1 {
		if tenant != tooMany.tenant {
			wg.Go(func() { assert.NoError(t, send(tenant)) })
		}
	}
	wg.Wait()
	for range limit {
		assert.NoError(t, (<-answers).err)
	}
}

// TestACallThatIsLateAfterAPartWasAcceptedIsNotToBeSentAgain: and knows that it is late.
func TestACallThatIsLateAfterAPartWasAcceptedIsNotToBeSentAgain(t *testing.T) {
	divided := `{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 1, "max_size": 1}}`
	component := start(t, divided, logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
		<-ctx.Done()
		return nil
	}), waitsForRust)
	// Time enough for the first part, also on a busy machine.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := component.ConsumeLogs(ctx, tenantLogs("a", 3))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, consumererror.IsPermanent(err))
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
}

// TestACallWhosePartsAreJoinedAgainGetsTheNextConsumersAnswer: also when it is cancelled
// meanwhile, as any call whose output is there.
func TestACallWhosePartsAreJoinedAgainGetsTheNextConsumersAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rejoined := chain(
		`{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 1, "max_size": 1}}`,
		`{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 2, "flush_timeout": "1h"}}`,
	)
	var busy *cbridge.Component
	component := start(t, rejoined, logsFunc(t, func(given context.Context, logs plog.Logs) error {
		assert.True(t, given == ctx, "not the caller's context")
		assert.Equal(t, 2, logs.LogRecordCount())
		cancel()
		// Time for the cancel to do what it should not: until another request has ended at its deadline.
		within, stop := context.WithTimeout(context.WithoutCancel(given), 20*cancelWatchReaches)
		defer stop()
		assert.ErrorIs(t, busy.ConsumeLogs(within, tenantLogs("b", 1)), context.DeadlineExceeded)
		return nil
	}), waitsForRust)
	busy = newComponent(t, waitingNode, logsFunc(t, accept))
	require.NoError(t, busy.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, busy.Shutdown(context.Background())) })
	require.NoError(t, component.ConsumeLogs(ctx, tenantLogs("a", 2)))
}

// cancelWatchReaches is about when a cancel inside the next consumer has reached Rust.
const cancelWatchReaches = 10 * time.Millisecond

// manyCallers make a call each, all at once, with a record that names it.
func manyCallers(t testing.TB, component *cbridge.Component, callers int) {
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			assert.NoError(t, component.ConsumeLogs(t.Context(), tenantLogs(fmt.Sprint(caller), 1)))
		})
	}
	wg.Wait()
}

// batchesOf100 makes 20 batches of 2,000 calls.
const (
	batchesOf100 = `{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 100, "flush_timeout": "1h"}}`
	callers      = 2000
	batches      = callers / 100
)

// TestASlowNextConsumerGetsManyBatchesAtOnce: none goes on before all are there.
func TestASlowNextConsumerGetsManyBatchesAtOnce(t *testing.T) {
	var inside atomic.Int64
	all := make(chan struct{})
	var mu sync.Mutex
	seen := make(map[string]int)
	component := start(t, batchesOf100, logsFunc(t, func(_ context.Context, logs plog.Logs) error {
		if inside.Add(1) == batches {
			close(all)
		}
		<-all
		mu.Lock()
		defer mu.Unlock()
		forEachRecord(logs, func(_, body string) { seen[body]++ })
		return nil
	}), func(s *cbridge.Settings) { s.Limits.MaxInFlight, s.Limits.Workers = callers, batches })
	manyCallers(t, component, callers)
	require.Len(t, seen, callers)
	for caller, times := range seen {
		require.Equal(t, 1, times, caller)
	}
}

// BenchmarkSlowNextConsumer shows that throughput is what the concurrency of the next
// consumer, of 200 ms, allows: 1 is the time of one batch for each round of as many
// batches as there are workers.
func BenchmarkSlowNextConsumer(b *testing.B) {
	const takes = 200 * time.Millisecond
	for _, workers := range []int{1, 5, batches} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			component := start(b, batchesOf100, logsFunc(b, func(context.Context, plog.Logs) error {
				<-time.After(takes)
				return nil
			}), func(s *cbridge.Settings) { s.Limits.MaxInFlight, s.Limits.Workers = callers, workers })
			for b.Loop() {
				manyCallers(b, component, callers)
			}
			ideal := takes * time.Duration((batches+workers-1)/workers)
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(ideal), "times-ideal")
			b.ReportMetric(float64(callers*b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
