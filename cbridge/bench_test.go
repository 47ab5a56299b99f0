// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.uber.org/zap"

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
	for name, ctx := range map[string]context.Context{
		"none":     context.Background(),
		"deadline": deadline,
		"full":     fullContext(b),
	} {
		b.Run(name, func(b *testing.B) {
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

func startForBenchmark(b *testing.B, next Consumers) *Component {
	b.Helper()
	component, err := NewComponent(Settings{
		Kind: Processor, Name: "processors::otap/bench", Logger: zap.NewNop(), Next: next, Limits: DefaultLimits(),
		Configuration: []byte(`{"type": "urn:otapbridge:processor:fault", "config": {}}`),
	})
	require.NoError(b, err)
	require.NoError(b, component.Start(b.Context(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, component.Shutdown(context.Background())) })
	return component
}

// crossing is Consume without pdata: record, context, pin, submit, emission, answer.
func crossing(ctx context.Context, component *Component, payload []byte) error {
	call, err := component.enter(ctx)
	if err != nil {
		return err
	}
	defer call.leave()
	return call.run(ctx, capi.SignalLogs, payload)
}

func crossingContexts(b *testing.B) map[string]context.Context {
	cancellable, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	return map[string]context.Context{
		"background":  context.Background(),
		"cancellable": cancellable,
		"full":        fullContext(b),
	}
}

// BenchmarkCrossing is a whole call through a pass-through node with an output that
// is empty to pdata, so that its unmarshalling costs next to nothing.
func BenchmarkCrossing(b *testing.B) {
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(b, err)
	for name, ctx := range crossingContexts(b) {
		b.Run(name, func(b *testing.B) {
			component := startForBenchmark(b, Consumers{Logs: next})
			// A field that OTLP does not know: pdata skips it.
			payload := append([]byte{0x9a, 0x7d, 0x80, 0x50}, make([]byte, 10<<10)...)
			b.ReportAllocs()
			for b.Loop() {
				if err := crossing(ctx, component, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/64 callers", func(b *testing.B) {
			component := startForBenchmark(b, Consumers{Logs: next})
			payload := append([]byte{0x9a, 0x7d, 0x80, 0x50}, make([]byte, 10<<10)...)
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := crossing(ctx, component, payload); err != nil {
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
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(b, err)
	component := startForBenchmark(b, Consumers{Logs: next})
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
