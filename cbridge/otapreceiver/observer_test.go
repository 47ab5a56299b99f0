// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

// receive runs a receiver until count requests have reached next, and returns its own
// telemetry.
func receive(t *testing.T, create createFunc, cfg *Config, next *nextConsumer, count int) *componenttest.Telemetry {
	t.Helper()
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := settings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	r, err := create(NewFactory(), set, cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	for range count {
		next.contexts = append(next.contexts, (<-next.arrivals).ctx)
	}
	require.NoError(t, r.Shutdown(t.Context()))
	return telemetry
}

// counted is a counter's sum, which must be that of this receiver alone.
func counted(t *testing.T, telemetry *componenttest.Telemetry, name string) int64 {
	t.Helper()
	metric, err := telemetry.GetMetric(name)
	require.NoError(t, err)
	points := metric.Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, points, 1)
	id, _ := points[0].Attributes.Value("receiver")
	assert.Equal(t, "otap/gen", id.AsString())
	return points[0].Value
}

func TestAcceptedAndRefusedItemsAreCounted(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	items := map[string]string{"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
	for _, signal := range signals {
		cfg := generator(map[string]any{"signal": signal.name, "interval": "0s", "count": 3, "batch_size": 7})
		t.Run(signal.name+"/accepted", func(t *testing.T) {
			telemetry := receive(t, signal.create, cfg, newNextConsumer(), 3)
			assert.Equal(t, int64(21), counted(t, telemetry, "otelcol_receiver_accepted_"+items[signal.name]))
			assert.Zero(t, counted(t, telemetry, "otelcol_receiver_refused_"+items[signal.name]))
			assert.Len(t, telemetry.SpanRecorder.Ended(), 3)
		})
		t.Run(signal.name+"/refused", func(t *testing.T) {
			next := newNextConsumer()
			next.answer = errors.New("not today")
			telemetry := receive(t, signal.create, cfg, next, 3)
			assert.Zero(t, counted(t, telemetry, "otelcol_receiver_accepted_"+items[signal.name]))
			assert.Equal(t, int64(21), counted(t, telemetry, "otelcol_receiver_refused_"+items[signal.name]))
			for _, span := range telemetry.SpanRecorder.Ended() {
				assert.Equal(t, codes.Error, span.Status().Code)
				assert.Equal(t, "not today", span.Status().Description)
			}
		})
	}
}

func TestSpanIsBelowTheRequestsOwn(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	next := newNextConsumer()
	cfg := generator(map[string]any{"signal": "logs", "interval": "0s", "count": 1, "traceparent": "00-" + traceID + "-" + spanID + "-01"})
	telemetry := receive(t, signals[2].create, cfg, next, 1)
	spans := telemetry.SpanRecorder.Ended()
	require.Len(t, spans, 1)
	assert.Equal(t, "receiver/otap/gen/LogsReceived", spans[0].Name())
	assert.Equal(t, traceID, spans[0].Parent().TraceID().String())
	assert.Equal(t, spanID, spans[0].Parent().SpanID().String())
	assert.True(t, spans[0].Parent().IsRemote())
	assert.Empty(t, spans[0].Links())
	assert.Equal(t, spans[0].SpanContext(), trace.SpanContextFromContext(next.contexts[0]), "what the next component's spans are below")
}

func TestSpanOfMergedRequestsLinksToThem(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	next := newNextConsumer()
	source := map[string]any{"signal": "logs", "interval": "0s", "count": 4, "traceparent": "00-" + traceID + "-" + spanID + "-01"}
	cfg := chain(source, "urn:otapbridge:processor:batch", map[string]any{"min_size": 4, "flush_timeout": "1h"})
	telemetry := receive(t, signals[2].create, cfg, next, 1)
	spans := telemetry.SpanRecorder.Ended()
	require.Len(t, spans, 1)
	assert.False(t, spans[0].Parent().IsValid(), "it has several")
	require.NotEmpty(t, spans[0].Links())
	for _, link := range spans[0].Links() {
		assert.Equal(t, traceID, link.SpanContext.TraceID().String())
		assert.Equal(t, spanID, link.SpanContext.SpanID().String())
	}
	assert.Equal(t, int64(4), counted(t, telemetry, "otelcol_receiver_accepted_log_records"))
}
