// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// What a request carries is read inside the Rust node context_attributes, which
// writes it into resource attributes.

func tagging(actions string) setup {
	return setup{
		processors: "otap/tag:\n" +
			"  type: urn:otapbridge:processor:context_attributes\n" +
			"  timeout: 0s\n" +
			"  config:\n    actions:\n" + indent(actions, 6),
		names: []string{"otap/tag"},
	}
}

func TestDeadline(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, tagging(`- {key: remaining, from_context: deadline_remaining}`))

	const given = 20 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), given)
	defer cancel()
	if _, err := connect(t, c).Export(ctx, oneLog("in time")); err != nil {
		t.Fatal(err)
	}
	remaining, ok := only(t, arrived).resource["remaining"].(int64)
	if !ok || remaining <= 0 || remaining > given.Milliseconds() || remaining < given.Milliseconds()/2 {
		t.Errorf("remaining is %v ms, want a little below %v", only(t, arrived).resource["remaining"], given)
	}
}

func TestNoDeadline(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, tagging(`- {key: remaining, from_context: deadline_remaining}`))

	if _, err := connect(t, c).Export(t.Context(), oneLog("whenever")); err != nil {
		t.Fatal(err)
	}
	if remaining, there := only(t, arrived).resource["remaining"]; there {
		t.Errorf("remaining is %v without a deadline", remaining)
	}
}

// A deadline that passes stops the work inside the Rust node: the node, which
// would wait five minutes, takes the next request at once.
func TestDeadlinePasses(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, setup{
		processors: faultProcessor(`{delay: 300s, every: 2}`),
		names:      []string{"otap/fault"},
	})
	client := connect(t, c)

	send(t.Context(), t, client, "first")
	// Time enough to come to the node, also on a busy machine.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := client.Export(ctx, oneLog("second")); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	send(t.Context(), t, client, "third")

	c.stop(t)
	expectBodies(t, arrived, "first", "third")
}

// A client that goes away stops the work inside the Rust node: the node, which
// would wait five minutes, takes the next request at once.
func TestCancellation(t *testing.T) {
	arrived := startSink(t)
	// The engine's debug node, in front, tells when a request is inside.
	seen := filepath.Join(t.TempDir(), "seen.txt")
	c := start(t, arrived, setup{
		processors: `
otap/wait:
  nodes:
    see: {type: processor:debug, config: {verbosity: normal, output: ` + seen + `}}
    wait: {type: urn:otapbridge:processor:fault, config: {delay: 300s, every: 2}}
  connections: [{from: see, to: wait}]
`,
		names: []string{"otap/wait"},
	})
	client := connect(t, c)

	send(t.Context(), t, client, "first")

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := client.Export(ctx, oneLog("second"))
		failed <- err
	}()
	awaitText(t, seen, "second")
	cancel()
	if err := <-failed; status.Code(err) != codes.Canceled {
		t.Errorf("got %v, want Canceled", err)
	}

	send(t.Context(), t, client, "third")
	c.stop(t)
	expectBodies(t, arrived, "first", "third")
}

func TestMetadataOverGRPC(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, tagging(`
- {key: tenants, from_context: metadata.X-Tenant}
- {key: absent, from_context: metadata.x-absent}
`))

	ctx := metadata.AppendToOutgoingContext(t.Context(), "X-Tenant", "acme", "x-tenant", "Umbrella", "X-TENANT", "zeta")
	send(ctx, t, connect(t, c), "several values")
	got := only(t, arrived)
	expectResource(t, got, "tenants", "acme;Umbrella;zeta")
	if value, there := got.resource["absent"]; there {
		t.Errorf("absent metadata wrote %v", value)
	}
}

func TestMetadataOverHTTP(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, tagging(`- {key: tenants, from_context: metadata.x-tenant}`))

	// Assigned, not Set: the spelling goes out as it is.
	header := http.Header{"x-TENANT": {"acme", "Umbrella"}}
	if got := post(t, c, "mixed case", header); got.status != http.StatusOK {
		t.Fatalf("status %d", got.status)
	}
	expectResource(t, only(t, arrived), "tenants", "acme;Umbrella")
}

func TestClientAddress(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, tagging(`- {key: client, from_context: client.address}`))

	send(t.Context(), t, plogotlp.NewGRPCClient(dial(t, c, "127.0.0.77")), "from 77")
	expectResource(t, only(t, arrived), "client", "127.0.0.77")
}

func TestBasicAuth(t *testing.T) {
	arrived := startSink(t)
	how := tagging(`- {key: user, from_context: auth.username}`)
	how.extensions = `basicauth: {htpasswd: {inline: "alice:wonderland"}}`
	how.receiver = "auth: {authenticator: basicauth}"
	c := start(t, arrived, how)
	client := connect(t, c)

	wrong := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Basic YWxpY2U6d3Jvbmc=") // alice:wrong
	if _, err := client.Export(wrong, oneLog("wrong password")); status.Code(err) != codes.Unauthenticated {
		t.Errorf("wrong password: got %v, want Unauthenticated", err)
	}
	right := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Basic YWxpY2U6d29uZGVybGFuZA==") // alice:wonderland
	send(right, t, client, "right password")
	got := only(t, arrived)
	if got.name != "right password" {
		t.Errorf("arrived: %q", got.name)
	}
	expectResource(t, got, "user", "alice")
}

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceState  = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"
	spanActions = `
- {key: trace, from_context: trace_id}
- {key: span, from_context: span_id}
- {key: flags, from_context: trace_flags}
- {key: state, from_context: trace_state}
`
)

// traced is a context whose requests carry W3C trace headers.
func traced(t *testing.T) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(),
		"traceparent", "00-"+traceID+"-b7ad6b7169203331-01", "tracestate", traceState)
}

// The collector's own tracing takes the caller's span context from the W3C
// headers and starts a span of its own in the same trace: that span is what a
// component, and so the node, sees.
func TestSpanContext(t *testing.T) {
	arrived, own := startSink(t), startSink(t)
	how := tagging(spanActions)
	how.telemetry = ownSpans(own)
	c := start(t, arrived, how)

	send(traced(t), t, connect(t, c), "traced")
	got := only(t, arrived)
	expectResource(t, got, "trace", traceID)
	expectResource(t, got, "flags", int64(1))
	expectResource(t, got, "state", traceState)

	// Stopping exports the collector's own spans: the node's is among them.
	c.stop(t)
	var names []string
	for _, span := range own.got(traces) {
		if span.id == got.resource["span"] {
			names = append(names, span.name)
		}
	}
	if !slices.Equal(names, []string{"receiver/otlp/LogsReceived"}) {
		t.Errorf("span %v is %q, want the receiver's; all: %v", got.resource["span"], names, own.got(traces))
	}
}

// Without the collector's own tracing nobody reads the headers, and no node sees a span.
func TestNoSpanContextWithoutTracing(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, tagging(spanActions))
	send(traced(t), t, connect(t, c), "not traced")
	for _, key := range []string{"trace", "span", "flags", "state"} {
		if value, there := only(t, arrived).resource[key]; there {
			t.Errorf("%s is %v without tracing", key, value)
		}
	}
}
