// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// place is where a request's work can be when its client stops waiting.
type place struct {
	name string
	// components are otap processors, one after the other; %s is the engine's debug
	// node, which tells what has come there.
	components []string
	// fillers are requests that occupy the place before.
	fillers int
	// refusal is what a node says that knows of the deadline before it passes; empty:
	// none does.
	refusal string
	// uses is how many requests can come to the place before it is another one; 0: any number.
	uses int
	// logsDrop: the node there logs when it drops its work.
	logsDrop bool
	// flushed: a node sends in time what has a deadline.
	flushed bool
	// later: what a node keeps may come out when the collector stops.
	later bool
}

const (
	oneNode  = "{type: urn:otapbridge:processor:fault, timeout: 0s, config: {delay: 300s}%s}"
	waitNode = "{type: urn:otapbridge:processor:fault, config: {delay: 300s, log_cancels: true}}"
	// busyNode works on one message at a time, and has another that waits for it.
	busyNode = "{type: urn:otapbridge:processor:fault, config: {delay: 300s, max_concurrency: 1}}"
	busyHas  = 2
	// nodeQueue is how many messages fit in the queue before a node.
	nodeQueue = 128
)

// nodesOf is a component of several nodes, one after the other.
func nodesOf(nodes ...string) string {
	text, connections := "", ""
	for i, node := range nodes {
		text += fmt.Sprintf("n%d: %s, ", i, node)
		if i > 0 {
			connections += fmt.Sprintf("{from: n%d, to: n%d}, ", i-1, i)
		}
	}
	return "{timeout: 0s, nodes: {" + text + "}, connections: [" + connections + "]}"
}

const debugNode = "{type: processor:debug, config: {verbosity: normal, output: %s}}"

var places = []place{
	{
		name:       "waiting for a slot",
		components: []string{nodesOf(debugNode), fmt.Sprintf(oneNode, ", max_in_flight: 1")},
		fillers:    1,
	},
	{
		name:       "queued before a node",
		components: []string{nodesOf(debugNode, busyNode)},
		fillers:    busyHas,
		uses:       nodeQueue / 2,
	},
	{
		name:       "inside a context-aware node",
		components: []string{nodesOf(debugNode, waitNode)},
		logsDrop:   true,
	},
	{
		name: "inside an engine node",
		components: []string{nodesOf(debugNode,
			"{type: processor:attribute, config: {apply_to: [resource], actions: [{action: insert, key: env, value: prod}]}}", busyNode)},
		fillers: busyHas + nodeQueue,
		uses:    1,
	},
	{
		name:       "inside a batch",
		components: []string{nodesOf(debugNode, "{type: urn:otapbridge:processor:batch, config: {flush_timeout: 1h}}")},
		flushed:    true,
	},
	{
		name: "inside an engine's batch",
		components: []string{nodesOf(debugNode,
			"{type: processor:batch, config: {otlp: {min_size: 1000000, sizer: bytes}, format: otlp, max_batch_duration: 1h}}")},
		uses:  500,
		later: true,
	},
	{
		name: "inside a retry node's wait",
		components: []string{nodesOf(
			"{type: processor:retry, config: {initial_interval: 1h, max_interval: 1h, max_elapsed_time: 3h}}", debugNode,
			"{type: urn:otapbridge:processor:fault, config: {error: {kind: retryable, message: not now}}}")},
		// The node knows that a retry would come too late.
		refusal: "not now",
	},
	{
		name:       "inside the next component",
		components: []string{nodesOf(debugNode), fmt.Sprintf(oneNode, "")},
	},
}

const theRequest = "the request"

var (
	saysCanceled = regexp.MustCompile("context canceled")
	// The server cancels the request's context itself at its deadline, in the same moment
	// in which it ends.
	saysEnded   = regexp.MustCompile("deadline|context canceled")
	saysNothing = regexp.MustCompile("^$")
)

// TestWhoStopsWhat: wherever a request's work is, the receiver has its result when the
// client's deadline has passed or the client has gone away, and nothing is sent on.
func TestWhoStopsWhat(t *testing.T) {
	for _, at := range places {
		t.Run(at.name, func(t *testing.T) {
			t.Run("cancel", func(t *testing.T) {
				at.run(t, saysCanceled, func(c *collectorProcess, seen string) {
					// A deadline would go with the request.
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					result := make(chan error, 1)
					go func() {
						_, err := connect(t, c).Export(ctx, oneLog(theRequest))
						result <- err
					}()
					awaitText(t, seen, theRequest)
					cancel()
					if err := <-result; status.Code(err) != codes.Canceled {
						t.Errorf("got %v, want Canceled", err)
					}
				})
			})
			t.Run("deadline", func(t *testing.T) {
				failure, want := saysEnded, codes.DeadlineExceeded
				switch {
				case at.refusal != "":
					failure, want = regexp.MustCompile(at.refusal), codes.Unavailable
				case at.flushed:
					failure, want = saysNothing, codes.OK
				}
				at.run(t, failure, func(c *collectorProcess, seen string) {
					if got := exportWithTimeout(t, c, theRequest, "2S"); got != want {
						t.Errorf("got %v, want %v", got, want)
					}
					awaitText(t, seen, theRequest)
				})
			})
		})
	}
}

// stage is a collector with a place in it.
type stage struct {
	collector *collectorProcess
	// seen is the file that tells what has come to the nodes.
	seen string
	// arrived is what was sent on; own are the collector's own spans.
	arrived, own *sink
	// dropped gets when a node says that it has dropped its work on the request.
	dropped    chan time.Time
	endFillers func()
}

// setUp starts a collector and fills the place.
func (p *place) setUp(t testing.TB) *stage {
	t.Helper()
	s := &stage{
		arrived: startSink(t), own: startSink(t), seen: filepath.Join(t.TempDir(), "seen.txt"), dropped: make(chan time.Time, 1),
	}
	how := setup{telemetry: ownSpans(s.own), watch: func(line string) {
		if strings.Contains(line, "\tdropped\t") {
			s.dropped <- time.Now()
		}
	}}
	for i, component := range p.components {
		name := fmt.Sprintf("otap/%d", i)
		how.names = append(how.names, name)
		how.processors += name + ": " + strings.ReplaceAll(component, "%s", s.seen) + "\n"
	}
	s.collector = start(t, s.arrived, how)

	ctx, cancel := context.WithCancel(t.Context())
	var fillers sync.WaitGroup
	s.endFillers = sync.OnceFunc(func() {
		cancel()
		fillers.Wait()
	})
	t.Cleanup(s.endFillers)
	client := connect(t, s.collector)
	for i := range p.fillers {
		fillers.Go(func() {
			if _, err := client.Export(ctx, oneLog(fmt.Sprintf("filler %03d", i))); status.Code(err) != codes.Canceled {
				t.Errorf("filler: got %v, want Canceled", err)
			}
		})
	}
	for i := range p.fillers {
		awaitText(t, s.seen, fmt.Sprintf("filler %03d", i))
	}
	return s
}

// awaitDrop returns when the node's work on the request was dropped.
func (s *stage) awaitDrop(t testing.TB) time.Time {
	t.Helper()
	select {
	case at := <-s.dropped:
		return at
	case <-time.After(patience):
		t.Fatal("the node does not drop its work")
		return time.Time{}
	}
}

// tearDown ends the fillers and the collector, which then has sent its spans.
func (s *stage) tearDown(t testing.TB) {
	t.Helper()
	s.endFillers()
	s.collector.stop(t)
}

// run starts a collector, has something done with it, and stops it. The receiver ends
// only when it has the result of every request, before the nodes are stopped; failure is
// what the request's result says.
func (p *place) run(t *testing.T, failure *regexp.Regexp, do func(c *collectorProcess, seen string)) {
	t.Helper()
	s := p.setUp(t)
	do(s.collector, s.seen)
	if p.logsDrop {
		s.awaitDrop(t)
	}
	s.tearDown(t)

	sent := 0
	for _, one := range s.arrived.got(logs) {
		if one.name == theRequest {
			sent++
		}
	}
	switch {
	case failure == saysNothing:
		if sent != 1 {
			t.Errorf("it was sent on %d times, want once", sent)
		}
	case sent > 0 && !p.later:
		t.Errorf("it was sent on: %v", s.arrived.got(logs))
	}
	results := 0
	for _, span := range s.own.got(traces) {
		if span.name == "receiver/otlp/LogsReceived" && failure.MatchString(span.failure) {
			results++
		}
	}
	if saysCanceled == failure || saysEnded == failure {
		results -= p.fillers
	}
	if results != 1 {
		t.Errorf("%d results say %v, want 1 besides those of %d fillers; all: %v", results, failure, p.fillers, s.own.got(traces))
	}
}

// ownSpans has the collector send its own spans to a sink, soon, and write every line of its log.
func ownSpans(to *sink) string {
	return `
metrics: {level: none}
logs: {sampling: {enabled: false}}
traces:
  level: detailed
  propagators: [tracecontext]
  processors:
    - batch: {schedule_delay: 100, exporter: {otlp: {protocol: grpc, insecure: true, endpoint: "http://` + to.address + `"}}}
`
}

// exportWithTimeout sends a log with a grpc-timeout, which the server heeds, and no
// deadline that the client would heed by itself. A server that ends the stream for the
// timeout, without a status, means DeadlineExceeded.
func exportWithTimeout(t *testing.T, to *collectorProcess, body, timeout string) codes.Code {
	t.Helper()
	data, err := oneLog(body).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	message := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://"+to.grpc+"/opentelemetry.proto.collector.logs.v1.LogsService/Export", bytes.NewReader(append(message, data...)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	request.Header.Set("Grpc-Timeout", timeout)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	if err != nil {
		if ctx.Err() == nil && strings.Contains(err.Error(), "CANCEL; received from peer") {
			return codes.DeadlineExceeded
		}
		t.Fatal(err)
	}
	trailer := response.Trailer
	if trailer.Get("Grpc-Status") == "" {
		trailer = response.Header // there was nothing but a status
	}
	code, err := strconv.ParseUint(trailer.Get("Grpc-Status"), 10, 32)
	if err != nil {
		t.Fatalf("no gRPC status: %v; %v, %v", err, response.Header, response.Trailer)
	}
	return codes.Code(code)
}
