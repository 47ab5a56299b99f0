// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	stdbytes "bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

func totalSize(context []byte) int {
	if len(context) < ContextHeadSize {
		return -1
	}
	return int(binary.NativeEndian.Uint32(context[ContextOffsetTotalSize:]))
}

func sameError(a, b *Error) bool {
	for ; a != nil && b != nil; a, b = a.Next, b.Next {
		if a.Kind != b.Kind || a.GRPCCode != b.GRPCCode || a.HTTPStatus != b.HTTPStatus || a.Flags != b.Flags ||
			a.RetryAfter != b.RetryAfter || a.HostErrorID != b.HostErrorID || a.Message != b.Message || a.Field != b.Field ||
			!stdbytes.Equal(a.StatusDetails, b.StatusDetails) {
			return false
		}
	}
	return a == nil && b == nil
}

// verify looks at a component that was shut down, and whose every buffer was released, for
// what can only be told when nothing is under way any more. late is the library's own
// count of late answers.
func (m *model) verify(late uint64) {
	var internal uint64 // completions of calls that may have been completed before
	for _, call := range m.calls {
		if call.refused {
			continue
		}
		if call.done == 0 {
			m.fail("call %d has no DONE", call.id)
			continue
		}
		if call.released == 0 {
			m.happened["was released without notice at the shutdown"]++
			if !call.isInUseAfter(m.shutdownBegan) {
				m.fail("the release of call %d's payload was not reported", call.id)
			}
		}
		if err := m.checkOutcome(call); err != nil {
			m.fail("call %d: %v", call.id, err)
		}
		m.checkCancels(call)
		if call.usedAgain {
			m.happened["used an id again"]++
		}
		if call.err != nil && call.err.HostErrorID == 0 {
			internal += 1 + uint64(len(call.emissions))
		}
	}
	for _, emission := range m.emitted {
		m.checkAnswers(emission)
	}
	if late < m.falseAnswers || late > m.falseAnswers+m.perhapsFalseAnswers+internal && !m.pipeline.copies {
		m.fail("the library counts %d late answers; the test saw %d, and %d may be its own", late, m.falseAnswers, internal)
	}
}

// isInUseAfter is whether some buffer of the call was unreleased at that time or later, or an answer
// to its output was under way, with which a node that retries gets the data back: then its payload
// may have gone with these.
func (c *modelCall) isInUseAfter(when uint64) bool {
	return slices.ContainsFunc(c.emissions, func(e *modelEmission) bool {
		isLate := func(answer *modelAnswer) bool { return answer.ended > when }
		return e.released > when || slices.ContainsFunc(e.answers, isLate)
	})
}

func (m *model) checkCancels(call *modelCall) {
	counted := 0
	for _, cancel := range call.cancels {
		if cancel.counted && !cancel.isUnsure {
			counted++
		}
		if cancel.counted && call.done < cancel.started && !cancel.isUnsure {
			m.fail("a cancel of call %d counted, which had ended", call.id)
		}
	}
	if counted > 1 {
		m.fail("%d cancels of call %d counted", counted, call.id)
	}
}

func (m *model) checkAnswers(emission *modelEmission) {
	if len(emission.answers) == 0 {
		m.fail("emission %d was not answered by the test", emission.id)
		return
	}
	first := slices.MinFunc(emission.answers, func(a, b *modelAnswer) int { return int(a.started) - int(b.started) })
	if len(emission.answers) > 1 && emission.winner != nil {
		m.happened["an answer beat another"]++
	}
	ended := first.ended
	for _, answer := range emission.answers {
		ended = max(ended, answer.ended)
	}
	if emission.winner == nil && ended < m.shutdownBegan {
		m.fail("no answer to emission %d was awaited", emission.id)
	}
	if emission.winner != nil && emission.winner.started > first.ended {
		m.fail("the first answer to emission %d was late, and another was awaited", emission.id)
	}
}

// checkOutcome compares how a call ended with how its output was answered.
func (m *model) checkOutcome(call *modelCall) error {
	if err := m.checkOutput(call); err != nil {
		return err
	}
	if call.err == nil {
		m.happened["succeeded"]++
		return m.checkSuccess(call)
	}
	return m.checkFailure(call)
}

// checkOutput is about how often the same data came out.
func (m *model) checkOutput(call *modelCall) error {
	if m.pipeline.retries {
		for _, emission := range call.emissions[:max(len(call.emissions)-1, 0)] {
			if winner := emission.winner; winner == nil || winner.err == nil || isFinal(winner.err) {
				return fmt.Errorf("it came out again after emission %d, which was accepted, refused for good, or not answered", emission.id)
			}
		}
		return nil
	}
	for index, times := range call.emittedItems {
		if times > m.pipeline.branches() {
			return fmt.Errorf("item %d of it came out %d times", index, times)
		}
	}
	return nil
}

func (m *model) checkSuccess(call *modelCall) error {
	accepted := 0
	for _, emission := range call.emissions {
		if winner := emission.winner; winner != nil && winner.err == nil && winner.started < call.done {
			accepted++
		}
	}
	switch {
	case m.pipeline.acceptsEarly && accepted > 0:
		return nil
	case len(call.emittedItems) < max(call.items, 1):
		return fmt.Errorf("it succeeded, and %d of its %d items came out", len(call.emittedItems), call.items)
	case m.pipeline.retries && accepted == 1:
		return nil
	case accepted < len(call.emissions):
		return fmt.Errorf("it succeeded, and %d of its %d emissions were accepted", accepted, len(call.emissions))
	case m.pipeline.copies && accepted < m.pipeline.branches():
		return fmt.Errorf("it succeeded, and there were %d emissions of it", accepted)
	}
	return nil
}

func (m *model) checkFailure(call *modelCall) error {
	failure := call.err
	if failure.Next != nil || failure.Message == "" {
		return fmt.Errorf("its error has no text or another one behind it: %v", failure)
	}
	if failure.HostErrorID != 0 {
		m.happened["was refused by the test"]++
		return m.checkHostError(call)
	}
	when := call.done
	hasShutDown := m.shutdownBegan != 0 && m.shutdownBegan < when
	kind := failure.Kind
	if kind == ErrorKindPermanent && failure.GRPCCode == meaning(&HostError{Kind: ErrorKindTimeout}).GRPCCode && m.pipeline.divides && call.partlyAccepted() {
		kind = ErrorKindTimeout // It is late, and not to be sent again.
	}
	switch {
	case m.pipeline.injects != "" && strings.Contains(failure.Message, m.pipeline.injects):
		m.happened["was refused by a node"]++
		if m.mustRetry(call) {
			return fmt.Errorf("it was not tried again: %v", failure)
		}
		if !m.pipeline.retries && len(call.emissions) > 0 {
			return fmt.Errorf("it came out although a node refused it: %v", failure)
		}
		return nil
	case kind == ErrorKindRetryable && hasShutDown && strings.Contains(failure.Message, "shut down"):
		m.happened["was ended by the shutdown"]++
		if m.finishes {
			return fmt.Errorf("the shutdown had time, and ended it: %v", failure)
		}
		return nil
	case kind == ErrorKindCancelled && call.cancelledBefore(when, false):
		m.happened["was cancelled"]++
		return nil
	case kind == ErrorKindTimeout && call.cancelledBefore(when, true):
		return nil
	case kind == ErrorKindTimeout && call.hasDeadline:
		m.happened["timed out"]++
		if early := call.timeLeft(); early > 0 {
			return fmt.Errorf("it timed out %v before its deadline of %v", early, call.deadline)
		}
		return nil
	case kind == ErrorKindCancelled && m.pipeline.joins && (call.cancelledBefore(when, true) || call.hasDeadline && call.timeLeft() <= 0):
		// When all have left whose data were joined, they may hear of it as one of them: then it is
		// a cancel if it was that for some.
		return nil
	}
	return fmt.Errorf("nobody has ended it with %v error %q, code %d; it has a deadline: %v", kind, failure.Message, failure.GRPCCode, call.hasDeadline)
}

// timeLeft is how much of its time a call had left when it ended.
func (c *modelCall) timeLeft() time.Duration { return c.deadline - c.doneAt.Sub(c.submittedAt) }

// mustRetry is whether a call may not end with an error that allows a retry. Nodes that retry let
// a request without items go by.
func (m *model) mustRetry(call *modelCall) bool {
	return m.pipeline.retries && call.items > 0 && m.mustEndByAnswer(call)
}

// mustEndByAnswer is whether only the answers to its output can have ended a call.
func (m *model) mustEndByAnswer(call *modelCall) bool {
	hasShutDown := m.shutdownBegan != 0 && m.shutdownBegan < call.done
	return !call.mayHaveLeft() && !hasShutDown
}

// cancelledBefore is whether a cancel, with the deadline as its reason or without, may have
// ended the call.
func (c *modelCall) cancelledBefore(when uint64, deadline bool) bool {
	return slices.ContainsFunc(c.cancels, func(cancel *modelCancel) bool {
		return cancel.started < when && (cancel.reason == CancelReasonDeadline) == deadline
	})
}

// partlyAccepted is whether some output of the call was accepted before it ended.
func (c *modelCall) partlyAccepted() bool {
	return slices.ContainsFunc(c.emissions, func(e *modelEmission) bool {
		return e.winner != nil && e.winner.err == nil && e.winner.started < c.done
	})
}

// checkHostError is about a call that ended with an error of the test's own.
func (m *model) checkHostError(call *modelCall) error {
	if lent := m.lent[call.err.HostErrorID]; lent != nil && lent.kept == call.doneHere {
		return fmt.Errorf("it ended with host error %d, of which the library said that it keeps it: %v", call.err.HostErrorID, lent.kept)
	}
	var given *HostError
	for _, emission := range call.emissions {
		winner := emission.winner
		if winner != nil && winner.started < call.done && winner.err != nil && winner.err.HostErrorID == call.err.HostErrorID {
			given = winner.err
		}
	}
	if given == nil {
		return fmt.Errorf("it ended with host error %d, which no output of it was refused with", call.err.HostErrorID)
	}
	if last := call.emissions[len(call.emissions)-1]; m.pipeline.retries && last.winner.err != given {
		return fmt.Errorf("it ended with host error %d, which was not the last", given.HostErrorID)
	}
	if m.mustRetry(call) && !isFinal(given) && given.RetryAfter < time.Minute {
		return fmt.Errorf("it was not tried again: %v", call.err)
	}
	isPart := call.err.Flags&ErrorFlagPart != 0
	isWhole := len(call.emittedItems) == max(call.items, 1)
	if isPart == isWhole && (isPart || m.mustEndByAnswer(call)) {
		return fmt.Errorf("it ended with the error of a part: %v, and %d of its %d items came out", isPart, len(call.emittedItems), call.items)
	}
	if same(call.err, meaning(given)) {
		return nil
	}
	forGood := *given
	forGood.Flags |= ErrorFlagPermanent
	if m.pipeline.divides && call.partlyAccepted() && same(call.err, meaning(&forGood)) {
		return nil
	}
	return fmt.Errorf("it ended with %+v instead of %+v", *call.err, *meaning(given))
}

// same compares what is promised of a host's error that comes back: all but the flags
// that say who has chosen its codes, and that it is not about all data.
func same(a, b *Error) bool {
	const others = ErrorFlagGRPCCode | ErrorFlagHTTPStatus | ErrorFlagPart
	left, right := *a, *b
	left.Flags &^= others
	right.Flags &^= others
	return sameError(&left, &right)
}

// meaning is what the library makes of a host's error.
func meaning(given *HostError) *Error {
	codes := map[ErrorKind][2]int32{
		ErrorKindPermanent: {13, 500}, ErrorKindRetryable: {14, 503}, ErrorKindCancelled: {1, 499}, ErrorKindTimeout: {4, 504},
		ErrorKindResourceExhausted: {8, 429}, ErrorKindConfiguration: {3, 400},
	}
	kind := given.Kind
	if _, known := codes[kind]; !known {
		kind = ErrorKindRetryable
	}
	err := &Error{
		Kind: kind, GRPCCode: codes[kind][0], HTTPStatus: codes[kind][1], HostErrorID: given.HostErrorID,
		Message: given.Message, Field: given.Field, StatusDetails: given.StatusDetails,
	}
	if given.Flags&ErrorFlagGRPCCode != 0 {
		err.GRPCCode = given.GRPCCode
	}
	if given.Flags&ErrorFlagHTTPStatus != 0 {
		err.HTTPStatus = given.HTTPStatus
	}
	if given.Flags&ErrorFlagRetryAfter != 0 {
		err.RetryAfter, err.Flags = given.RetryAfter, ErrorFlagRetryAfter
	}
	switch kind {
	case ErrorKindPermanent, ErrorKindCancelled, ErrorKindConfiguration:
		err.Flags |= ErrorFlagPermanent
	default:
		if given.Flags&ErrorFlagPermanent != 0 {
			err.Kind, err.Flags, err.RetryAfter = ErrorKindPermanent, ErrorFlagPermanent, 0
		}
	}
	return err
}

// isFinal is whether data that were refused so must not be sent again.
func isFinal(given *HostError) bool {
	err := meaning(given)
	return err.Flags&ErrorFlagPermanent != 0 || slices.Contains([]int32{3, 7, 12, 16}, err.GRPCCode)
}
