// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/configpipeline"
	"github.com/otapbridge/otapbridge/cbridge/otapprocessor/internal/metadata"
)

// NewFactory returns the factory of the otap processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(
		metadata.Type,
		createDefaultConfig,
		processor.WithTraces(createTraces, metadata.TracesStability),
		processor.WithMetrics(createMetrics, metadata.MetricsStability),
		processor.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createTraces(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	return create(set, cfg, cbridge.Consumers{Traces: next})
}

func createMetrics(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	return create(set, cfg, cbridge.Consumers{Metrics: next})
}

func createLogs(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	return create(set, cfg, cbridge.Consumers{Logs: next})
}

// otapProcessor is a component as the collector wants to see it.
type otapProcessor struct{ *cbridge.Component }

// Capabilities says that the nodes work on a copy of the data, unless they join data that none of
// them looks at: those are moved. What they leave unchanged goes on itself, as from any processor
// that does not mutate; the collector asks all components of a pipeline before it decides whose
// the data are.
func (p otapProcessor) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: p.MutatesData()}
}

func create(set processor.Settings, config component.Config, next cbridge.Consumers) (otapProcessor, error) {
	cfg := config.(*Config)
	configuration, err := cfg.Document()
	if err != nil {
		return otapProcessor{}, err
	}
	settings := cbridge.Settings{
		Kind:          cbridge.Processor,
		Name:          "processors::" + set.ID.String(),
		Configuration: configuration,
		Logger:        set.Logger,
		Next:          next,
		Limits:        cfg.limits(),

		ShareUnchangedData: true,
	}
	component, err := cbridge.NewComponent(settings)
	if err == nil {
		configpipeline.WarnValidation(&settings)
	}
	return otapProcessor{component}, err
}
