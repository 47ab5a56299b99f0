// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		Timeout: 30 * time.Second, CancelGrace: 100 * time.Millisecond,
		MaxInFlight: 1000, MaxInFlightBytes: 512 << 20, Pipeline: configpipeline.Pipeline{Shards: 1},
	}, createDefaultConfig())
}

func TestLoadOneNode(t *testing.T) {
	cfg := load(t, "otap/one")
	assert.Equal(t, "processor:attribute", cfg.Type)
	assert.Equal(t, 5*time.Second, cfg.Timeout)
	assert.Equal(t, time.Duration(0), cfg.CancelGrace)
	assert.Equal(t, 10, cfg.MaxInFlight)
	assert.Equal(t, ByteSize(1<<30), cfg.MaxInFlightBytes)
	assert.Equal(t, 2, cfg.Shards)
	document, err := cfg.Document()
	require.NoError(t, err)
	assert.JSONEq(t, `{"type": "processor:attribute", "shards": 2, "config": {
		"actions": [{"action": "insert", "key": "env", "value": "prod"}], "apply_to": ["resource"]}}`, string(document))
}

func TestLoadSeveralNodes(t *testing.T) {
	cfg := load(t, "otap/several")
	assert.Equal(t, ByteSize(1_000_000), cfg.MaxInFlightBytes)
	document, err := cfg.Document()
	require.NoError(t, err)
	assert.JSONEq(t, `{"shards": 1,
		"nodes": {
			"first": {"type": "urn:otapbridge:processor:fault", "config": {}},
			"second": {"type": "urn:otapbridge:processor:fault"},
			"last": {"type": "urn:otapbridge:processor:fault", "config": {"delay": "0s"}}},
		"connections": [{"from": "first", "to": ["second"]}, {"from": ["second"], "port": "default", "to": "last"}]}`, string(document))
}

func TestUnknownKeyIsRefused(t *testing.T) {
	for _, conf := range []map[string]any{
		{"type": "x", "colour": 1},
		{"nodes": map[string]any{"a": map[string]any{"type": "x", "colour": 1}}},
		{"connections": []any{map[string]any{"from": "a", "colour": 1}}},
	} {
		err := confmap.NewFromStringMap(conf).Unmarshal(createDefaultConfig().(*Config))
		require.ErrorContains(t, err, "colour")
	}
}

// expansion is a provider whose values are expanded inside of others, as env's are.
type expansion struct{}

func (expansion) Scheme() string                 { return "test" }
func (expansion) Shutdown(context.Context) error { return nil }
func (expansion) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	switch uri {
	case "test:value":
		return confmap.NewRetrievedFromYAML([]byte("007"))
	case "test:salt":
		return confmap.NewRetrievedFromYAML([]byte(salt))
	case "test:digits":
		return confmap.NewRetrievedFromYAML([]byte(digits))
	case "test:one":
		return confmap.NewRetrievedFromYAML([]byte(`{type: processor:attribute, config: {actions: [` + saltedActions + `]}}`))
	case "test:several":
		return confmap.NewRetrievedFromYAML([]byte(`
nodes:
  a: {type: processor:attribute, config: {actions: [` + saltedActions + `]}}
  b: {type: "urn:otapbridge:processor:fault", config: {error: {kind: permanent, message: visible}}}
connections: [{from: a, to: b}]
`))
	}
	return confmap.NewRetrievedFromYAML([]byte(`
type: ${test:value}
config:
  number: ${test:value}
  list: [{key: "${test:value}", text: "a-${test:value}"}]
nodes: {a: {type: "${test:value}", config: {number: "${test:value}"}}}
connections: [{from: [a], to: "b-${test:value}"}, {from: "${test:value}", to: ["${test:value}", b]}]
`))
}

// loadExpanded reads a configuration of the provider.
func loadExpanded(t *testing.T, uri string) *Config {
	t.Helper()
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:              []string{uri},
		ProviderFactories: []confmap.ProviderFactory{confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return expansion{} })},
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(cfg))
	return cfg
}

// What is no text, but comes from one, crosses with it: only the node knows what its setting is. Names of
// nodes are texts.
func TestExpandedValuesReachTheNode(t *testing.T) {
	document, err := loadExpanded(t, "test:all").Document()
	require.NoError(t, err)
	assert.JSONEq(t, `{"type": "007", "shards": 1,
		"config": {"number": 7, "list": [{"key": 7, "text": "a-007"}]},
		"expanded": [{"at": ["list", 0, "key"], "text": "007"}, {"at": ["number"], "text": "007"}],
		"nodes": {"a": {"type": "007", "config": {"number": 7}, "expanded": [{"at": ["number"], "text": "007"}]}},
		"connections": [{"from": ["a"], "to": "b-007"}, {"from": "007", "to": ["007", "b"]}]}`, string(document))
}

func TestValuesWithoutJSONAreRefused(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Config = map[string]any{"x": math.Inf(1)}
	cfg.Nodes = map[string]configpipeline.NodeConfig{"a": {Config: map[string]any{"x": math.NaN()}}}
	_, err := cfg.Document()
	require.ErrorContains(t, err, "config: cannot be given to the node")
	require.ErrorContains(t, err, "nodes::a::config: cannot be given to the node")
}

func TestByteSize(t *testing.T) {
	for text, expected := range map[string]ByteSize{
		"0": 0, "1": 1, "512MiB": 512 << 20, " 1.5 KiB ": 1536, "2GB": 2e9, "1kB": 1000, "7B": 7,
		"1TiB": 1 << 40, "9007199254740993": 9007199254740993,
	} {
		var size ByteSize
		require.NoError(t, size.UnmarshalText([]byte(text)), text)
		assert.Equal(t, expected, size, text)
		written, err := size.MarshalText()
		require.NoError(t, err)
		var again ByteSize
		require.NoError(t, again.UnmarshalText(written))
		assert.Equal(t, size, again)
	}
	for _, text := range []string{"", "MiB", "-1", "1mb", "1.5", "1.5B", "9EiB", "8388608TiB", "1 2", "0x10", "NaN", "1e3"} {
		var size ByteSize
		require.ErrorContains(t, size.UnmarshalText([]byte(text)), text, text)
	}
}

func TestByteSizeInConfiguration(t *testing.T) {
	for _, value := range []any{1 << 20, "1MiB", "1048576"} {
		cfg := createDefaultConfig().(*Config)
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"max_in_flight_bytes": value}).Unmarshal(cfg))
		assert.Equal(t, ByteSize(1<<20), cfg.MaxInFlightBytes)
	}
	err := confmap.NewFromStringMap(map[string]any{"max_in_flight_bytes": "much"}).Unmarshal(createDefaultConfig().(*Config))
	require.ErrorContains(t, err, "max_in_flight_bytes")
}

// collectorPath wraps a configuration as the collector does, so that a finding's
// path is complete.
type collectorConfig struct {
	Processors map[component.ID]component.Config `mapstructure:"processors"`
}

func validate(name string, cfg *Config) error {
	id := component.NewIDWithName(component.MustNewType("otap"), name)
	return confmap.Validate(&collectorConfig{Processors: map[component.ID]component.Config{id: cfg}})
}

func TestValidateNamesThePath(t *testing.T) {
	if !capi.Available {
		require.ErrorIs(t, validate("x", load(t, "otap/one")), capi.ErrUnavailable)
		return
	}
	for name, paths := range map[string][]string{
		"otap/one":     nil,
		"otap/several": nil,
		"otap/wrong-node-type": {
			"processors::otap/wrong-node-type: type: "},
		"otap/nothing": {
			"processors::otap/nothing: "},
		"otap/both": {
			"processors::otap/both: "},
		"otap/engine-node-key": {
			"processors::otap/engine-node-key: config::colour: "},
		"otap/own-node-key": {
			"processors::otap/own-node-key: nodes::a::config::colour: "},
		"otap/own-node-value": {
			"processors::otap/own-node-value: config::delay: "},
		"otap/broken-connection": {
			"processors::otap/broken-connection: connections::0::to: "},
		"otap/list-item": {
			"processors::otap/list-item: config::actions::1::"},
		"otap/several-exits": nil,
		"otap/cycle": {
			"processors::otap/cycle: connections"},
		"otap/two-entries": {
			"processors::otap/two-entries: connections"},
		"otap/shards": {
			"processors::otap/shards: shards: "},
		"otap/limits": {
			"processors::otap/limits: max_in_flight: "},
		"otap/no-units": {
			"processors::otap/no-units: timeout: 5ns is below 1ms; write a unit, such as 5s",
			"cancel_grace: 999µs is below 1ms; write a unit, such as 5s"},
		"otap/shortest": nil,
		"otap/several-findings": {
			"nodes::a::config::colour: ", "nodes::b::config::shape: ", "timeout: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := validate(name[len("otap/"):], load(t, name))
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
		processors, err := conf.Sub("processors")
		require.NoError(t, err)
		for id := range processors.ToStringMap() {
			sub, err := processors.Sub(id)
			require.NoError(t, err)
			cfg := createDefaultConfig().(*Config)
			require.NoError(t, sub.Unmarshal(cfg))
			if capi.Available {
				require.NoError(t, validate("readme", cfg), id)
			}
		}
	}
}
