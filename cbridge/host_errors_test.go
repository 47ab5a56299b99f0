// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otapbridge/otapbridge/capi"
)

// TestErrorOfAnotherCallComesWithoutItsData: it is the value that the id stands for, but
// the data is another caller's.
func TestErrorOfAnotherCallComesWithoutItsData(t *testing.T) {
	refusal := errors.New("refused on purpose")
	component := &Component{}
	calls := []*call{{component: component, outputs: 1}, {component: component, index: 1, outputs: 1}}
	id := component.hostErrors.add(lentError{value: consumererror.NewLogs(refusal, plog.NewLogs()), callID: calls[0].id()})
	lent := component.hostErrors.get(id)
	for i, call := range calls {
		err := call.hostError(lent, &capi.Error{Kind: KindRetryable})
		require.ErrorIs(t, err, refusal)
		var data consumererror.Logs
		assert.Equal(t, i == 0, errors.As(err, &data))
	}
	assert.NoError(t, component.hostErrors.get(0).value, "no id")
	assert.NoError(t, component.hostErrors.get(id+1).value, "never lent")
	component.hostErrors.drop(id)
	assert.NoError(t, component.hostErrors.get(id).value, "released")
	assert.Zero(t, component.hostErrors.size())
}

func TestMergedErrorHidesOnlyData(t *testing.T) {
	sentinel := errors.New("sentinel")
	original := consumererror.NewDownstream(consumererror.NewTraces(sentinel, ptrace.NewTraces()))
	merged := withoutData(original)
	assert.Equal(t, original.Error(), merged.Error())
	require.ErrorIs(t, merged, sentinel)
	assert.True(t, consumererror.IsDownstream(merged))
	var data consumererror.Traces
	assert.NotErrorAs(t, merged, &data)
	assert.Same(t, sentinel, withoutData(sentinel))
}
