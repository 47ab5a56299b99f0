// SPDX-License-Identifier: Apache-2.0

package comparison

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/collector/processor"
)

// A signal is what differs between traces, metrics and logs.
type signal struct {
	name     string
	generate func(items int) (encoded []byte, err error)
	decode   func(encoded []byte) (data any, err error)
	encode   func(data any) ([]byte, error)
	// create makes a processor before the next consumer.
	create func(factory processor.Factory, settings processor.Settings, config component.Config, next any) (component.Component, error)
	// discard is a consumer that only tells of the data.
	discard func(tell func(data any)) (any, error)
	consume func(ctx context.Context, consumer, data any) error
	// attributes lists those of all items.
	attributes func(data any) []pcommon.Map
}

var signals = []signal{traces, metrics, logs}

var traces = signal{
	name: "traces",
	generate: func(items int) ([]byte, error) {
		data := ptrace.NewTraces()
		resource := data.ResourceSpans().AppendEmpty()
		fillResource(resource.Resource())
		spans := resource.ScopeSpans().AppendEmpty().Spans()
		for i := range items {
			span := spans.AppendEmpty()
			span.SetName(fmt.Sprintf("GET /users/%d", i%10))
			span.SetKind(ptrace.SpanKindServer)
			span.SetTraceID([16]byte{1, byte(i)})
			span.SetSpanID([8]byte{2, byte(i)})
			span.SetParentSpanID([8]byte{3, byte(i)})
			span.SetStartTimestamp(1_700_000_000_000_000_000)
			span.SetEndTimestamp(1_700_000_000_100_000_000)
			fillAttributes(span.Attributes(), i)
		}
		return ptraceotlp.NewExportRequestFromTraces(data).MarshalProto()
	},
	decode: func(encoded []byte) (any, error) {
		request := ptraceotlp.NewExportRequest()
		err := request.UnmarshalProto(encoded)
		return request.Traces(), err
	},
	encode: func(data any) ([]byte, error) {
		return ptraceotlp.NewExportRequestFromTraces(data.(ptrace.Traces)).MarshalProto()
	},
	create: func(factory processor.Factory, settings processor.Settings, config component.Config, next any) (component.Component, error) {
		return factory.CreateTraces(context.Background(), settings, config, next.(consumer.Traces))
	},
	discard: func(tell func(any)) (any, error) {
		return consumer.NewTraces(func(_ context.Context, data ptrace.Traces) error { tell(data); return nil })
	},
	consume: func(ctx context.Context, to, data any) error {
		return to.(consumer.Traces).ConsumeTraces(ctx, data.(ptrace.Traces))
	},
	attributes: func(data any) (all []pcommon.Map) {
		for _, resource := range data.(ptrace.Traces).ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					all = append(all, span.Attributes())
				}
			}
		}
		return all
	},
}

var metrics = signal{
	name: "metrics",
	generate: func(items int) ([]byte, error) {
		data := pmetric.NewMetrics()
		resource := data.ResourceMetrics().AppendEmpty()
		fillResource(resource.Resource())
		all := resource.ScopeMetrics().AppendEmpty().Metrics()
		const pointsOfMetric = 10
		for i := range items {
			if i%pointsOfMetric == 0 {
				metric := all.AppendEmpty()
				metric.SetName(fmt.Sprintf("requests.%d", i/pointsOfMetric%10))
				metric.SetUnit("1")
				metric.SetEmptyGauge()
			}
			point := all.At(all.Len() - 1).Gauge().DataPoints().AppendEmpty()
			point.SetIntValue(int64(i))
			point.SetTimestamp(1_700_000_000_000_000_000)
			fillAttributes(point.Attributes(), i)
		}
		return pmetricotlp.NewExportRequestFromMetrics(data).MarshalProto()
	},
	decode: func(encoded []byte) (any, error) {
		request := pmetricotlp.NewExportRequest()
		err := request.UnmarshalProto(encoded)
		return request.Metrics(), err
	},
	encode: func(data any) ([]byte, error) {
		return pmetricotlp.NewExportRequestFromMetrics(data.(pmetric.Metrics)).MarshalProto()
	},
	create: func(factory processor.Factory, settings processor.Settings, config component.Config, next any) (component.Component, error) {
		return factory.CreateMetrics(context.Background(), settings, config, next.(consumer.Metrics))
	},
	discard: func(tell func(any)) (any, error) {
		return consumer.NewMetrics(func(_ context.Context, data pmetric.Metrics) error { tell(data); return nil })
	},
	consume: func(ctx context.Context, to, data any) error {
		return to.(consumer.Metrics).ConsumeMetrics(ctx, data.(pmetric.Metrics))
	},
	attributes: func(data any) (all []pcommon.Map) {
		for _, resource := range data.(pmetric.Metrics).ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					for _, point := range metric.Gauge().DataPoints().All() {
						all = append(all, point.Attributes())
					}
				}
			}
		}
		return all
	},
}

var logs = signal{
	name: "logs",
	generate: func(items int) ([]byte, error) {
		data := plog.NewLogs()
		resource := data.ResourceLogs().AppendEmpty()
		fillResource(resource.Resource())
		records := resource.ScopeLogs().AppendEmpty().LogRecords()
		for i := range items {
			record := records.AppendEmpty()
			record.SetTimestamp(1_700_000_000_000_000_000)
			record.SetSeverityNumber(plog.SeverityNumberInfo)
			record.SetSeverityText(fmt.Sprintf("LEVEL-%d", i%10))
			record.Body().SetStr(fmt.Sprintf("request %d was answered", i))
			fillAttributes(record.Attributes(), i)
		}
		return plogotlp.NewExportRequestFromLogs(data).MarshalProto()
	},
	decode: func(encoded []byte) (any, error) {
		request := plogotlp.NewExportRequest()
		err := request.UnmarshalProto(encoded)
		return request.Logs(), err
	},
	encode: func(data any) ([]byte, error) {
		return plogotlp.NewExportRequestFromLogs(data.(plog.Logs)).MarshalProto()
	},
	create: func(factory processor.Factory, settings processor.Settings, config component.Config, next any) (component.Component, error) {
		return factory.CreateLogs(context.Background(), settings, config, next.(consumer.Logs))
	},
	discard: func(tell func(any)) (any, error) {
		return consumer.NewLogs(func(_ context.Context, data plog.Logs) error { tell(data); return nil })
	},
	consume: func(ctx context.Context, to, data any) error {
		return to.(consumer.Logs).ConsumeLogs(ctx, data.(plog.Logs))
	},
	attributes: func(data any) (all []pcommon.Map) {
		for _, resource := range data.(plog.Logs).ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					all = append(all, record.Attributes())
				}
			}
		}
		return all
	},
}

func fillResource(resource pcommon.Resource) {
	resource.Attributes().PutStr("service.name", "comparison")
	resource.Attributes().PutStr("host.name", "host-1")
}

// fillAttributes gives an item ten attributes: among them one to be deleted, one to be hashed, and one
// by which a tenth of the items is dropped. It is in the middle.
func fillAttributes(attributes pcommon.Map, item int) {
	for i := range 4 {
		attributes.PutStr(fmt.Sprintf("attribute.key.%d", i), fmt.Sprintf("value-%d-%d", i, item))
	}
	attributes.PutStr("tenant", fmt.Sprintf("tenant-%d", item%10))
	attributes.PutStr("db.password", "secret")
	attributes.PutStr("user.id", fmt.Sprintf("user-%d", item))
	attributes.PutInt("http.response.status_code", 200)
	for i := range 2 {
		attributes.PutStr(fmt.Sprintf("attribute.last.%d", i), fmt.Sprintf("value-%d-%d", i, item))
	}
}
