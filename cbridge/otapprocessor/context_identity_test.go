// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// TestNextGetsTheIdenticalContext: the collector's contract for a synchronous processor
// of which one message in is one message out. A context that is merely equal would lose what
// callers keep in it by keys of their own.
func TestNextGetsTheIdenticalContext(t *testing.T) {
	cbridgetest.NeedLibrary(t)
	type key struct{}
	plain := context.WithValue(context.Background(), key{}, "value")
	full, cancel := context.WithTimeoutCause(plain, time.Hour, assert.AnError)
	defer cancel()
	full = client.NewContext(full, client.Info{
		Addr:     &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4317},
		Metadata: client.NewMetadata(map[string][]string{"x-tenant": {"acme"}}),
	})
	full = trace.ContextWithRemoteSpanContext(full, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Remote: true,
	}))
	contexts := []context.Context{context.Background(), plain, full}

	for configuration, says := range map[string]string{
		"otap/one":     "an engine node, in two pipelines",
		"otap/own":     "a node of ours that reads the context and rewrites the data",
		"otap/several": "a chain of nodes of ours",
		"otap/mixed":   "a chain of engine nodes and nodes of ours",
	} {
		for signal, create := range signals {
			t.Run(says+"/"+signal, func(t *testing.T) {
				next := newNextConsumer()
				p, consume := create(t, load(t, configuration), next)
				require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
				for _, ctx := range contexts {
					require.NoError(t, consume(ctx))
				}
				require.NoError(t, p.Shutdown(t.Context()))

				require.Len(t, next.contexts, len(contexts))
				for i, ctx := range contexts {
					assert.True(t, ctx == next.contexts[i], "call %d: another context", i)
				}
				got := next.contexts[2]
				assert.Equal(t, "value", got.Value(key{}))
				assert.Equal(t, []string{"acme"}, client.FromContext(got).Metadata.Get("x-tenant"))
				assert.Equal(t, trace.SpanID{2}, trace.SpanContextFromContext(got).SpanID())
				assert.NoError(t, got.Err())
			})
		}
	}
}
