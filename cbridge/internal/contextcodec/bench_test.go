// SPDX-License-Identifier: Apache-2.0

package contextcodec

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
)

func BenchmarkContextEncode(b *testing.B) {
	deadline, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
	}{
		{"none", context.Background()},
		{"deadline", deadline},
		{"full", contexttest.Full(b)},
	} {
		ctx := test.ctx
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			var encoder Encoder
			for b.Loop() {
				if _, err := encoder.Encode(ctx, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkContextReading is what reading a context allocates by itself, which is
// all that encoding one allocates.
func BenchmarkContextReading(b *testing.B) {
	ctx := contexttest.Full(b)
	metadata := client.FromContext(ctx).Metadata
	state := trace.SpanContextFromContext(ctx).TraceState()
	b.Run("client.Metadata.Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			metadata.Get("x-key-0")
		}
	})
	b.Run("TraceState.String", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = state.String()
		}
	})
}
