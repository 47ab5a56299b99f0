// SPDX-License-Identifier: Apache-2.0

// Package configpipeline is the part of the collector components' configuration that
// says which nodes a hosted pipeline has.
package configpipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/xconfmap"

	"github.com/otapbridge/otapbridge/cbridge"
)

// Pipeline is one node (Type and Config), or several (Nodes and Connections). It is
// embedded in a component's configuration with `mapstructure:",squash"`.
type Pipeline struct {
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

	// Shards is how many copies of the pipeline run, each with a thread of its own.
	Shards int `mapstructure:"shards"`

	// expanded are the texts of values in Config.
	expanded []*expandedText

	// prevent unkeyed literal initialization
	_ struct{}
}

// NodeConfig is one node of a sub-pipeline.
type NodeConfig struct {
	// Type is the node's type, such as "processor:attribute".
	Type string `mapstructure:"type"`
	// Config is the node's own configuration, verbatim.
	Config any `mapstructure:"config"`

	// expanded are the texts of values in Config.
	expanded []*expandedText

	// prevent unkeyed literal initialization
	_ struct{}
}

// ConnectionConfig leads from nodes to nodes.
type ConnectionConfig struct {
	// From is the name of a node, or a list of names.
	From any `mapstructure:"from" json:"from"`
	// Port is the output port of From; empty for its default port.
	Port string `mapstructure:"port" json:"port,omitempty"`
	// To is the name of a node, also as a list of one.
	To any `mapstructure:"to" json:"to"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// Read reads the configuration that the pipeline is embedded in. It reads the pipeline's fields of
// any type once more: confmap leaves an xconfmap.ExpandedValue in them where a variable was expanded. Secrets
// become values that are not shown when the configuration is.
func (p *Pipeline) Read(conf *confmap.Conf, whole any) error {
	if err := conf.Unmarshal(whole); err != nil {
		return err
	}
	raw := xconfmap.ToStringMapRaw(conf)
	p.Config, p.expanded = verbatim(raw["config"])
	nodes, _ := value(raw["nodes"]).(map[string]any)
	for name, node := range p.Nodes {
		settings, _ := value(nodes[name]).(map[string]any)
		node.Config, node.expanded = verbatim(settings["config"])
		p.Nodes[name] = node
	}
	connections, _ := value(raw["connections"]).([]any)
	for i := range min(len(p.Connections), len(connections)) {
		connection, _ := value(connections[i]).(map[string]any)
		p.Connections[i].From, p.Connections[i].To = names(connection["from"]), names(connection["to"])
	}
	return p.hideSecrets()
}

// nodeDocument and pipelineDocument are the form in which the configuration crosses to
// Rust, with connections as they are.
type nodeDocument struct {
	Type     string          `json:"type"`
	Config   json.RawMessage `json:"config,omitempty"`
	Expanded []*expandedText `json:"expanded,omitempty"`
}

type pipelineDocument struct {
	Type        string                  `json:"type,omitempty"`
	Config      json.RawMessage         `json:"config,omitempty"`
	Expanded    []*expandedText         `json:"expanded,omitempty"`
	Nodes       map[string]nodeDocument `json:"nodes,omitempty"`
	Connections []ConnectionConfig      `json:"connections,omitempty"`
	Shards      int                     `json:"shards"`
}

// Check checks the nodes' configuration by the nodes' own rules. Findings come joined, each with its
// path below the component.
func (p *Pipeline) Check(kind cbridge.ComponentKind) error {
	document, err := p.Document()
	if err != nil {
		return err
	}
	return cbridge.ValidateConfiguration(kind, "", document)
}

// Document is the configuration as cbridge.Settings wants it.
func (p *Pipeline) Document() ([]byte, error) {
	document := pipelineDocument{Type: p.Type, Expanded: p.expanded, Connections: p.Connections, Shards: p.Shards}
	var errs []error
	var err error
	if document.Config, err = nodeSettings("config", p.Type, p.Config); err != nil {
		errs = append(errs, err)
	}
	if len(p.Nodes) > 0 {
		document.Nodes = make(map[string]nodeDocument, len(p.Nodes))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Nodes)) {
		node := p.Nodes[name]
		settings, err := nodeSettings("nodes::"+name+"::config", node.Type, node.Config)
		if err != nil {
			errs = append(errs, err)
		}
		document.Nodes[name] = nodeDocument{Type: node.Type, Config: settings, Expanded: node.expanded}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

// nodeSettings writes a node's settings as JSON; nothing if there are none.
func nodeSettings(path, nodeType string, settings any) (json.RawMessage, error) {
	if settings == nil {
		return nil, nil
	}
	settings = shown(settings)
	if slices.Contains(nodesWithExactNumbers, nodeType) {
		settings = mapped(settings, exact)
	}
	document, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be given to the node: %w", path, err)
	}
	return document, nil
}

// nodesWithExactNumbers are the types of nodes to which 1.0 and 1 are different values. Others want a number of one kind, and
// get 1e6 as the integer 1000000, as Go's components do.
var nodesWithExactNumbers = []string{
	"processor:attribute", "urn:otel:processor:attribute", "urn:otapbridge:processor:attributes",
	"processor:filter", "urn:otel:processor:filter", "urn:otapbridge:processor:filter",
}

// exact keeps a number that is written with a point apart from an integer: encoding/json writes both 1.0 and 1 as 1.
func exact(leaf any) any {
	number, ok := leaf.(float64)
	if !ok || math.IsInf(number, 0) || math.IsNaN(number) {
		return leaf
	}
	text := strconv.FormatFloat(number, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.Number(text)
}
