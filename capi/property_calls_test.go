// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	stdbytes "bytes"
	"errors"
	"slices"
	"strings"
	"time"
)

// native submits a payload, or a reference to it.
func (m *model) native(component *Component, id uint64, signal Signal, context, payload []byte) error {
	if m.references {
		items, _ := readMarks(payload)
		return component.SubmitReference(id, signal, context, len(items), len(payload))
	}
	return component.Submit(id, signal, context, payload)
}

// submit makes a call.
func (m *model) submit(component *Component, call *modelCall, context []byte) {
	call.submittedAt = time.Now()
	err := m.native(component, call.id, call.signal, context, call.payload)
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.broadcast()
	m.submitReturned(call, err)
}

func (m *model) submitReturned(call *modelCall, err error) {
	m.submitting--
	if err == nil {
		call.accepted = m.tick("accepted call", call.id, 0)
		m.accepted++
		return
	}
	m.tick("refused call", call.id, 0)
	call.refused = true
	if call.done != 0 || call.released != 0 || len(call.emissions) > 0 {
		m.fail("call %d was refused after events of it had come: %v", call.id, err)
		return
	}
	m.leave(call)
	m.takeBack(call)
	var native *Error
	isNative := errors.As(err, &native)
	switch {
	case errors.Is(err, ErrDestroyed) && m.destroyBegan != 0:
	case isNative && native.Kind == ErrorKindRetryable && m.shutdownBegan != 0 && strings.Contains(native.Message, "not running"):
	case isNative && native.Kind == ErrorKindTimeout && call.hasDeadline && time.Since(call.submittedAt) >= call.deadline:
	default:
		m.fail("call %d was refused: %v", call.id, err)
	}
}

// begin hands a call to the model before it is made, because its events may come before
// Submit returns.
func (m *model) begin(call *modelCall) {
	m.tick("submit call, items", call.id, uint64(call.items))
	call.usedAgain = m.byID[call.id] != nil
	call.emittedItems = map[int]int{}
	m.byID[call.id], m.bySerial[call.serial] = call, call
	m.calls = append(m.calls, call)
	call.place = len(m.inFlight)
	m.inFlight = append(m.inFlight, call)
	call.payload = append(m.memory(len(call.want)), call.want...)
	call.pin = new(Pin)
	call.pin.Pin(call.payload)
	m.submitting++
}

// memory is for a payload: best, some that was lent before.
func (m *model) memory(size int) []byte {
	for i, spare := range m.spare {
		if cap(spare) >= size {
			m.spare = slices.Delete(m.spare, i, i+1)
			return spare
		}
	}
	return make([]byte, 0, max(size, 256))
}

func (m *model) cancel(component *Component, call *modelCall, reason CancelReason, cause string) bool {
	m.mu.Lock()
	cancel := m.beginCancel(call, reason)
	m.mu.Unlock()
	return m.endCancel(component, call, cancel, cause)
}

// beginCancel notes a cancel before it is made. The caller has the lock.
func (m *model) beginCancel(call *modelCall, reason CancelReason) *modelCancel {
	cancel := &modelCancel{started: m.tick("cancel call, reason", call.id, uint64(reason)), reason: reason}
	cancel.isLate = call.done != 0 || call.refused || m.shutdownEnded != 0
	call.cancels = append(call.cancels, cancel)
	return cancel
}

// endCancel makes a cancel, and notices its result.
func (m *model) endCancel(component *Component, call *modelCall, cancel *modelCancel, cause string) bool {
	counted := component.Cancel(call.id, cancel.reason, cause)
	m.mu.Lock()
	defer m.mu.Unlock()
	cancel.ended, cancel.counted = m.tick("cancel returned", call.id, 0), counted
	if counted {
		m.tick("cancel counted", call.id, 0)
	}
	if latest := m.byID[call.id]; latest != call {
		// It is not known which of them it was about.
		latest.cancels = append(latest.cancels, cancel)
		cancel.isUnsure = true
	} else if counted && cancel.isLate {
		m.fail("a cancel of call %d counted, which had ended", call.id)
	}
	return counted
}

// answer answers an emission, and notices its result.
func (m *model) answer(component *Component, emission *modelEmission, err *HostError) bool {
	m.mu.Lock()
	id := uint64(0)
	if err != nil {
		id = err.HostErrorID
		m.lent[id] = &lentError{}
	}
	answer := &modelAnswer{started: m.tick("answer emission, error", emission.id, id), err: err}
	emission.answers = append(emission.answers, answer)
	m.mu.Unlock()
	result := component.EmissionDone(emission.id, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.broadcast()
	answer.ended = m.tick("answered emission, result", emission.id, uint64(result))
	m.answerReturned(emission, answer, result)
	return result&EmissionAwaited != 0
}

// answerReturned takes in what EmissionDone says.
func (m *model) answerReturned(emission *modelEmission, answer *modelAnswer, result EmissionAnswer) {
	keeps := result&EmissionKeepsError != 0
	if answer.err != nil {
		lent := m.lent[answer.err.HostErrorID]
		lent.answered, lent.kept = true, keeps
		if lent.released != 0 && !keeps {
			m.fail("error %d was released, and the library did not have it", answer.err.HostErrorID)
		}
	} else if keeps {
		m.fail("the library keeps the error of emission %d, which was accepted", emission.id)
	}
	if result&EmissionAwaited == 0 {
		m.tick("answer was late for emission", emission.id, 0)
		if m.destroyBegan == 0 {
			m.falseAnswers++
		} else {
			m.perhapsFalseAnswers++
		}
		if result != 0 {
			m.fail("an answer to emission %d was late, and had result %d", emission.id, result)
		}
		return
	}
	if emission.winner != nil {
		m.fail("two answers to emission %d were awaited", emission.id)
	}
	if m.shutdownEnded != 0 && answer.started > m.shutdownEnded {
		m.fail("an answer to emission %d was awaited after the shutdown", emission.id)
	}
	emission.winner = answer
	if result&EmissionCallDone != 0 {
		m.answeredEarly(emission, answer, result)
		return
	}
	if emission.endsCall && m.shutdownBegan == 0 || result&EmissionPayloadReleased != 0 {
		m.fail("an answer to emission %d did not end its call: %d", emission.id, result)
	}
}

// answeredEarly takes in that an answer completed the emission's call, too.
func (m *model) answeredEarly(emission *modelEmission, answer *modelAnswer, result EmissionAnswer) {
	call := emission.call
	if call == nil || !emission.endsCall || call.done != 0 {
		m.fail("an answer to emission %d ended a call that is unknown, has ended, or should have had an event", emission.id)
		return
	}
	m.tick("early answer to call", call.id, uint64(result))
	var failure *Error
	if answer.err != nil {
		failure = meaning(answer.err)
	}
	call.doneHere = true
	m.finish(call, m.clock, failure)
	if result&EmissionPayloadReleased != 0 {
		m.payloadReleased(call)
	}
}

// release lets go of an emission's buffer, which must show until then what it showed first.
func (m *model) release(emission *modelEmission) {
	m.mu.Lock()
	if !stdbytes.Equal(emission.payload, emission.copied) {
		m.fail("the payload of emission %d changed before its release", emission.id)
	}
	emission.releasing = m.tick("release buffer of emission", emission.id, 0)
	m.mu.Unlock()
	emission.buffer.Release()
	m.mu.Lock()
	emission.released = m.tick("released buffer of emission", emission.id, 0)
	emission.payload, emission.copied = nil, nil
	m.mu.Unlock()
}

// releaseError lets go of an error, which must say until then what it said first.
func (m *model) releaseError(unreleased *unreleasedError) {
	got := unreleased.owned.Take()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !sameError(got, unreleased.want) {
		m.fail("an error changed before its release from %v to %v", unreleased.want, got)
	}
}
