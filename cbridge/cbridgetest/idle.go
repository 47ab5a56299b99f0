// SPDX-License-Identifier: Apache-2.0

// Package cbridgetest helps to test components that are built on package cbridge.
package cbridgetest

import (
	"context"
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge"
)

// VerifyIdle keeps a reference to the runtime for the test, and checks at its end
// that nothing of what the test did is left: no component, call, payload, pin,
// emission, buffer, error, context or pipeline. Components must have been shut down
// by then. Tests that use it cannot run in parallel.
func VerifyIdle(tb testing.TB) *cbridge.Runtime {
	tb.Helper()
	runtime, err := cbridge.OpenRuntime(discardingLogger())
	require.NoError(tb, err)
	tb.Cleanup(func() {
		stats, err := runtime.Stats()
		assert.NoError(tb, err)
		left := stats.Stats
		left.CallsTotal, left.LateCompletionsTotal, left.PanicsTotal, left.RestartsTotal = 0, 0, 0, 0
		assert.Equal(tb, capi.Stats{}, left, "left in the library")
		assert.Zero(tb, stats.PayloadsPinned, "payloads are still pinned")
		assert.Zero(tb, stats.CallbackPanicsTotal, "callbacks panicked")
		assert.NoError(tb, runtime.Close(context.Background()))
	})
	return runtime
}

// NeedLibrary skips the test in a build that has no library; in one that has it, it is
// VerifyIdle.
func NeedLibrary(tb testing.TB) *cbridge.Runtime {
	tb.Helper()
	if !capi.Available {
		tb.Skip("this build has no library")
	}
	return VerifyIdle(tb)
}

// SkipWithoutLibrary leaves out the tests that mdatagen generates and that run pipelines, in
// builds that have no library.
func SkipWithoutLibrary() {
	if capi.Available {
		return
	}
	flag.Parse()
	if err := flag.Set("test.skip", "^TestComponentLifecycle$"); err != nil {
		panic(err)
	}
}

// discardingLogger is enabled from the info level on, so that the library's records
// are delivered as they are in production.
func discardingLogger() *zap.Logger {
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(io.Discard), zapcore.InfoLevel))
}
