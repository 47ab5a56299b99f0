// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestErrorOfACallInManyPartsIsTheConsumers: however many parts of a call fail, its
// caller gets the consumer's error of one of them.
func TestErrorOfACallInManyPartsIsTheConsumers(t *testing.T) {
	for name, test := range map[string]struct {
		configuration string
		parts         []int
		// all: it waits for all parts, and says if some were accepted.
		all bool
	}{
		"partition": {`{"type": "processor:partition", "config": {"partition_by": {"opl_expression": "body"}, "partition_header_name": "part"}}`, []int{10, 200}, true},
		"batch":     {`{"type": "processor:batch", "config": {"otap": {"min_size": 1, "max_size": 1, "sizer": "items"}, "format": "otap", "max_batch_duration": "50ms"}}`, []int{10, 200}, false},
		"transform": {`{"nodes": {
			"it": {"type": "processor:transform", "config": {"opl_query": "logs | if (body == \"0\") { route_to \"a\" } else { route_to \"b\" }"}},
			"a": {"type": "urn:otapbridge:processor:fault", "config": {}}, "b": {"type": "urn:otapbridge:processor:fault", "config": {}}
		}, "connections": [{"from": "it", "port": "a", "to": "a"}, {"from": "it", "port": "b", "to": "b"}]}`, []int{2}, true},
	} {
		for _, parts := range test.parts {
			for _, accepted := range []int{0, parts / 2} {
				t.Run(fmt.Sprintf("%s/%d of %d", name, parts-accepted, parts), func(t *testing.T) {
					var mu sync.Mutex
					arrived := 0
					var failed []error
					component := start(t, test.configuration, logsFunc(t, func(_ context.Context, logs plog.Logs) error {
						mu.Lock()
						defer mu.Unlock()
						if arrived++; arrived <= accepted {
							return nil
						}
						err := &outputError{callersIn(logs)}
						failed = append(failed, err)
						return err
					}))
					err := component.ConsumeLogs(t.Context(), inParts(parts))
					var own *outputError
					require.ErrorAs(t, err, &own)
					mu.Lock()
					assert.Contains(t, failed, error(own))
					mu.Unlock()
					assert.Equal(t, test.all && accepted > 0, consumererror.IsPermanent(err))
					assert.True(t, component.NoHostErrors())
				})
			}
		}
	}
}

// TestErrorThatBecomesPermanentOnItsWay: a node says that the data must not be sent
// again; its caller hears that, and of the consumer's own error.
func TestErrorThatBecomesPermanentOnItsWay(t *testing.T) {
	givesUp := `{"type": "processor:retry", "config": {"initial_interval": "1ms", "max_interval": "1ms", "max_elapsed_time": "5ms", "exhaustion_action": "mark_permanent"}}`
	plain := errors.New("plain")
	for name, test := range map[string]struct {
		refusal error
		wrapped bool
	}{
		"retryable":         {plain, true},
		"status":            {status.Error(codes.Unavailable, "x"), true},
		"permanent":         {consumererror.NewPermanent(plain), false},
		"permanent by code": {status.Error(codes.PermissionDenied, "x"), false},
		// The context's errors are final anywhere in Rust.
		"cancelled": {context.Canceled, false},
	} {
		t.Run(name, func(t *testing.T) {
			component := start(t, givesUp, logsFunc(t, func(context.Context, plog.Logs) error { return test.refusal }))
			err := component.ConsumeLogs(t.Context(), oneRecord(1))
			require.ErrorIs(t, err, test.refusal)
			assert.Equal(t, test.wrapped, err != test.refusal)
			assert.Equal(t, test.wrapped || name == "permanent", consumererror.IsPermanent(err))
		})
	}
}

// inParts are logs of which the nodes above make so many.
func inParts(parts int) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for part := range parts {
		records.AppendEmpty().Body().SetStr(strconv.Itoa(part))
	}
	return logs
}

// TestJoinedErrorIsRetriedIfOnePartMayBe: whatever was cancelled among them.
func TestJoinedErrorIsRetriedIfOnePartMayBe(t *testing.T) {
	busy := errors.New("busy")
	for name, refusal := range map[string]error{
		"cancelled first": errors.Join(context.Canceled, busy),
		"cancelled last":  errors.Join(busy, context.Canceled),
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			component := start(t, `{"type": "processor:retry", "config": {"initial_interval": "1ms", "max_interval": "1ms", "max_elapsed_time": "1m"}}`,
				logsFunc(t, func(context.Context, plog.Logs) error {
					if attempts++; attempts == 1 {
						return refusal
					}
					return nil
				}))
			require.NoError(t, component.ConsumeLogs(t.Context(), oneRecord(1)))
			assert.Equal(t, 2, attempts)
		})
	}
}
