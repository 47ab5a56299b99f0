// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otapbridge/otapbridge/cbridge"
)

// mergingTwo is an engine node that makes one request of each two.
const mergingTwo = `{"type": "processor:batch", "config": {"otap": {"min_size": 2, "sizer": "items"}, "format": "otap", "max_batch_duration": "50ms"}}`

// outputError is the error of one merged output: it knows whose data was in it.
type outputError struct{ callers map[string]bool }

func (e *outputError) Error() string { return fmt.Sprintf("output of %d callers", len(e.callers)) }

// oneRecord is a log record that names its caller.
func oneRecord(caller int) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().Body().SetStr(strconv.Itoa(caller))
	return logs
}

func callersIn(logs plog.Logs) map[string]bool {
	callers := make(map[string]bool)
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				callers[record.Body().Str()] = true
			}
		}
	}
	return callers
}

// TestEachCallerGetsTheErrorOfItsOwnOutput: many merged outputs fail at once, each with
// an error of its own.
func TestEachCallerGetsTheErrorOfItsOwnOutput(t *testing.T) {
	const (
		callers = 1000
		// Fewer than the library hands out before it hears answers.
		atOnce = 200
	)
	var arrived atomic.Int64
	all := make(chan struct{})
	merged := new(atomic.Int64)
	component := start(t, mergingTwo, logsFunc(t, func(_ context.Context, logs plog.Logs) error {
		if arrived.Add(1) == atOnce {
			close(all)
		}
		<-all
		err := &outputError{callersIn(logs)}
		if len(err.callers) > 1 {
			merged.Add(1)
		}
		return err
	}), func(s *cbridge.Settings) { s.Limits.Workers = atOnce })

	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			err := component.ConsumeLogs(context.Background(), oneRecord(caller))
			var own *outputError
			if assert.ErrorAs(t, err, &own) {
				assert.True(t, own.callers[strconv.Itoa(caller)], "the error of another's output")
				assert.True(t, err == error(own), "another value: %T", err)
			}
		})
	}
	wg.Wait()
	assert.Greater(t, merged.Load(), int64(callers/4), "hardly anything was merged")
	assert.True(t, component.NoHostErrors(), "left in the table")
}

// TestErrorOfReaggregatedMetricsIsTheConsumers: a node that keeps metrics for a while and
// answers their callers with what became of the result.
func TestErrorOfReaggregatedMetricsIsTheConsumers(t *testing.T) {
	refusal := errors.New("refused on purpose")
	next, err := consumer.NewMetrics(func(context.Context, pmetric.Metrics) error { return refusal })
	require.NoError(t, err)
	component := start(t, `{"type": "processor:temporal_reaggregation", "config": {"period": "100ms"}}`, cbridge.Consumers{Metrics: next})
	metrics := pmetric.NewMetrics()
	metric := metrics.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	metric.SetName("x")
	metric.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { assert.Same(t, refusal, component.ConsumeMetrics(context.Background(), metrics)) })
	}
	wg.Wait()
	assert.True(t, component.NoHostErrors(), "left in the table")
}

// TestErrorsOfMergedOutputGoWhileCallsCome: the table does not have to wait for a
// moment without calls.
func TestErrorsOfMergedOutputGoWhileCallsCome(t *testing.T) {
	refusal := errors.New("refused on purpose")
	var most atomic.Int64
	component := start(t, mergingTwo, logsFunc(t, func(context.Context, plog.Logs) error { return refusal }))
	// This many callers at least are inside at any time.
	const callers = 8
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for range 500 {
				assert.Same(t, refusal, component.ConsumeLogs(context.Background(), oneRecord(caller)))
				if kept := int64(component.HostErrors()); kept > most.Load() {
					most.Store(kept)
				}
			}
		})
	}
	wg.Wait()
	assert.Less(t, most.Load(), int64(500), "of 2,000 errors")
	assert.True(t, component.NoHostErrors(), "left in the table")
}

// TestErrorOfMergedOutputForNobodyIsNotKept: its callers have left before it came.
func TestErrorOfMergedOutputForNobodyIsNotKept(t *testing.T) {
	inside, fail, failed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	component := start(t, merging, logsFunc(t, func(context.Context, plog.Logs) error {
		close(inside)
		<-fail
		defer close(failed)
		return errors.New("too late")
	}))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan []error)
	go func() { result <- consumeAtOnce(component, 2, ctx) }()
	<-inside
	cancel()
	for _, err := range <-result {
		require.ErrorIs(t, err, context.Canceled)
	}
	close(fail)
	<-failed
	stopping, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	require.NoError(t, component.Shutdown(stopping))
	assert.True(t, component.NoHostErrors(), "left in the table")
}
