// SPDX-License-Identifier: Apache-2.0

package comparison

import (
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"go.opentelemetry.io/collector/processor"

	"github.com/otapbridge/otapbridge/cbridge/otapprocessor"
)

type settings = map[string]any

// A stage is one processor of a collector's pipeline.
type stage struct {
	factory       processor.Factory
	configuration settings
}

// A work is done in several ways: by Go's processors, by our nodes and, if the engine has such, by its nodes.
type work struct {
	name       string
	byGo, ours []stage
	engine     []stage
}

// Only crosses: nothing is asked of the data, so that they are written as OTLP, and go on as they came.
var crossing = []stage{node("urn:otapbridge:processor:filter", settings{})}

func works(of signal) []work {
	byName, byAttribute := filters(of)
	goAttributes := stage{attributesprocessor.NewFactory(), settings{"actions": actions}}
	ourAttributes := settings{"actions": actions}
	const attributes, engineAttribute, filter = "urn:otapbridge:processor:attributes", "processor:attribute", "urn:otapbridge:processor:filter"
	return []work{
		{
			name: "attributes",
			byGo: []stage{goAttributes}, ours: []stage{node(attributes, ourAttributes)},
			engine: []stage{node(engineAttribute, ourAttributes)},
		},
		{name: "filter by name", byGo: []stage{byName.byGo}, ours: []stage{node(filter, byName.ours)}},
		{name: "filter by attribute", byGo: []stage{byAttribute.byGo}, ours: []stage{node(filter, byAttribute.ours)}},
		{
			name: "attributes and filter",
			byGo: []stage{goAttributes, byAttribute.byGo}, ours: []stage{nodes(attributes, ourAttributes, filter, byAttribute.ours)},
			engine: []stage{nodes(engineAttribute, ourAttributes, filter, byAttribute.ours)},
		},
	}
}

// actions are understood by all three.
var actions = []any{
	settings{"action": "delete", "key": "db.password"},
	settings{"action": "upsert", "key": "env", "value": "production"},
	settings{"action": "hash", "key": "user.id"},
}

// A filter drops a tenth of the items.
type filter struct {
	byGo stage
	ours settings
}

func filters(of signal) (byName, byAttribute filter) {
	attribute := []any{settings{"key": "tenant", "value": "tenant-3"}}
	both := func(exclude settings, condition string) filter {
		section := map[string]string{"traces": "trace_conditions", "metrics": "metric_conditions", "logs": "log_conditions"}[of.name]
		return filter{
			byGo: stage{filterprocessor.NewFactory(), settings{section: []any{condition}}},
			ours: settings{of.name: settings{"exclude": exclude}},
		}
	}
	switch of.name {
	case "traces":
		return both(settings{"span_names": []any{"GET /users/3"}}, `span.name == "GET /users/3"`),
			both(settings{"span_attributes": attribute}, `span.attributes["tenant"] == "tenant-3"`)
	case "metrics":
		return both(settings{"metric_names": []any{"requests.3"}}, `metric.name == "requests.3"`),
			both(settings{"datapoint_attributes": attribute}, `datapoint.attributes["tenant"] == "tenant-3"`)
	case "logs":
		return both(settings{"severity_texts": []any{"LEVEL-3"}}, `log.severity_text == "LEVEL-3"`),
			both(settings{"record_attributes": attribute}, `log.attributes["tenant"] == "tenant-3"`)
	}
	panic(fmt.Sprintf("no filter of %s", of.name))
}

// node is an otap component with one node.
func node(nodeType string, config settings) stage {
	return stage{otapprocessor.NewFactory(), settings{"type": nodeType, "config": config}}
}

// nodes is an otap component with two.
func nodes(firstType string, first settings, secondType string, second settings) stage {
	return stage{otapprocessor.NewFactory(), settings{
		"nodes": settings{
			"first":  settings{"type": firstType, "config": first},
			"second": settings{"type": secondType, "config": second},
		},
		"connections": []any{settings{"from": "first", "to": "second"}},
	}}
}
