// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
	"github.com/otapbridge/otapbridge/cbridge/configpipeline"
)

const generatorType = "urn:otapbridge:receiver:generator"

// generator is the configuration of a source.
func generator(settings map[string]any) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Type, cfg.Config = generatorType, settings
	return cfg
}

func settings() receiver.Settings {
	set := receivertest.NewNopSettings(NewFactory().Type())
	set.ID = component.NewIDWithName(NewFactory().Type(), "gen")
	return set
}

// skipWithoutLibrary is for the generated TestMain, which imports no package for it.
func skipWithoutLibrary() { cbridgetest.SkipWithoutLibrary() }

func TestCreateWithoutLibrary(t *testing.T) {
	if capi.Available {
		t.Skip("this build has the library")
	}
	_, err := NewFactory().CreateLogs(t.Context(), settings(), generator(nil), consumertest.NewNop())
	require.ErrorIs(t, err, capi.ErrUnavailable)
	require.Regexp(t, "dist::cgo_enabled: true|build for linux/amd64", err.Error())
}

// arrival is a request that reached the next consumer.
type arrival struct {
	ctx    context.Context
	signal string
	items  int
}

// nextConsumer tells what it is given, and answers with what it is told.
type nextConsumer struct {
	consumertest.Consumer
	arrivals chan arrival
	answer   error
	// contexts are what receive took from arrivals.
	contexts []context.Context
}

func newNextConsumer() *nextConsumer {
	return &nextConsumer{Consumer: consumertest.NewNop(), arrivals: make(chan arrival, 1000)}
}

func (n *nextConsumer) ConsumeTraces(ctx context.Context, data ptrace.Traces) error {
	n.arrivals <- arrival{ctx, "traces", data.SpanCount()}
	return n.answer
}

func (n *nextConsumer) ConsumeMetrics(ctx context.Context, data pmetric.Metrics) error {
	n.arrivals <- arrival{ctx, "metrics", data.DataPointCount()}
	return n.answer
}

func (n *nextConsumer) ConsumeLogs(ctx context.Context, data plog.Logs) error {
	n.arrivals <- arrival{ctx, "logs", data.LogRecordCount()}
	return n.answer
}

type createFunc func(factory receiver.Factory, set receiver.Settings, cfg component.Config, next *nextConsumer) (component.Component, error)

// signals make a receiver of one signal, in the order in which the tests use them.
var signals = []struct {
	name   string
	create createFunc
}{
	{"traces", func(f receiver.Factory, set receiver.Settings, cfg component.Config, next *nextConsumer) (component.Component, error) {
		return f.CreateTraces(context.Background(), set, cfg, next)
	}},
	{"metrics", func(f receiver.Factory, set receiver.Settings, cfg component.Config, next *nextConsumer) (component.Component, error) {
		return f.CreateMetrics(context.Background(), set, cfg, next)
	}},
	{"logs", func(f receiver.Factory, set receiver.Settings, cfg component.Config, next *nextConsumer) (component.Component, error) {
		return f.CreateLogs(context.Background(), set, cfg, next)
	}},
}

func TestEverySignalIsReceived(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	for _, signal := range signals {
		t.Run(signal.name, func(t *testing.T) {
			next := newNextConsumer()
			cfg := generator(map[string]any{"signal": signal.name, "interval": "0s", "count": 3, "batch_size": 7, "metadata": map[string]any{"x-tenant": "acme"}})
			r, err := signal.create(NewFactory(), settings(), cfg, next)
			require.NoError(t, err)
			require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
			for range 3 {
				got := <-next.arrivals
				assert.Equal(t, signal.name, got.signal)
				assert.Equal(t, 7, got.items)
				assert.Equal(t, []string{"acme"}, client.FromContext(got.ctx).Metadata.Get("x-tenant"))
			}
			require.NoError(t, r.Shutdown(t.Context()))
			assert.Empty(t, next.arrivals)
		})
	}
}

// createAll makes receivers of every signal of one configuration.
func createAll(t *testing.T, factory receiver.Factory, cfg *Config, next *nextConsumer) []component.Component {
	t.Helper()
	var all []component.Component
	for _, signal := range signals {
		r, err := signal.create(factory, settings(), cfg, next)
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

func components(t *testing.T, runtime *cbridge.Runtime) int {
	t.Helper()
	stats, err := runtime.Stats()
	require.NoError(t, err)
	return int(stats.Components)
}

func TestSignalsShareOneSource(t *testing.T) {
	runtime := cbridgetest.NeedLibrary(t)
	next, factory := newNextConsumer(), NewFactory()
	all := createAll(t, factory, generator(map[string]any{"signal": "metrics", "interval": "0s", "count": 1}), next)
	for _, r := range all[:2] {
		require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
		assert.Zero(t, components(t, runtime), "the pipelines of other signals may not run yet")
	}
	require.NoError(t, all[2].Start(t.Context(), componenttest.NewNopHost()))
	assert.Equal(t, 1, components(t, runtime))
	assert.Equal(t, "metrics", (<-next.arrivals).signal)
	require.Error(t, all[0].Start(t.Context(), componenttest.NewNopHost()), "started once")

	for _, r := range all {
		require.NoError(t, r.Shutdown(t.Context()))
		assert.Zero(t, components(t, runtime), "the first shutdown ends the source")
	}
	assert.Empty(t, next.arrivals, "it was made once")
	require.Error(t, all[0].Start(t.Context(), componenttest.NewNopHost()), "after the shutdown")
}

func TestAnotherUseOfAConfigurationIsAnotherSource(t *testing.T) {
	runtime := cbridgetest.NeedLibrary(t)
	factory, next := NewFactory(), newNextConsumer()
	cfg := generator(map[string]any{"signal": "logs", "interval": "0s", "count": 1})
	logs := signals[2].create
	start := func() component.Component {
		r, err := logs(factory, settings(), cfg, next)
		require.NoError(t, err)
		require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
		<-next.arrivals
		return r
	}
	first := start()
	second := start()
	assert.Equal(t, 2, components(t, runtime))
	require.NoError(t, first.Shutdown(t.Context()))
	assert.Equal(t, 1, components(t, runtime))
	require.NoError(t, second.Shutdown(t.Context()))
	third := start()
	require.NoError(t, third.Shutdown(t.Context()))
}

func TestShutdownWithoutStart(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	factory, next := NewFactory(), newNextConsumer()
	cfg := generator(map[string]any{"signal": "logs", "interval": "0s"})
	all := createAll(t, factory, cfg, next)
	require.NoError(t, all[0].Start(t.Context(), componenttest.NewNopHost()))
	for _, r := range all {
		require.NoError(t, r.Shutdown(t.Context()))
	}
	assert.Empty(t, next.arrivals)
}

// TestCreatedHasNothing: `otelcol validate` creates components and forgets them.
func TestCreatedHasNothing(t *testing.T) {
	runtime := cbridgetest.NeedLibrary(t)
	_ = createAll(t, NewFactory(), load(t, "otap/one"), newNextConsumer())
	assert.Zero(t, components(t, runtime))
}

func TestCreateNamesTheWholePath(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	_, err := NewFactory().CreateLogs(t.Context(), settings(), load(t, "otap/key"), consumertest.NewNop())
	require.ErrorContains(t, err, "receivers::otap/gen::config::colour: ")
	_, err = NewFactory().CreateLogs(t.Context(), settings(), load(t, "otap/key-in-chain"), consumertest.NewNop())
	require.ErrorContains(t, err, "receivers::otap/gen::nodes::gen::config::colour: ")
}

// statusHost keeps what is reported to it.
type statusHost struct {
	component.Host
	reported []componentstatus.Status
}

// Report keeps a status.
func (h *statusHost) Report(event *componentstatus.Event) {
	h.reported = append(h.reported, event.Status())
}

func TestStatusIsThatOfEveryReceiver(t *testing.T) {
	first, second := &statusHost{Host: componenttest.NewNopHost()}, &statusHost{Host: componenttest.NewNopHost()}
	all := hosts{first, componenttest.NewNopHost(), second}
	componentstatus.ReportStatus(all, componentstatus.NewEvent(componentstatus.StatusRecoverableError))
	componentstatus.ReportStatus(all, componentstatus.NewEvent(componentstatus.StatusOK))
	expected := []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}
	assert.Equal(t, expected, first.reported)
	assert.Equal(t, expected, second.reported)
	assert.Empty(t, all.GetExtensions())
}

// chain is the configuration of a source and a node after it.
func chain(source map[string]any, node string, config map[string]any) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Nodes = map[string]configpipeline.NodeConfig{
		"source": {Type: generatorType, Config: source}, "node": {Type: node, Config: config},
	}
	cfg.Connections = []configpipeline.ConnectionConfig{{From: "source", To: "node"}}
	return cfg
}

var _ consumer.Logs = (*nextConsumer)(nil)
