// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
)

// TestCallersOfABlockedNodeLeaveInTime: a node keeps its pipeline's thread for ten seconds.
// Callers leave all the same: at their deadline, the timeout or their cancel, and the grace.
//
// That every one leaves long before the node lets go is certain. How late they are after the
// grace is measured against a timer that is armed for its end: on a busy machine that wakes late,
// too, and what is left for noise is lateMost. Noise only ever adds time, and not to each round: what
// the library itself took too long would be in all rounds, and so in the median of them.
func TestCallersOfABlockedNodeLeaveInTime(t *testing.T) {
	const (
		blocked, soon = 10 * time.Second, 100 * time.Millisecond
		rounds        = 9
	)
	// Less than the grace, which would be seen if it were waited for twice.
	lateMost := cbridge.DefaultLimits().CancelGrace / 2
	component := start(t, faultNode(`"block": "10s"`), logsFunc(t, func(context.Context, plog.Logs) error { return nil }),
		func(s *cbridge.Settings) { s.Limits.Timeout = soon })
	started := time.Now()
	var late []time.Duration
	for range rounds {
		late = append(late, leaveBlockedNode(t, component, soon))
	}
	assert.Less(t, time.Since(started), blocked/2)
	slices.Sort(late)
	assert.Less(t, late[rounds/2], lateMost, "all: %v", late)
}

// leaveBlockedNode has callers for whom it is time soon, and says how much later than the grace
// the last of them has left.
func leaveBlockedNode(t *testing.T, component *cbridge.Component, soon time.Duration) time.Duration {
	t.Helper()
	var begun, callers sync.WaitGroup
	caller := func(call func()) {
		begun.Add(1)
		callers.Go(func() {
			begun.Done()
			call()
		})
	}
	for range 8 {
		caller(func() {
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			assert.ErrorIs(t, component.ConsumeLogs(ctx, oneRecord(1)), context.DeadlineExceeded)
		})
		caller(func() {
			var timeout *cbridge.ProcessingError
			assert.ErrorAs(t, component.ConsumeLogs(context.Background(), oneRecord(1)), &timeout)
			assert.Equal(t, cbridge.KindTimeout, timeout.Kind())
			assert.Contains(t, timeout.Message(), "no result within the timeout of 100ms")
		})
		caller(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer time.AfterFunc(soon, cancel).Stop()
			assert.ErrorIs(t, component.ConsumeLogs(ctx, oneRecord(1)), context.Canceled)
		})
	}
	begun.Wait()
	<-time.After(soon + cbridge.DefaultLimits().CancelGrace)
	over := time.Now()
	callers.Wait()
	return time.Since(over)
}
