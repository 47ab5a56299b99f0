// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
)

const (
	stressCallers    = 64
	stressRounds     = 10
	stressCalls      = 100_000
	stressCallsShort = 5_000
	stressMaxBody    = 4 << 20
)

// stressCall is what one call of the stress test expects and got.
type stressCall struct {
	size      int
	forwarded int
	err       error
	// ended is the context's error when the call returned.
	ended error
}

type stressCallKey struct{}

// TestStress: every call is completed once, whatever its size and however its caller
// ends, and nothing stays behind: no memory either.
func TestStress(t *testing.T) {
	calls := stressCalls
	if testing.Short() {
		calls = stressCallsShort
	}
	component := start(t, passThrough, logsFunc(t, func(ctx context.Context, logs plog.Logs) error {
		call := ctx.Value(stressCallKey{}).(*stressCall)
		call.forwarded++
		if size := bodySize(logs); size != call.size {
			return errors.New("another call's data: " + strconv.Itoa(size))
		}
		return nil
	}), func(s *cbridge.Settings) {
		// Fewer than callers, so that waiting is part of the test.
		s.Limits.MaxInFlight, s.Limits.MaxInFlightBytes = stressCallers*3/4, 64<<20
	})

	body := strings.Repeat("x", stressMaxBody)
	var resident [stressRounds]int
	var total stressTally
	for round := range stressRounds {
		var wg sync.WaitGroup
		var left atomic.Int64
		left.Store(int64(calls / stressRounds))
		tallies := make([]stressTally, stressCallers)
		for caller := range stressCallers {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(round), uint64(caller)))
				for left.Add(-1) >= 0 {
					tallies[caller].add(t, newStressCall(random).run(component, random, body))
				}
			})
		}
		wg.Wait()
		for i := range tallies {
			total.merge(&tallies[i])
		}
		debug.FreeOSMemory()
		resident[round] = residentBytes(t)
	}
	t.Logf("succeeded %d, cancelled %d, timed out %d; resident MiB after each tenth: %v",
		total.succeeded, total.cancelled, total.timedOut, mebibytes(resident[:]))
	assert.Equal(t, calls, total.succeeded+total.cancelled+total.timedOut)
	assert.NotZero(t, total.succeeded)
	assert.NotZero(t, total.cancelled)
	assert.NotZero(t, total.timedOut)
	assert.True(t, component.NoHostErrors())
	if testing.Short() {
		return // a tenth of a short run does not warm up what allocators keep
	}
	// The least of several rounds is free of what allocators keep for a while. Six
	// tenths of the calls lie between: 8 MiB are 140 bytes for each of them.
	const noise = 8 << 20
	assert.LessOrEqual(t, slices.Min(resident[stressRounds-3:]), slices.Min(resident[1:3])+noise, "memory grows")
}

func newStressCall(random *rand.Rand) *stressCall {
	return &stressCall{size: int(math.Exp(random.Float64()*math.Log(stressMaxBody+1))) - 1}
}

// run makes the call; a fifth of them have a deadline, and a fifth are cancelled.
func (c *stressCall) run(component *cbridge.Component, random *rand.Rand, body string) *stressCall {
	ctx := context.WithValue(context.Background(), stressCallKey{}, c)
	moment := time.Duration(random.Int64N(int64(5 * time.Millisecond)))
	var cancel context.CancelFunc
	switch random.IntN(5) {
	case 0:
		ctx, cancel = context.WithTimeout(ctx, moment)
		defer cancel()
	case 1:
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer time.AfterFunc(moment, cancel).Stop()
	}
	logs := plog.NewLogs()
	if c.size > 0 {
		logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(body[:c.size])
	}
	c.err = component.ConsumeLogs(ctx, logs)
	c.ended = ctx.Err()
	return c
}

func bodySize(logs plog.Logs) int {
	if logs.LogRecordCount() == 0 {
		return 0
	}
	return len(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str())
}

type stressTally struct{ succeeded, cancelled, timedOut int }

func (s *stressTally) merge(other *stressTally) {
	s.succeeded += other.succeeded
	s.cancelled += other.cancelled
	s.timedOut += other.timedOut
}

func (s *stressTally) add(t *testing.T, call *stressCall) {
	switch {
	case call.err == nil:
		s.succeeded++
		assert.Equal(t, 1, call.forwarded, "accepted, but not forwarded once")
	case errors.Is(call.err, context.Canceled):
		s.cancelled++
		assert.ErrorIs(t, call.ended, context.Canceled)
	case errors.Is(call.err, context.DeadlineExceeded):
		s.timedOut++
		assert.ErrorIs(t, call.ended, context.DeadlineExceeded)
	default:
		assert.NoError(t, call.err)
	}
	assert.LessOrEqual(t, call.forwarded, 1)
}

// residentBytes is the process's resident memory.
func residentBytes(t *testing.T) int {
	statm, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize()
}

func mebibytes(bytes []int) []int {
	result := make([]int, len(bytes))
	for i, b := range bytes {
		result[i] = b >> 20
	}
	return result
}
