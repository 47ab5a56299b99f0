// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
)

// fanout leads to three nodes, and from there to the next consumer. `await` is what its
// callers wait for.
func fanout(await, node string) string {
	return `{"nodes": {"fanout": {"type": "processor:fanout", "config": {"mode": "parallel", "await_ack": "` + await + `",
		"destinations": [{"port": "a", "primary": true}, {"port": "b"}, {"port": "c"}]}},
		"a": ` + node + `, "b": ` + node + `, "c": ` + node + `}, "connections": [{"from": "fanout", "port": "a", "to": "a"},
		{"from": "fanout", "port": "b", "to": "b"}, {"from": "fanout", "port": "c", "to": "c"}]}`
}

// TestFullQueuesDelayCallersOnly: far more callers than a queue of the engine has room for, and
// several senders on one queue, of which each has to hear that there is room again.
func TestFullQueuesDelayCallersOnly(t *testing.T) {
	const callers, rounds = 1000, 3
	slow := faultNode(`"delay": "5ms"`)
	for name, configuration := range map[string]string{
		"pass":                         passThrough,
		"delayed":                      chain(slow, passThrough),
		"delayed before engine node":   chain(slow, attributeNode),
		"batches of one":               `{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 1}}`,
		"several nodes into one queue": fanout("all", attributeNode),
	} {
		t.Run(name, func(t *testing.T) {
			component := start(t, configuration, logsFunc(t, accept), func(s *cbridge.Settings) {
				s.Limits.MaxInFlight, s.Limits.Timeout = callers, time.Minute
			})
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range rounds {
						assert.NoError(t, component.ConsumeLogs(t.Context(), tenantLogs("any", 1)))
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestCopiesOfAnAcceptedRequestArrive: the fanout accepts before its copies have arrived.
func TestCopiesOfAnAcceptedRequestArrive(t *testing.T) {
	const calls = 50
	for _, await := range []string{"none", "primary"} {
		t.Run(await, func(t *testing.T) {
			var arrived atomic.Int64
			component := start(t, fanout(await, faultNode(`"delay": "1ms", "every": 2`)), logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
				assert.Equal(t, []string{"a"}, client.FromContext(ctx).Metadata.Get(tenantKey))
				arrived.Add(1)
				return nil
			}))
			for range calls {
				require.NoError(t, component.ConsumeLogs(tenantContext(t.Context(), "a"), tenantLogs("a", 1)))
			}
			require.Eventually(t, func() bool { return arrived.Load() == 3*calls }, time.Minute, time.Millisecond)
		})
	}
}

// TestManyRefusedRequestsWaitForTheirRetry: as many as may be in flight by default.
func TestManyRefusedRequestsWaitForTheirRetry(t *testing.T) {
	const callers = 1000
	notNow := errors.New("not now")
	const retry = `{"type": "processor:retry", "config": {"initial_interval": "300ms", "max_interval": "300ms", "max_elapsed_time": "1h"}}`
	var visits atomic.Int64
	component := start(t, retry, logsFunc(t, func(context.Context, plog.Logs) error {
		if visits.Add(1) <= callers {
			return notNow
		}
		return nil
	}), func(s *cbridge.Settings) { s.Limits.MaxInFlight = callers })
	manyCallers(t, component, callers)
	assert.GreaterOrEqual(t, visits.Load(), int64(2*callers))
}

// TestWithoutAPlaceForARetryTheErrorIsTheConsumers: beyond what the engine has room for.
func TestWithoutAPlaceForARetryTheErrorIsTheConsumers(t *testing.T) {
	const callers = 2500
	notNow := errors.New("not now")
	const retry = `{"type": "processor:retry", "config": {"initial_interval": "1h", "max_interval": "1h", "max_elapsed_time": "3h"}}`
	component := start(t, retry, logsFunc(t, func(context.Context, plog.Logs) error { return notNow }),
		func(s *cbridge.Settings) { s.Limits.MaxInFlight = callers })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var refused atomic.Int64
	some := make(chan struct{})
	for caller := range callers {
		wg.Go(func() {
			err := component.ConsumeLogs(ctx, tenantLogs(fmt.Sprint(caller), 1))
			if ctx.Err() != nil {
				return
			}
			assert.Same(t, notNow, err)
			if refused.Add(1) == 400 {
				close(some)
			}
		})
	}
	<-some
	cancel()
	wg.Wait()
}
