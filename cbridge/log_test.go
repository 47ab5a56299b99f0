// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

func TestLogRecordsReachTheComponentsOwnLogger(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	loud, loudRecords := observer.New(zapcore.DebugLevel)
	quiet, quietRecords := observer.New(zapcore.DebugLevel)
	with := func(core zapcore.Core) func(*cbridge.Settings) {
		return func(s *cbridge.Settings) { s.Logger = zap.New(core) }
	}
	panics := newComponent(t, faultNode(`"panic": "on purpose"`), logsFunc(t, accept), with(loud))
	works := newComponent(t, passThrough, logsFunc(t, accept), with(quiet))
	for _, component := range []*cbridge.Component{panics, works} {
		require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	}
	require.Error(t, panics.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)))
	require.NoError(t, works.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)))
	for _, component := range []*cbridge.Component{panics, works} {
		require.NoError(t, component.Shutdown(t.Context()))
	}

	// Shutdown returns after the last record was written.
	records := loudRecords.FilterMessage("node panicked").All()
	require.Len(t, records, 1)
	assert.Equal(t, zapcore.ErrorLevel, records[0].Level)
	assert.Equal(t, "on purpose", records[0].ContextMap()["panic"])
	assert.Contains(t, records[0].ContextMap()["target"], "otapbridge")
	assert.Empty(t, quietRecords.FilterMessage("node panicked").All())
}
