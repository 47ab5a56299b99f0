// SPDX-License-Identifier: Apache-2.0

//go:build !cgo || !linux || !amd64

package capi

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBuildWithoutLibrarySaysWhatToDo(t *testing.T) {
	assert.False(t, Available)
	_, err := NewRuntime(RuntimeOptions{}, nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.Regexp(t, "dist::cgo_enabled: true|build for linux/amd64", err.Error())
	require.ErrorIs(t, ValidateComponent(ComponentOptions{}), ErrUnavailable)
	require.Nil(t, ComponentWarnings(ComponentOptions{}))
	_, err = ComponentSecrets(ComponentOptions{})
	require.ErrorIs(t, err, ErrUnavailable)
	assert.False(t, ComponentJoinsReferences(ComponentOptions{}))
	_, err = (&Runtime{}).NewComponent(ComponentOptions{}, nil)
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = (&Runtime{}).Stats()
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorIs(t, (&Runtime{}).Shutdown(0), ErrUnavailable)
	c := &Component{}
	require.ErrorIs(t, c.Start(0), ErrUnavailable)
	require.ErrorIs(t, c.Shutdown(0), ErrUnavailable)
	require.ErrorIs(t, c.Submit(1, SignalLogs, nil, []byte{1}), ErrUnavailable)
	assert.False(t, c.Cancel(1, CancelReasonCancelled, ""))
	assert.Zero(t, c.EmissionDone(1, nil))
	c.Destroy()
	(&Runtime{}).Destroy()
}
