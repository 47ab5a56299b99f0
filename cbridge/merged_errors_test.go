// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

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

func TestMergedErrorsKeepTheNewest(t *testing.T) {
	errs := make([]error, 3*minMergedErrors)
	ids := make([]uint64, len(errs))
	table := newMergedErrors(1)
	for i := range errs {
		errs[i] = errors.New("x")
		ids[i] = table.add(lentError{value: errs[i]})
	}
	assert.Equal(t, minMergedErrors, table.size())
	oldest := len(errs) - minMergedErrors
	require.NoError(t, table.get(ids[oldest-1]).value)
	for i := oldest; i < len(errs); i++ {
		require.Same(t, errs[i], table.get(ids[i]).value)
	}
	require.NoError(t, table.get(ids[len(ids)-1]+1).value, "never lent")
	require.NoError(t, table.get(0).value)

	table.forget(ids[oldest-1] &^ mergedErrorBit)
	assert.Equal(t, minMergedErrors, table.size())
	table.forget(ids[oldest] &^ mergedErrorBit)
	require.NoError(t, table.get(ids[oldest]).value)
	require.Same(t, errs[oldest+1], table.get(ids[oldest+1]).value)
	table.forget(ids[len(ids)-1] &^ mergedErrorBit)
	assert.Zero(t, table.size())
	require.NoError(t, table.get(ids[len(ids)-1]).value)
	id := table.add(lentError{value: errs[0]})
	require.Same(t, errs[0], table.get(id).value)

	assert.Equal(t, 2*minMergedErrors, newMergedErrors(2*minMergedErrors).limit)
}
