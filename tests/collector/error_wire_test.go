// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// One collector has a pipeline for each error, and in front of it one for each
// exporter; and one with a retry node in front of the node that fails.

// errorEndpoints are where a case's pipelines listen.
type errorEndpoints struct {
	direct      string // gRPC, in front of the fault
	directHTTP  string
	viaGRPC     string // gRPC, in front of an otlp_grpc exporter to direct
	viaHTTP     string // gRPC, in front of an otlp_http exporter to directHTTP
	behindRetry string // gRPC, in front of a retry node and a fault that hits each second message
}

// errorMatrix starts the collector; the endpoints are those of errorCases.
func errorMatrix(t *testing.T, to *sink) []errorEndpoints {
	t.Helper()
	// All on one port, each on a loopback address of its own.
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	var receivers, processors, exporters, pipelines strings.Builder
	pipeline := func(name, processors, exporter string) {
		for _, of := range allSignals {
			fmt.Fprintf(&pipelines, "    %s/%s: {receivers: [otlp/%s], processors: [%s], exporters: [%s]}\n",
				of, name, name, processors, exporter)
		}
	}
	const (
		unqueued = "tls: {insecure: true}, sending_queue: {enabled: false}"
		// Gives up before the first retry, and its error says that it would have retried.
		once = "retry_on_failure: {initial_interval: 60s, max_interval: 60s, max_elapsed_time: 60s, randomization_factor: 0}"
	)
	fmt.Fprintf(&exporters, "  otlp_grpc/sink: {endpoint: %q, wait_for_ready: true, %s, retry_on_failure: {enabled: false}}\n", to.address, unqueued)

	var endpoints []errorEndpoints
	for number, one := range errorCases() {
		address := func(pipeline int) string {
			return fmt.Sprintf("127.1.%d.%d:%s", number+1, pipeline, port)
		}
		at := errorEndpoints{address(1), address(2), address(3), address(4), address(5)}
		endpoints = append(endpoints, at)

		fmt.Fprintf(&receivers, "  otlp/fault%d: {protocols: {grpc: {endpoint: %q}, http: {endpoint: %q}}}\n", number, at.direct, at.directHTTP)
		fmt.Fprintf(&receivers, "  otlp/grpc%d: {protocols: {grpc: {endpoint: %q}}}\n", number, at.viaGRPC)
		fmt.Fprintf(&receivers, "  otlp/http%d: {protocols: {grpc: {endpoint: %q}}}\n", number, at.viaHTTP)
		fmt.Fprintf(&receivers, "  otlp/retry%d: {protocols: {grpc: {endpoint: %q}}}\n", number, at.behindRetry)
		fmt.Fprintf(&processors, "  otap/fault%d: {type: urn:otapbridge:processor:fault, config: %s}\n", number, one.fault(1))
		fmt.Fprintf(&processors, "  otap/retry%d:\n    nodes:\n"+
			"      retry: {type: processor:retry, config: {initial_interval: 10ms}}\n"+
			"      fault: {type: urn:otapbridge:processor:fault, config: %s}\n"+
			"    connections: [{from: retry, to: fault}]\n", number, one.fault(2))
		fmt.Fprintf(&exporters, "  otlp_grpc/%d: {endpoint: %q, wait_for_ready: true, %s, %s}\n", number, at.direct, unqueued, once)
		fmt.Fprintf(&exporters, "  otlp_http/%d: {endpoint: \"http://%s\", %s, %s}\n", number, at.directHTTP, unqueued, once)
		pipeline(fmt.Sprintf("fault%d", number), fmt.Sprintf("otap/fault%d", number), "otlp_grpc/sink")
		pipeline(fmt.Sprintf("grpc%d", number), "", fmt.Sprintf("otlp_grpc/%d", number))
		pipeline(fmt.Sprintf("http%d", number), "", fmt.Sprintf("otlp_http/%d", number))
		pipeline(fmt.Sprintf("retry%d", number), fmt.Sprintf("otap/retry%d", number), "otlp_grpc/sink")
	}
	startWith(t, "receivers:\n"+receivers.String()+"processors:\n"+processors.String()+"exporters:\n"+exporters.String()+
		"service:\n  telemetry: {metrics: {level: none}}\n  pipelines:\n"+pipelines.String())
	return endpoints
}

// Each error of a node reaches each receiver's client, each exporter and the
// engine's retry node as the table in docs/errors.md says, for each signal.
func TestErrorsOnTheWire(t *testing.T) {
	table := errorTable(t)
	arrived := startSink(t)
	endpoints := errorMatrix(t, arrived)
	want := map[signal]map[string]int{}

	for _, of := range allSignals {
		want[of] = map[string]int{}
		for _, one := range errorCases() {
			want[of][one.name()+" before"] = 1
			if strings.HasPrefix(errorRow(t, table, one)["`retry` node"], "retries") {
				want[of][one.name()+" again"] = 1
			}
		}
	}

	t.Run("cases", func(t *testing.T) {
		for number, one := range errorCases() {
			for _, of := range allSignals {
				t.Run(one.name()+"/"+string(of), func(t *testing.T) {
					t.Parallel()
					row := errorRow(t, table, one)
					at := endpoints[number]
					expectReceiver(t, row, at, of)
					expectExporters(t, row, at, of)
					expectRetryNode(t, row, at, of, one)
				})
			}
		}
	})

	for _, of := range allSignals {
		got := map[string]int{}
		for _, record := range arrived.got(of) {
			got[record.name]++
		}
		for name, count := range got {
			if want[of][name] != count {
				t.Errorf("%s: %q arrived %d times, want %d", of, name, count, want[of][name])
			}
		}
		for name := range want[of] {
			if got[name] == 0 {
				t.Errorf("%s: %q did not arrive", of, name)
			}
		}
	}
}

// expectReceiver checks what the receiver tells a client.
func expectReceiver(t *testing.T, row map[string]string, at errorEndpoints, of signal) {
	t.Helper()
	overGRPC := exportTo(t, at.direct, of, "refused")
	expectCell(t, row, "gRPC", overGRPC.Code().String())
	expectCell(t, row, "receiver over gRPC", statusCell(overGRPC))
	if !strings.Contains(overGRPC.Message(), "disk on fire") {
		t.Errorf("gRPC: message %q does not name the cause", overGRPC.Message())
	}

	overHTTP, inBody := postTo(t, at.directHTTP, of, "refused")
	cell := fmt.Sprint(overHTTP.status)
	if header := overHTTP.header.Values("Retry-After"); len(header) > 0 {
		cell += ", `Retry-After: " + strings.Join(header, "; ") + "`"
	}
	expectCell(t, row, "receiver over HTTP", cell)
	if statusCell(inBody) != statusCell(overGRPC) || inBody.Message() != overGRPC.Message() {
		t.Errorf("HTTP: the body says %v, gRPC %v", inBody.Proto(), overGRPC.Proto())
	}
}

// expectExporters checks what the collector's exporters do when they are told so.
func expectExporters(t *testing.T, row map[string]string, at errorEndpoints, of signal) {
	t.Helper()
	for column, address := range map[string]string{"`otlp_grpc` exporter": at.viaGRPC, "`otlp_http` exporter": at.viaHTTP} {
		text := exportTo(t, address, of, "refused").Message()
		var did string
		switch {
		case strings.Contains(text, "not retryable error: "):
			did = "drops"
		case strings.Contains(text, "no more retries left: "):
			did = "retries"
			if _, after, throttled := strings.Cut(text, "Throttle ("); throttled {
				delay, _, _ := strings.Cut(after, ")")
				did += " after " + delay
			}
		default:
			did = text
		}
		expectCell(t, row, column, did)
	}
}

// expectRetryNode checks what the engine's retry node does. The fault lets the first
// message and the second retry pass.
func expectRetryNode(t *testing.T, row map[string]string, at errorEndpoints, of signal, one errorCase) {
	t.Helper()
	if response := exportTo(t, at.behindRetry, of, one.name()+" before"); response.Code() != codes.OK {
		t.Errorf("before the fault: %v", response)
	}
	began := time.Now()
	response := exportTo(t, at.behindRetry, of, one.name()+" again")
	took := time.Since(began)
	did := "retries"
	switch delay := one.delay(t); {
	case response.Code() != codes.OK:
		did = "gives up"
		expectCell(t, row, "receiver over gRPC", statusCell(response))
	case delay > 0 && took >= delay:
		did = "retries after " + delay.String()
	}
	expectCell(t, row, "`retry` node", did)
}

// statusCell is a status's code and delay as the table writes them.
func statusCell(of *status.Status) string {
	if delay := retryDelay(of); delay != 0 {
		return fmt.Sprintf("%s, `RetryInfo` %v", of.Code(), delay)
	}
	return of.Code().String()
}

// exportTo sends one record over OTLP/gRPC and returns the response.
func exportTo(t *testing.T, address string, of signal, name string) *status.Status {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	switch of {
	case traces:
		_, err = ptraceotlp.NewGRPCClient(connection).Export(ctx, oneSpan(name))
	case metrics:
		_, err = pmetricotlp.NewGRPCClient(connection).Export(ctx, onePoint(name))
	case logs:
		_, err = plogotlp.NewGRPCClient(connection).Export(ctx, oneLog(name))
	}
	return status.Convert(err)
}

// postTo sends one record over OTLP/HTTP and returns the response with the status in its body.
func postTo(t *testing.T, address string, of signal, name string) (httpResponse, *status.Status) {
	t.Helper()
	var data interface{ MarshalProto() ([]byte, error) }
	switch of {
	case traces:
		data = oneSpan(name)
	case metrics:
		data = onePoint(name)
	case logs:
		data = oneLog(name)
	}
	body, err := data.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1/"+string(of), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	var inBody spb.Status
	if err := proto.Unmarshal(content, &inBody); err != nil {
		t.Errorf("HTTP: the body is no status: %v", err)
	}
	return httpResponse{status: response.StatusCode, header: response.Header}, status.FromProto(&inBody)
}

func oneSpan(name string) ptraceotlp.ExportRequest {
	data := ptrace.NewTraces()
	span := data.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetName(name)
	span.SetTraceID([16]byte{1})
	span.SetSpanID([8]byte{1})
	return ptraceotlp.NewExportRequestFromTraces(data)
}

func onePoint(name string) pmetricotlp.ExportRequest {
	data := pmetric.NewMetrics()
	metric := data.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	metric.SetName(name)
	metric.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(1)
	return pmetricotlp.NewExportRequestFromMetrics(data)
}
