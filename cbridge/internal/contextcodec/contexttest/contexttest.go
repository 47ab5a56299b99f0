// SPDX-License-Identifier: Apache-2.0

// Package contexttest has contexts for tests.
package contexttest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/otel/trace"
)

// Full has everything, as a real request has it.
func Full(t testing.TB) context.Context {
	metadata := map[string][]string{}
	for i := range 10 {
		metadata[fmt.Sprintf("x-key-%d", i)] = []string{fmt.Sprintf("value-%d", i)}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	ctx = trace.ContextWithRemoteSpanContext(ctx, Span(t, true))
	return client.NewContext(ctx, client.Info{
		Addr:     &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4317},
		Auth:     authData{"subject": "me"},
		Metadata: client.NewMetadata(metadata),
	})
}

// Span is a sampled span with a state.
func Span(t testing.TB, remote bool) trace.SpanContext {
	t.Helper()
	state, err := trace.ParseTraceState("vendor=value,other=1")
	require.NoError(t, err)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3, 15: 16}, SpanID: trace.SpanID{8, 7: 1},
		TraceFlags: trace.FlagsSampled, TraceState: state, Remote: remote,
	})
}

type authData map[string]any

func (a authData) GetAttribute(name string) any { return a[name] }
func (a authData) GetAttributeNames() []string  { return slices.Collect(maps.Keys(a)) }

// WithMetadata is a context with that metadata alone.
func WithMetadata(t testing.TB, metadata map[string][]string) context.Context {
	t.Helper()
	return client.NewContext(t.Context(), client.Info{Metadata: client.NewMetadata(metadata)})
}

// MetadataOf is metadata in a form that can be compared.
func MetadataOf(metadata client.Metadata) map[string][]string {
	result := map[string][]string{}
	for key := range metadata.Keys() {
		result[key] = metadata.Get(key)
	}
	return result
}
