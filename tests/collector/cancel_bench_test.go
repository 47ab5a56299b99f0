// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/metadata"

	"github.com/otapbridge/otapbridge/tests/latency"
)

// loads are what else the machine does meanwhile.
var loads = []struct {
	name  string
	start func(testing.TB) (stop func())
}{
	{"idle", func(testing.TB) func() { return func() {} }},
	{"busy", startTraffic},
}

// BenchmarkCancel is the time from a client's cancel to the end of the receiver's span,
// which is when the receiver has its result, and to the moment when the node's work on
// the request is gone. Both contain the way from the client over the loopback. ns/op is
// the time of a sample.
func BenchmarkCancel(b *testing.B) {
	for i := range places {
		for _, load := range loads {
			b.Run(places[i].name+"/"+load.name, func(b *testing.B) {
				defer load.start(b)()
				places[i].measureCancels(b)
			})
		}
	}
}

func (p *place) measureCancels(b *testing.B) {
	b.Helper()
	var ended, dropped latency.Samples
	var s *stage
	// When the clients of the stage have cancelled, by trace.
	cancelled := map[string]time.Time{}
	finish := func() {
		// Before the fillers' end, which would delay the end of the last.
		s.own.awaitThat(b, func() string {
			for _, span := range s.own.got(traces) {
				if at, ours := cancelled[span.trace]; ours && span.name == "receiver/otlp/LogsReceived" {
					ended.Add(span.ended.Sub(at))
					delete(cancelled, span.trace)
				}
			}
			if len(cancelled) == 0 {
				return ""
			}
			return fmt.Sprintf("no spans of %d requests", len(cancelled))
		})
		s.tearDown(b)
	}
	var client plogotlp.GRPCClient
	for uses := 0; b.Loop(); uses++ {
		if s == nil || p.uses > 0 && uses%p.uses == 0 {
			if s != nil {
				finish()
			}
			s = p.setUp(b)
			client = connect(b, s.collector)
		}
		trace, body := fmt.Sprintf("%032x", uses+1), fmt.Sprintf("request %d of the benchmark", uses)
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(b.Context(), "traceparent", "00-"+trace+"-00000000000000a1-01"))
		back := make(chan struct{})
		go func() {
			defer close(back)
			_, _ = client.Export(ctx, oneLog(body))
		}()
		awaitText(b, s.seen, body)
		runtime.Gosched()
		began := time.Now()
		cancel()
		<-back
		cancelled[trace] = began
		if p.logsDrop {
			dropped.Add(s.awaitDrop(b).Sub(began))
		}
	}
	finish()
	ended.Report(b, "result")
	dropped.Report(b, "drop")
}

// startTraffic keeps a second collector busy, whose nodes accept nothing in the end.
func startTraffic(tb testing.TB) func() {
	tb.Helper()
	c := start(tb, startSink(tb), setup{names: []string{"otap"}, processors: "otap: " + nodesOf(
		"{type: processor:attribute, config: {apply_to: [resource], actions: [{action: insert, key: env, value: prod}]}}",
		"{type: urn:otapbridge:processor:fault, config: {error: {kind: permanent}}}")})
	ctx, cancel := context.WithCancel(tb.Context())
	var wg sync.WaitGroup
	for range 4 * runtime.NumCPU() {
		client := connect(tb, c)
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = client.Export(ctx, oneLog("traffic"))
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		c.stop(tb)
	}
}
