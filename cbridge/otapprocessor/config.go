// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/configpipeline"
)

// Config is the configuration of the processor: its nodes, and how requests cross to
// them.
type Config struct {
	configpipeline.Pipeline `mapstructure:",squash"`

	// Timeout bounds a request's time in the nodes when it has no deadline; 0 for none.
	Timeout time.Duration `mapstructure:"timeout"`
	// CancelGrace is how long nodes have to ack or nack a request that was cancelled or is overdue.
	CancelGrace time.Duration `mapstructure:"cancel_grace"`
	// MaxInFlight is the largest number of requests in the nodes.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// MaxInFlightBytes is the largest sum of their sizes.
	MaxInFlightBytes ByteSize `mapstructure:"max_in_flight_bytes"`

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
		Pipeline:         configpipeline.Pipeline{Shards: 1},
		Timeout:          limits.Timeout,
		CancelGrace:      limits.CancelGrace,
		MaxInFlight:      limits.MaxInFlight,
		MaxInFlightBytes: ByteSize(limits.MaxInFlightBytes),
	}
}

// Unmarshal reads the configuration.
func (cfg *Config) Unmarshal(conf *confmap.Conf) error {
	return cfg.Read(conf, cfg)
}

// Validate checks everything, with the nodes' configuration by the nodes' own rules.
// Findings come joined, each with its path below the component.
func (cfg *Config) Validate() error {
	limits := cfg.limits()
	return errors.Join(limits.Validate(), requireUnit("timeout", cfg.Timeout), requireUnit("cancel_grace", cfg.CancelGrace), cfg.Check(cbridge.Processor))
}

// shortest of the durations that a setting may have. A bare number in a configuration is
// one of nanoseconds, which nobody means.
const shortest = time.Millisecond

func requireUnit(setting string, duration time.Duration) error {
	if duration > 0 && duration < shortest {
		return fmt.Errorf("%s: %s is below %s; write a unit, such as 5s: a number without one is nanoseconds", setting, duration, shortest)
	}
	return nil
}

func (cfg *Config) limits() cbridge.Limits {
	return cbridge.Limits{
		Timeout:          cfg.Timeout,
		CancelGrace:      cfg.CancelGrace,
		MaxInFlight:      cfg.MaxInFlight,
		MaxInFlightBytes: int64(cfg.MaxInFlightBytes),
	}
}
