// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// TestErrorOfAnotherCallComesWithoutItsData: it is the value that the id stands for, but
// the data is another caller's.
func TestErrorOfAnotherCallComesWithoutItsData(t *testing.T) {
	refusal := errors.New("refused on purpose")
	component := &Component{}
	calls := []*call{{component: component, outputs: 1}, {component: component, index: 1, outputs: 1}}
	id := component.hostErrors.Add(errormapping.Lent{Value: consumererror.NewLogs(refusal, plog.NewLogs()), CallID: calls[0].id()})
	lent := component.hostErrors.Get(id)
	for i, call := range calls {
		err := call.hostError(lent, &capi.Error{Kind: KindRetryable})
		require.ErrorIs(t, err, refusal)
		var data consumererror.Logs
		assert.Equal(t, i == 0, errors.As(err, &data))
	}
	assert.NoError(t, component.hostErrors.Get(0).Value, "no id")
	assert.NoError(t, component.hostErrors.Get(id+1).Value, "never lent")
	component.hostErrors.Drop(id)
	assert.NoError(t, component.hostErrors.Get(id).Value, "released")
	assert.Zero(t, component.hostErrors.Size())
}
