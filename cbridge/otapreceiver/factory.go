// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/otapreceiver/internal/metadata"
)

// NewFactory returns the factory of the otap receiver. Receivers that it makes of one
// configuration share one source.
func NewFactory() receiver.Factory {
	sources := sources{open: make(map[*Config]*source)}
	return receiver.NewFactory(
		metadata.Type,
		createDefaultConfig,
		receiver.WithTraces(sources.createTraces, metadata.TracesStability),
		receiver.WithMetrics(sources.createMetrics, metadata.MetricsStability),
		receiver.WithLogs(sources.createLogs, metadata.LogsStability),
	)
}

func (s *sources) createTraces(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	return s.add(set, cfg, func(report *receiverhelper.ObsReport) (observed cbridge.Consumers, err error) {
		consume := observe(next.ConsumeTraces, ptrace.Traces.SpanCount, report.StartTracesOp, report.EndTracesOp)
		observed.Traces, err = consumer.NewTraces(consume, consumer.WithCapabilities(next.Capabilities()))
		return observed, err
	})
}

func (s *sources) createMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	return s.add(set, cfg, func(report *receiverhelper.ObsReport) (observed cbridge.Consumers, err error) {
		consume := observe(next.ConsumeMetrics, pmetric.Metrics.DataPointCount, report.StartMetricsOp, report.EndMetricsOp)
		observed.Metrics, err = consumer.NewMetrics(consume, consumer.WithCapabilities(next.Capabilities()))
		return observed, err
	})
}

func (s *sources) createLogs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	return s.add(set, cfg, func(report *receiverhelper.ObsReport) (observed cbridge.Consumers, err error) {
		consume := observe(next.ConsumeLogs, plog.Logs.LogRecordCount, report.StartLogsOp, report.EndLogsOp)
		observed.Logs, err = consumer.NewLogs(consume, consumer.WithCapabilities(next.Capabilities()))
		return observed, err
	})
}
