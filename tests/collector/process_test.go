// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for an event; it only matters when a test fails.
const patience = 30 * time.Second

// collectorProcess is a running collector.
type collectorProcess struct {
	grpc string // address of the OTLP receiver, host:port
	http string

	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended and its log is complete
	ready   chan struct{}

	mu      sync.Mutex
	log     strings.Builder
	stopped bool
}

// setup describes a collector: OTLP in → processors → OTLP out to the sink.
// Nothing queues or retries, so the response to a client is the sink's.
type setup struct {
	processors string // the `processors` section, unindented YAML
	names      []string
	signals    []signal // those with a pipeline; default: all
	extensions string   // further `extensions`
	receiver   string   // further settings of both protocols
	telemetry  string   // the `service::telemetry` section; default: none
	program    string   // the collector; default: bin/otapcol
	// watch sees each line of its log when it comes.
	watch func(line string)
}

func (s setup) yaml(grpcAddress, httpAddress, sinkAddress string) string {
	telemetry := s.telemetry
	if telemetry == "" {
		telemetry = "metrics: {level: none}"
	}
	var extensionNames []string
	for line := range strings.Lines(s.extensions) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
			extensionNames = append(extensionNames, name)
		}
	}
	pipeline := fmt.Sprintf("{receivers: [otlp], processors: [%s], exporters: [otlp_grpc]}", strings.Join(s.names, ", "))
	protocol := func(address string) string {
		return "endpoint: " + address + "\ninclude_metadata: true\n" + s.receiver
	}
	signals := s.signals
	if signals == nil {
		signals = allSignals
	}
	var pipelines strings.Builder
	for _, of := range signals {
		fmt.Fprintf(&pipelines, "    %s: %s\n", of, pipeline)
	}
	return "receivers:\n  otlp:\n    protocols:\n" +
		"      grpc:\n" + indent(protocol(grpcAddress), 8) +
		"      http:\n" + indent(protocol(httpAddress), 8) +
		"processors:\n" + indent(s.processors, 2) +
		"exporters:\n  otlp_grpc:\n    endpoint: " + sinkAddress + "\n" +
		"    tls: {insecure: true}\n    sending_queue: {enabled: false}\n    retry_on_failure: {enabled: false}\n" +
		"extensions:\n" + indent(s.extensions, 2) +
		"service:\n  extensions: [" + strings.Join(extensionNames, ", ") + "]\n" +
		"  telemetry:\n" + indent(telemetry, 4) +
		"  pipelines:\n" + pipelines.String()
}

func indent(text string, columns int) string {
	var result strings.Builder
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		result.WriteString(strings.Repeat(" ", columns) + strings.TrimRight(line, "\n") + "\n")
	}
	return result.String()
}

// freeAddress returns a loopback address nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// start runs a collector in front of the sink until the test ends.
func start(t testing.TB, to *sink, how setup) *collectorProcess {
	t.Helper()
	grpcAddress, httpAddress := freeAddress(t), freeAddress(t)
	c := startProgram(t, cmp.Or(how.program, otapcol), how.yaml(grpcAddress, httpAddress, to.address), how.watch)
	c.grpc, c.http = grpcAddress, httpAddress
	return c
}

// startWith runs a collector with that configuration until the test ends. It is laid
// over those of the files.
func startWith(t *testing.T, text string, files ...string) *collectorProcess {
	t.Helper()
	return startProgram(t, otapcol, text, nil, files...)
}

func startProgram(t testing.TB, program, text string, watch func(line string), files ...string) *collectorProcess {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	var arguments []string
	for _, file := range append(files, path) {
		arguments = append(arguments, "--config", file)
	}
	c := &collectorProcess{
		command: exec.Command(program, arguments...), //nolint:noctx // it ends with SIGTERM, not by being killed
		ended:   make(chan struct{}),
		ready:   make(chan struct{}),
	}
	stderr, err := c.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	go c.follow(bufio.NewScanner(stderr), watch)
	t.Cleanup(func() {
		c.stop(t)
		if t.Failed() {
			t.Logf("configuration:\n%s\ncollector's log:\n%s", text, c.logged())
		}
	})

	select {
	case <-c.ready:
	case <-c.ended:
		t.Fatal("the collector ended before it was ready")
	case <-time.After(patience):
		t.Fatal("the collector was not ready in time")
	}
	return c
}

func (c *collectorProcess) follow(lines *bufio.Scanner, watch func(line string)) {
	defer close(c.ended)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if watch != nil {
			watch(lines.Text())
		}
		c.mu.Lock()
		c.log.WriteString(lines.Text() + "\n")
		c.mu.Unlock()
		if strings.Contains(lines.Text(), "Everything is ready") {
			close(c.ready)
		}
	}
}

// logged returns what the collector has written so far.
func (c *collectorProcess) logged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

// stop ends the collector as an operator would, and checks that it ends well.
func (c *collectorProcess) stop(t testing.TB) {
	t.Helper()
	if c.stopped {
		return
	}
	c.stopped = true
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("cannot stop the collector: %v", err)
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Error("the collector did not stop in time")
		_ = c.command.Process.Kill()
		<-c.ended
	}
	if err := c.command.Wait(); err != nil {
		t.Errorf("the collector ended with: %v", err)
	}
}

// kill ends the collector as the kernel does when memory runs out: nothing is shut down.
func (c *collectorProcess) kill(t testing.TB) {
	t.Helper()
	c.stopped = true
	if err := c.command.Process.Kill(); err != nil {
		t.Fatalf("cannot kill the collector: %v", err)
	}
	<-c.ended
	var how *exec.ExitError
	if err := c.command.Wait(); !errors.As(err, &how) || how.Exited() {
		t.Fatalf("the collector had ended before: %v", err)
	}
}

// failToStart runs a collector that has to refuse its configuration at its start, and
// returns what it says.
func failToStart(t *testing.T, to *sink, how setup) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := how.yaml(freeAddress(t), freeAddress(t), to.address)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, otapcol, "--config", path).CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) || !failed.Exited() {
		t.Fatalf("the collector did not fail: %v\nconfiguration:\n%s\nlog:\n%s", err, text, output)
	}
	return string(output)
}
