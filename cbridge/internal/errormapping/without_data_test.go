// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func TestErrorWithoutDataHidesOnlyThose(t *testing.T) {
	sentinel := errors.New("sentinel")
	original := consumererror.NewDownstream(consumererror.NewTraces(sentinel, ptrace.NewTraces()))
	without := WithoutData(original)
	assert.Equal(t, original.Error(), without.Error())
	require.ErrorIs(t, without, sentinel)
	assert.True(t, consumererror.IsDownstream(without))
	var data consumererror.Traces
	assert.NotErrorAs(t, without, &data)
	assert.Same(t, sentinel, WithoutData(sentinel))
}
