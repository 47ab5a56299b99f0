// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// worker is one goroutine's turn at the component.
type worker struct {
	*scenario
	dice *rand.Rand
}

func (w *worker) run() {
	for !w.isOver() {
		if !w.step() {
			w.wait()
		}
	}
	if w.midway > 0 {
		w.afterShutdown()
	}
}

func (w *worker) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shutdownEnded != 0 || w.midway == 0 && len(w.calls) >= w.target
}

// wait is for something new to work on.
func (w *worker) wait() {
	w.mu.Lock()
	changed := w.changed
	w.mu.Unlock()
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// step does something, if there is anything to do it with.
func (w *worker) step() bool {
	switch die := w.dice.IntN(100); {
	case die < 35:
		return w.submit()
	case die < 60:
		return w.answerOne()
	case die < 78:
		return w.releaseOne()
	case die < 84:
		return w.releaseOneError()
	case die < 87:
		return w.cancelAny()
	case die < 88:
		return w.cancelAllIn()
	case die < 91:
		return w.submitWrongly()
	case die < 93:
		return w.cancelUnknown()
	case die < 95:
		return w.answerLate()
	case die < 97:
		return w.useWhileUnanswered()
	case die < 98:
		return w.answerTwiceAtOnce()
	case die < 99:
		return w.submitTwiceAtOnce()
	case w.dice.IntN(2) == 0:
		return w.readStats()
	default:
		return false // a pause, until something is new
	}
}

// reaction is what the handler does about new output by itself. It has the model's lock.
func (s *scenario) reaction(emission *modelEmission) []func() {
	w := &worker{s, rand.New(rand.NewPCG(s.random.Uint64(), 0))}
	var actions []func()
	if w.dice.IntN(4) == 0 {
		s.unanswered = s.unanswered[:len(s.unanswered)-1]
		actions = append(actions, func() { s.answer(s.component, emission, w.anyAnswer()) })
	}
	if w.dice.IntN(4) == 0 {
		s.buffers = s.buffers[:len(s.buffers)-1]
		actions = append(actions, func() { s.release(emission) })
	}
	if w.dice.IntN(20) == 0 {
		actions = append(actions, func() { w.submit() })
	}
	if w.dice.IntN(2) == 0 {
		slices.Reverse(actions)
	}
	return actions
}

// take takes one of a list, at random.
func take[T any](w *worker, list *[]T) (taken T, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(*list) == 0 {
		return taken, false
	}
	at := w.dice.IntN(len(*list))
	taken = (*list)[at]
	*list = slices.Delete(*list, at, at+1)
	return taken, true
}

func (w *worker) isFull() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.inFlight) >= w.limit || w.midway == 0 && len(w.calls) >= w.target
}

func (w *worker) newCall() *modelCall {
	call := &modelCall{id: w.newID(), serial: lastSerial.Add(1), signal: SignalLogs, items: w.dice.IntN(6)}
	if w.dice.IntN(4) == 0 {
		call.signal = SignalTraces
	}
	call.want = markedPayload(w.dice, call.serial, call.signal, call.items)
	return call
}

func (w *worker) newID() uint64 { return atomic.AddUint64(&w.lastID, 1) }

// submit makes a call. Some have the id of one that was completed and whose payload was
// released, as the header allows.
func (w *worker) submit() bool {
	if w.isFull() {
		return false
	}
	call := w.newCall()
	context := w.anyContext(call)
	w.mu.Lock()
	if old := w.anyCall(w.calls); old != nil && w.dice.IntN(20) == 0 && !w.references &&
		w.byID[old.id] == old && old.done != 0 && old.released != 0 {
		call.id = old.id
	}
	w.begin(call)
	w.mu.Unlock()
	w.model.submit(w.component, call, context)
	w.mu.Lock()
	defer w.mu.Unlock()
	// What is refused once will be again.
	return !call.refused
}

func (w *worker) anyContext(call *modelCall) []byte {
	var flags ContextFlags
	switch w.dice.IntN(12) {
	default:
		return nil
	case 0, 1, 2:
	case 3, 4:
		flags, call.deadline = ContextFlagDeadline, time.Millisecond+time.Duration(w.dice.IntN(int(20*time.Millisecond)))
	case 5, 6:
		flags, call.deadline = ContextFlagDeadline|ContextFlagTimeout, time.Millisecond+time.Duration(w.dice.IntN(int(20*time.Millisecond)))
	case 7:
		flags, call.deadline = ContextFlagDeadline, time.Hour
	}
	call.hasDeadline = flags != 0 && call.deadline < time.Hour
	call.tenant = []string{"", "a", "b"}[w.dice.IntN(3)]
	return contextOf(flags, call.deadline, call.tenant)
}

// anyAnswer accepts more often than not.
func (w *worker) anyAnswer() *HostError {
	if w.dice.IntN(5) < 3 {
		return nil
	}
	id := lastSerial.Add(1)
	err := &HostError{
		Kind:        []ErrorKind{1, 2, 2, 2, 3, 4, 5, 6, 0, 77}[w.dice.IntN(10)],
		HostErrorID: id, Message: "refused by the test, " + strconv.FormatUint(id, 10),
	}
	if w.dice.IntN(3) == 0 {
		err.Flags |= ErrorFlagRetryAfter
		err.RetryAfter = []time.Duration{0, 1, time.Millisecond, 5 * time.Millisecond, time.Hour}[w.dice.IntN(5)]
	}
	if w.dice.IntN(8) == 0 {
		err.Flags |= ErrorFlagPermanent
	}
	if w.dice.IntN(8) == 0 {
		err.Flags |= ErrorFlagGRPCCode | ErrorFlagHTTPStatus
		err.GRPCCode, err.HTTPStatus = 1+w.dice.Int32N(16), 400+w.dice.Int32N(200)
	}
	if w.dice.IntN(8) == 0 {
		err.Field, err.StatusDetails = "field", []byte{8, 14}
	}
	return err
}

func (w *worker) answerOne() bool {
	emission, ok := take(w, &w.unanswered)
	if ok {
		w.answer(w.component, emission, w.anyAnswer())
	}
	return ok
}

func (w *worker) releaseOne() bool {
	emission, ok := take(w, &w.buffers)
	if ok {
		w.release(emission)
	}
	return ok
}

func (w *worker) releaseOneError() bool {
	unreleased, ok := take(w, &w.unreleasedErrors)
	if ok {
		w.releaseError(unreleased)
	}
	return ok
}

// anyCall is one of a list, or nil. The caller has the lock.
func (w *worker) anyCall(list []*modelCall) *modelCall {
	if len(list) == 0 {
		return nil
	}
	return list[w.dice.IntN(len(list))]
}

func (w *worker) anyReason() CancelReason {
	return []CancelReason{CancelReasonCancelled, CancelReasonDeadline, 0, 3}[w.dice.IntN(4)]
}

// cancelAny cancels a call in flight, sometimes twice.
func (w *worker) cancelAny() bool {
	w.mu.Lock()
	call := w.anyCall(w.inFlight)
	if call == nil || call.reserved {
		w.mu.Unlock()
		return false
	}
	cancel := w.beginCancel(call, w.anyReason())
	w.mu.Unlock()
	w.endCancel(w.component, call, cancel, strings.Repeat("cause", w.dice.IntN(3)))
	if w.dice.IntN(3) == 0 {
		w.cancel(w.component, call, w.anyReason(), "again")
	}
	return true
}

// cancelAllIn cancels all calls whose data were joined in output that is not answered: then
// the library says that nobody waits for it.
func (w *worker) cancelAllIn() bool {
	if !w.pipeline.namesOrigins {
		return false
	}
	emission, ok := take(w, &w.unanswered)
	if !ok {
		return false
	}
	defer func() { w.answer(w.component, emission, w.anyAnswer()) }()
	// From here on no shutdown begins.
	w.running.RLock()
	defer w.running.RUnlock()
	w.mu.Lock()
	isSure := emission.call == nil && w.shutdownBegan == 0
	w.mu.Unlock()
	if isSure {
		for _, call := range emission.calls {
			w.cancel(w.component, call, w.anyReason(), "with all others")
		}
		w.await("EMISSION_CANCELLED", func() bool { return emission.cancelled != nil })
	}
	return true
}

// readStats compares the counters with what the test has in its hands meanwhile.
func (w *worker) readStats() bool {
	w.mu.Lock()
	began, calls := w.tick("stats", 0, 0), uint64(w.accepted)
	w.mu.Unlock()
	stats, err := w.runtime.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.fail("stats: %v", err)
		return true
	}
	most := uint64(w.accepted + w.submitting)
	if stats.CallsTotal < calls || stats.CallsTotal > most {
		w.fail("the library counts %d calls, the test %d to %d", stats.CallsTotal, calls, most)
	}
	var buffers, emissions, failures uint64
	shown := map[*modelCall]bool{}
	for _, emission := range w.buffers {
		if emission.came < began {
			buffers++
			for _, call := range emission.calls {
				shown[call] = true
			}
		}
	}
	for _, emission := range w.unanswered {
		if emission.came < began {
			emissions++
		}
	}
	for _, err := range w.unreleasedErrors {
		if err.came < began {
			failures++
		}
	}
	if stats.BuffersUnreleased < buffers || stats.ErrorsUnreleased < failures {
		w.fail("the test has %d buffers and %d errors: %+v", buffers, failures, stats)
	}
	if w.shutdownBegan != 0 {
		return true
	}
	if stats.EmissionsInFlight < emissions || w.pipeline.inPlace && !w.references && stats.PayloadsUnreleased < uint64(len(shown)) {
		w.fail("the test has %d emissions and sees %d payloads: %+v", emissions, len(shown), stats)
	}
	if stats.Components != 1 || stats.Pipelines != uint64(w.shards) {
		w.fail("%d pipelines: %+v", w.shards, stats)
	}
	return true
}

// aboutNumber finds what a failure is about.
var aboutNumber = regexp.MustCompile(`(call|emission|error) (\d+)`)

// story is what happened last, and what concerns the calls, emissions and errors in the failures.
func (m *model) story() string {
	const last = 40
	about := map[[2]string]bool{}
	for _, match := range aboutNumber.FindAllStringSubmatch(strings.Join(m.failures, " "), -1) {
		about[[2]string{match[1], match[2]}] = true
		for _, call := range m.calls {
			if match[1] == "call" && strconv.FormatUint(call.id, 10) == match[2] {
				for _, emission := range call.emissions {
					about[[2]string{"emission", strconv.FormatUint(emission.id, 10)}] = true
				}
			}
		}
	}
	var story strings.Builder
	for i, note := range m.history {
		concerns := i >= len(m.history)-last || strings.HasPrefix(note.text, "shutdown")
		for what := range about {
			number := strconv.FormatUint(note.a, 10) == what[1] || strconv.FormatUint(note.b, 10) == what[1]
			concerns = concerns || number && strings.Contains(note.text, what[0])
		}
		if concerns {
			fmt.Fprintf(&story, "%6d %s %d %d\n", i+1, note.text, note.a, note.b)
		}
	}
	return story.String()
}
