// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkBareCall is what every other figure is to be compared with: one call of
// a C function that does nothing.
func BenchmarkBareCall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ABIVersion()
	}
}

func BenchmarkPin(b *testing.B) {
	b.ReportAllocs()
	payload := make([]byte, 10<<10)
	var pin Pin
	for b.Loop() {
		pin.Pin(payload)
		pin.Release()
	}
}

// answering answers output in the callback itself, which leaves Go's scheduler out.
type answering struct {
	component *Component
	done      chan uint64
	batches   atomic.Int64
	events    atomic.Int64
	nanos     atomic.Int64
}

func (a *answering) HandleEvents(events []Event) {
	begin := time.Now()
	for i := range events {
		event := &events[i]
		if event.Type != EventEmit {
			continue
		}
		event.Buffer.Release()
		const completed = EmissionCallDone | EmissionPayloadReleased
		if a.component.EmissionDone(event.EmissionID, nil)&completed != completed {
			panic("the answer did not end the call, or the payload is still read")
		}
		a.done <- event.CallID
	}
	a.batches.Add(1)
	a.events.Add(int64(len(events)))
	a.nanos.Add(int64(time.Since(begin)))
}

func (*answering) HandlePanic(value any, stack []byte) { panic(fmt.Sprint(value, string(stack))) }

// BenchmarkCall is a whole call of 10 KB through a pass-through node, whose output is answered in the
// callback. Its metrics take it apart: time inside Submit, time inside the handler
// for each event, and events for each callback.
func BenchmarkCall(b *testing.B) {
	for _, inFlight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("%d_in_flight", inFlight), func(b *testing.B) {
			runtime := newRuntime(b)
			handler := &answering{done: make(chan uint64, inFlight)}
			component, err := runtime.NewComponent(ComponentOptions{
				Kind: ComponentProcessor, Name: "processors::otap/bench", Configuration: []byte(passThrough),
			}, handler)
			require.NoError(b, err)
			handler.component = component
			require.NoError(b, component.Start(10*time.Second))

			payload := append([]byte{0x9a, 0x7d, 0x80, 0x50}, make([]byte, 10<<10)...)
			pins := make([]Pin, inFlight)
			free := make(chan uint64, inFlight)
			for id := range uint64(inFlight) {
				free <- id + 1
			}
			var inSubmit time.Duration
			b.ReportAllocs()
			for b.Loop() {
				var id uint64
				select {
				case id = <-free:
				case id = <-handler.done:
					pins[id-1].Release()
				}
				pins[id-1].Pin(payload)
				begin := time.Now()
				err := component.Submit(id, SignalLogs, nil, payload)
				inSubmit += time.Since(begin)
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(inSubmit.Nanoseconds())/float64(b.N), "submit-ns/op")
			b.ReportMetric(float64(handler.nanos.Load())/float64(handler.events.Load()), "handler-ns/event")
			b.ReportMetric(float64(handler.events.Load())/float64(handler.batches.Load()), "events/callback")
			require.NoError(b, component.Shutdown(10*time.Second))
			component.Destroy()
			for i := range pins {
				pins[i].Release()
			}
		})
	}
}
