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
