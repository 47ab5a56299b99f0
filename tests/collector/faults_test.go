// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func faultProcessor(config string) string {
	return "otap/fault:\n  type: urn:otapbridge:processor:fault\n  config: " + config + "\n"
}

// Each kind of error that a node returns reaches a client with its code. HTTP
// has the status that the OTLP receiver makes of the gRPC code.
func TestFaultsReachTheClient(t *testing.T) {
	for _, fault := range []struct {
		name       string
		config     string
		code       codes.Code
		httpStatus int
		delay      time.Duration // RetryInfo
		retryAfter string        // header
	}{
		{name: "permanent", config: `{kind: permanent, message: disk on fire}`, code: codes.Internal, httpStatus: 500},
		{name: "retryable", config: `{kind: retryable, message: disk on fire}`, code: codes.Unavailable, httpStatus: 503},
		{
			name:   "retryable after a delay",
			config: `{kind: retryable, message: disk on fire, retry_after: 2s}`,
			code:   codes.Unavailable, httpStatus: 503, delay: 2 * time.Second, retryAfter: "2",
		},
		{name: "cancelled", config: `{kind: cancelled, message: disk on fire}`, code: codes.Canceled, httpStatus: 503},
		{name: "timeout", config: `{kind: timeout, message: disk on fire}`, code: codes.DeadlineExceeded, httpStatus: 503},
		{
			name:   "resource exhausted",
			config: `{kind: resource_exhausted, message: disk on fire, retry_after: 1.5s}`,
			code:   codes.ResourceExhausted, httpStatus: 429, delay: 1500 * time.Millisecond, retryAfter: "1",
		},
		{
			name:   "configuration",
			config: `{kind: configuration, message: disk on fire, field: disk}`,
			code:   codes.InvalidArgument, httpStatus: 400,
		},
		{
			name:   "a code of the author's",
			config: `{kind: permanent, message: disk on fire, grpc_code: 7, http_status: 403}`,
			code:   codes.PermissionDenied, httpStatus: 403,
		},
	} {
		t.Run(fault.name, func(t *testing.T) {
			arrived := startSink(t)
			c := start(t, arrived, setup{
				processors: faultProcessor(`{error: ` + fault.config + `}`),
				names:      []string{"otap/fault"},
			})

			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := connect(t, c).Export(ctx, oneLog("refused"))
			got := status.Convert(err)
			if got.Code() != fault.code {
				t.Errorf("gRPC: got %v, want %v", err, fault.code)
			}
			if !strings.Contains(got.Message(), "disk on fire") {
				t.Errorf("gRPC: message %q does not name the cause", got.Message())
			}
			if delay := retryDelay(got); delay != fault.delay {
				t.Errorf("gRPC: retry delay %v, want %v", delay, fault.delay)
			}

			overHTTP := post(t, c, "refused", nil)
			if overHTTP.status != fault.httpStatus {
				t.Errorf("HTTP: got %d, want %d", overHTTP.status, fault.httpStatus)
			}
			if header := overHTTP.header.Get("Retry-After"); header != fault.retryAfter {
				t.Errorf("HTTP: Retry-After %q, want %q", header, fault.retryAfter)
			}
			if records := arrived.got(logs); len(records) != 0 {
				t.Errorf("refused data arrived: %v", records)
			}
		})
	}
}

func retryDelay(of *status.Status) time.Duration {
	for _, detail := range of.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// A panic in a node gives that one caller an error, and the next request succeeds.
func TestPanicInANode(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, setup{
		processors: faultProcessor(`{panic: out of cheese, every: 2}`),
		names:      []string{"otap/fault"},
	})
	client := connect(t, c)

	send(t.Context(), t, client, "first")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := client.Export(ctx, oneLog("second"))
	if code := status.Code(err); code != codes.Internal {
		t.Errorf("the panic's caller got %v", err)
	}
	if !strings.Contains(status.Convert(err).Message(), "panic") {
		t.Errorf("message %q does not say that a node panicked", status.Convert(err).Message())
	}
	send(t.Context(), t, client, "third")

	c.stop(t)
	expectBodies(t, arrived, "first", "third")
}

// `every` hits each Nth message and lets the others pass.
func TestFaultEverySecond(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, setup{
		processors: faultProcessor(`{every: 2, error: {kind: resource_exhausted, message: try later, retry_after: 0.1s}}`),
		names:      []string{"otap/fault"},
	})
	for number := range 10 {
		got := post(t, c, "x", nil)
		want := http.StatusOK
		if number%2 == 1 {
			want = http.StatusTooManyRequests
		}
		if got.status != want {
			t.Errorf("request %d: got %d, want %d", number, got.status, want)
		}
	}
	if records := arrived.got(logs); len(records) != 5 {
		t.Errorf("%d records arrived, want 5", len(records))
	}
}
