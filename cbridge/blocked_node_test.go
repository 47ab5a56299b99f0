// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
)

// TestCallersOfABlockedNodeLeaveInTime: a node keeps its pipeline's thread for ten seconds.
// Callers leave soon after their deadline, the timeout or their cancel all the same.
func TestCallersOfABlockedNodeLeaveInTime(t *testing.T) {
	const blocked, soon = 10 * time.Second, 100 * time.Millisecond
	component := start(t, faultNode(`"block": "10s"`), logsFunc(t, func(context.Context, plog.Logs) error { return nil }),
		func(s *cbridge.Settings) { s.Limits.Timeout = soon })
	started := time.Now()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			require.ErrorIs(t, component.ConsumeLogs(ctx, oneRecord(1)), context.DeadlineExceeded)
		})
		callers.Go(func() {
			var timeout *cbridge.ProcessingError
			require.ErrorAs(t, component.ConsumeLogs(context.Background(), oneRecord(1)), &timeout)
			assert.Equal(t, cbridge.KindTimeout, timeout.Kind())
			assert.Contains(t, timeout.Message(), "no result within the timeout of 100ms")
		})
		callers.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer time.AfterFunc(soon, cancel).Stop()
			require.ErrorIs(t, component.ConsumeLogs(ctx, oneRecord(1)), context.Canceled)
		})
	}
	callers.Wait()
	// Far from both, so that a busy machine changes nothing.
	assert.Less(t, time.Since(started), blocked/2)
}
