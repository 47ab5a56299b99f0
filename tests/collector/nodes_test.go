// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"encoding/json"
	"maps"
	"testing"
)

// variant is a pipeline of otap processors and what it does to the records.
type variant struct {
	name       string
	processors string
	names      []string
	drops      bool // records of tier drop are filtered out
	marks      bool // `secret` is deleted and `env` is set on each record
	tags       bool // `tenant` is set on the resource, from the metadata x-tenant
}

const (
	attributeNode = `
type: processor:attribute
config:
  actions:
    - {action: upsert, key: env, value: prod}
    - {action: delete, key: secret}
`
	filterNode = `
type: processor:filter
config:
  traces: {exclude: {match_type: strict, span_attributes: [{key: tier, value: drop}]}}
  metrics: {exclude: {match_type: strict, metric_names: [drop]}}
  logs: {exclude: {match_type: strict, record_attributes: [{key: tier, value: drop}]}}
`
	contextAttributesNode = `
type: urn:otapbridge:processor:context_attributes
config:
  actions: [{key: tenant, from_context: metadata.x-tenant}]
`
)

var variants = []variant{
	{
		name:       "attribute",
		processors: "otap/mark:\n" + indent(attributeNode, 2),
		names:      []string{"otap/mark"},
		marks:      true,
	},
	{
		name:       "filter",
		processors: "otap/keep:\n" + indent(filterNode, 2),
		names:      []string{"otap/keep"},
		drops:      true,
	},
	{
		name: "attribute and filter in one component",
		processors: "otap/both:\n  nodes:\n    mark:\n" + indent(attributeNode, 6) +
			"    keep:\n" + indent(filterNode, 6) + "  connections: [{from: keep, to: mark}]\n",
		names: []string{"otap/both"},
		drops: true,
		marks: true,
	},
	{
		name:       "context_attributes",
		processors: "otap/tag:\n" + indent(contextAttributesNode, 2),
		names:      []string{"otap/tag"},
		tags:       true,
	},
	{
		name: "three components",
		processors: "otap/mark:\n" + indent(attributeNode, 2) + "otap/keep:\n" + indent(filterNode, 2) +
			"otap/tag:\n" + indent(contextAttributesNode, 2),
		names: []string{"otap/tag", "otap/keep", "otap/mark"},
		drops: true,
		marks: true,
		tags:  true,
	},
}

// TestTelemetryOfRealClients sends every signal with every client through every
// pipeline: exactly the expected records arrive, none lost and none twice.
func TestTelemetryOfRealClients(t *testing.T) {
	const kept, dropped = 230, 110 // more than one request of telemetrygen each

	for _, pipeline := range variants {
		for _, client := range senders {
			t.Run(pipeline.name+"/"+client.name, func(t *testing.T) {
				arrived := startSink(t)
				c := start(t, arrived, setup{processors: pipeline.processors, names: pipeline.names})
				for _, of := range allSignals {
					client.send(t, c, of, kept, dropped)
					expectRecords(t, of, arrived.got(of), pipeline.expect(client, of, kept, dropped))
				}
				// Nothing may come late either.
				c.stop(t)
				for _, of := range allSignals {
					expectRecords(t, of, arrived.got(of), pipeline.expect(client, of, kept, dropped))
				}
				expectDistinctSpans(t, arrived.got(traces))
			})
		}
	}
}

// expect returns the records that come out of the pipeline.
func (v variant) expect(client sender, of signal, kept, dropped int) []record {
	records := client.sent(of, "keep", kept)
	if !v.drops {
		records = append(records, client.sent(of, "drop", dropped)...)
	}
	for i := range records {
		if v.marks {
			records[i].attributes = maps.Clone(records[i].attributes)
			delete(records[i].attributes, "secret")
			records[i].attributes["env"] = "prod"
		}
		if v.tags {
			records[i].resource = maps.Clone(records[i].resource)
			records[i].resource["tenant"] = "acme"
		}
	}
	return records
}

// counted counts equal records; ids do not count.
func counted(t *testing.T, records []record) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, one := range records {
		text, err := json.Marshal([]any{one.name, one.resource, one.attributes})
		if err != nil {
			t.Fatal(err)
		}
		counts[string(text)]++
	}
	return counts
}

func expectRecords(t *testing.T, of signal, got, want []record) {
	t.Helper()
	gotCounts, wantCounts := counted(t, got), counted(t, want)
	for text, count := range wantCounts {
		if gotCounts[text] != count {
			t.Errorf("%s: got %d, want %d, of %s", of, gotCounts[text], count, text)
		}
	}
	for text, count := range gotCounts {
		if wantCounts[text] == 0 {
			t.Errorf("%s: got %d of unexpected %s", of, count, text)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

func expectDistinctSpans(t *testing.T, spans []record) {
	t.Helper()
	seen := map[string]bool{}
	for _, span := range spans {
		if seen[span.id] {
			t.Errorf("span %s arrived twice", span.id)
		}
		seen[span.id] = true
	}
}
