// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package contextcodec_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNodesReadAnyContext: through the C ABI and an engine's pipeline, what a node reads is
// what the caller's context says.
func TestNodesReadAnyContext(t *testing.T) {
	sink := new(consumertest.LogsSink)
	component := start(t, `{"type": "urn:otapbridge:processor:context_attributes", "config": {"actions": [
		{"key": "x-tenant", "from_context": "metadata.X-TENANT"},
		{"key": "host", "from_context": "metadata.host"},
		{"key": ":authority", "from_context": "metadata.:authority"},
		{"key": "authorization", "from_context": "metadata.authorization"},
		{"key": "ΑΣ", "from_context": "metadata.ΑΣ"},
		{"key": "auth.subject", "from_context": "auth.subject"},
		{"key": "auth.groups", "from_context": "auth.groups"},
		{"key": "address", "from_context": "client.address"},
		{"key": "trace_id", "from_context": "trace_id"},
		{"key": "span_id", "from_context": "span_id"},
		{"key": "trace_flags", "from_context": "trace_flags"},
		{"key": "trace_state", "from_context": "trace_state"},
		{"key": "left", "from_context": "deadline_remaining"}
	]}}`, sink)
	rapid.Check(t, func(t *rapid.T) {
		ctx, stop := contextcodec.AnyContext(t, contextcodec.AnyUsualAddress)
		defer stop()
		// Its own deadline may have passed: then nothing would reach the node.
		before := time.Now()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
		defer cancel()
		sink.Reset()
		require.NoError(t, component.ConsumeLogs(ctx, testdata.GenerateLogs(1)))
		read := sink.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes().AsRaw()
		delete(read, "resource-attr") // Of the test data.

		left := read["left"].(int64) // In milliseconds, rounded down.
		require.LessOrEqual(t, left, time.Hour.Milliseconds())
		require.GreaterOrEqual(t, left, (time.Hour - time.Since(before)).Milliseconds())
		delete(read, "left")

		want := attributesOfContext(ctx)
		for key, value := range want {
			if text, ok := value.(string); ok && !utf8.ValidString(text) {
				require.Contains(t, read[key], "\uFFFD", key)
				read[key] = value
			}
		}
		require.Equal(t, want, read)
	})
}

// start runs a processor until the end of the test.
func start(t *testing.T, configuration string, next consumer.Logs) *cbridge.Component {
	t.Helper()
	cbridgetest.VerifyIdle(t)
	component, err := cbridge.NewComponent(cbridge.Settings{
		Kind: cbridge.Processor, Name: "processors::otap/contexts", Configuration: []byte(configuration),
		Next: cbridge.Consumers{Logs: next}, Limits: cbridge.DefaultLimits(),
	})
	require.NoError(t, err)
	require.NoError(t, component.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, component.Shutdown(context.Background())) })
	return component
}

// attributesOfContext is what the node should write.
func attributesOfContext(ctx context.Context) map[string]any {
	want := map[string]any{}
	join := func(key string, values []string) {
		if len(values) > 0 {
			want[key] = strings.Join(values, ";")
		}
	}
	info := client.FromContext(ctx)
	for _, key := range []string{"x-tenant", "host", ":authority", "authorization", "ΑΣ"} {
		join(key, info.Metadata.Get(key))
	}
	if info.Auth != nil {
		for _, name := range []string{"subject", "groups"} {
			switch value := info.Auth.GetAttribute(name).(type) {
			case string:
				want["auth."+name] = value
			case []string:
				join("auth."+name, value)
			}
		}
	}
	switch address := info.Addr.(type) {
	case *net.TCPAddr:
		want["address"] = address.IP.String()
	case *net.UDPAddr:
		want["address"] = address.IP.String()
	case *net.IPAddr:
		want["address"] = address.IP.String()
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		want["trace_id"], want["span_id"] = span.TraceID().String(), span.SpanID().String()
		want["trace_flags"] = int64(span.TraceFlags())
		if span.TraceState().Len() > 0 {
			want["trace_state"] = span.TraceState().String()
		}
	}
	return want
}
