// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// examples/custom-node: nodes of somebody else's, in a library and a collector of its own.

// customCollector has make bring it up to date, once.
var customCollector = sync.OnceValues(func() (string, error) {
	const program = "bin/otapcol-custom"
	command := exec.CommandContext(context.Background(), "make", program)
	command.Dir = checkout
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.Env = environmentWithout("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
	return filepath.Join(checkout, program), command.Run()
})

// quota is a collector with the node, and behind it one of otapbridge's own.
func quota(t *testing.T, config string) setup {
	t.Helper()
	program, err := customCollector()
	if err != nil {
		t.Fatal(err)
	}
	return setup{
		processors: `
otap/quota:
  timeout: 30s
  nodes:
    quota: {type: urn:example:processor:tenant_quota, config: ` + config + `}
    tag:
      type: urn:otapbridge:processor:context_attributes
      config: {actions: [{key: tenant, from_context: metadata.x-tenant}]}
  connections: [{from: quota, to: tag}]
`,
		names:   []string{"otap/quota"},
		program: program,
	}
}

func as(ctx context.Context, tenant string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "x-tenant", tenant)
}

// refused sends one log and returns why it was refused.
func refused(ctx context.Context, t *testing.T, client plogotlp.GRPCClient, body string) *status.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := client.Export(ctx, oneLog(body))
	if err == nil {
		t.Fatalf("%s was accepted", body)
	}
	return status.Convert(err)
}

// A tenant's second request would have to wait for longer than its deadline, so it
// is refused at once, with the time of its next turn and its own trace.
func TestCustomNodeRefuses(t *testing.T) {
	arrived := startSink(t)
	how := quota(t, `{metadata_key: x-tenant, requests_per_second: 0.01, max_wait_ms: 3600000}`)
	how.telemetry = `
metrics: {level: none}
traces:
  level: detailed
  propagators: [tracecontext]
  processors:
    - batch: {exporter: {otlp: {protocol: grpc, insecure: true, endpoint: "http://` + startSink(t).address + `"}}}
`
	c := start(t, arrived, how)
	client := connect(t, c)
	nextTurn := func(delay time.Duration) {
		t.Helper()
		if delay <= 50*time.Second || delay > 100*time.Second {
			t.Errorf("the next turn is in %v, want a little less than 100s", delay)
		}
	}

	send(as(t.Context(), "acme"), t, client, "first of acme")
	got := refused(as(traced(t), "acme"), t, client, "second of acme")
	if want := "tenant acme is over its quota (trace " + traceID + ")"; got.Code() != codes.ResourceExhausted || got.Message() != want {
		t.Errorf("got %v, want ResourceExhausted: %s", got, want)
	}
	nextTurn(retryDelay(got))

	overHTTP := post(t, c, "third of acme", http.Header{"X-Tenant": {"acme"}})
	if overHTTP.status != http.StatusTooManyRequests {
		t.Errorf("status %d, want 429", overHTTP.status)
	}
	seconds, err := strconv.Atoi(overHTTP.header.Get("Retry-After"))
	if err != nil {
		t.Error(err)
	}
	nextTurn(time.Duration(seconds) * time.Second)

	send(as(t.Context(), "globex"), t, client, "first of globex")
	got = refused(t.Context(), t, client, "of nobody")
	if want := "Permanent error: the request names no tenant: send x-tenant"; got.Code() != codes.Unauthenticated || got.Message() != want {
		t.Errorf("got %v, want Unauthenticated: %s", got, want)
	}

	c.stop(t)
	expectBodies(t, arrived, "first of acme", "first of globex")
	for number, tenant := range []string{"acme", "globex"} {
		expectResource(t, arrived.got(logs)[number], "tenant", tenant)
	}
}

// Where the deadline leaves time, a request waits for its turn.
func TestCustomNodeWaits(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, quota(t, `{metadata_key: x-tenant, requests_per_second: 1, max_wait_ms: 3600000}`))
	client := connect(t, c)

	begin := time.Now()
	send(as(t.Context(), "acme"), t, client, "first")
	send(as(t.Context(), "acme"), t, client, "second")
	if took := time.Since(begin); took < time.Second {
		t.Errorf("the second request's turn came after %v, want 1s", took)
	}
	c.stop(t)
	expectBodies(t, arrived, "first", "second")
}

// Others do not wait for a request that waits, and a client that goes away ends its wait.
func TestCustomNodeWaitsForOneTenant(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, quota(t, `{metadata_key: x-tenant, requests_per_second: 0.01, max_wait_ms: 3600000}`))
	client := connect(t, c)
	send(as(t.Context(), "acme"), t, client, "first of acme")

	ctx, cancel := context.WithTimeout(as(t.Context(), "acme"), time.Hour)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := client.Export(ctx, oneLog("waiting"))
		failed <- err
	}()
	// Once it waits for the next turn, there is only the one after that.
	for retryDelay(refused(as(t.Context(), "acme"), t, client, "probe")) <= 100*time.Second {
		select {
		case err := <-failed:
			t.Fatalf("it does not wait: %v", err)
		default:
		}
	}
	send(as(t.Context(), "globex"), t, client, "first of globex")
	cancel()
	if err := <-failed; status.Code(err) != codes.Canceled {
		t.Errorf("got %v, want Canceled", err)
	}
	c.stop(t)
	expectBodies(t, arrived, "first of acme", "first of globex")
}

// Only this collector knows the node, and it checks its configuration.
func TestCustomNodeValidation(t *testing.T) {
	how := quota(t, `{metadata_key: x-tenant, requests_per_second: -1}`)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(how.yaml("127.0.0.1:4317", "127.0.0.1:4318", "127.0.0.1:4319")), 0o600); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		how.program: "processors::otap/quota: nodes::quota::config::requests_per_second: must be at least 0.00002",
		otapcol:     "nodes::quota::type: ",
	} {
		output, err := exec.CommandContext(t.Context(), program, "validate", "--config", path).CombinedOutput()
		if err == nil || !strings.Contains(string(output), want) {
			t.Errorf("%s: got %v, want %q in\n%s", program, err, want, output)
		}
	}
}

// Its other node changes data: addresses are masked on their way, wherever they stand.
func TestCustomNodeMasks(t *testing.T) {
	program, err := customCollector()
	if err != nil {
		t.Fatal(err)
	}
	arrived := startSink(t)
	c := start(t, arrived, setup{
		processors: "otap/mask: {type: urn:example:processor:mask, config: {keys: [user.email, owner]}}\n",
		names:      []string{"otap/mask"},
		program:    program,
	})
	data := plog.NewLogs()
	resource := data.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("owner", "Bob <bob@example.com>")
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.Body().SetStr("of alice@example.com")
	record.Attributes().PutStr("user.email", "alice@example.com")
	record.Attributes().PutStr("user.name", "alice@example.com")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := connect(t, c).Export(ctx, plogotlp.NewExportRequestFromLogs(data)); err != nil {
		t.Fatal(err)
	}
	c.stop(t)

	expectBodies(t, arrived, "of alice@example.com")
	got := arrived.got(logs)[0]
	expectResource(t, got, "owner", "Bob <***@example.com>")
	want := map[string]any{"user.email": "***@example.com", "user.name": "alice@example.com"}
	if !maps.Equal(got.attributes, want) {
		t.Errorf("attributes %v, want %v", got.attributes, want)
	}
}

// Its configuration is valid, and nothing in it changes data unasked.
func TestCustomNodeExampleIsValid(t *testing.T) {
	program, err := customCollector()
	if err != nil {
		t.Fatal(err)
	}
	output, err := validateWith(t, program, filepath.Join(checkout, "examples/custom-node/collector.yaml"))
	if err != nil || output != "" {
		t.Errorf("%v: %q", err, output)
	}
}

// What `make custom-node` runs after building.
func TestCustomNodeDemonstration(t *testing.T) {
	program, err := customCollector()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	script := exec.CommandContext(ctx, filepath.Join(checkout, "examples/custom-node/run.sh"))
	script.Env = append(os.Environ(), "OTAPCOL_CUSTOM="+program, "TELEMETRYGEN="+telemetrygen)
	output, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, want := range []string{"-> user.email: Str(***@example.com)", "\nOK: "} {
		if !strings.Contains(string(output), want) {
			t.Errorf("does not print %q:\n%s", want, output)
		}
	}
}
