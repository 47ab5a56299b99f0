// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// processorOf makes a processor of one signal, and a function that gives it data.
type processorOf func(t testing.TB, cfg component.Config, next *nextConsumer) (component.Component, func(context.Context) error)

var signals = map[string]processorOf{
	"traces": func(t testing.TB, cfg component.Config, next *nextConsumer) (component.Component, func(context.Context) error) {
		p, err := NewFactory().CreateTraces(t.Context(), settings(), cfg, next)
		require.NoError(t, err)
		assert.False(t, p.Capabilities().MutatesData)
		data := validTraces(10)
		data.MarkReadOnly()
		return p, func(ctx context.Context) error { return p.ConsumeTraces(ctx, data) }
	},
	"metrics": func(t testing.TB, cfg component.Config, next *nextConsumer) (component.Component, func(context.Context) error) {
		p, err := NewFactory().CreateMetrics(t.Context(), settings(), cfg, next)
		require.NoError(t, err)
		assert.False(t, p.Capabilities().MutatesData)
		data := testdata.GenerateMetrics(10)
		data.MarkReadOnly()
		return p, func(ctx context.Context) error { return p.ConsumeMetrics(ctx, data) }
	},
	"logs": func(t testing.TB, cfg component.Config, next *nextConsumer) (component.Component, func(context.Context) error) {
		p, err := NewFactory().CreateLogs(t.Context(), settings(), cfg, next)
		require.NoError(t, err)
		assert.False(t, p.Capabilities().MutatesData)
		data := testdata.GenerateLogs(10)
		data.MarkReadOnly()
		return p, func(ctx context.Context) error { return p.ConsumeLogs(ctx, data) }
	},
}

// validTraces are the collector's test traces with ids in their links: the engine
// refuses links without.
func validTraces(count int) ptrace.Traces {
	traces := testdata.GenerateTraces(count)
	spans := traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	for _, span := range spans.All() {
		for _, link := range span.Links().All() {
			link.SetTraceID(pcommon.TraceID{1})
			link.SetSpanID(pcommon.SpanID{1})
		}
	}
	return traces
}

func settings() processor.Settings {
	set := processortest.NewNopSettings(NewFactory().Type())
	set.ID = component.NewIDWithName(NewFactory().Type(), "test")
	return set
}

// nextConsumer keeps what it is given, with its context.
type nextConsumer struct {
	consumertest.Consumer
	contexts []context.Context
	traces   []ptrace.Traces
	metrics  []pmetric.Metrics
	logs     []plog.Logs
}

func newNextConsumer() *nextConsumer { return &nextConsumer{Consumer: consumertest.NewNop()} }

func (n *nextConsumer) ConsumeTraces(ctx context.Context, data ptrace.Traces) error {
	n.contexts, n.traces = append(n.contexts, ctx), append(n.traces, data)
	return nil
}

func (n *nextConsumer) ConsumeMetrics(ctx context.Context, data pmetric.Metrics) error {
	n.contexts, n.metrics = append(n.contexts, ctx), append(n.metrics, data)
	return nil
}

func (n *nextConsumer) ConsumeLogs(ctx context.Context, data plog.Logs) error {
	n.contexts, n.logs = append(n.contexts, ctx), append(n.logs, data)
	return nil
}

// skipWithoutLibrary is for the generated TestMain, which imports no package for it.
func skipWithoutLibrary() { cbridgetest.SkipWithoutLibrary() }

func TestCreateWithoutLibrary(t *testing.T) {
	if capi.Available {
		t.Skip("this build has the library")
	}
	_, err := NewFactory().CreateLogs(t.Context(), settings(), load(t, "otap/one"), consumertest.NewNop())
	require.ErrorIs(t, err, capi.ErrUnavailable)
	require.Regexp(t, "dist::cgo_enabled: true|build for linux/amd64", err.Error())
}

func TestNodesChangeEverySignal(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	for name, create := range signals {
		t.Run(name, func(t *testing.T) {
			next := newNextConsumer()
			p, consume := create(t, load(t, "otap/one"), next)
			require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
			require.NoError(t, consume(t.Context()))
			require.NoError(t, p.Shutdown(t.Context()))

			var env string
			switch {
			case len(next.traces) == 1:
				assert.Equal(t, 10, next.traces[0].SpanCount())
				env = next.traces[0].ResourceSpans().At(0).Resource().Attributes().AsRaw()["env"].(string)
			case len(next.metrics) == 1:
				assert.Equal(t, 10, next.metrics[0].MetricCount())
				env = next.metrics[0].ResourceMetrics().At(0).Resource().Attributes().AsRaw()["env"].(string)
			case len(next.logs) == 1:
				assert.Equal(t, 10, next.logs[0].LogRecordCount())
				env = next.logs[0].ResourceLogs().At(0).Resource().Attributes().AsRaw()["env"].(string)
			}
			assert.Equal(t, "prod", env)
		})
	}
}

// TestWhoMutatesData: only who joins data that no node looks at.
func TestWhoMutatesData(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	for _, test := range []struct {
		maxSize int
		mutates bool
	}{{0, true}, {10000, false}} {
		cfg := createDefaultConfig().(*Config)
		cfg.Type, cfg.Config = "urn:otapbridge:processor:batch", map[string]any{"max_size": test.maxSize}
		p, err := NewFactory().CreateLogs(t.Context(), settings(), cfg, consumertest.NewNop())
		require.NoError(t, err)
		assert.Equal(t, test.mutates, p.Capabilities().MutatesData)
	}
}

// TestUnchangedDataGoOnThemselves: those given in are read-only, which a copy would not be.
func TestUnchangedDataGoOnThemselves(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	for name, create := range signals {
		t.Run(name, func(t *testing.T) {
			next := newNextConsumer()
			p, consume := create(t, load(t, "otap/several"), next)
			require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
			require.NoError(t, consume(t.Context()))
			require.NoError(t, p.Shutdown(t.Context()))
			switch {
			case len(next.traces) == 1:
				assert.True(t, next.traces[0].IsReadOnly())
			case len(next.metrics) == 1:
				assert.True(t, next.metrics[0].IsReadOnly())
			default:
				require.Len(t, next.logs, 1)
				assert.True(t, next.logs[0].IsReadOnly())
			}
		})
	}
}

func TestShutdownAsTheCollectorWantsIt(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	processortest.VerifyShutdown(t, NewFactory(), load(t, "otap/several"))
}

func TestCreateNamesTheWholePath(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	_, err := NewFactory().CreateLogs(t.Context(), settings(), load(t, "otap/own-node-key"), consumertest.NewNop())
	require.ErrorContains(t, err, "processors::otap/test::nodes::a::config::colour: ")
	_, err = NewFactory().CreateLogs(t.Context(), settings(), load(t, "otap/engine-node-key"), consumertest.NewNop())
	require.ErrorContains(t, err, "processors::otap/test::config::colour: ")
}

// TestCreatedHasNothing: `otelcol validate` creates components and forgets them.
func TestCreatedHasNothing(t *testing.T) {
	runtime := cbridgetest.NeedLibrary(t)
	for name, create := range signals {
		t.Run(name, func(t *testing.T) {
			_, _ = create(t, load(t, "otap/one"), newNextConsumer())
			stats, err := runtime.Stats()
			require.NoError(t, err)
			assert.Zero(t, stats.Components)
			assert.Zero(t, stats.Pipelines)
		})
	}
}

func BenchmarkProcessor(b *testing.B) {
	cbridgetest.NeedLibrary(b)
	for name, create := range signals {
		b.Run(name, func(b *testing.B) {
			next := newNextConsumer()
			p, consume := create(b, load(b, "otap/one"), next)
			require.NoError(b, p.Start(b.Context(), componenttest.NewNopHost()))
			b.ReportAllocs()
			for b.Loop() {
				if err := consume(context.Background()); err != nil {
					b.Fatal(err)
				}
				*next = nextConsumer{Consumer: next.Consumer}
			}
			require.NoError(b, p.Shutdown(context.Background()))
		})
	}
}

var _ consumer.Logs = (*nextConsumer)(nil)
