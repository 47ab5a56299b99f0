// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/cbridge"
)

// dataFormat is the format in which data arrives, as receivers of OTLP name it.
const dataFormat = "protobuf"

// newReport is for counting what the next component accepts and refuses, and for beginning a
// span for each request, as every receiver does.
func newReport(set receiver.Settings) (*receiverhelper.ObsReport, error) {
	return receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
}

// link adds the spans of merged requests, which have no common parent, to the span
// that was begun for them.
func link(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	for _, merged := range cbridge.LinksFromContext(ctx) {
		span.AddLink(merged)
	}
}

type observedTraces struct {
	consumer.Traces
	report *receiverhelper.ObsReport
}

// ConsumeTraces forwards to the next component. The data is counted before: the next
// component may change it.
func (o observedTraces) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	count := traces.SpanCount()
	ctx = o.report.StartTracesOp(ctx)
	link(ctx)
	err := o.Traces.ConsumeTraces(ctx, traces)
	o.report.EndTracesOp(ctx, dataFormat, count, err)
	return err
}

type observedMetrics struct {
	consumer.Metrics
	report *receiverhelper.ObsReport
}

// ConsumeMetrics is ConsumeTraces for metrics.
func (o observedMetrics) ConsumeMetrics(ctx context.Context, metrics pmetric.Metrics) error {
	count := metrics.DataPointCount()
	ctx = o.report.StartMetricsOp(ctx)
	link(ctx)
	err := o.Metrics.ConsumeMetrics(ctx, metrics)
	o.report.EndMetricsOp(ctx, dataFormat, count, err)
	return err
}

type observedLogs struct {
	consumer.Logs
	report *receiverhelper.ObsReport
}

// ConsumeLogs is ConsumeTraces for logs.
func (o observedLogs) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	count := logs.LogRecordCount()
	ctx = o.report.StartLogsOp(ctx)
	link(ctx)
	err := o.Logs.ConsumeLogs(ctx, logs)
	o.report.EndLogsOp(ctx, dataFormat, count, err)
	return err
}
