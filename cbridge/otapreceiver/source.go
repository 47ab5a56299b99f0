// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/configpipeline"
)

// sources are the sources that are not shut down, by their configuration: the
// collector makes a receiver for each signal, and gives all of a component ID the same
// configuration.
type sources struct {
	mu   sync.Mutex
	open map[*Config]*source
}

// source is one component and the receivers that share it, one for each signal.
// It starts when the last of them does: the collector may start the first before the
// others' pipelines. It is shut down with the first of them: the
// collector may shut down the others' pipelines next.
type source struct {
	settings cbridge.Settings
	remove   func()

	mu       sync.Mutex
	receives int
	// hosts are those of the receivers that were started.
	hosts   hosts
	stopped bool
	running *cbridge.Component
}

// add makes a receiver of the source of a configuration. observed are the next consumer
// with the receiver's own telemetry.
func (s *sources) add(set receiver.Settings, config component.Config, observed func(*receiverhelper.ObsReport) (cbridge.Consumers, error)) (*otapReceiver, error) {
	cfg := config.(*Config)
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	next, err := observed(report)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if shared := s.open[cfg]; shared != nil && shared.join(next) {
		return &otapReceiver{source: shared}, nil
	}
	shared, err := newSource(set, cfg, next)
	if err != nil {
		return nil, err
	}
	s.open[cfg] = shared
	shared.remove = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[cfg] == shared {
			delete(s.open, cfg)
		}
	}
	return &otapReceiver{source: shared}, nil
}

func newSource(set receiver.Settings, cfg *Config, next cbridge.Consumers) (*source, error) {
	configuration, err := cfg.Document()
	if err != nil {
		return nil, err
	}
	name := "receivers::" + set.ID.String()
	if err := cbridge.ValidateConfiguration(cbridge.Receiver, name, configuration); err != nil {
		return nil, err
	}
	settings := cbridge.Settings{
		Kind:          cbridge.Receiver,
		Name:          name,
		Configuration: configuration,
		Logger:        set.Logger,
		Next:          next,
		Limits:        cbridge.Limits{Workers: cfg.NumConsumers},
	}
	configpipeline.WarnValidation(&settings)
	return &source{settings: settings, receives: 1}, nil
}

// join adds the consumer of a further signal. It reports false if there is one
// already, or if it is too late: then another use of the configuration begins.
func (s *source) join(next cbridge.Consumers) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	joined := &s.settings.Next
	switch {
	case len(s.hosts) > 0 || s.stopped:
		return false
	case next.Traces != nil && joined.Traces == nil:
		joined.Traces = next.Traces
	case next.Metrics != nil && joined.Metrics == nil:
		joined.Metrics = next.Metrics
	case next.Logs != nil && joined.Logs == nil:
		joined.Logs = next.Logs
	default:
		return false
	}
	s.receives++
	return true
}

func (s *source) start(ctx context.Context, host component.Host) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("the receiver was shut down: make another")
	}
	if s.hosts = append(s.hosts, host); len(s.hosts) < s.receives {
		return nil
	}
	running, err := cbridge.NewComponent(s.settings)
	if err != nil {
		return err
	}
	if err := running.Start(ctx, s.hosts); err != nil {
		return err
	}
	s.running = running
	return nil
}

func (s *source) shutdown(ctx context.Context) error {
	// Before s.mu: add takes the lock of the sources first, and then that of a source.
	s.remove()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.running == nil {
		return nil
	}
	return s.running.Shutdown(ctx)
}

// otapReceiver is a source's receiver of one signal, as the collector wants to see it.
type otapReceiver struct {
	source  *source
	started bool
}

// Start starts the source, if this is the last of its receivers.
func (r *otapReceiver) Start(ctx context.Context, host component.Host) error {
	if r.started {
		return errors.New("a receiver can be started once")
	}
	r.started = true
	return r.source.start(ctx, host)
}

// Shutdown shuts the source down, if this is the first of its receivers.
func (r *otapReceiver) Shutdown(ctx context.Context) error { return r.source.shutdown(ctx) }

// hosts stands for the hosts of all receivers of a source: the collector keeps a
// status for each of them.
type hosts []component.Host

var (
	_ component.Host           = hosts(nil)
	_ componentstatus.Reporter = hosts(nil)
)

// GetExtensions returns the collector's extensions, which every host knows.
func (h hosts) GetExtensions() map[component.ID]component.Component { return h[0].GetExtensions() }

// Report reports the status of every receiver.
func (h hosts) Report(event *componentstatus.Event) {
	for _, host := range h {
		componentstatus.ReportStatus(host, event)
	}
}
