// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/cbridge"
)

// batchingTwo makes one request of the records of two callers; see consumeAtOnce.
const batchingTwo = `{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 6, "flush_timeout": "1h"}}`

// TestTimeoutDoesNotCountTimeOfMergedOutputInNext: the timeout is for the work in Rust,
// and what comes after it has no deadline of ours.
func TestTimeoutDoesNotCountTimeOfMergedOutputInNext(t *testing.T) {
	// Far more than two callers need to meet in a batch on a busy machine.
	const timeout = time.Second
	component := start(t, batchingTwo, logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
		_, ok := ctx.Deadline()
		assert.False(t, ok)
		// Time has to pass, more than the timeout.
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(timeout + timeout/10):
			return nil
		}
	}), func(settings *cbridge.Settings) { settings.Limits.Timeout = timeout })
	for _, err := range consumeAtOnce(component, 2, t.Context()) {
		require.NoError(t, err)
	}
}

// TestTimeoutDoesNotCountTheWaitForAWorker: what has come out of Rust is in no node.
func TestTimeoutDoesNotCountTheWaitForAWorker(t *testing.T) {
	const timeout = time.Second
	component := start(t, batchingTwo, logsFunc(t, func(ctx context.Context, _ plog.Logs) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(timeout + timeout/10):
			return nil
		}
	}), func(settings *cbridge.Settings) { settings.Limits.Timeout, settings.Limits.Workers = timeout, 1 })
	for _, err := range consumeAtOnce(component, 4, t.Context()) {
		assert.NoError(t, err)
	}
}

// TestTimeoutEndsCallersOfABatchThatIsNotSent: nothing is in next, so it counts.
func TestTimeoutEndsCallersOfABatchThatIsNotSent(t *testing.T) {
	const untouched = `{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 100, "flush_timeout": "1h"}}`
	hold := `{"nodes": {"batch": ` + untouched + `, "hold": ` + faultNode(`"delay": "1h"`) + `}, "connections": [{"from": "batch", "to": "hold"}]}`
	component := start(t, hold, logsFunc(t, accept), func(settings *cbridge.Settings) {
		settings.Limits.Timeout = 50 * time.Millisecond
	})
	for _, err := range consumeAtOnce(component, 2, t.Context()) {
		assert.Equal(t, cbridge.KindTimeout, cbridge.FromError(err).Kind())
	}
}
