// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// passThrough is a node that passes on what it gets.
const passThrough = `{"type": "urn:otapbridge:processor:fault", "config": {}}`

// oneLogRecord is an ExportLogsServiceRequest with one empty record.
var oneLogRecord = []byte{0x0a, 0x04, 0x12, 0x02, 0x12, 0x00}

// recorder is an event handler that hands events to the test.
type recorder struct{ events chan Event }

func newRecorder() *recorder { return &recorder{events: make(chan Event, 1024)} }

func (r *recorder) HandleEvents(events []Event) {
	for _, event := range events {
		r.events <- event
	}
}

func (r *recorder) HandlePanic(value any, stack []byte) { panic(fmt.Sprint(value, string(stack))) }

func (r *recorder) next(t testing.TB) Event {
	t.Helper()
	select {
	case event := <-r.events:
		return event
	case <-time.After(30 * time.Second):
		t.Fatal("no event came")
		return Event{}
	}
}

func newRuntime(t testing.TB) *Runtime {
	t.Helper()
	runtime, err := NewRuntime(RuntimeOptions{}, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		stats, err := runtime.Stats()
		require.NoError(t, err)
		stats.CallsTotal, stats.LateCompletionsTotal, stats.PanicsTotal, stats.RestartsTotal = 0, 0, 0, 0
		assert.Equal(t, Stats{}, stats, "left behind")
		assert.Zero(t, Pins())
		require.NoError(t, runtime.Shutdown(time.Second))
		runtime.Destroy()
	})
	return runtime
}

func start(t testing.TB, runtime *Runtime, configuration string) (*Component, *recorder) {
	t.Helper()
	events := newRecorder()
	component, err := runtime.NewComponent(ComponentOptions{
		Kind: ComponentProcessor, Name: "processors::otap/test", Configuration: []byte(configuration),
	}, events)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, component.Shutdown(10*time.Second))
		component.Destroy()
	})
	require.NoError(t, component.Start(10*time.Second))
	return component, events
}

// requireError checks an error's kind, and that its field or text names what is wrong.
func requireError(t *testing.T, err error, kind ErrorKind, names string) {
	t.Helper()
	var native *Error
	require.ErrorAs(t, err, &native)
	assert.Equal(t, kind, native.Kind, "%v", err)
	assert.Contains(t, native.Field+": "+native.Message, names)
	assert.NotEmpty(t, native.Message)
}

func TestVersions(t *testing.T) {
	assert.Equal(t, HeaderABIVersion, ABIVersion())
	assert.Regexp(t, `^\d+\.\d+\.\d+`, Version())
}

func TestOtherABIVersionIsRefusedWithBothNumbers(t *testing.T) {
	for _, version := range []uint32{HeaderABIVersion + 1<<16, HeaderABIVersion + 1, 1} {
		_, err := NewRuntime(RuntimeOptions{ABIVersion: version}, nil)
		requireError(t, err, ErrorKindConfiguration, "abi_version")
		for _, number := range []uint32{version, HeaderABIVersion} {
			assert.Contains(t, err.Error(), fmt.Sprintf("%d.%d", number>>16, number&0xffff))
		}
	}
}

func TestNULLIsRefused(t *testing.T) {
	requireError(t, (&Runtime{}).Shutdown(0), ErrorKindConfiguration, "runtime")
	_, err := (&Runtime{}).Stats()
	requireError(t, err, ErrorKindConfiguration, "runtime")
	_, err = (&Runtime{}).NewComponent(ComponentOptions{Configuration: []byte(passThrough)}, newRecorder())
	requireError(t, err, ErrorKindConfiguration, "runtime")
	component := &Component{}
	requireError(t, component.Start(0), ErrorKindConfiguration, "component")
	requireError(t, component.Shutdown(0), ErrorKindConfiguration, "component")
	requireError(t, component.Submit(1, SignalLogs, nil, oneLogRecord), ErrorKindConfiguration, "component")
	assert.False(t, component.Cancel(1, CancelReasonCancelled, "x"))
	assert.Zero(t, component.EmissionDone(1, nil))
	component.Destroy()
	(&Runtime{}).Destroy()
}

func TestWrongArgumentsOfSubmit(t *testing.T) {
	component, _ := start(t, newRuntime(t), passThrough)
	requireError(t, component.Submit(0, SignalLogs, nil, oneLogRecord), ErrorKindConfiguration, "call_id")
	requireError(t, component.Submit(1, 9, nil, oneLogRecord), ErrorKindConfiguration, "signal")
	requireError(t, component.Submit(1, SignalLogs, nil, nil), ErrorKindConfiguration, "payload")
	requireError(t, component.Submit(1, SignalLogs, nil, oneLogRecord[:0]), ErrorKindConfiguration, "payload")
	requireError(t, component.Submit(1, SignalLogs, make([]byte, 7), oneLogRecord), ErrorKindConfiguration, "context")
	requireError(t, component.Submit(1, SignalLogs, make([]byte, 64), oneLogRecord), ErrorKindConfiguration, "context")
}

func TestOneCall(t *testing.T) {
	component, events := start(t, newRuntime(t), passThrough)
	var pin Pin
	payload := append([]byte(nil), oneLogRecord...)
	pin.Pin(payload)
	require.NoError(t, component.Submit(7, SignalLogs, nil, payload))

	emission := events.next(t)
	require.Equal(t, EventEmit, emission.Type)
	assert.Equal(t, uint64(7), emission.CallID)
	assert.Equal(t, SignalLogs, emission.Signal)
	assert.Equal(t, payload, emission.Payload)
	assert.NotZero(t, emission.EmissionID)
	assert.Equal(t, EventFlagEndsCall, emission.Flags)
	emission.Buffer.Release()
	emission.Buffer.Release()
	// Nothing but the call waits for the answer, and nobody reads the payload any more.
	assert.Equal(t, EmissionAwaited|EmissionCallDone|EmissionPayloadReleased, component.EmissionDone(emission.EmissionID, nil))
	assert.Zero(t, component.EmissionDone(emission.EmissionID, nil), "the second answer is late")
	pin.Release()
	assert.False(t, component.Cancel(7, CancelReasonCancelled, "too late"))
}

func TestPayloadIsReleasedAfterTheAnswer(t *testing.T) {
	component, events := start(t, newRuntime(t), passThrough)
	var pin Pin
	payload := append([]byte(nil), oneLogRecord...)
	pin.Pin(payload)
	require.NoError(t, component.Submit(7, SignalLogs, nil, payload))
	emission := events.next(t)
	assert.Equal(t, EmissionAwaited|EmissionCallDone, component.EmissionDone(emission.EmissionID, nil))
	// The emission shows the payload itself.
	emission.Buffer.Release()
	released := events.next(t)
	assert.Equal(t, EventPayloadReleased, released.Type)
	assert.Equal(t, uint64(7), released.CallID)
	pin.Release()
}

func TestHostErrorComesBack(t *testing.T) {
	// Behind a node that hears of refusals, the answer goes back through it.
	component, events := start(t, newRuntime(t), `{"type": "urn:otapbridge:processor:fault", "config": {"log_refusals": true}}`)
	var pin Pin
	payload := append([]byte(nil), oneLogRecord...)
	pin.Pin(payload)
	defer pin.Release()
	require.NoError(t, component.Submit(1, SignalLogs, nil, payload))
	emission := events.next(t)
	assert.Zero(t, emission.Flags)
	emission.Buffer.Release()
	assert.Equal(t, EmissionAwaited|EmissionKeepsError, component.EmissionDone(emission.EmissionID, &HostError{
		Kind: ErrorKindRetryable, GRPCCode: 10, HTTPStatus: 418,
		Flags:      ErrorFlagGRPCCode | ErrorFlagHTTPStatus | ErrorFlagRetryAfter,
		RetryAfter: 1500 * time.Millisecond, HostErrorID: 42, Message: "busy \xff", Field: "here",
	}))
	released := false
	for {
		event := events.next(t)
		switch event.Type {
		case EventDone:
			assert.NotEqual(t, event.Flags&EventFlagPayloadReleased != 0, released)
			err := event.Error.Take()
			require.NotNil(t, err)
			assert.False(t, event.Error.Unreleased())
			assert.Equal(t, ErrorKindRetryable, err.Kind)
			assert.Equal(t, int32(10), err.GRPCCode)
			assert.Equal(t, int32(418), err.HTTPStatus)
			assert.Equal(t, 1500*time.Millisecond, err.RetryAfter)
			assert.Equal(t, uint64(42), err.HostErrorID)
			assert.Equal(t, "busy \uFFFD", err.Message)
			assert.Equal(t, "here", err.Field)
		case EventHostErrorReleased:
			// The error of the call was the last that came from it.
			assert.Equal(t, uint64(42), event.HostErrorID)
			return
		default:
			released = true
			require.Equal(t, EventPayloadReleased, event.Type)
		}
	}
}

func TestWhatWasDestroyedSaysSo(t *testing.T) {
	runtime := newRuntime(t)
	component, err := runtime.NewComponent(ComponentOptions{Kind: ComponentProcessor, Configuration: []byte(passThrough)}, newRecorder())
	require.NoError(t, err)
	component.Destroy()
	component.Destroy()
	require.ErrorIs(t, component.Start(0), ErrDestroyed)
	require.ErrorIs(t, component.Shutdown(0), ErrDestroyed)
	require.ErrorIs(t, component.Submit(1, SignalLogs, nil, oneLogRecord), ErrDestroyed)
	assert.False(t, component.Cancel(1, CancelReasonCancelled, ""))
	assert.Zero(t, component.EmissionDone(1, &HostError{Message: "x"}))

	gone, err := NewRuntime(RuntimeOptions{}, nil)
	require.NoError(t, err)
	gone.Destroy()
	_, err = gone.Stats()
	require.ErrorIs(t, err, ErrDestroyed)
	_, err = gone.NewComponent(ComponentOptions{}, newRecorder())
	require.ErrorIs(t, err, ErrDestroyed)
	require.ErrorIs(t, gone.Shutdown(0), ErrDestroyed)
}

func TestWrongConfigurationsNameTheirPath(t *testing.T) {
	for name, test := range map[string]struct{ configuration, path string }{
		"no JSON":           {`{`, "processors::otap/test"},
		"unknown key":       {`{"type": "urn:otapbridge:processor:fault", "config": {}, "colour": 1}`, "colour"},
		"unknown node type": {`{"type": "processor:nonsense"}`, "processor:nonsense"},
		"unknown node key":  {`{"type": "urn:otapbridge:processor:fault", "config": {"colour": 1}}`, "colour"},
		"engine node's key": {`{"nodes": {"a": {"type": "processor:attribute", "config": {"actions": [], "colour": 1}}}}`, "processors::otap/test::nodes::a::config::colour"},
		"cycle":             {`{"nodes": {"a": {"type": "urn:otapbridge:processor:fault"}, "b": {"type": "urn:otapbridge:processor:fault"}}, "connections": [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}]}`, "connections"},
		"connection":        {`{"nodes": {"a": {"type": "urn:otapbridge:processor:fault"}}, "connections": [{"from": "a", "to": "z"}]}`, "connections"},
		"two entries":       {`{"nodes": {"a": {"type": "urn:otapbridge:processor:fault"}, "b": {"type": "urn:otapbridge:processor:fault"}}}`, "nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			options := ComponentOptions{Kind: ComponentProcessor, Name: "processors::otap/test", Configuration: []byte(test.configuration)}
			requireError(t, ValidateComponent(options), ErrorKindConfiguration, test.path)
			_, err := newRuntime(t).NewComponent(options, newRecorder())
			requireError(t, err, ErrorKindConfiguration, test.path)
		})
	}
	require.NoError(t, ValidateComponent(ComponentOptions{Kind: ComponentProcessor, Configuration: []byte(passThrough)}))
	requireError(t, ValidateComponent(ComponentOptions{Kind: ComponentProcessor, Configuration: []byte(passThrough), Signal: 4}),
		ErrorKindConfiguration, "options.signal")
}

// resultOf is how the library completes one request.
func resultOf(t *testing.T, configuration string, context, payload []byte) *Error {
	t.Helper()
	component, events := start(t, newRuntime(t), configuration)
	var pin Pin
	pin.Pin(payload)
	t.Cleanup(pin.Release)
	if err := component.Submit(1, SignalLogs, context, payload); err != nil {
		var native *Error
		require.ErrorAs(t, err, &native)
		return native
	}
	for {
		event := events.next(t)
		switch event.Type {
		case EventEmit:
			event.Buffer.Release()
			component.EmissionDone(event.EmissionID, nil)
		case EventDone:
			if event.Flags&EventFlagPayloadReleased == 0 {
				assert.Equal(t, EventPayloadReleased, events.next(t).Type)
			}
			return event.Error.Take()
		}
	}
}

func TestMalformedOTLPIsRefused(t *testing.T) {
	for name, payload := range map[string][]byte{
		"no protobuf":      {0xff, 0xff, 0xff, 0xff},
		"cut off":          oneLogRecord[:3],
		"length too large": {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f},
	} {
		t.Run(name, func(t *testing.T) {
			err := resultOf(t, `{"type": "processor:attribute", "config": {"actions": [{"action": "insert", "key": "env", "value": "prod"}], "apply_to": ["resource"]}}`,
				nil, append([]byte(nil), payload...))
			require.NotNil(t, err, "accepted")
			assert.NotZero(t, err.Flags&ErrorFlagPermanent, "retrying is pointless")
			assert.NotEmpty(t, err.Message)
		})
	}
}

func TestDeadlineInThePastIsATimeout(t *testing.T) {
	block := make([]byte, ContextHeadSize)
	order := binary.NativeEndian
	order.PutUint32(block[ContextOffsetSize:], ContextHeadSize)
	order.PutUint32(block[ContextOffsetFlags:], uint32(ContextFlagDeadline))
	order.PutUint64(block[ContextOffsetDeadlineRemaining:], 1<<64-1) // -1 ns
	order.PutUint32(block[ContextOffsetEntryOffset:], ContextHeadSize)
	order.PutUint32(block[ContextOffsetTotalSize:], ContextHeadSize)
	err := resultOf(t, passThrough, block, append([]byte(nil), oneLogRecord...))
	require.NotNil(t, err, "accepted")
	assert.Equal(t, ErrorKindTimeout, err.Kind)
	assert.Equal(t, int32(4), err.GRPCCode)
}

// TestConcurrentUseWhileDestroying: late callers get an error, never freed memory.
func TestConcurrentUseWhileDestroying(t *testing.T) {
	runtime := newRuntime(t)
	for range 20 {
		events := newRecorder()
		component, err := runtime.NewComponent(ComponentOptions{Kind: ComponentProcessor, Configuration: []byte(passThrough)}, events)
		require.NoError(t, err)
		require.NoError(t, component.Start(10*time.Second))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for component.Submit(0, SignalLogs, nil, oneLogRecord) != ErrDestroyed {
					component.Cancel(1, CancelReasonCancelled, strings.Repeat("x", 10))
					component.EmissionDone(1, nil)
				}
			})
		}
		require.NoError(t, component.Shutdown(time.Second))
		component.Destroy()
		wg.Wait()
	}
}

func TestWhichComponentsJoinReferences(t *testing.T) {
	for configuration, joins := range map[string]bool{
		`{"type": "urn:otapbridge:processor:batch", "config": {}}`:                             true,
		`{"type": "urn:otapbridge:processor:batch", "config": {"min_size": 1, "max_size": 2}}`: false,
		passThrough: false,
		`{"nodes": {"a": {"type": "urn:otapbridge:processor:fault", "config": {}}, "b": {"type": "urn:otapbridge:processor:batch", "config": {}}},
			"connections": [{"from": "a", "to": "b"}]}`: true,
		`{"type": "urn:otapbridge:processor:batch", "config": {"colour": 1}}`: false,
		`{"type": `: false,
		``:          false,
	} {
		options := ComponentOptions{Kind: ComponentProcessor, Configuration: []byte(configuration), References: true}
		assert.Equal(t, joins, ComponentJoinsReferences(options), configuration)
		options.References = false
		assert.False(t, ComponentJoinsReferences(options), configuration)
	}
}

func TestWarningsAndSecrets(t *testing.T) {
	options := ComponentOptions{
		Kind: ComponentProcessor, Name: "a", Signal: SignalMetrics,
		Configuration: []byte(`{"type": "processor:attribute", "config": {"actions": [{"action": "hash", "key": "k", "salt": "s"}]}}`),
	}
	warning := ComponentWarnings(options)
	require.NotNil(t, warning)
	assert.Equal(t, "a", warning.Field)
	assert.Contains(t, warning.Message, "exponential histograms")
	assert.Contains(t, warning.Message, "converts metrics to Arrow")
	assert.Nil(t, warning.Next, "one for a node")
	secrets, err := ComponentSecrets(options)
	require.NoError(t, err)
	assert.Equal(t, []string{"config::actions::0::salt"}, secrets)

	options.Configuration = []byte(passThrough)
	assert.Nil(t, ComponentWarnings(options))
	secrets, err = ComponentSecrets(options)
	require.NoError(t, err)
	assert.Empty(t, secrets)
}

type panicking struct{ seen []any }

func (*panicking) HandleEvents([]Event) { panic("handler") }
func (p *panicking) HandlePanic(value any, _ []byte) {
	p.seen = append(p.seen, value)
	panic("again")
}

func TestPanicOfAHandlerIsContained(t *testing.T) {
	before := CallbackPanics()
	handler := &panicking{}
	batch := newEventSink(handler).batch()
	batch.events = []Event{{}}
	batch.deliver()
	assert.Equal(t, []any{"handler"}, handler.seen)
	assert.Equal(t, before+2, CallbackPanics())
	assert.Empty(t, batch.events)
}
