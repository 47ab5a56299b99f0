// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
)

// TestRestartsAreReported: a durable buffer that finds a file in the place of its own folder breaks its pipeline
// with the first message, which no validation can know.
func TestRestartsAreReported(t *testing.T) {
	path := t.TempDir()
	folder := filepath.Join(path, "processors%3A%3Aotap%2Fstatus", "logs", "node", "0")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "core_0"), nil, 0o600))
	host := reportingHost{make(chan *componentstatus.Event, 100)}
	logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(t, err)
	c, err := NewComponent(Settings{
		Kind: Processor, Name: "processors::otap/status", Next: Consumers{Logs: logs}, Limits: DefaultLimits(),
		Configuration: fmt.Appendf(nil, `{"type": "processor:durable_buffer", "config": {"path": %q, "retention_size_cap": "256 MiB"}}`,
			path),
	})
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, c.Shutdown(context.Background())) })
	restarts := 0
	for {
		err := c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))
		require.Error(t, err)
		assert.False(t, consumererror.IsPermanent(err), "%v", err)
		event := <-host.events
		require.ErrorContains(t, event.Err(), "Not a directory")
		if event.Status() == componentstatus.StatusPermanentError {
			break
		}
		require.Equal(t, componentstatus.StatusRecoverableError, event.Status())
		event = <-host.events
		require.Equal(t, componentstatus.StatusOK, event.Status())
		require.NoError(t, event.Err())
		restarts++
		if testing.Short() {
			return // all the pauses together take half a minute
		}
	}
	assert.Equal(t, 8, restarts)
	require.Error(t, c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)), "nothing is there to take it")
	assert.Empty(t, host.events)
}
