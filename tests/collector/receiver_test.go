// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// awaitCounter waits until one of the collector's own counters has a value.
func awaitCounter(t *testing.T, ownMetrics, counter, label, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		got := counterValue(t, ownMetrics, counter, label)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s{%s} is %q, want %s", counter, label, got, want)
		}
	}
}

// ownMetricsSection is `service::telemetry::metrics` for counterValue.
func ownMetricsSection(t *testing.T, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{readers: [{pull: {exporter: {prometheus: {host: %q, port: %s}}}}]}", host, port)
}

// The example runs as it stands, but ends after some requests and sends to the sink:
// work that began in Rust reaches another
// component in Rust with its context, batches do not mix tenants, and what
// the sink accepted is what the receivers count as accepted.
func TestGeneratorExample(t *testing.T) {
	arrived := startSink(t)
	ownMetrics := freeAddress(t)
	c := startWith(t, fmt.Sprintf(`
receivers:
  otap/acme: {config: {count: 100, interval: 1ms}}
  otap/globex: {config: {count: 50, interval: 1ms}}
exporters:
  otlp_grpc: {endpoint: %q, tls: {insecure: true}, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}
service:
  telemetry: {metrics: %s}
  pipelines: {traces: {exporters: [otlp_grpc]}}
`, arrived.address, ownMetricsSection(t, ownMetrics)), filepath.Join(checkout, "examples/generator.yaml"))

	const acme, globex = 100 * 5, 50 * 2
	tenants := map[any]int{}
	for _, span := range arrived.await(t, traces, acme+globex) {
		tenants[span.resource["tenant"]]++
	}
	if tenants["acme"] != acme || tenants["globex"] != globex || len(tenants) != 2 {
		t.Errorf("spans of tenants: %v, want acme %d, globex %d", tenants, acme, globex)
	}
	expectDistinctSpans(t, arrived.got(traces))
	awaitCounter(t, ownMetrics, "otelcol_receiver_accepted_spans", `receiver="otap/acme"`, "500")
	awaitCounter(t, ownMetrics, "otelcol_receiver_accepted_spans", `receiver="otap/globex"`, "100")
	c.stop(t)
	if records := arrived.got(traces); len(records) != acme+globex {
		t.Errorf("%d spans arrived, want %d", len(records), acme+globex)
	}
}

// One source serves the pipelines of every signal, and what the next component
// refuses is counted as refused.
func TestReceiverOfSeveralSignals(t *testing.T) {
	ownMetrics := freeAddress(t)
	arrived := startSink(t)
	startWith(t, fmt.Sprintf(`
receivers:
  otap/gen:
    type: urn:otapbridge:receiver:generator
    config: {signal: logs, interval: 0s, count: 30, batch_size: 2}
    num_consumers: 1
processors:
  otap/outage: {type: "urn:otapbridge:processor:fault", config: {every: 3, error: {kind: retryable, message: not now}}}
exporters:
  otlp_grpc: {endpoint: %q, tls: {insecure: true}, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}
service:
  telemetry: {metrics: %s}
  pipelines:
    traces: {receivers: [otap/gen], exporters: [otlp_grpc]}
    metrics: {receivers: [otap/gen], exporters: [otlp_grpc]}
    logs: {receivers: [otap/gen], processors: [otap/outage], exporters: [otlp_grpc]}
`, arrived.address, ownMetricsSection(t, ownMetrics)))
	awaitCounter(t, ownMetrics, "otelcol_receiver_accepted_log_records", `receiver="otap/gen"`, "40")
	awaitCounter(t, ownMetrics, "otelcol_receiver_refused_log_records", `receiver="otap/gen"`, "20")
	if got := len(arrived.got(logs)); got != 40 {
		t.Errorf("%d log records arrived, want 40", got)
	}
}

// Requests whose data a node joined have no common parent: the collector's own span of the
// batch links to them. A request alone is below the span that its context names.
func TestOwnSpansOfWorkThatBeginsInRust(t *testing.T) {
	const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	arrived, own := startSink(t), startSink(t)
	c := startWith(t, fmt.Sprintf(`
receivers:
  otap/alone:
    type: urn:otapbridge:receiver:generator
    config: &gen {signal: logs, interval: 0s, count: 20, traceparent: 00-%s-%s-01}
  otap/merged:
    nodes:
      gen: {type: "urn:otapbridge:receiver:generator", config: *gen}
      batch: {type: "urn:otapbridge:processor:batch", config: {min_size: 20, flush_timeout: 1h}}
    connections: [{from: gen, to: batch}]
exporters:
  otlp_grpc: {endpoint: %q, tls: {insecure: true}, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}
service:
  telemetry:
    metrics: {level: none}
    traces: {processors: [{batch: {exporter: {otlp: {protocol: grpc, insecure: true, endpoint: "http://%s"}}}}]}
  pipelines:
    logs: {receivers: [otap/alone, otap/merged], exporters: [otlp_grpc]}
`, traceID, spanID, arrived.address, own.address))
	arrived.await(t, logs, 40)
	c.stop(t)

	var alone, merged []record
	for _, span := range own.got(traces) {
		switch span.name {
		case "receiver/otap/alone/LogsReceived":
			alone = append(alone, span)
		case "receiver/otap/merged/LogsReceived":
			merged = append(merged, span)
		}
	}
	if len(alone) != 20 || len(merged) != 1 {
		t.Fatalf("%d spans of requests and %d of batches, want 20 and 1", len(alone), len(merged))
	}
	for _, span := range alone {
		if span.parent != spanID || len(span.links) != 0 {
			t.Errorf("a request's span is below %q with links to %q, want it below %s", span.parent, span.links, spanID)
		}
	}
	if merged[0].parent != "" || !slices.Contains(merged[0].links, traceID) {
		t.Errorf("the batch's span is below %q with links to %q, want links to %s", merged[0].parent, merged[0].links, traceID)
	}
}

// validateReceivers validates a configuration with a `receivers` section.
func validateReceivers(t *testing.T, receivers string) (string, error) {
	t.Helper()
	var names []string
	for line := range strings.Lines(receivers) {
		if name, ok := strings.CutPrefix(line, "  otap/"); ok {
			name, _, _ = strings.Cut(name, ":")
			names = append(names, "otap/"+name)
		}
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := "receivers:\n" + receivers + "\nexporters: {debug: {}}\nservice: {pipelines: {logs: {receivers: [" +
		strings.Join(names, ", ") + "], exporters: [debug]}}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return validate(t, path)
}

func TestValidateRefusesReceivers(t *testing.T) {
	const generator = "urn:otapbridge:receiver:generator"
	for _, wrong := range []struct {
		name   string
		config string
		says   []string
	}{
		{"key of the node", "type: " + generator + "\nconfig: {intervall: 1s}", []string{"config::intervall: "}},
		{"value of the node", "type: " + generator + "\nconfig: {interval: soon}", []string{"config::interval: ", "soon"}},
		{"number of the node", "type: " + generator + "\nconfig: {batch_size: 0}", []string{"config::batch_size: ", "0 is not between"}},
		{"key in a chain", "nodes: {gen: {type: " + generator + ", config: {colour: red}}}", []string{"nodes::gen::config::colour: "}},
		{"processor", "type: processor:attribute\nconfig: {actions: []}", []string{"type: ", "begins with a receiver"}},
		{"unknown type", "type: urn:otapbridge:receiver:nonesuch", []string{"type: ", "nonesuch", generator}},
		{"value of the component", "type: " + generator + "\nnum_consumers: 0", []string{"num_consumers: "}},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			output, err := validateReceivers(t, "  otap/gen:\n"+indent(wrong.config, 4))
			if err == nil {
				t.Fatalf("accepted; printed %q", output)
			}
			for _, words := range append(wrong.says, "receivers::otap/gen: ") {
				if !strings.Contains(output, words) {
					t.Errorf("does not say %q: %s", words, output)
				}
			}
		})
	}
	if output, err := validateReceivers(t, "  otap/gen: {type: "+generator+", timeout: 5s}"); err == nil || !strings.Contains(output, "invalid keys: timeout") {
		t.Errorf("a key that the component does not have: %v: %s", err, output)
	}
}
