// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
)

// TestDataOfOnePartIsNotTakenForThatOfTheCall: a caller sends again what a partial
// failure carries, so that of a divided call must not carry one part only.
func TestDataOfOnePartIsNotTakenForThatOfTheCall(t *testing.T) {
	refusal := errors.New("refused on purpose")
	for name, test := range map[string]struct {
		configuration string
		outputs       int
	}{
		"partition":    {`{"type": "processor:partition", "config": {"partition_by": {"opl_expression": "body"}, "partition_header_name": "part"}}`, 3},
		"our batch":    {`{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 1, "max_size": 1, "flush_timeout": "50ms"}}`, 3},
		"engine batch": {`{"type": "processor:batch", "config": {"otap": {"min_size": 1, "max_size": 1, "sizer": "items"}, "format": "otap", "max_batch_duration": "50ms"}}`, 3},
		"undivided":    {passThrough, 1},
	} {
		t.Run(name, func(t *testing.T) {
			component := start(t, test.configuration, logsFunc(t, func(_ context.Context, logs plog.Logs) error {
				assert.Equal(t, 3/test.outputs, logs.LogRecordCount())
				return consumererror.NewLogs(refusal, logs)
			}))
			err := component.ConsumeLogs(t.Context(), inParts(3))
			require.ErrorIs(t, err, refusal)
			var data consumererror.Logs
			if test.outputs > 1 {
				require.NotErrorAs(t, err, &data)
				return
			}
			require.ErrorAs(t, err, &data)
			assert.Equal(t, 3, data.Data().LogRecordCount())
		})
	}
}
