// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64 && !race && !asan

package cbridge

import (
	"context"
	"testing"

	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
)

// BenchmarkBareCall is what every other figure is to be compared with: one call of
// a C function that does nothing.
func BenchmarkBareCall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		capi.ABIVersion()
	}
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
		{"full", contexttest.Full(b)},
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
