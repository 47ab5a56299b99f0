// SPDX-License-Identifier: Apache-2.0

package otapreceiver

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/configpipeline"
)

// Config is the configuration of the receiver: its nodes, the first of which is a
// receiver, and how what they put out is forwarded.
type Config struct {
	configpipeline.Pipeline `mapstructure:",squash"`

	// NumConsumers is how many requests at most are forwarded to the next component at a
	// time.
	NumConsumers int `mapstructure:"num_consumers"`

	// prevent unkeyed literal initialization
	_ struct{}
}

var (
	_ confmap.Validator   = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{
		Pipeline:     configpipeline.Pipeline{Shards: 1},
		NumConsumers: cbridge.DefaultLimits().Workers,
	}
}

// Unmarshal reads the configuration.
func (cfg *Config) Unmarshal(conf *confmap.Conf) error {
	return cfg.Read(conf, cfg)
}

// Validate checks everything, with the nodes' configuration by the nodes' own rules.
// Findings come joined, each with its path below the component.
func (cfg *Config) Validate() error {
	var limit error
	if cfg.NumConsumers < 1 {
		limit = fmt.Errorf("num_consumers: %d is below 1", cfg.NumConsumers)
	}
	return errors.Join(limit, cfg.Check(cbridge.Receiver))
}
