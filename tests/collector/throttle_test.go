// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// The collector's own exporters tell those before them of a delay by an error whose type
// is private. Behind a Rust pipeline it is what a node sees and the retry node waits for.
func TestDelayOfARealExporter(t *testing.T) {
	for _, way := range exporting {
		t.Run(way.exporter, func(t *testing.T) {
			t.Parallel()
			arrived := startSink(t)
			throttles := start(t, arrived, setup{
				processors: faultProcessor(`{every: 2, error: {kind: retryable, message: disk on fire, retry_after: 1.5s}}`),
				names:      []string{"otap/fault"},
			})
			receiver := freeAddress(t)
			behind := startWith(t, fmt.Sprintf(`
receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
processors:
  otap/retry:
    nodes:
      again: {type: processor:retry, config: {initial_interval: 10ms, max_interval: 10ms}}
      sees: {type: urn:otapbridge:processor:fault, config: {log_refusals: true, every: 1000000}}
    connections: [{from: again, to: sees}]
exporters:
  %s:
    endpoint: %q
    tls: {insecure: true}
    sending_queue: {enabled: false}
    retry_on_failure: {enabled: false}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], processors: [otap/retry], exporters: [%s]}
`, receiver, way.exporter, way.endpoint(throttles), way.exporter))

			if response := exportTo(t, receiver, logs, "first"); response.Code() != codes.OK {
				t.Fatal(response)
			}
			began := time.Now()
			if response := exportTo(t, receiver, logs, "second"); response.Code() != codes.OK {
				t.Fatal(response)
			}
			if took := arrived.last().Sub(began); took < way.delay {
				t.Errorf("arrived %v after it was sent, want at least %v", took, way.delay)
			}
			expectBodies(t, arrived, "first", "second")

			behind.stop(t)
			var refusals []string
			for line := range strings.Lines(behind.logged()) {
				if strings.Contains(line, "\trefused\t") {
					refusals = append(refusals, line)
				}
			}
			if len(refusals) != 1 {
				t.Fatalf("the node saw %d refusals, want 1: %q", len(refusals), refusals)
			}
			for _, want := range []string{
				`"kind": "retryable"`, `"grpc_code": "14"`, fmt.Sprintf(`"retry_after": "%v"`, way.delay), "Throttle (" + way.delay.String() + ")",
			} {
				if !strings.Contains(refusals[0], want) {
					t.Errorf("the node does not see %s: %s", want, refusals[0])
				}
			}
		})
	}
}
