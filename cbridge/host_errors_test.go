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
)

// TestErrorOfAnotherCallComesWithoutItsData: it is the value that the id stands for, but
// the data is another caller's.
func TestErrorOfAnotherCallComesWithoutItsData(t *testing.T) {
	refusal := errors.New("refused on purpose")
	component := &Component{mergedErrors: newMergedErrors(1)}
	calls := []*call{{component: component, outputs: 1}, {component: component, outputs: 1}}
	id := calls[0].lendError(lentError{value: consumererror.NewLogs(refusal, plog.NewLogs())})
	for i, call := range calls {
		err := call.hostError(&capi.Error{Kind: KindRetryable, HostErrorID: id})
		require.ErrorIs(t, err, refusal)
		var data consumererror.Logs
		assert.Equal(t, i == 0, errors.As(err, &data))
		assert.NoError(t, call.hostError(&capi.Error{Kind: KindRetryable}), "no id")
		assert.NoError(t, call.hostError(&capi.Error{Kind: KindRetryable, HostErrorID: id + 1}), "never lent")
	}
}
