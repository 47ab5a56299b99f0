// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// outcomes is an event handler that accepts all output and counts how calls end.
type outcomes struct {
	t         testing.TB
	component atomic.Pointer[Component]
	returned  atomic.Bool

	mu       sync.Mutex
	done     map[uint64]int
	released map[uint64]int
	failed   int
}

func (a *outcomes) HandleEvents(events []Event) {
	if a.returned.Load() {
		a.t.Error("a callback after the shutdown had returned")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range events {
		event := &events[i]
		switch event.Type {
		case EventEmit:
			event.Buffer.Release()
			a.component.Load().EmissionDone(event.EmissionID, nil)
		case EventDone:
			a.done[event.CallID]++
			if event.Flags&EventFlagPayloadReleased != 0 {
				a.released[event.CallID]++
			}
			if event.Error.Take() != nil {
				a.failed++
			}
		case EventPayloadReleased:
			a.released[event.CallID]++
		}
	}
}

func (*outcomes) HandlePanic(value any, stack []byte) { panic(fmt.Sprint(value, string(stack))) }

// TestShutdownCompletesEveryCallOnce: when a shutdown returns, every call was completed
// once, every payload released once, and no callback comes any more.
func TestShutdownCompletesEveryCallOnce(t *testing.T) {
	const calls = 1000
	for _, test := range []struct {
		name, configuration string
		timeout             time.Duration
		fail                int
	}{
		{"in a node", `{"type": "urn:otapbridge:processor:fault", "config": {"delay": "1h"}}`, 50 * time.Millisecond, calls},
		{"in a node, without time", `{"type": "urn:otapbridge:processor:fault", "config": {"delay": "1h"}}`, 0, calls},
		{"in a batch", `{"type": "processor:batch", "config": {"otlp": {"min_size": 1000000, "sizer": "bytes"}, "format": "otlp", "max_batch_duration": "1h"}}`,
			30 * time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			handler := &outcomes{t: t, done: map[uint64]int{}, released: map[uint64]int{}}
			runtime, err := NewRuntime(RuntimeOptions{}, nil)
			require.NoError(t, err)
			component, err := runtime.NewComponent(ComponentOptions{
				Kind: ComponentProcessor, Name: "processors::otap/test", Configuration: []byte(test.configuration),
			}, handler)
			require.NoError(t, err)
			handler.component.Store(component)
			require.NoError(t, component.Start(10*time.Second))
			var pin Pin
			payload := append([]byte(nil), oneLogRecord...)
			pin.Pin(payload)
			defer pin.Release()
			for id := range uint64(calls) {
				require.NoError(t, component.Submit(id+1, SignalLogs, nil, payload))
			}
			require.NoError(t, component.Shutdown(test.timeout))
			handler.returned.Store(true)

			handler.mu.Lock()
			for id := range uint64(calls) {
				require.Equal(t, 1, handler.done[id+1], "completions of call %d", id+1)
				require.Equal(t, 1, handler.released[id+1], "releases of call %d", id+1)
			}
			assert.Len(t, handler.done, calls)
			assert.Len(t, handler.released, calls)
			assert.Equal(t, test.fail, handler.failed)
			handler.mu.Unlock()
			// A callback that still came would come by the end of these.
			component.Destroy()
			require.NoError(t, runtime.Shutdown(time.Second))
			runtime.Destroy()
		})
	}
}
