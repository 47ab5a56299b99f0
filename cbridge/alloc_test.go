// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64 && !race && !asan

package cbridge

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otapbridge/otapbridge/capi"
)

// unknownField is OTLP with nothing but a field that pdata skips, so that
// unmarshalling allocates only the empty result.
var unknownField = append([]byte{0x9a, 0x7d, 0x80, 0x50}, make([]byte, 10<<10)...)

// crossing is Consume without pdata: record, context, pin, submit, emission, answer.
func crossing(ctx context.Context, component *Component, payload []byte) error {
	call, err := component.enter(ctx)
	if err != nil {
		return err
	}
	defer call.leave(true)
	return call.run(ctx, pdata{signal: capi.SignalLogs}, payload)
}

func startPassThrough(tb testing.TB) *Component {
	tb.Helper()
	return startFault(tb, "", nil)
}

// startFault runs a fault node until the end of the test, before a consumer that
// answers with an error.
func startFault(tb testing.TB, settings string, answer error) *Component {
	tb.Helper()
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return answer })
	require.NoError(tb, err)
	component, err := NewComponent(Settings{
		Kind: Processor, Name: "processors::otap/bench", Logger: zap.NewNop(), Next: Consumers{Logs: next}, Limits: DefaultLimits(), alwaysMarshal: true,
		Configuration: []byte(`{"type": "urn:otapbridge:processor:fault", "config": {` + settings + `}}`),
	})
	require.NoError(tb, err)
	require.NoError(tb, component.Start(tb.Context(), componenttest.NewNopHost()))
	tb.Cleanup(func() { require.NoError(tb, component.Shutdown(context.Background())) })
	return component
}

func TestCrossingAllocatesNothing(t *testing.T) {
	component := startPassThrough(t)
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	deadline, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	pdata := testing.AllocsPerRun(1000, func() { _, _ = logUnmarshaler.UnmarshalLogs(unknownField) })
	for name, ctx := range map[string]context.Context{"background": context.Background(), "cancellable": cancellable, "deadline": deadline} {
		t.Run(name, func(t *testing.T) {
			// Fractions come from the runtime itself; AllocsPerRun rounds them down.
			assert.Equal(t, pdata, testing.AllocsPerRun(1000, func() {
				if err := crossing(ctx, component, unknownField); err != nil {
					t.Error(err)
				}
			}))
		})
	}
}
