// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/metadata"
)

// The nodes of ours that change data as it stands: attributes and filter, the latter under both its names.

const attributesNode = "urn:otapbridge:processor:attributes"

var filterNodes = []string{"urn:otapbridge:processor:filter", "processor:filter"}

// What a request carries is compared by the filter and written by attributes, in one component.
func TestAttributesAndFilterSeeTheContext(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, setup{
		extensions: `basicauth: {htpasswd: {inline: "alice:wonderland"}}`,
		receiver:   "auth: {authenticator: basicauth}",
		names:      []string{"otap/x"},
		processors: `
otap/x:
  nodes:
    keep:
      type: urn:otapbridge:processor:filter
      config:
        logs:
          include:
            context:
              - {from_context: metadata.x-tenant, value: acme}
              - {from_context: auth.username, value: alice}
              - {from_context: client.address, value: 127.0.0.77}
    tag:
      type: urn:otapbridge:processor:attributes
      config:
        apply_to: [resource, log]
        actions:
          - {action: upsert, key: tenant, from_context: metadata.x-tenant}
          - {action: insert, key: user, from_context: auth.username}
          - {action: insert, key: client, from_context: client.address}
          - {action: insert, key: zone, from_context: metadata.x-zone, default_value: nowhere}
  connections: [{from: keep, to: tag}]
`,
	})
	alice := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Basic YWxpY2U6d29uZGVybGFuZA==") // alice:wonderland
	for _, one := range []struct{ body, tenant, from string }{
		{"right", "acme", "127.0.0.77"},
		{"another tenant", "umbrella", "127.0.0.77"},
		{"another client", "acme", "127.0.0.78"},
		{"no tenant", "", "127.0.0.77"},
	} {
		ctx := alice
		if one.tenant != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-tenant", one.tenant)
		}
		// What does not match is accepted as well.
		send(ctx, t, plogotlp.NewGRPCClient(dial(t, c, one.from)), one.body)
	}
	c.stop(t)
	expectBodies(t, arrived, "right")
	got := only(t, arrived)
	for key, want := range map[string]any{"tenant": "acme", "user": "alice", "client": "127.0.0.77", "zone": "nowhere"} {
		expectResource(t, got, key, want)
		if got.attributes[key] != want {
			t.Errorf("attribute %s is %#v, want %#v", key, got.attributes[key], want)
		}
	}
}

// Items without attributes are items like others.
func TestFilterKeepsItemsWithoutAttributes(t *testing.T) {
	for _, node := range filterNodes {
		t.Run(node, func(t *testing.T) {
			arrived := startSink(t)
			c := start(t, arrived, setup{names: []string{"otap/x"}, processors: "otap/x: {type: " + node +
				", config: {traces: {exclude: {match_type: strict, span_names: [zzz]}}, logs: {exclude: {match_type: strict, severity_texts: [zzz]}}}}"})
			exportSpans(t, c, "s1", "s2")
			send(t.Context(), t, connect(t, c), "a record without attributes")
			c.stop(t)
			expectSpans(t, arrived, "s1", "s2")
			expectBodies(t, arrived, "a record without attributes")
		})
	}
}

// exportSpans sends spans, of which the second has an attribute.
func exportSpans(t *testing.T, to *collectorProcess, names ...string) {
	t.Helper()
	data := ptrace.NewTraces()
	spans := data.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for index, name := range names {
		span := spans.AppendEmpty()
		span.SetName(name)
		span.SetTraceID([16]byte{1})
		span.SetSpanID([8]byte{byte(index + 1)})
		if index == 1 {
			span.Attributes().PutInt("a", 1)
		}
	}
	client := ptraceotlp.NewGRPCClient(dial(t, to, "127.0.0.1"))
	if _, err := client.Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(data)); err != nil {
		t.Fatal(err)
	}
}

func expectSpans(t *testing.T, arrived *sink, want ...string) {
	t.Helper()
	var names []string
	for _, span := range arrived.got(traces) {
		names = append(names, span.name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("arrived: %q, want %q", names, want)
	}
}

// A body that is a map is no reason to refuse: what comes behind it in an exporter's queue need not wait.
func TestFilterBehindAQueueTakesBodiesThatAreMaps(t *testing.T) {
	for _, node := range filterNodes {
		t.Run(node, func(t *testing.T) {
			arrived := startSink(t)
			queue, behind := freeAddress(t), freeAddress(t)
			c := startWith(t, fmt.Sprintf(`
receivers:
  otlp/queue: {protocols: {grpc: {endpoint: %[1]q}}}
  otlp/node: {protocols: {grpc: {endpoint: %[2]q}}}
processors:
  otap/x: {type: %[4]s, config: {logs: {exclude: {match_type: strict, bodies: [healthz]}}}}
exporters:
  otlp_grpc/queue:
    endpoint: %[2]q
    tls: {insecure: true}
    wait_for_ready: true
    sending_queue: {num_consumers: 1}
    # A retry would come after the test.
    retry_on_failure: {initial_interval: 1h, max_interval: 1h, max_elapsed_time: 3h}
  otlp_grpc/sink: {endpoint: %[3]q, tls: {insecure: true}, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs/queue: {receivers: [otlp/queue], exporters: [otlp_grpc/queue]}
    logs/node: {receivers: [otlp/node], processors: [otap/x], exporters: [otlp_grpc/sink]}
`, queue, behind, arrived.address, node))
			want := []string{`{"message":"healthz"}`}
			if err := exportLog(t, queue, structuredLog()); err != nil {
				t.Fatal(err)
			}
			for number := range 6 {
				want = append(want, fmt.Sprintf("text %d", number))
				if err := exportLog(t, queue, oneLog(want[number+1])); err != nil {
					t.Fatal(err)
				}
			}
			arrived.await(t, logs, len(want))
			c.stop(t)
			expectBodies(t, arrived, want...)
		})
	}
}

// Points of exponential histograms and their exemplars are changed like others.
func TestAttributesOfExponentialHistograms(t *testing.T) {
	const mail = "jane@example.com"
	// SHA-256 of it.
	const hash = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d"
	arrived := startSink(t)
	c := start(t, arrived, setup{names: []string{"otap/x"}, processors: "otap/x: {type: " + attributesNode +
		", config: {actions: [{action: delete, key: db.password}, {action: hash, key: user.email}]}}"})

	data := pmetric.NewMetrics()
	metric := data.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	metric.SetName("latency")
	point := metric.SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
	point.Attributes().PutStr("db.password", "s3cret")
	point.Attributes().PutStr("user.email", mail)
	point.Attributes().PutInt("shard", 7)
	exemplar := point.Exemplars().AppendEmpty()
	exemplar.FilteredAttributes().PutStr("user.email", mail)
	client := pmetricotlp.NewGRPCClient(dial(t, c, "127.0.0.1"))
	if _, err := client.Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(data)); err != nil {
		t.Fatal(err)
	}
	c.stop(t)
	got := arrived.got(metrics)
	if len(got) != 1 || len(got[0].exemplars) != 1 {
		t.Fatalf("arrived: %v", got)
	}
	for key, want := range map[string]any{"user.email": hash, "shard": int64(7), "db.password": nil} {
		if got[0].attributes[key] != want {
			t.Errorf("attribute %s is %#v, want %#v", key, got[0].attributes[key], want)
		}
	}
	if found := got[0].exemplars[0]["user.email"]; found != hash {
		t.Errorf("the exemplar's address is %#v, want %s", found, hash)
	}
}

// A request of which nothing is left is a success and goes no further, and the filter says at the end how much
// it has dropped, by rule.
func TestFilteredRequestsSucceedAndAreCounted(t *testing.T) {
	for _, node := range filterNodes {
		t.Run(node, func(t *testing.T) {
			arrived := startSink(t)
			c := start(t, arrived, setup{names: []string{"otap/x"}, processors: `
otap/x:
  type: ` + node + `
  config:
    logs:
      include: {match_type: regexp, bodies: ["^(keep|drop)"]}
      exclude: {match_type: regexp, bodies: ["^drop"]}
    traces: {exclude: {span_names: [absent]}}
`})
			for _, body := range []string{"drop 1", "other", "keep", "drop 2", "drop 3"} {
				send(t.Context(), t, connect(t, c), body)
			}
			exportSpans(t, c, "s1")
			if arrived.asked() != 2 {
				t.Errorf("%d requests arrived, want 2", arrived.asked())
			}
			c.stop(t)
			expectBodies(t, arrived, "keep")
			counted := linesWith(c.logged(), "dropped by the filter")
			for _, words := range [][]string{
				{`"rule": "logs.include"`, `"items": "1"`},
				{`"rule": "logs.exclude"`, `"items": "3"`},
			} {
				if found := linesWith(strings.Join(counted, ""), words...); len(found) != 1 {
					t.Errorf("%d lines say %q, want 1: %q", len(found), words, counted)
				}
			}
			if len(counted) != 2 {
				t.Errorf("%d lines, want 2: %q", len(counted), counted)
			}
		})
	}
}

// What is wrong in a configuration is named with its path in the file.
func TestValidateRefusesAttributesAndFilter(t *testing.T) {
	type wrong struct{ config, place, says string }
	ofFilter := []wrong{
		{"{log: {}}", "log", "unknown field"},
		{"{logs: {include: {match_type: regexp, bodies: [a, '(']}}}", "logs::include::bodies::1", "regular expression"},
		{"{traces: {exclude: {metric_names: [a]}}}", "traces::exclude::metric_names", "no condition on traces"},
		{"{span_events: {include: {span_names: [a]}}}", "span_events::include::span_names", "no condition on span events"},
		{"{metrics: {include: {context: [{from_context: weather}]}}}", "metrics::include::context::0::from_context", "weather"},
	}
	of := map[string][]wrong{
		filterNodes[0]: ofFilter,
		filterNodes[1]: ofFilter,
		attributesNode: {
			{"{}", "actions", "at least one action"},
			{"{actions: [{action: delete, key: a}], apply_to: [spans]}", "apply_to::0", "spans"},
			{"{actions: [{action: delete, key: a}, {action: remove, key: a}]}", "actions::1::action", "remove"},
			{"{actions: [{action: hash, pattern: '('}]}", "actions::0::pattern", "regular expression"},
			{"{actions: [{action: insert, key: a, value: {string: prod}}]}", "actions::0::value", `without its type: "prod"`},
			{"{actions: [{action: insert, key: a, from_context: weather}]}", "actions::0::from_context", "weather"},
			{"{actions: [{action: delete, key: a}], include: {span_name: [a]}}", "include::span_name", "unknown field"},
			{"{actions: [{action: delete, key: a}], apply_to: [resource], exclude: {span_names: [a]}}", "exclude::span_names", "apply_to"},
		},
	}
	for node, all := range of {
		for _, one := range all {
			t.Run(node+"/"+one.place, func(t *testing.T) {
				const other = "{type: urn:otapbridge:processor:fault}"
				output, err := validateProcessors(t,
					"otap/x: {nodes: {mine: {type: "+node+", config: "+one.config+"}, other: "+other+"}, connections: [{from: mine, to: other}]}")
				if err == nil {
					t.Fatalf("accepted; printed %q", output)
				}
				for _, words := range []string{"processors::otap/x: ", "nodes::mine::config::" + one.place + ": ", one.says} {
					if !strings.Contains(output, words) {
						t.Errorf("does not say %q: %s", words, output)
					}
				}
			})
		}
	}
}
