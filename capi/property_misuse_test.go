// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// submitWrongly makes a call that must be refused. Its memory is spoiled at once.
func (w *worker) submitWrongly() bool {
	id, signal, kind, field := w.newID(), SignalLogs, ErrorKindConfiguration, "call_id"
	payload := markedPayload(w.dice, lastSerial.Add(1), SignalLogs, 1)
	var context []byte
	submit := w.native
	switch w.dice.IntN(6) {
	case 0:
		id = 0
	case 1:
		signal, field = []Signal{0, 4, 1 << 31}[w.dice.IntN(3)], "signal"
	case 2:
		payload, field, submit = payload[:0], "payload", submitPayload
	case 3:
		context, field = malformedContext(w.dice), "context"
	case 4:
		context, kind, field = contextOf(ContextFlagDeadline, -time.Duration(w.dice.IntN(2)), ""), ErrorKindTimeout, ""
	case 5: // The other of the two functions.
		field, submit = "component", submitReference
		if w.references {
			field, submit = "payload", submitPayload
		}
	}
	w.mu.Lock()
	w.tick("submit wrongly, call", id, 0)
	w.byID[id] = &modelCall{id: id, refused: true}
	w.mu.Unlock()
	w.expectRefusal(submit(w.component, id, signal, context, payload), id, kind, field)
	for i := range payload[:cap(payload)] {
		payload[:cap(payload)][i] = 0xa5
	}
	return true
}

func submitPayload(component *Component, id uint64, signal Signal, context, payload []byte) error {
	return component.Submit(id, signal, context, payload)
}

func submitReference(component *Component, id uint64, signal Signal, context, payload []byte) error {
	return component.SubmitReference(id, signal, context, 1, len(payload))
}

func (w *worker) expectRefusal(err error, id uint64, kind ErrorKind, field string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var native *Error
	switch {
	case errors.Is(err, ErrDestroyed) && w.destroyBegan != 0:
	case !errors.As(err, &native), native.Kind != kind, !strings.HasPrefix(native.Field, field):
		w.fail("call %d should have been refused with %v of %q: %v", id, kind, field, err)
	}
}

// answerLate answers an emission that has its answer, or that never was.
func (w *worker) answerLate() bool {
	var emission *modelEmission
	w.mu.Lock()
	for _, candidate := range w.emitted {
		if candidate.winner != nil {
			emission = candidate
			break
		}
	}
	w.mu.Unlock()
	if emission == nil || w.dice.IntN(3) == 0 {
		emission = &modelEmission{id: []uint64{0, 1 << 62, 1<<64 - 1}[w.dice.IntN(3)]}
	}
	if w.answer(w.component, emission, w.anyAnswer()) {
		w.mu.Lock()
		w.fail("an answer to emission %d was awaited, which is unknown or has its answer", emission.id)
		w.mu.Unlock()
	}
	return true
}

// cancelUnknown cancels a call that never was, or one that has ended.
func (w *worker) cancelUnknown() bool {
	w.mu.Lock()
	call := w.anyCall(w.calls)
	w.mu.Unlock()
	if call == nil || w.dice.IntN(2) == 0 {
		if w.component.Cancel([]uint64{0, w.newID()}[w.dice.IntN(2)], w.anyReason(), "unknown") {
			w.mu.Lock()
			w.fail("a cancel of an unknown call counted")
			w.mu.Unlock()
		}
		return true
	}
	w.mu.Lock()
	hasEnded := (call.done != 0 || call.refused) && w.byID[call.id] == call
	w.mu.Unlock()
	if hasEnded {
		w.cancel(w.component, call, w.anyReason(), "ended")
	}
	return hasEnded
}

// answerTwiceAtOnce gives one emission two answers, of which one counts.
func (w *worker) answerTwiceAtOnce() bool {
	emission, ok := take(w, &w.unanswered)
	if !ok {
		return false
	}
	first, second := w.anyAnswer(), w.anyAnswer()
	var wg sync.WaitGroup
	wg.Go(func() { w.answer(w.component, emission, first) })
	wg.Go(func() { w.answer(w.component, emission, second) })
	wg.Wait()
	return true
}

// submitTwiceAtOnce makes a call two times under one id. One of them is accepted, and of the
// other one's memory nothing is seen.
func (w *worker) submitTwiceAtOnce() bool {
	if w.isFull() || !w.pipeline.single() || w.pipeline.injects != "" {
		return false
	}
	w.running.RLock()
	defer w.running.RUnlock()
	call := w.newCall()
	call.keepsOutput, call.reserved = true, true
	w.mu.Lock()
	if w.shutdownBegan != 0 {
		w.mu.Unlock()
		return false
	}
	w.begin(call)
	w.tick("submit twice, call", call.id, 0)
	w.mu.Unlock()
	payloads := [2][]byte{call.payload, slices.Clone(call.want)}
	pins := [2]*Pin{call.pin, new(Pin)}
	pins[1].Pin(payloads[1])
	var errs [2]error
	var wg sync.WaitGroup
	for i := range payloads {
		wg.Go(func() { errs[i] = w.native(w.component, call.id, call.signal, nil, payloads[i]) })
	}
	wg.Wait()
	accepted, refused := 0, 1
	if errs[0] != nil {
		accepted, refused = 1, 0
	}
	w.expectRefusal(errs[refused], call.id, ErrorKindConfiguration, "call_id")
	clear(payloads[refused])
	pins[refused].Release()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.broadcast()
	call.payload, call.pin = payloads[accepted], pins[accepted]
	w.submitReturned(call, errs[accepted])
	w.unanswered = append(w.unanswered, call.keptOutput...)
	call.keepsOutput, call.reserved, call.keptOutput = false, false, nil
	return true
}

// useWhileUnanswered does what has a certain result while the test has the output of a call: that
// call cannot end then.
func (w *worker) useWhileUnanswered() bool {
	emission, ok := take(w, &w.unanswered)
	if !ok {
		return false
	}
	defer func() { w.answer(w.component, emission, w.anyAnswer()) }()
	// From here on no shutdown begins.
	w.running.RLock()
	defer w.running.RUnlock()
	w.mu.Lock()
	call := emission.call
	isSure := call != nil && w.pipeline.single() && w.shutdownBegan == 0
	if !isSure {
		w.mu.Unlock()
		return true
	}
	mayCancel := len(call.cancels) == 0 && !call.hasDeadline && w.dice.IntN(2) == 0
	call.reserved = mayCancel
	w.tick("submit again, call", call.id, 0)
	w.mu.Unlock()
	payload := markedPayload(w.dice, lastSerial.Add(1), SignalLogs, 1)
	w.expectRefusal(w.native(w.component, call.id, SignalLogs, nil, payload), call.id, ErrorKindConfiguration, "call_id")
	clear(payload)
	if !mayCancel {
		return true
	}
	first := w.cancel(w.component, call, w.anyReason(), "while its output is out")
	second := w.cancel(w.component, call, w.anyReason(), "again")
	w.mu.Lock()
	defer w.mu.Unlock()
	call.reserved = false
	if !first || second {
		w.fail("of two cancels of call %d the first counted: %v, the second: %v", call.id, first, second)
	}
	return true
}

// afterShutdown uses what has ended.
func (w *worker) afterShutdown() {
	if err := w.component.Start(0); err == nil {
		w.mu.Lock()
		w.fail("a component that was shut down could be started")
		w.mu.Unlock()
	}
	if err := w.component.Shutdown(0); err != nil && !errors.Is(err, ErrDestroyed) {
		w.mu.Lock()
		w.fail("a second shutdown: %v", err)
		w.mu.Unlock()
	}
	for range 10 {
		w.step()
		w.submitWrongly()
		w.answerLate()
	}
}
