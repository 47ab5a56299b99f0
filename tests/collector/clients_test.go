// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// sender is a real OTLP client. It sends `kept` records of a signal with the
// attribute tier=keep and `dropped` ones with tier=drop, each with an attribute
// `secret`, in requests that carry the metadata x-tenant: acme.
type sender struct {
	name string
	send func(t *testing.T, to *collectorProcess, of signal, kept, dropped int)
	// sent returns the records of one tier.
	sent func(of signal, tier string, count int) []record
}

var senders = []sender{
	{
		name: "telemetrygen over gRPC",
		send: func(t *testing.T, to *collectorProcess, of signal, kept, dropped int) {
			t.Helper()
			generate(t, of, kept, dropped, "--otlp-endpoint", to.grpc)
		},
		sent: generated,
	},
	{
		name: "telemetrygen over HTTP",
		send: func(t *testing.T, to *collectorProcess, of signal, kept, dropped int) {
			t.Helper()
			generate(t, of, kept, dropped, "--otlp-endpoint", to.http, "--otlp-http")
		},
		sent: generated,
	},
	{
		name: "Python SDK over gRPC",
		send: func(t *testing.T, to *collectorProcess, of signal, kept, dropped int) {
			t.Helper()
			script := filepath.Join(checkout, "tests/python/send.py")
			run(t, python, script, to.grpc, string(of), strconv.Itoa(kept), strconv.Itoa(dropped))
		},
		sent: sentByPython,
	},
}

func run(t *testing.T, program string, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, arguments, err, output)
	}
}

func generate(t *testing.T, of signal, kept, dropped int, arguments ...string) {
	t.Helper()
	for _, tier := range []struct {
		name  string
		count int
	}{{"keep", kept}, {"drop", dropped}} {
		all := append([]string{
			string(of), "--" + string(of), strconv.Itoa(tier.count), "--rate", "0", "--otlp-insecure",
			"--otlp-header", `x-tenant="acme"`,
			"--telemetry-attributes", `tier="` + tier.name + `"`,
			"--telemetry-attributes", `secret="s3cret"`,
		}, arguments...)
		switch of {
		case metrics:
			all = append(all, "--otlp-metric-name", tier.name)
		case logs:
			all = append(all, "--body", tier.name)
		case traces:
		}
		run(t, telemetrygen, all...)
	}
}

// generated returns what telemetrygen sends. A trace is two spans.
func generated(of signal, tier string, count int) []record {
	resource := map[string]any{"service.name": "telemetrygen"}
	attributes := func(more map[string]any) map[string]any {
		maps.Copy(more, map[string]any{"tier": tier, "secret": "s3cret"})
		return more
	}
	var records []record
	for range count {
		switch of {
		case traces:
			for span, peer := range map[string]string{"lets-go": "telemetrygen-server", "okey-dokey-0": "telemetrygen-client"} {
				records = append(records, record{resource: resource, name: span, attributes: attributes(map[string]any{
					"network.peer.address": "1.2.3.4", "service.peer.name": peer,
				})})
			}
		case metrics:
			records = append(records, record{resource: resource, name: tier, attributes: attributes(map[string]any{})})
		case logs:
			records = append(records, record{resource: resource, name: tier, attributes: attributes(map[string]any{"app": "server"})})
		}
	}
	return records
}

func sentByPython(_ signal, tier string, count int) []record {
	records := make([]record, count)
	for number := range count {
		records[number] = record{
			resource:   map[string]any{"service.name": "python-client"},
			name:       tier,
			attributes: map[string]any{"tier": tier, "secret": "s3cret", "number": number},
		}
	}
	return records
}
