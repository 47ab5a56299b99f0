// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// A collector whose exporter retries sends to one whose node refuses each second
// message. Nothing queues, so a client's response is what became of its data.

// exporting are the ways to send to a collector, and how long a delay of 1.5 s is then.
var exporting = []struct {
	exporter string
	endpoint func(to *collectorProcess) string
	delay    time.Duration
}{
	{"otlp_grpc", func(to *collectorProcess) string { return to.grpc }, 1500 * time.Millisecond},
	// Retry-After has whole seconds.
	{"otlp_http", func(to *collectorProcess) string { return "http://" + to.http }, time.Second},
}

// startSender runs a collector that sends on what it gets. It returns the address of
// its receiver and that of its metrics.
func startSender(t *testing.T, exporter, endpoint, initialInterval string) (receiver, ownMetrics string) {
	t.Helper()
	receiver, ownMetrics = freeAddress(t), freeAddress(t)
	host, port, err := net.SplitHostPort(ownMetrics)
	if err != nil {
		t.Fatal(err)
	}
	startWith(t, fmt.Sprintf(`
receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
exporters:
  %s:
    endpoint: %q
    tls: {insecure: true}
    sending_queue: {enabled: false}
    retry_on_failure: {initial_interval: %s, max_interval: 60s, randomization_factor: 0}
service:
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: %q, port: %s}}}}]}}
  pipelines:
    logs: {receivers: [otlp], exporters: [%s]}
`, receiver, exporter, endpoint, initialInterval, host, port, exporter))
	return receiver, ownMetrics
}

// What is refused for now arrives once, not before the delay that the node asked for.
func TestExporterRetriesAfterTheDelay(t *testing.T) {
	for _, way := range exporting {
		t.Run(way.exporter, func(t *testing.T) {
			t.Parallel()
			arrived := startSink(t)
			c := start(t, arrived, setup{
				processors: faultProcessor(`{every: 2, error: {kind: retryable, message: disk on fire, retry_after: 1.5s}}`),
				names:      []string{"otap/fault"},
			})
			sender, _ := startSender(t, way.exporter, way.endpoint(c), "10ms")

			if response := exportTo(t, sender, logs, "first"); response.Code() != codes.OK {
				t.Fatal(response)
			}
			began := time.Now()
			if response := exportTo(t, sender, logs, "second"); response.Code() != codes.OK {
				t.Fatal(response)
			}
			expectBodies(t, arrived, "first", "second")
			if took := arrived.last().Sub(began); took < way.delay {
				t.Errorf("arrived %v after it was sent, want at least %v", took, way.delay)
			}
		})
	}
}

// What is refused for good is dropped at once and counted. A retry would come after
// a minute, which is longer than the client waits.
func TestExporterDropsWhatIsPermanent(t *testing.T) {
	for _, way := range exporting {
		t.Run(way.exporter, func(t *testing.T) {
			t.Parallel()
			arrived := startSink(t)
			c := start(t, arrived, setup{
				processors: faultProcessor(`{every: 2, error: {kind: permanent, message: disk on fire}}`),
				names:      []string{"otap/fault"},
			})
			sender, ownMetrics := startSender(t, way.exporter, way.endpoint(c), "60s")

			for _, name := range []string{"first", "second", "third"} {
				response := exportTo(t, sender, logs, name)
				if name != "second" && response.Code() != codes.OK {
					t.Errorf("%s: %v", name, response)
				}
				if name == "second" && !strings.Contains(response.Message(), "not retryable error: ") {
					t.Errorf("second: %v, want it dropped", response)
				}
			}
			expectBodies(t, arrived, "first", "third")
			if failed := counterValue(t, ownMetrics, "otelcol_exporter_send_failed_log_records"); failed != "1" {
				t.Errorf("%q records are counted as failed, want 1", failed)
			}
		})
	}
}

// counterValue returns the value of a counter with one series; empty if there is none.
func counterValue(t *testing.T, ownMetrics, counter string, labels ...string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ownMetrics+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		ok = ok && strings.HasPrefix(series, counter)
		for _, label := range labels {
			ok = ok && strings.Contains(series, label)
		}
		if ok {
			return value
		}
	}
	return ""
}
