// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the Python SDK's exporters make of each error, as the table in docs/errors.md says.
// The node refuses each second message, so what is sent again arrives.
func TestErrorsAndThePythonSDK(t *testing.T) {
	table := errorTable(t)
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			column := map[string]string{"grpc": "Python SDK over gRPC", "http": "Python SDK over HTTP"}[protocol]
			arrived := startSink(t)
			outcomes := sendWithPython(t, protocol, refuseEachSecond(t, arrived, protocol))
			bodies := map[string]int{}
			for _, one := range arrived.got(logs) {
				bodies[one.name]++
			}
			for number, one := range errorCases() {
				t.Run(one.name(), func(t *testing.T) {
					did := "drops"
					if outcomes[number].accepted {
						did = "retries"
						if outcomes[number].took >= sdkDelay {
							did = "retries when told"
						}
					}
					expectCell(t, errorRow(t, table, one), column, did)
					want := 0
					if outcomes[number].accepted {
						want = 1
					}
					if got := bodies[fmt.Sprint(number, " again")]; got != want {
						t.Errorf("arrived %d times, want %d", got, want)
					}
				})
			}
		})
	}
}

// sdkDelay is far from what the SDK waits by itself, about a second.
const sdkDelay = 4 * time.Second

// refuseEachSecond runs a collector with a pipeline for each of errorCases, and returns
// where they listen.
func refuseEachSecond(t *testing.T, to *sink, protocol string) []string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	var receivers, processors, pipelines strings.Builder
	var endpoints []string
	for number, one := range errorCases() {
		endpoint := fmt.Sprintf("127.2.%d.1:%s", number+1, port)
		endpoints = append(endpoints, endpoint)
		fmt.Fprintf(&receivers, "  otlp/%d: {protocols: {%s: {endpoint: %q}}}\n", number, protocol, endpoint)
		fmt.Fprintf(&processors, "  otap/%d: {type: urn:otapbridge:processor:fault, config: %s}\n", number,
			strings.ReplaceAll(one.fault(2), "retry_after: 1.5s", "retry_after: "+sdkDelay.String()))
		fmt.Fprintf(&pipelines, "    logs/%d: {receivers: [otlp/%d], processors: [otap/%d], exporters: [otlp_grpc]}\n", number, number, number)
	}
	startWith(t, "receivers:\n"+receivers.String()+"processors:\n"+processors.String()+
		"exporters:\n  otlp_grpc: {endpoint: \""+to.address+"\", tls: {insecure: true}, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}\n"+
		"service:\n  telemetry: {metrics: {level: none}}\n  pipelines:\n"+pipelines.String())
	return endpoints
}

// pythonOutcome is what became of a record that was refused once.
type pythonOutcome struct {
	accepted bool
	took     time.Duration
}

func sendWithPython(t *testing.T, protocol string, endpoints []string) []pythonOutcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	arguments := append([]string{filepath.Join(checkout, "tests/python/retry.py"), protocol}, endpoints...)
	command := exec.CommandContext(ctx, python, arguments...)
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("retry.py: %v\n%s", err, stderr.String())
	}
	var outcomes []pythonOutcome
	for line := range strings.Lines(string(output)) {
		result, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || (result != "accepted" && result != "failed") {
			t.Fatalf("retry.py: %q", line)
		}
		outcomes = append(outcomes, pythonOutcome{result == "accepted", time.Duration(seconds * float64(time.Second))})
	}
	if len(outcomes) != len(endpoints) {
		t.Fatalf("retry.py: %d lines for %d endpoints", len(outcomes), len(endpoints))
	}
	return outcomes
}
