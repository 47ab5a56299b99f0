// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	stdbytes "bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// model is what is known of a component from outside, and the handler of its events. It
// notices at once what must never happen, and keeps what [model.verify] needs at the end.
//
// One lock guards everything, because callbacks and calls of all goroutines meet here. It
// is never taken during a call of the library.
type model struct {
	pipeline *pipelineUnderTest
	// references: the data stay with the test.
	references bool
	// inCallback decides what the handler does itself, and does it after the lock is gone.
	inCallback func(*modelEmission) []func()

	mu       sync.Mutex
	random   *rand.Rand
	changed  chan struct{} // closed and replaced at every change
	clock    uint64        // numbers everything that happens
	history  []note
	happened map[string]int // how often
	failures []string

	calls    []*modelCall          // handed to the library, refused or not
	byID     map[uint64]*modelCall // the latest of that id
	bySerial map[uint64]*modelCall
	inFlight []*modelCall // handed over, neither refused nor completed
	spare    [][]byte     // memory of payloads that were released
	emitted  map[uint64]*modelEmission
	lent     map[uint64]*lentError // by host error id
	// What the test still has to answer and to release, in no order.
	unanswered, buffers []*modelEmission
	unreleasedErrors    []*unreleasedError

	submitting, accepted int
	callbacks            int // under way
	// Late answers; perhapsFalseAnswers: those that may have come too late to be counted.
	falseAnswers, perhapsFalseAnswers uint64
	// finishes: the shutdown has time for everything in flight.
	finishes      bool
	shutdownBegan uint64
	shutdownEnded uint64
	destroyBegan  uint64
}

// note is one line of the history.
type note struct {
	text string
	a, b uint64
}

// modelCall is one call of Submit that had no wrong argument.
type modelCall struct {
	id, serial uint64
	signal     Signal
	tenant     string
	want       []byte // what the payload must be as long as it is lent
	items      int
	payload    []byte
	pin        *Pin
	// deadline is the time that was left at submittedAt, if there is a deadline.
	hasDeadline bool
	deadline    time.Duration
	submittedAt time.Time
	usedAgain   bool // an earlier call had its id
	// reserved: one goroutine relies on being the only one that cancels it.
	reserved bool
	// keepsOutput leaves its output unanswered, so that it cannot end.
	keepsOutput bool
	keptOutput  []*modelEmission
	place       int // in the list of calls in flight

	accepted, done, released uint64 // when; 0: not yet
	refused                  bool
	doneAt                   time.Time
	err                      *Error
	doneHere                 bool // by an early answer, without an event
	cancels                  []*modelCancel
	emissions                []*modelEmission
	emittedItems             map[int]int
}

type modelCancel struct {
	started, ended uint64
	reason         CancelReason
	counted        bool
	isLate         bool // the call had ended when it started
	isUnsure       bool // another call of the same id began meanwhile
}

type modelEmission struct {
	id, came uint64
	call     *modelCall   // nil: it has no call id
	calls    []*modelCall // whose data it contains
	buffer   Buffer
	payload  []byte
	copied   []byte // of the payload when it came
	// releasing and released: when the buffer's release began and ended.
	releasing, released uint64
	answers             []*modelAnswer
	winner              *modelAnswer
	cancelled           *Error
	endsCall            bool
}

type modelAnswer struct {
	started, ended uint64
	err            *HostError
}

// lentError is an error of the test's that an answer gave to the library.
type lentError struct {
	answered, kept bool
	released       uint64
}

// unreleasedError is an error that the test releases later.
type unreleasedError struct {
	came  uint64
	owned OwnedError
	want  *Error
}

func newModel(pipeline *pipelineUnderTest, random *rand.Rand) *model {
	return &model{
		pipeline: pipeline, random: random, changed: make(chan struct{}),
		inCallback: func(*modelEmission) []func() { return nil },
		byID:       map[uint64]*modelCall{}, bySerial: map[uint64]*modelCall{}, emitted: map[uint64]*modelEmission{}, lent: map[uint64]*lentError{},
		happened: map[string]int{},
	}
}

// tick notes what happens and says when.
func (m *model) tick(text string, a, b uint64) uint64 {
	m.clock++
	m.happened[text]++
	m.history = append(m.history, note{text, a, b})
	return m.clock
}

func (m *model) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	m.tick("FAILED: "+text, 0, 0)
	m.failures = append(m.failures, text)
}

func (m *model) broadcast() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *model) HandlePanic(value any, stack []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail("the handler panicked: %v\n%s", value, stack)
}

func (m *model) HandleEvents(events []Event) {
	var actions []func()
	m.mu.Lock()
	m.callbacks++
	if m.shutdownEnded != 0 {
		m.fail("a callback after the shutdown had returned")
	}
	for i := range events {
		if emission := m.event(&events[i]); emission != nil {
			actions = append(actions, m.inCallback(emission)...)
		}
	}
	m.broadcast()
	m.mu.Unlock()
	for _, action := range actions {
		action()
	}
	m.mu.Lock()
	m.callbacks--
	m.mu.Unlock()
}

// event takes one event in. It returns output that nobody else knows of yet.
func (m *model) event(event *Event) *modelEmission {
	failure := m.keep(event.Error)
	switch event.Type {
	case EventDone:
		m.done(event, failure)
	case EventPayloadReleased:
		m.tick("PAYLOAD_RELEASED of call", event.CallID, 0)
		call := m.byID[event.CallID]
		if call == nil || call.done == 0 && !call.isBeingAnswered() || m.references {
			m.fail("PAYLOAD_RELEASED of call %d, which has not ended or lent nothing", event.CallID)
			break
		}
		m.payloadReleased(call)
	case EventEmit:
		return m.emit(event)
	case EventEmissionCancelled:
		m.emissionCancelled(event, failure)
	case EventHostErrorReleased:
		m.tick("HOST_ERROR_RELEASED of error", event.HostErrorID, 0)
		lent := m.lent[event.HostErrorID]
		if lent == nil || lent.released != 0 || lent.answered && !lent.kept {
			m.fail("HOST_ERROR_RELEASED of error %d, which the library does not have", event.HostErrorID)
			break
		}
		lent.released = m.clock
	default:
		m.fail("an event of type %d, status %d, error %v", event.Type, event.Status, failure)
	}
	return nil
}

// keep keeps an error for its release, and returns its content.
func (m *model) keep(owned OwnedError) *Error {
	if !owned.Unreleased() {
		return nil
	}
	content := copyError(owned.pointer)
	if lent := m.lent[content.HostErrorID]; content.HostErrorID != 0 && (lent == nil || lent.released != 0) {
		m.fail("an error that stems from error %d, which the test has not lent or may have forgotten", content.HostErrorID)
	}
	m.unreleasedErrors = append(m.unreleasedErrors, &unreleasedError{came: m.clock, owned: owned, want: content})
	return content
}

func (m *model) done(event *Event, failure *Error) {
	when := m.tick("DONE of call", event.CallID, uint64(event.Flags))
	call := m.byID[event.CallID]
	if call == nil || call.refused || call.done != 0 {
		m.fail("DONE of call %d, which is unknown, was refused or has ended: %v", event.CallID, failure)
		return
	}
	m.finish(call, when, failure)
	if event.Flags&EventFlagPayloadReleased != 0 {
		m.payloadReleased(call)
	}
}

func (m *model) finish(call *modelCall, when uint64, failure *Error) {
	call.done, call.doneAt, call.err = when, time.Now(), failure
	m.leave(call)
}

// isBeingAnswered is whether an answer that ends the call may have done so already.
func (c *modelCall) isBeingAnswered() bool {
	return slices.ContainsFunc(c.emissions, func(e *modelEmission) bool {
		return e.endsCall && slices.ContainsFunc(e.answers, func(answer *modelAnswer) bool { return answer.ended == 0 })
	})
}

// leave takes a call out of the list of those in flight.
func (m *model) leave(call *modelCall) {
	last := m.inFlight[len(m.inFlight)-1]
	m.inFlight[call.place], last.place = last, call.place
	m.inFlight = m.inFlight[:len(m.inFlight)-1]
}

// payloadReleased spoils the payload: from now on the library must not look at it.
func (m *model) payloadReleased(call *modelCall) {
	if call.released != 0 {
		m.fail("the payload of call %d was released twice", call.id)
		return
	}
	call.released = m.clock
	for _, emission := range call.emissions {
		if emission.releasing == 0 && m.pipeline.inPlace && !m.references {
			m.fail("the payload of call %d was released while the buffer of emission %d shows it", call.id, emission.id)
		}
	}
	m.takeBack(call)
}

func (m *model) takeBack(call *modelCall) {
	if !stdbytes.Equal(call.payload, call.want) {
		m.fail("the payload of call %d was changed while it was lent", call.id)
	}
	for i := range call.payload {
		call.payload[i] = 0xa5
	}
	call.pin.Release()
	m.spare = append(m.spare, call.payload[:0])
	call.payload = nil
}

func (m *model) emit(event *Event) *modelEmission {
	emission := &modelEmission{
		id: event.EmissionID, buffer: event.Buffer, payload: event.Payload, copied: slices.Clone(event.Payload),
	}
	emission.came = m.tick("EMIT of emission, call", event.EmissionID, event.CallID)
	if event.EmissionID == 0 || m.emitted[event.EmissionID] != nil {
		m.fail("emission id %d was there before", event.EmissionID)
	}
	m.emitted[event.EmissionID] = emission
	m.buffers = append(m.buffers, emission)
	if string(event.Port) != "default" || !event.Buffer.Unreleased() {
		m.fail("emission %d has port %q, an unreleased buffer %v", emission.id, event.Port, event.Buffer.Unreleased())
	}
	if m.references {
		m.readReferences(event, emission)
	} else {
		m.readPayload(event, emission)
	}
	if err := m.checkOrigin(event, emission); err != nil {
		m.fail("emission %d: %v", emission.id, err)
	}
	if call := emission.call; call != nil && call.keepsOutput {
		call.keptOutput = append(call.keptOutput, emission)
		return nil
	}
	m.unanswered = append(m.unanswered, emission)
	return emission
}

// readPayload finds out whose data an emission contains.
func (m *model) readPayload(event *Event, emission *modelEmission) {
	items, err := readMarks(event.Payload)
	if err != nil {
		m.fail("emission %d: %v", emission.id, err)
	}
	for _, item := range items {
		call := m.bySerial[item.serial]
		if call == nil {
			m.fail("emission %d contains data of payload %d, which this component never got", emission.id, item.serial)
			continue
		}
		m.emitItem(event, emission, call, item.index)
	}
}

// readReferences does the same where the library only names calls.
func (m *model) readReferences(event *Event, emission *modelEmission) {
	m.happened["EMIT by reference"]++
	if event.Flags&EventFlagReference == 0 || len(event.Payload) > 0 {
		m.fail("emission %d has %d bytes and flags %d, and should be a reference", emission.id, len(event.Payload), event.Flags)
	}
	ids := event.Origins
	if event.CallID != 0 {
		ids = []uint64{event.CallID}
	}
	for _, id := range ids {
		call := m.byID[id]
		if call == nil {
			m.fail("emission %d refers to call %d, which is unknown", emission.id, id)
			continue
		}
		for index := range max(call.items, 1) {
			m.emitItem(event, emission, call, index)
		}
	}
}

func (m *model) emitItem(event *Event, emission *modelEmission, call *modelCall, index int) {
	if call.refused {
		m.fail("emission %d contains data of call %d, which was refused", emission.id, call.id)
		return
	}
	if event.Signal != call.signal {
		m.fail("emission %d of %v contains %v", emission.id, event.Signal, call.signal)
	}
	call.emittedItems[index]++
	if !slices.Contains(emission.calls, call) {
		emission.calls = append(emission.calls, call)
		call.emissions = append(call.emissions, emission)
	}
}

// checkOrigin compares what output contains with the calls that the library names.
func (m *model) checkOrigin(event *Event, emission *modelEmission) error {
	var whole []byte
	for _, call := range emission.calls {
		whole = append(whole, call.want...)
		if call.tenant != emission.calls[0].tenant && m.pipeline.tenants {
			return errors.New("it contains data of two tenants")
		}
	}
	if len(whole) == 0 {
		return errors.New("it contains data of no call")
	}
	if !m.references && !m.pipeline.divides && !stdbytes.Equal(event.Payload, whole) {
		return fmt.Errorf("%d bytes are not the %d bytes of the payloads in it", len(event.Payload), len(whole))
	}
	if event.CallID != 0 {
		call := m.byID[event.CallID]
		if call == nil || call.refused || call.done != 0 {
			return fmt.Errorf("call %d is unknown, was refused or has ended", event.CallID)
		}
		emission.call, emission.endsCall = call, event.Flags&EventFlagEndsCall != 0
		if len(event.Context) != 0 || len(event.Origins) != 0 {
			return errors.New("it has a call id, and context or origins besides")
		}
		for _, other := range emission.calls {
			if other != call {
				return fmt.Errorf("it contains data of call %d, payload %d", other.id, other.serial)
			}
		}
		return nil
	}
	if len(event.Context) != 0 && totalSize(event.Context) != len(event.Context) {
		return errors.New("its context has a wrong size")
	}
	if event.Flags&^EventFlagReference != 0 || event.Flags != 0 && !m.references {
		return fmt.Errorf("its flags are %d", event.Flags)
	}
	for _, call := range emission.calls {
		if !m.pipeline.joins && !m.pipeline.orphans {
			return fmt.Errorf("it contains data of call %d and does not name it", call.id)
		}
		if m.pipeline.namesOrigins && !slices.Contains(event.Origins, call.id) {
			return fmt.Errorf("call %d is not in its origins", call.id)
		}
		if call.done != 0 && !m.pipeline.orphans && !call.mayHaveLeft() {
			return fmt.Errorf("call %d has ended", call.id)
		}
	}
	if m.pipeline.namesOrigins && !m.pipeline.divides && len(event.Origins) != len(emission.calls) {
		return fmt.Errorf("it contains data of %d calls and names %d", len(emission.calls), len(event.Origins))
	}
	return nil
}

// mayHaveLeft is whether the caller could be released before its data came out.
func (c *modelCall) mayHaveLeft() bool { return len(c.cancels) > 0 || c.hasDeadline }

func (m *model) emissionCancelled(event *Event, failure *Error) {
	m.tick("EMISSION_CANCELLED of emission", event.EmissionID, 0)
	emission := m.emitted[event.EmissionID]
	if emission == nil || emission.call != nil || emission.cancelled != nil || failure == nil {
		m.fail("EMISSION_CANCELLED of emission %d, which is unknown, a call's, or cancelled: %v", event.EmissionID, failure)
		return
	}
	emission.cancelled = failure
	if m.shutdownBegan != 0 {
		return
	}
	for _, call := range emission.calls {
		if call.done == 0 && !call.mayHaveLeft() {
			m.fail("emission %d was cancelled, but call %d in it waits: %v", emission.id, call.id, failure)
		}
	}
}
