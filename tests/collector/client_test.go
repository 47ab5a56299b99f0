// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// oneLog is a request with one log record of that body.
func oneLog(body string) plogotlp.ExportRequest {
	data := plog.NewLogs()
	resource := data.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "test")
	resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(body)
	return plogotlp.NewExportRequestFromLogs(data)
}

// dial connects to the collector's OTLP/gRPC receiver, from a given local IP address.
func dial(t testing.TB, to *collectorProcess, from string) *grpc.ClientConn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	connection, err := grpc.NewClient(to.grpc,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// connect is dial for a log client from 127.0.0.1.
func connect(t testing.TB, to *collectorProcess) plogotlp.GRPCClient {
	t.Helper()
	return plogotlp.NewGRPCClient(dial(t, to, "127.0.0.1"))
}

// send sends one log and fails the test if it is refused.
func send(ctx context.Context, t *testing.T, client plogotlp.GRPCClient, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := client.Export(ctx, oneLog(body)); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
}

// httpResponse is what an OTLP/HTTP client is told.
type httpResponse struct {
	status int
	header http.Header
}

// post sends one log over OTLP/HTTP. A header's name goes out as it is written.
func post(t *testing.T, to *collectorProcess, body string, header http.Header) httpResponse {
	t.Helper()
	data, err := oneLog(body).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+to.http+"/v1/logs", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return httpResponse{status: response.StatusCode, header: response.Header}
}

// only returns the one log that arrived.
func only(t *testing.T, arrived *sink) record {
	t.Helper()
	records := arrived.got(logs)
	if len(records) != 1 {
		t.Fatalf("%d records arrived, want 1: %v", len(records), records)
	}
	return records[0]
}

func expectResource(t *testing.T, got record, key string, want any) {
	t.Helper()
	if got.resource[key] != want {
		t.Errorf("resource attribute %s is %#v, want %#v", key, got.resource[key], want)
	}
}

// expectBodies checks that exactly these logs arrived, in this order.
func expectBodies(t *testing.T, arrived *sink, want ...string) {
	t.Helper()
	var got []string
	for _, one := range arrived.got(logs) {
		got = append(got, one.name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("arrived: %q, want %q", got, want)
	}
}

// awaitText waits until a file contains a text.
func awaitText(t testing.TB, path, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(text)) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not say %q in time: %q (%v)", path, text, content, err)
		}
	}
}
