// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"go.uber.org/zap"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// ComponentKind says where a component stands in the collector's pipelines.
type ComponentKind = capi.ComponentKind

// The kinds of component.
const (
	Processor = capi.ComponentProcessor
	Receiver  = capi.ComponentReceiver
)

// Settings describe a component.
type Settings struct {
	Kind ComponentKind
	// Name begins the paths in configuration errors, such as "processors::otap/scrub".
	Name string
	// Configuration is JSON: `type` and `config` of one node, or `nodes` and
	// `connections`; and `shards`.
	Configuration []byte
	// Logger receives the component's log records.
	Logger *zap.Logger
	// Next receives what comes out.
	Next Consumers
	// Limits bound what goes in. Of a receiver's only Workers counts.
	Limits Limits
	// ShareUnchangedData forwards the caller's own data, and no copy of them, if the nodes
	// leave them as they are. A next consumer that mutates data then changes what the caller
	// gave, and may keep it: the caller must not use it again. Data that are read-only
	// are still copied for a next consumer that mutates. Data that no node looks at are moved
	// when they are joined, which has to be declared: see Component.MutatesData. Whoever gets an
	// error has moved data back as they were.
	ShareUnchangedData bool

	// alwaysMarshal is for tests of what crosses: data go in as bytes also where no node
	// looks at them.
	alwaysMarshal bool
}

func (s *Settings) options() capi.ComponentOptions {
	options := capi.ComponentOptions{Kind: s.Kind, Name: s.Name, Configuration: s.Configuration,
		// 0 stands for a default there.
		CancelGrace: max(s.Limits.CancelGrace, 1),
		References:  s.Kind == Processor && !s.alwaysMarshal}
	// A receiver's signals are those of the pipelines it is in, which can change: what it keeps on
	// disk must not depend on them.
	if s.Kind != Receiver {
		options.Signal = s.Next.onlySignal()
	}
	return options
}

// Warnings says what a user should know of these settings if they are right: which nodes change
// or drop data of the component's signal although nobody asks them to, and what to use instead. A
// component also logs them when it starts.
func (s *Settings) Warnings() []string {
	var warnings []string
	for warning := capi.ComponentWarnings(s.options()); warning != nil; warning = warning.Next {
		warnings = append(warnings, warning.Field+": "+warning.Message)
	}
	return warnings
}

// SecretSettings says which settings of a component's configuration are secrets, by their
// places, such as "nodes::a::config::actions::0::salt".
func SecretSettings(configuration []byte) ([]string, error) {
	return capi.ComponentSecrets(capi.ComponentOptions{Kind: Processor, Configuration: configuration})
}

// ValidateConfiguration checks a component's kind, name and configuration without
// creating anything. Several findings come joined, each with its path.
func ValidateConfiguration(kind ComponentKind, name string, configuration []byte) error {
	return errormapping.FromLibrary(capi.ValidateComponent(capi.ComponentOptions{Kind: kind, Name: name, Configuration: configuration}))
}
