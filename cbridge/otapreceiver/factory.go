// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

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
	report, err := newReport(set)
	if err != nil {
		return nil, err
	}
	return s.add(set, cfg.(*Config), cbridge.Consumers{Traces: observedTraces{next, report}})
}

func (s *sources) createMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	report, err := newReport(set)
	if err != nil {
		return nil, err
	}
	return s.add(set, cfg.(*Config), cbridge.Consumers{Metrics: observedMetrics{next, report}})
}

func (s *sources) createLogs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	report, err := newReport(set)
	if err != nil {
		return nil, err
	}
	return s.add(set, cfg.(*Config), cbridge.Consumers{Logs: observedLogs{next, report}})
}
