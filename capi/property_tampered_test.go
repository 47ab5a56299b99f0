// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// tamperedSeed is one of a pipeline in which calls end by events.
const tamperedSeed = 1

// tampering stands between the library and the model, and breaks a promise of the library's.
type tampering struct {
	*model
	tamper func(events []Event) []Event

	turn sync.Mutex
}

func (t *tampering) HandleEvents(events []Event) {
	t.turn.Lock()
	events = t.tamper(slices.Clone(events))
	t.turn.Unlock()
	if len(events) > 0 {
		t.model.HandleEvents(events)
	}
}

// TestModelNotices: the test of any sequence of calls fails if the library breaks a promise.
func TestModelNotices(t *testing.T) {
	done := func(e *Event) bool { return e.Type == EventDone }
	released := func(e *Event) bool { return e.Type == EventDone && e.Flags&EventFlagPayloadReleased != 0 }
	failed := func(e *Event) bool { return e.Type == EventDone && e.Error.HostErrorID() != 0 }
	emitted := func(e *Event) bool { return e.Type == EventEmit && len(e.Payload) > 0 }
	errorReleased := func(e *Event) bool { return e.Type == EventHostErrorReleased }
	payloadReleased := func(e *Event) Event { return Event{Type: EventPayloadReleased, CallID: e.CallID} }
	for name, test := range map[string]struct {
		// which is the event that makes the difference, and change what comes instead of it.
		which  func(*Event) bool
		change func(*Event) []Event
		// noticed is in what the model says; all of it is where there is more.
		noticed string
	}{
		"nothing":             {done, func(e *Event) []Event { return []Event{*e} }, ""},
		"DONE lost":           {done, func(e *Event) []Event { e.Release(); return nil }, "has no DONE"},
		"DONE twice":          {done, func(e *Event) []Event { return []Event{*e, {Type: EventDone, CallID: e.CallID}} }, "is unknown, was refused or has ended"},
		"DONE of nobody":      {done, func(e *Event) []Event { return []Event{*e, {Type: EventDone, CallID: 1 << 40}} }, "is unknown, was refused or has ended"},
		"release lost":        {released, func(e *Event) []Event { e.Flags = 0; return []Event{*e} }, "payload was not reported"},
		"release twice":       {released, func(e *Event) []Event { return []Event{*e, payloadReleased(e)} }, "was released twice"},
		"release before DONE": {emitted, func(e *Event) []Event { return []Event{payloadReleased(e), *e} }, "which has not ended"},
		"failure forgotten":   {failed, func(e *Event) []Event { e.Error.Release(); return []Event{*e} }, "it succeeded, and"},
		"damaged output": {emitted, func(e *Event) []Event {
			e.Payload = slices.Clone(e.Payload)
			e.Payload[len(e.Payload)-1] ^= 1
			return []Event{*e}
		}, "is damaged"},
		"output cut off": {emitted, func(e *Event) []Event { e.Payload = e.Payload[:0]; return []Event{*e} }, "data of no call"},
		"output of nobody": {emitted, func(e *Event) []Event {
			e.CallID = 0
			return []Event{*e}
		}, "does not name it"},
		"output of another call": {emitted, func(e *Event) []Event { e.CallID++; return []Event{*e} }, "emission"},
		"output twice": {emitted, func(e *Event) []Event {
			return []Event{*e, {Type: EventEmit, EmissionID: e.EmissionID, Payload: e.Payload}}
		}, "was there before"},
		"unasked cancel":       {emitted, func(e *Event) []Event { return []Event{*e, {Type: EventEmissionCancelled, EmissionID: e.EmissionID}} }, "EMISSION_CANCELLED"},
		"error released twice": {errorReleased, func(e *Event) []Event { return []Event{*e, *e} }, "which the library does not have"},
		"error never released": {errorReleased, func(*Event) []Event { return nil }, "waited 5s"},
		"error of nobody":      {errorReleased, func(e *Event) []Event { e.HostErrorID = 7; return []Event{*e} }, "which the library does not have"},
		"restart":              {done, func(e *Event) []Event { return []Event{*e, {Type: EventStatus, Status: StatusOK}} }, "an event of type 5"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScenario(t, tamperedSeed)
			s.midway, s.ending, s.timeout, s.references = 0, byShutdown, propertyPatience, false
			// What does not come is waited for as long as this; what comes must not be missed on a
			// busy machine.
			s.patience = propertyPatience
			if name != "nothing" {
				s.patience = 5 * time.Second
			}
			changed := false
			s.handler = &tampering{model: s.model, tamper: func(events []Event) []Event {
				for i := range events {
					if !changed && test.which(&events[i]) {
						changed = true
						return slices.Concat(events[:i], test.change(&events[i]), events[i+1:])
					}
				}
				return events
			}}
			s.run()
			assert.True(t, changed)
			all := strings.Join(s.failures, "\n")
			assert.Contains(t, all, test.noticed)
			assert.Equal(t, test.noticed == "", all == "", "%s", all)
		})
	}
	t.Run("callback after the shutdown", func(t *testing.T) {
		s := newScenario(t, tamperedSeed)
		s.run()
		s.HandleEvents([]Event{{Type: EventPayloadReleased, CallID: 1}})
		assert.Contains(t, strings.Join(s.failures, "\n"), "after the shutdown had returned")
	})
}
