// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // the exporter compresses
)

// signal names a kind of telemetry as telemetrygen does.
type signal string

const (
	traces  signal = "traces"
	metrics signal = "metrics"
	logs    signal = "logs"
)

var allSignals = []signal{traces, metrics, logs}

// record is a span, a data point or a log record, as the sink got it.
type record struct {
	resource   map[string]any
	attributes map[string]any
	name       string // span name, metric name, body
	id         string // span id; empty for others
	// Of spans only: its trace's id, its end, what its status says, its parent's id, and
	// the ids of linked traces.
	trace   string
	ended   time.Time
	failure string
	parent  string
	links   []string
	// Of points of exponential histograms only: the filtered attributes of their exemplars.
	exemplars []map[string]any
}

// sink is an OTLP/gRPC server that keeps what it is sent.
type sink struct {
	address string

	mu       sync.Mutex
	records  map[signal][]record
	latest   time.Time // when the latest record arrived
	requests int       // how many arrived, refused ones too
	refusal  error     // why requests are refused, if they are
	admitted int       // how many are accepted before
	more     chan struct{}
}

func startSink(t testing.TB) *sink {
	t.Helper()
	return startSinkAt(t, "127.0.0.1:0")
}

func startSinkAt(t testing.TB, address string) *sink {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{address: listener.Addr().String(), records: map[signal][]record{}, more: make(chan struct{}, 1)}
	server := grpc.NewServer(grpc.UnaryInterceptor(s.admit))
	ptraceotlp.RegisterGRPCServer(server, &traceSink{sink: s})
	pmetricotlp.RegisterGRPCServer(server, &metricSink{sink: s})
	plogotlp.RegisterGRPCServer(server, &logSink{sink: s})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("sink: %v", err)
		}
	})
	return s
}

// refuse makes the sink refuse what comes from now on; nil makes it accept again.
func (s *sink) refuse(why error) { s.refuseAfter(0, why) }

// refuseAfter is refuse for what comes after so many requests.
func (s *sink) refuseAfter(requests int, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admitted, s.refusal = requests, why
}

// asked returns how many requests came so far, refused ones too.
func (s *sink) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func (s *sink) admit(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	s.mu.Lock()
	s.requests++
	why := s.refusal
	if s.admitted > 0 {
		s.admitted--
		why = nil
	}
	s.mu.Unlock()
	defer s.changed()
	if why != nil {
		return nil, why
	}
	return handle(ctx, request)
}

// changed wakes who waits for something.
func (s *sink) changed() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// got returns what arrived so far for a signal.
func (s *sink) got(of signal) []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]record(nil), s.records[of]...)
}

// await returns what arrived for a signal once it is at least that much.
func (s *sink) await(t *testing.T, of signal, count int) []record {
	t.Helper()
	s.awaitThat(t, func() string {
		if arrived := len(s.got(of)); arrived < count {
			return fmt.Sprintf("%d %s arrived, want %d", arrived, of, count)
		}
		return ""
	})
	return s.got(of)
}

// awaitThat waits for requests until nothing is missing any more.
func (s *sink) awaitThat(t testing.TB, missing func() string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-s.more:
		case <-timeout:
			t.Fatalf("in time: %s", what)
		}
	}
}

// last returns when the latest record arrived.
func (s *sink) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

func (s *sink) add(of signal, resource pcommon.Resource, attributes pcommon.Map, one record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.resource, one.attributes = resource.Attributes().AsRaw(), attributes.AsRaw()
	s.latest = time.Now()
	s.records[of] = append(s.records[of], one)
	s.changed()
}

type traceSink struct {
	ptraceotlp.UnimplementedGRPCServer
	*sink
}

// Export keeps the spans.
func (s *traceSink) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	for _, resourceSpans := range request.Traces().ResourceSpans().All() {
		for _, scopeSpans := range resourceSpans.ScopeSpans().All() {
			for _, span := range scopeSpans.Spans().All() {
				one := record{
					name: span.Name(), id: span.SpanID().String(), failure: span.Status().Message(), parent: span.ParentSpanID().String(),
					trace: span.TraceID().String(), ended: span.EndTimestamp().AsTime(),
				}
				for _, link := range span.Links().All() {
					one.links = append(one.links, link.TraceID().String())
				}
				s.add(traces, resourceSpans.Resource(), span.Attributes(), one)
			}
		}
	}
	return ptraceotlp.NewExportResponse(), nil
}

type metricSink struct {
	pmetricotlp.UnimplementedGRPCServer
	*sink
}

// Export keeps the data points of gauges, sums and exponential histograms.
func (s *metricSink) Export(_ context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	for _, resourceMetrics := range request.Metrics().ResourceMetrics().All() {
		for _, scopeMetrics := range resourceMetrics.ScopeMetrics().All() {
			for _, metric := range scopeMetrics.Metrics().All() {
				var points pmetric.NumberDataPointSlice
				switch metric.Type() {
				case pmetric.MetricTypeGauge:
					points = metric.Gauge().DataPoints()
				case pmetric.MetricTypeSum:
					points = metric.Sum().DataPoints()
				case pmetric.MetricTypeExponentialHistogram:
					for _, point := range metric.ExponentialHistogram().DataPoints().All() {
						one := record{name: metric.Name()}
						for _, exemplar := range point.Exemplars().All() {
							one.exemplars = append(one.exemplars, exemplar.FilteredAttributes().AsRaw())
						}
						s.add(metrics, resourceMetrics.Resource(), point.Attributes(), one)
					}
					continue
				default:
					s.add(metrics, resourceMetrics.Resource(), pcommon.NewMap(), record{name: "unexpected " + metric.Type().String()})
					continue
				}
				for _, point := range points.All() {
					s.add(metrics, resourceMetrics.Resource(), point.Attributes(), record{name: metric.Name()})
				}
			}
		}
	}
	return pmetricotlp.NewExportResponse(), nil
}

type logSink struct {
	plogotlp.UnimplementedGRPCServer
	*sink
}

// Export keeps the log records.
func (s *logSink) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	for _, resourceLogs := range request.Logs().ResourceLogs().All() {
		for _, scopeLogs := range resourceLogs.ScopeLogs().All() {
			for _, logRecord := range scopeLogs.LogRecords().All() {
				s.add(logs, resourceLogs.Resource(), logRecord.Attributes(), record{name: logRecord.Body().AsString()})
			}
		}
	}
	return plogotlp.NewExportResponse(), nil
}
