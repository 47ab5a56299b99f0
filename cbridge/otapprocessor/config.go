// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otapbridge/otapbridge/cbridge"
)

// Config is the configuration of the processor: one node (Type and Config), or
// several (Nodes and Connections), and how requests cross to them.
type Config struct {
	// Type is the node's type, such as "processor:attribute".
	Type string `mapstructure:"type"`
	// Config is the node's own configuration, verbatim.
	Config any `mapstructure:"config"`

	// Nodes are the nodes of a sub-pipeline, by name.
	Nodes map[string]NodeConfig `mapstructure:"nodes"`
	// Connections tell how the nodes are connected. The one node without an incoming
	// connection is the entry; those without an outgoing connection are exits, of
	// which there may be several, and all lead to the next component.
	Connections []ConnectionConfig `mapstructure:"connections"`

	// Timeout bounds a request's time in the nodes when it has no deadline; 0 for none.
	Timeout time.Duration `mapstructure:"timeout"`
	// CancelGrace is how long a cancelled request waits for the nodes' own answer.
	CancelGrace time.Duration `mapstructure:"cancel_grace"`
	// MaxInFlight is the largest number of requests in the nodes.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// MaxInFlightBytes is the largest sum of their sizes.
	MaxInFlightBytes ByteSize `mapstructure:"max_in_flight_bytes"`
	// Shards is how many copies of the pipeline run, each with a thread of its own.
	Shards int `mapstructure:"shards"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// NodeConfig is one node of a sub-pipeline.
type NodeConfig struct {
	// Type is the node's type, such as "processor:attribute".
	Type string `mapstructure:"type"`
	// Config is the node's own configuration, verbatim.
	Config any `mapstructure:"config"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// ConnectionConfig leads from nodes to nodes.
type ConnectionConfig struct {
	// From is the name of a node, or a list of names.
	From any `mapstructure:"from"`
	// Port is the output port of From; empty for its default port.
	Port string `mapstructure:"port"`
	// To is the name of a node, also as a list of one.
	To any `mapstructure:"to"`

	// prevent unkeyed literal initialization
	_ struct{}
}

var (
	_ confmap.Validator   = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	limits := cbridge.DefaultLimits()
	return &Config{
		Timeout:          limits.Timeout,
		CancelGrace:      limits.CancelGrace,
		MaxInFlight:      limits.MaxInFlight,
		MaxInFlightBytes: ByteSize(limits.MaxInFlightBytes),
		Shards:           1,
	}
}

// Unmarshal reads the configuration. In fields of any type confmap would leave its
// own marks where a variable was expanded; they are read again without.
func (cfg *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(cfg); err != nil {
		return err
	}
	var verbatim struct {
		Config any `mapstructure:"config"`
		Nodes  map[string]struct {
			Config any `mapstructure:"config"`
		} `mapstructure:"nodes"`
		Connections []struct {
			From any `mapstructure:"from"`
			To   any `mapstructure:"to"`
		} `mapstructure:"connections"`
	}
	if err := confmap.NewFromStringMap(conf.ToStringMap()).Unmarshal(&verbatim, confmap.WithIgnoreUnused()); err != nil {
		return err
	}
	cfg.Config = verbatim.Config
	for name, node := range verbatim.Nodes {
		read := cfg.Nodes[name]
		read.Config = node.Config
		cfg.Nodes[name] = read
	}
	for i, connection := range verbatim.Connections {
		cfg.Connections[i].From, cfg.Connections[i].To = connection.From, connection.To
	}
	return nil
}

// Validate checks everything, with the nodes' configuration by the nodes' own rules.
// Findings come joined, each with its path below the component.
func (cfg *Config) Validate() error {
	limits := cfg.limits()
	configuration, err := cfg.configuration()
	if err == nil {
		err = cbridge.ValidateConfiguration(cbridge.Processor, "", configuration)
	}
	return errors.Join(limits.Validate(), err)
}

func (cfg *Config) limits() cbridge.Limits {
	return cbridge.Limits{
		Timeout:          cfg.Timeout,
		CancelGrace:      cfg.CancelGrace,
		MaxInFlight:      cfg.MaxInFlight,
		MaxInFlightBytes: int64(cfg.MaxInFlightBytes),
	}
}

// nodeDocument, connectionDocument and componentDocument are the form in which the
// configuration crosses to Rust.
type nodeDocument struct {
	Type   string          `json:"type"`
	Config json.RawMessage `json:"config,omitempty"`
}

type connectionDocument struct {
	From any    `json:"from"`
	Port string `json:"port,omitempty"`
	To   any    `json:"to"`
}

type componentDocument struct {
	Type        string                  `json:"type,omitempty"`
	Config      json.RawMessage         `json:"config,omitempty"`
	Nodes       map[string]nodeDocument `json:"nodes,omitempty"`
	Connections []connectionDocument    `json:"connections,omitempty"`
	Shards      int                     `json:"shards"`
}

// configuration is the part of the configuration that is Rust's, as JSON.
func (cfg *Config) configuration() ([]byte, error) {
	document := componentDocument{Type: cfg.Type, Shards: cfg.Shards}
	var errs []error
	var err error
	if document.Config, err = nodeSettings("config", cfg.Config); err != nil {
		errs = append(errs, err)
	}
	if len(cfg.Nodes) > 0 {
		document.Nodes = make(map[string]nodeDocument, len(cfg.Nodes))
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Nodes)) {
		node := cfg.Nodes[name]
		settings, err := nodeSettings("nodes::"+name+"::config", node.Config)
		if err != nil {
			errs = append(errs, err)
		}
		document.Nodes[name] = nodeDocument{Type: node.Type, Config: settings}
	}
	for _, connection := range cfg.Connections {
		document.Connections = append(document.Connections, connection.document())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

func (c *ConnectionConfig) document() connectionDocument {
	return connectionDocument{From: c.From, Port: c.Port, To: c.To}
}

// nodeSettings writes a node's settings as JSON; nothing if there are none.
func nodeSettings(path string, settings any) (json.RawMessage, error) {
	if settings == nil {
		return nil, nil
	}
	document, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be given to the node: %w", path, err)
	}
	return document, nil
}
