// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64 && !race && !asan

package cbridge

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/capi"
)

// BenchmarkBareCall is what every other figure is to be compared with: one call of
// a C function that does nothing.
func BenchmarkBareCall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		capi.ABIVersion()
	}
}

func BenchmarkContextEncode(b *testing.B) {
	deadline, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
	}{
		{"none", context.Background()},
		{"deadline", deadline},
		{"full", fullContext(b)},
	} {
		ctx := test.ctx
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			var encoder contextEncoder
			for b.Loop() {
				if _, err := encoder.encode(ctx, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkContextReading is what reading a context allocates by itself, which is
// all that encoding one allocates.
func BenchmarkContextReading(b *testing.B) {
	ctx := fullContext(b)
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

// BenchmarkCrossing is a whole call of 10 KB through a pass-through node. What comes
// out is empty to pdata, whose two allocations for that are the only ones.
func BenchmarkCrossing(b *testing.B) {
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
	}{
		{"background", context.Background()},
		{"cancellable", cancellable},
		{"full", fullContext(b)},
	} {
		ctx := test.ctx
		b.Run(test.name+"/1_caller", func(b *testing.B) {
			component := startPassThrough(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := crossing(ctx, component, unknownField); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(test.name+"/64_callers", func(b *testing.B) {
			component := startPassThrough(b)
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := crossing(ctx, component, unknownField); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkConsumeLogs is a whole call with pdata, and BenchmarkSerialisation the
// part of it that pdata takes.
func BenchmarkConsumeLogs(b *testing.B) {
	component := startPassThrough(b)
	logs := testdata.GenerateLogs(100)
	b.ReportAllocs()
	for b.Loop() {
		if err := component.ConsumeLogs(context.Background(), logs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSerialisation(b *testing.B) {
	logs := testdata.GenerateLogs(100)
	b.ReportAllocs()
	for b.Loop() {
		payload, err := logMarshaler.MarshalLogs(logs)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := logUnmarshaler.UnmarshalLogs(payload); err != nil {
			b.Fatal(err)
		}
	}
}
