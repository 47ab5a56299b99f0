// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// TestOutputIsAnsweredWhenTheConsumersGoroutineEnds: no return and no panic tells of it.
func TestOutputIsAnsweredWhenTheConsumersGoroutineEnds(t *testing.T) {
	bridge := cbridgetest.VerifyIdle(t)
	component := start(t, passThrough, logsFunc(t, func(context.Context, plog.Logs) error {
		runtime.Goexit()
		return nil
	}), func(s *cbridge.Settings) { s.Limits.MaxInFlight = 1 })
	for range 3 {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = component.ConsumeLogs(t.Context(), oneRecord(1))
		}()
		<-ended
	}
	require.Eventually(t, func() bool {
		stats, err := bridge.Stats()
		require.NoError(t, err)
		return stats.EmissionsInFlight == 0
	}, 30*time.Second, time.Millisecond)
}
