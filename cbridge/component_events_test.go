// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// These tests give a running component events that a healthy library sends rarely,
// or never.

type reportingHost struct{ events chan *componentstatus.Event }

func (reportingHost) GetExtensions() map[component.ID]component.Component { return nil }
func (h reportingHost) Report(event *componentstatus.Event)               { h.events <- event }

func startWithHost(t *testing.T, host component.Host, limits Limits, logger *zap.Logger, next consumer.ConsumeLogsFunc) *Component {
	t.Helper()
	logs, err := consumer.NewLogs(next)
	require.NoError(t, err)
	c, err := NewComponent(Settings{
		Kind: Processor, Name: "processors::otap/events", Logger: logger, Next: Consumers{Logs: logs}, Limits: limits,
		Configuration: []byte(`{"type": "urn:otapbridge:processor:fault", "config": {}}`),
	})
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, c.Shutdown(context.Background())) })
	return c
}

func TestHealthIsReportedToTheHost(t *testing.T) {
	host := reportingHost{make(chan *componentstatus.Event, 10)}
	c := startWithHost(t, host, DefaultLimits(), zap.NewNop(), func(context.Context, plog.Logs) error { return nil })
	for status, expected := range map[capi.Status]componentstatus.Status{
		capi.StatusRecoverableError: componentstatus.StatusRecoverableError,
		capi.StatusPermanentError:   componentstatus.StatusPermanentError,
		capi.StatusOK:               componentstatus.StatusOK,
	} {
		c.handleEvents([]capi.Event{{Type: capi.EventStatus, Status: status}})
		event := <-host.events
		assert.Equal(t, expected, event.Status())
		assert.Equal(t, expected != componentstatus.StatusOK, event.Err() != nil)
	}
	c.handleEvents([]capi.Event{{Type: capi.EventStatus, Status: 99}})
	assert.Empty(t, host.events)
}

func TestStrayEventsAreCountedAndHarmless(t *testing.T) {
	core, records := observer.New(zapcore.WarnLevel)
	c := startWithHost(t, reportingHost{}, DefaultLimits(), zap.New(core), func(context.Context, plog.Logs) error { return nil })
	require.NoError(t, c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)))
	for _, id := range []uint64{0, 1, 1<<32 | 1, 999, ^uint64(0)} {
		c.handleEvents([]capi.Event{
			{Type: capi.EventDone, CallID: id},
			{Type: capi.EventPayloadReleased, CallID: id},
			{Type: 99, CallID: id},
			{Type: capi.EventEmissionCancelled, EmissionID: id},
		})
	}
	for _, id := range []uint64{1, 999} {
		c.handleEvents([]capi.Event{{Type: capi.EventEmit, CallID: id, EmissionID: 12345}})
	}
	require.NoError(t, c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)))
	require.NoError(t, c.Shutdown(t.Context()))
	warnings := records.FilterMessageSnippet("not in flight").All()
	require.Len(t, warnings, 1)
	assert.Equal(t, uint64(10), warnings[0].ContextMap()["events"])
}

// emissionOf is output that stems from no single call.
func emissionOf(t *testing.T, id uint64, ctx context.Context, logs plog.Logs) capi.Event {
	t.Helper()
	var encoder contextcodec.Encoder
	block, err := encoder.Encode(ctx, 0)
	require.NoError(t, err)
	payload, err := logMarshaler.MarshalLogs(logs)
	require.NoError(t, err)
	return capi.Event{Type: capi.EventEmit, EmissionID: id, Signal: capi.SignalLogs, Context: block, Payload: payload}
}

func TestEmissionWithoutACallGetsARebuiltContext(t *testing.T) {
	seen := make(chan context.Context)
	finish := make(chan error)
	c := startWithHost(t, reportingHost{}, DefaultLimits(), zap.NewNop(), func(ctx context.Context, logs plog.Logs) error {
		assert.Equal(t, 3, logs.LogRecordCount())
		seen <- ctx
		<-ctx.Done()
		finish <- context.Cause(ctx)
		return ctx.Err()
	})
	original := contexttest.Full(t)
	c.handleEvents([]capi.Event{emissionOf(t, 77, original, testdata.GenerateLogs(3))})
	ctx := <-seen
	info := client.FromContext(ctx)
	assert.Equal(t, "192.0.2.1:4317", info.Addr.String())
	assert.Equal(t, contexttest.MetadataOf(client.FromContext(original).Metadata), contexttest.MetadataOf(info.Metadata))
	assert.True(t, trace.SpanContextFromContext(original).Equal(trace.SpanContextFromContext(ctx)))
	_, ok := ctx.Deadline()
	assert.True(t, ok)

	require.NoError(t, ctx.Err())
	c.workers.onCancelled(77, errormapping.New(KindCancelled, "", "the batch was cancelled"))
	var cause *ProcessingError
	require.ErrorAs(t, <-finish, &cause)
	assert.Equal(t, "the batch was cancelled", cause.Message())
}

func TestQueuedOutputIsRefusedAsWhatEndedIt(t *testing.T) {
	late := errormapping.Classified(errormapping.New(KindTimeout, "", ""))
	assert.Equal(t, &errDeadlinePassed, refusalOf(late))
	left := errormapping.Classified(errormapping.New(KindCancelled, "", ""))
	assert.Equal(t, &errCallerLeft, refusalOf(left))
}

func TestWorkersAreBounded(t *testing.T) {
	const limit, emissions = 3, 50
	var present, most, handled atomic.Int64
	finished := make(chan struct{}, emissions)
	limits := DefaultLimits()
	limits.Workers = limit
	c := startWithHost(t, reportingHost{}, limits, zap.NewNop(), func(context.Context, plog.Logs) error {
		now := present.Add(1)
		for {
			before := most.Load()
			if now <= before || most.CompareAndSwap(before, now) {
				break
			}
		}
		handled.Add(1)
		present.Add(-1)
		finished <- struct{}{}
		return errors.New("refused")
	})
	for id := range uint64(emissions) {
		c.handleEvents([]capi.Event{emissionOf(t, id+1, t.Context(), testdata.GenerateLogs(1))})
	}
	for range emissions {
		<-finished
	}
	assert.LessOrEqual(t, most.Load(), int64(limit))
	assert.Equal(t, int64(emissions), handled.Load())
}

func TestMalformedOutputIsNotForwarded(t *testing.T) {
	c := startWithHost(t, reportingHost{}, DefaultLimits(), zap.NewNop(), func(context.Context, plog.Logs) error {
		t.Error("forwarded")
		return nil
	})
	for _, event := range []capi.Event{
		{Signal: capi.SignalLogs, Payload: []byte{0xff}},
		{Signal: capi.SignalTraces},
		{Signal: 9},
	} {
		_, err := (&emission{c, event}).decode(pdata{})
		var own *ProcessingError
		require.ErrorAs(t, err, &own)
		assert.True(t, own.IsPermanent())
	}
	event := capi.Event{Signal: capi.SignalLogs, Context: []byte{1, 2, 3}}
	_, _, err := c.workers.contextOf(&workersEmission{emission: emission{c, event}})
	require.ErrorContains(t, err, "context block")
}

// TestEqualBytesElsewhereAreNotTheCallers: only the very bytes that went in tell that they are
// unchanged, and only once.
func TestEqualBytesElsewhereAreNotTheCallers(t *testing.T) {
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return nil })
	require.NoError(t, err)
	data := pdata{signal: capi.SignalLogs, logs: plog.NewLogs()}
	sent := []byte{1, 2, 3}
	for _, test := range []struct {
		signal  capi.Signal
		payload []byte
		own     pdata
	}{
		{capi.SignalLogs, sent, data},
		{capi.SignalLogs, slices.Clone(sent), pdata{}},
		{capi.SignalLogs, sent[:2], pdata{}},
		{capi.SignalLogs, sent[1:], pdata{}},
		{capi.SignalLogs, nil, pdata{}},
		{capi.SignalTraces, sent, pdata{}},
	} {
		in := input{data: data, payload: sent}
		event := capi.Event{Signal: test.signal, Payload: test.payload}
		assert.True(t, test.own == in.takeUnchanged(&event, &Consumers{Logs: next}))
		assert.True(t, pdata{} == in.takeUnchanged(&event, &Consumers{Logs: next}))
	}
}

func TestPanicInACallbackIsLogged(t *testing.T) {
	core, records := observer.New(zapcore.ErrorLevel)
	c := startWithHost(t, reportingHost{}, DefaultLimits(), zap.New(core), func(context.Context, plog.Logs) error { return nil })
	eventHandler{c}.HandlePanic("defect", []byte("stack"))
	require.NoError(t, c.Shutdown(t.Context()))
	require.Len(t, records.All(), 1)
	assert.Equal(t, "defect", records.All()[0].ContextMap()["panic"])
}

func TestEmissionAfterTheWorkersStoppedIsRefused(t *testing.T) {
	c := startWithHost(t, reportingHost{}, DefaultLimits(), zap.NewNop(), func(context.Context, plog.Logs) error {
		t.Error("forwarded")
		return nil
	})
	require.NoError(t, c.Shutdown(t.Context()))
	late := emission{c, emissionOf(t, 1, t.Context(), testdata.GenerateLogs(1))}
	c.workers.enqueue(&late)
	assert.Empty(t, late.event.Payload, "released")
}

// TestLibraryRefusesTheSameContexts: what the encoder refuses before it crosses, the
// library refuses too, and with the same error.
func TestLibraryRefusesTheSameContexts(t *testing.T) {
	c := startWithHost(t, reportingHost{}, DefaultLimits(), zap.NewNop(), func(context.Context, plog.Logs) error { return nil })
	payload, err := logMarshaler.MarshalLogs(testdata.GenerateLogs(1))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		values  []string
		entries int
		size    int
	}{
		"total_size":  {values: []string{strings.Repeat("v", contextcodec.MaxBlockSize)}, entries: 1, size: capi.ContextHeadSize + capi.ContextEntrySize + 1 + contextcodec.MaxBlockSize},
		"entry_count": {values: make([]string, contextcodec.MaxEntryCount+1), entries: contextcodec.MaxEntryCount + 1, size: capi.ContextHeadSize + (contextcodec.MaxEntryCount+1)*(capi.ContextEntrySize+1)},
	} {
		t.Run(name, func(t *testing.T) {
			var encoder contextcodec.Encoder
			_, ours := encoder.Encode(contexttest.WithMetadata(t, map[string][]string{"x": test.values}), 0)

			block := make([]byte, test.size)
			for offset, value := range map[int]int{
				capi.ContextOffsetSize: capi.ContextHeadSize, capi.ContextOffsetEntryCount: test.entries,
				capi.ContextOffsetEntryOffset: capi.ContextHeadSize, capi.ContextOffsetTotalSize: test.size,
			} {
				binary.NativeEndian.PutUint32(block[offset:], uint32(value))
			}
			theirs := c.native().Submit(1<<32|1, capi.SignalLogs, block, payload)
			require.Error(t, theirs)
			var own *ProcessingError
			require.ErrorAs(t, ours, &own)
			assert.Equal(t, errormapping.FromLibrary(theirs), error(own))
		})
	}
}

func TestCallKeepsNoLargeContextWhileItIsInRust(t *testing.T) {
	var c *Component
	c = startWithHost(t, reportingHost{}, DefaultLimits(), zap.NewNop(), func(context.Context, plog.Logs) error {
		assert.Zero(t, c.calls.all()[0].encoder.Retained())
		return nil
	})
	large := contexttest.WithMetadata(t, map[string][]string{"x": {strings.Repeat("v", contextcodec.MaxBlockSize/2)}})
	require.NoError(t, c.ConsumeLogs(large, testdata.GenerateLogs(1)))
	tooLarge := contexttest.WithMetadata(t, map[string][]string{"x": {strings.Repeat("v", contextcodec.MaxBlockSize)}})
	require.ErrorContains(t, c.ConsumeLogs(tooLarge, testdata.GenerateLogs(1)), "context.total_size")
	assert.Zero(t, c.calls.all()[0].encoder.Retained())
	assert.True(t, c.bytes.semaphore.TryAcquire(c.bytes.limit), "payload that never crossed is still counted")
	c.bytes.release(c.bytes.limit)
}
