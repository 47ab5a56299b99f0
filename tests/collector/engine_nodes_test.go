// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// What engine nodes do with data although nobody asks them to: users are warned, or the
// configuration is refused.

const (
	seeNodes = "see docs/nodes.md"
	wayOut   = "use nodes of otapbridge or the collector's own processors; " + seeNodes
)

// linesWith are the lines of a text that contain all the words.
func linesWith(text string, words ...string) []string {
	var found []string
	for line := range strings.Lines(text) {
		has := true
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			found = append(found, line)
		}
	}
	return found
}

// `otapcol validate` and the log at start warn once for each pipeline, and the
// configuration is valid.
func TestWarningsOfEngineNodes(t *testing.T) {
	for _, one := range []struct {
		name    string
		node    string
		signals []signal
		place   string
		// says is what each warning says, in order.
		says [][]string
	}{
		{
			name:    "attribute leaves exponential histograms alone",
			node:    "{type: processor:attribute, config: {actions: [{action: delete, key: db.password}, {action: hash, key: user.email}]}}",
			signals: []signal{metrics},
			place:   "processors::otap/x",
			says: [][]string{
				{"processor:attribute leaves the attributes of exponential histograms' points and of their exemplars",
					"use urn:otapbridge:processor:attributes for metrics", "converts metrics to Arrow", wayOut},
			},
		},
		{
			name:    "attribute changes times of spans",
			node:    deletesNothing,
			signals: []signal{traces},
			place:   "processors::otap/x",
			says: [][]string{
				{"processor:attribute converts traces to Arrow", "a span without an end gets its start as its end, one without a start loses its end", wayOut},
			},
		},
		{
			name:    "one for each signal",
			node:    deletesNothing,
			signals: []signal{traces, logs},
			place:   "processors::otap/x",
			says:    [][]string{{"processor:attribute converts traces to Arrow"}, {"processor:attribute converts logs to Arrow"}},
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			how := setup{processors: "otap/x: " + one.node, names: []string{"otap/x"}, signals: one.signals}
			expect := func(where, text string, marks ...string) {
				t.Helper()
				if all := linesWith(text, marks...); len(all) != len(one.says) {
					t.Errorf("%s: %d warnings, want %d: %q", where, len(all), len(one.says), all)
				}
				for _, words := range one.says {
					if found := linesWith(text, append(words, marks...)...); len(found) != 1 {
						t.Errorf("%s: %d warnings say %q, want 1:\n%s", where, len(found), words, text)
					}
				}
			}

			output, err := validateSetup(t, how)
			if err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			expect("validate", output, "warning: "+one.place+": processor:")
			for line := range strings.Lines(output) {
				if !strings.HasPrefix(line, "warning: ") {
					t.Errorf("validate also says %q", line)
				}
			}

			expect("start", startedLog(t, how), "\twarn\t", `"place": "`+one.place+`"`, `"otelcol.component.id": "otap/x"`)
		})
	}
}

// startedLog is what a collector logs that starts, handles a request and stops.
func startedLog(t *testing.T, how setup) string {
	t.Helper()
	of := allSignals[0]
	if how.signals != nil {
		of = how.signals[0]
	}
	c := start(t, startSink(t), how)
	if response := exportTo(t, c.grpc, of, "a request"); response.Code() != codes.OK {
		t.Fatal(response)
	}
	c.stop(t)
	return c.logged()
}

// Nodes that pass data on as they are give no warning.
func TestNodesWithoutWarnings(t *testing.T) {
	for _, node := range []string{
		"{type: processor:retry, config: {}}",
		"{type: processor:debug, config: {}}",
		"{type: processor:batch, config: {}}",
		"{type: processor:attribute, config: {actions: []}}",
		bufferNode(t.TempDir()),
		"{nodes: {a: {type: processor:fanout, config: {destinations: [{port: one, primary: true}]}}, b: {type: urn:otapbridge:processor:fault}}, " +
			"connections: [{from: a, port: one, to: b}]}",
		"{type: urn:otapbridge:processor:batch}",
		"{type: urn:otapbridge:processor:fault}",
		"{type: processor:filter, config: {traces: {exclude: {match_type: strict, span_names: [zzz]}}, logs: {exclude: {match_type: strict, bodies: [healthz]}}}}",
		"{type: urn:otapbridge:processor:filter, config: {metrics: {include: {metric_types: [sum]}}}}",
		"{type: urn:otapbridge:processor:attributes, config: {actions: [{action: upsert, key: a, value: 1}, {action: hash, key: user.email}]}}",
		"{type: urn:otapbridge:processor:context_attributes, config: {actions: [{key: tenant, from_context: metadata.x-tenant}]}}",
	} {
		t.Run(node, func(t *testing.T) {
			how := setup{processors: "otap/x: " + node, names: []string{"otap/x"}}
			if output, err := validateSetup(t, how); err != nil || output != "" {
				t.Errorf("validate: %v: %q", err, output)
			}
			if found := linesWith(startedLog(t, how), "\twarn\t"); len(found) > 0 {
				t.Errorf("the start warns: %q", found)
			}
		})
	}
}

// A batch of the engine's that joins and divides Arrow data gives records the attributes of others.
func TestEngineBatchThatJoinsAndDividesIsRefused(t *testing.T) {
	for _, one := range []struct{ name, node, place string }{
		{
			"both sizes",
			"{type: processor:batch, config: {format: otap, otap: {min_size: 3, max_size: 3, sizer: items}, otlp: {min_size: 3, max_size: 3, sizer: items}}}",
			"config::otap::max_size",
		},
		{
			"min_size is max_size by default",
			"{type: processor:batch, config: {format: otap, otap: {max_size: 3, sizer: items}}}",
			"config::otap::max_size",
		},
		{
			"Arrow data from the node before",
			"{nodes: {a: " + deletesNothing + ", b: {type: processor:batch, config: {otap: {min_size: 2, max_size: 3, sizer: items}}}}, connections: [{from: a, to: b}]}",
			"nodes::b::config::otap::max_size",
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			output, err := validateProcessors(t, "otap/x: "+one.node)
			if want := "processors::otap/x: " + one.place + ": "; err == nil || !strings.Contains(output, want) {
				t.Errorf("got %v, want %q in: %s", err, want, output)
			}
			if !strings.Contains(output, "use urn:otapbridge:processor:batch") {
				t.Errorf("does not say what to use: %s", output)
			}
		})
	}
	// Without joining it is allowed.
	if output, err := validateProcessors(t, "otap/x: {type: processor:batch, config: {format: otap, otap: {min_size: 1, max_size: 3, sizer: items}}}"); err != nil {
		t.Errorf("a batch that only divides: %v: %s", err, output)
	}
}

// What a node can never do with some data it refuses for good: the queue of an exporter before it
// goes on with the next request.
func TestQueueBeforeANodeThatCannotUseSomeData(t *testing.T) {
	arrived := startSink(t)
	queue, node := freeAddress(t), freeAddress(t)
	c := startWith(t, fmt.Sprintf(`
receivers:
  otlp/queue: {protocols: {grpc: {endpoint: %[1]q}}}
  otlp/node: {protocols: {grpc: {endpoint: %[2]q}}}
processors:
  otap/x: {type: processor:transform, config: {opl_query: "logs | set attributes[\"r\"] = attributes[\"x\"] as Integer"}}
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
`, queue, node, arrived.address))

	numbered := func(body, number string) plogotlp.ExportRequest {
		request := oneLog(body)
		request.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("x", number)
		return request
	}
	const never = "Cannot cast string 'many'"
	err := exportLog(t, node, numbered("no number", "many"))
	if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), never) {
		t.Errorf("directly: got %v, want Internal", err)
	}

	if err := exportLog(t, queue, numbered("no number", "many")); err != nil {
		t.Fatal(err)
	}
	var want []string
	for number := range 6 {
		want = append(want, fmt.Sprintf("text %d", number))
		if err := exportLog(t, queue, numbered(want[number], "7")); err != nil {
			t.Fatal(err)
		}
	}
	arrived.await(t, logs, len(want))
	c.stop(t)
	expectBodies(t, arrived, want...)
	dropped := linesWith(c.logged(), "Exporting failed. Dropping data.", "not retryable error", never, `"dropped_items": 1`)
	if len(dropped) != 1 {
		t.Errorf("%d requests were dropped, want 1: %q", len(dropped), dropped)
	}
}

// A filter that excludes some texts leaves records alone whose bodies are no texts, and spans without attributes.
func TestFilterKeepsWhatItsConditionsDoNotName(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, setup{names: []string{"otap/x"}, processors: `
otap/x:
  type: processor:filter
  config:
    traces: {exclude: {match_type: strict, span_names: [zzz]}}
    logs: {exclude: {match_type: strict, bodies: [healthz]}}
`})
	for _, request := range []plogotlp.ExportRequest{structuredLog(), oneLog("healthz"), oneLog("text")} {
		if err := exportLog(t, c.grpc, request); err != nil {
			t.Fatal(err)
		}
	}
	arrived.await(t, logs, 2)
	data := ptrace.NewTraces()
	spans := data.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, name := range []string{"s1", "zzz", "s2"} {
		span := spans.AppendEmpty()
		span.SetName(name)
		span.SetTraceID([16]byte{1})
		span.SetSpanID([8]byte{1})
	}
	spans.At(2).Attributes().PutInt("a", 1)
	connection := dial(t, c, "127.0.0.1")
	if _, err := ptraceotlp.NewGRPCClient(connection).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(data)); err != nil {
		t.Fatal(err)
	}
	arrived.await(t, traces, 2)
	c.stop(t)
	var names []string
	for _, span := range arrived.got(traces) {
		names = append(names, span.name)
	}
	slices.Sort(names)
	if want := []string{"s1", "s2"}; !slices.Equal(names, want) {
		t.Errorf("arrived: %q, want %q", names, want)
	}
}

// structuredLog is a request whose only record has a map as its body.
func structuredLog() plogotlp.ExportRequest {
	data := plog.NewLogs()
	resource := data.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "test")
	one := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	one.Attributes().PutBool("structured", true)
	one.Body().SetEmptyMap().PutStr("message", "healthz")
	return plogotlp.NewExportRequestFromLogs(data)
}

// exportLog sends a request over OTLP/gRPC.
func exportLog(t *testing.T, address string, request plogotlp.ExportRequest) error {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	_, err = plogotlp.NewGRPCClient(connection).Export(t.Context(), request)
	return err
}
