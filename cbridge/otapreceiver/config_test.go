// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/configpipeline"
)

// load reads a component's configuration from testdata/config.yaml.
func load(t testing.TB, name string) *Config {
	t.Helper()
	all, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	sub, err := all.Sub(name)
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, sub.Unmarshal(cfg))
	return cfg
}

func TestDefaultConfig(t *testing.T) {
	assert.Equal(t, &Config{
		Pipeline: configpipeline.Pipeline{Shards: 1}, NumConsumers: 16 * runtime.GOMAXPROCS(0),
	}, createDefaultConfig())
}

func TestLoad(t *testing.T) {
	cfg := load(t, "otap/one")
	assert.Equal(t, 4, cfg.NumConsumers)
	document, err := cfg.Document()
	require.NoError(t, err)
	assert.JSONEq(t, `{"type": "urn:otapbridge:receiver:generator", "shards": 2,
		"config": {"signal": "logs", "interval": "0s", "count": 3, "batch_size": 7}}`, string(document))
}

func TestUnknownKeyIsRefused(t *testing.T) {
	for _, conf := range []map[string]any{
		{"type": "x", "timeout": "5s"},
		{"type": "x", "max_in_flight": 5},
		{"nodes": map[string]any{"a": map[string]any{"type": "x", "colour": 1}}},
	} {
		err := confmap.NewFromStringMap(conf).Unmarshal(createDefaultConfig().(*Config))
		require.ErrorContains(t, err, "invalid keys: ")
	}
}

// text is a provider of a whole configuration.
type text string

func (text) Scheme() string                 { return "test" }
func (text) Shutdown(context.Context) error { return nil }
func (p text) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	if uri == "test:tenant" {
		return confmap.NewRetrievedFromYAML([]byte("acme"))
	}
	return confmap.NewRetrievedFromYAML([]byte(p))
}

func TestExpandedAndEscapedValuesReachTheNode(t *testing.T) {
	written := text("type: urn:otapbridge:receiver:generator\nconfig: {metadata: {a: \"${test:tenant}\", b: \"$${test:tenant}\", c: x$$y}}\n")
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:              []string{"test:all"},
		ProviderFactories: []confmap.ProviderFactory{confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return written })},
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(cfg))
	document, err := cfg.Document()
	require.NoError(t, err)
	assert.JSONEq(t, `{"type": "urn:otapbridge:receiver:generator", "shards": 1,
		"config": {"metadata": {"a": "acme", "b": "${test:tenant}", "c": "x$y"}}}`, string(document))
}

// collectorConfig wraps a configuration as the collector does, so that a finding's
// path is complete.
type collectorConfig struct {
	Receivers map[component.ID]component.Config `mapstructure:"receivers"`
}

func validate(name string, cfg *Config) error {
	id := component.NewIDWithName(component.MustNewType("otap"), name)
	return confmap.Validate(&collectorConfig{Receivers: map[component.ID]component.Config{id: cfg}})
}

func TestValidateNamesThePath(t *testing.T) {
	if !capi.Available {
		require.ErrorIs(t, validate("x", load(t, "otap/one")), capi.ErrUnavailable)
		return
	}
	for name, paths := range map[string][]string{
		"one":              nil,
		"several":          nil,
		"nothing":          {"receivers::otap/nothing: "},
		"processor":        {"receivers::otap/processor: type: ", "begins with a receiver"},
		"processor-first":  {"receivers::otap/processor-first: nodes::first::type: ", "begins with a receiver"},
		"two-receivers":    {"receivers::otap/two-receivers: nodes::second"},
		"unknown-type":     {"receivers::otap/unknown-type: type: ", "urn:otapbridge:receiver:nonsense"},
		"key":              {"receivers::otap/key: config::colour: "},
		"value":            {"receivers::otap/value: config::interval: "},
		"traceparent":      {"receivers::otap/traceparent: config::traceparent: "},
		"key-in-chain":     {"receivers::otap/key-in-chain: nodes::gen::config::colour: "},
		"num-consumers":    {"receivers::otap/num-consumers: num_consumers: 0 is below 1"},
		"shards":           {"receivers::otap/shards: shards: "},
		"several-findings": {"nodes::gen::config::colour: ", "nodes::pass::config::shape: ", "num_consumers: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := validate(name, load(t, "otap/"+name))
			if paths == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			t.Log(err)
			for _, path := range paths {
				assert.ErrorContains(t, err, path)
			}
		})
	}
}

// TestExamplesOfTheREADME: what it shows is a configuration that works.
func TestExamplesOfTheREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := strings.Split(string(readme), "```yaml\n")[1:]
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
		require.NoError(t, err)
		conf, err := retrieved.AsConf()
		require.NoError(t, err)
		receivers, err := conf.Sub("receivers")
		require.NoError(t, err)
		for id := range receivers.ToStringMap() {
			sub, err := receivers.Sub(id)
			require.NoError(t, err)
			cfg := createDefaultConfig().(*Config)
			require.NoError(t, sub.Unmarshal(cfg))
			if capi.Available {
				require.NoError(t, validate("readme", cfg), id)
			}
		}
	}
}
