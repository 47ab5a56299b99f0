// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

const (
	failingCalls      = 500_000
	failingCallsShort = 25_000
	failingRounds     = 10
	failingCallers    = 16
)

// TestFailedCallsLeaveNothing: half of the calls fail, in a node and in the next
// consumer, and neither memory nor entries of a table stay.
func TestFailedCallsLeaveNothing(t *testing.T) {
	refusal := errors.New("refused on purpose")
	for name, test := range map[string]struct {
		configuration string
		refuses       bool
	}{
		"node":     {faultNode(`"every": 2, "error": {"kind": "retryable", "message": "refused on purpose", "retry_after": "1s"}`), false},
		"consumer": {passThrough, true},
	} {
		t.Run(name, func(t *testing.T) {
			calls := failingCalls
			if testing.Short() {
				calls = failingCallsShort
			}
			var arrived, accepted, failed atomic.Int64
			runtime := cbridgetest.VerifyIdle(t)
			component := start(t, test.configuration, logsFunc(t, func(context.Context, plog.Logs) error {
				if arrived.Add(1)%2 == 0 && test.refuses {
					return refusal
				}
				return nil
			}))
			var resident [failingRounds]int
			for round := range failingRounds {
				var wg sync.WaitGroup
				for range failingCallers {
					wg.Go(func() {
						logs := testdata.GenerateLogs(1)
						for range calls / failingRounds / failingCallers {
							err := component.ConsumeLogs(context.Background(), logs)
							if err == nil {
								accepted.Add(1)
								continue
							}
							failed.Add(1)
							if test.refuses {
								assert.Same(t, refusal, err)
							} else {
								assertNodesError(t, err)
							}
						}
					})
				}
				wg.Wait()
				assert.True(t, component.NoHostErrors())
				stats, err := runtime.Stats()
				require.NoError(t, err)
				assert.Zero(t, stats.CallsInFlight)
				assert.Zero(t, stats.ErrorsUnreleased)
				assert.Zero(t, stats.ErrorsCarried)
				debug.FreeOSMemory()
				resident[round] = residentBytes(t)
			}
			t.Logf("accepted %d, failed %d; resident MiB after each tenth: %v", accepted.Load(), failed.Load(), mebibytes(resident[:]))
			assert.Equal(t, int64(calls/failingRounds/failingCallers*failingRounds*failingCallers/2), failed.Load())
			assert.Equal(t, failed.Load(), accepted.Load())
			if testing.Short() {
				return // a tenth of a short run does not warm up what allocators keep
			}
			// The library remembers the last 65,536 requests that failed, which takes three
			// rounds to fill. 75,000 failed calls lie between: 3 MiB are 42 bytes for each.
			const noise = 3 << 20
			assert.LessOrEqual(t, slices.Min(resident[failingRounds-3:]), slices.Min(resident[3:5])+noise, "memory grows")
		})
	}
}

func assertNodesError(t *testing.T, err error) {
	var own *cbridge.ProcessingError
	if assert.ErrorAs(t, err, &own) {
		assert.Equal(t, cbridge.KindRetryable, own.Kind())
		assert.Equal(t, "refused on purpose", own.Message())
	}
}
