// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"fmt"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// eventHandler is a component as the library sees it.
type eventHandler struct{ component *Component }

var _ capi.EventHandler = eventHandler{}

// HandleEvents records what happened and returns.
func (h eventHandler) HandleEvents(events []capi.Event) { h.component.handleEvents(events) }

// HandlePanic is called when HandleEvents panicked: a defect of this package.
func (h eventHandler) HandlePanic(value any, stack []byte) {
	logger := h.component.settings.Logger
	h.component.notify(func() {
		logger.Error("A callback of the otapbridge library panicked. Requests may hang until the component is shut down; please report this.",
			zap.Any("panic", value), zap.ByteString("stack", stack))
	})
}

func (c *Component) handleEvents(events []capi.Event) {
	for i := range events {
		event := &events[i]
		if event.Buffer.Unreleased() {
			c.buffers.Add(1)
		}
		switch event.Type {
		case capi.EventDone:
			c.forCall(event, (*call).onDone)
		case capi.EventPayloadReleased:
			c.forCall(event, (*call).onPayloadReleased)
		case capi.EventEmit:
			c.onEmission(event)
			continue
		case capi.EventEmissionCancelled:
			if err := event.Error.Take(); err != nil {
				c.workers.onCancelled(event.EmissionID, errormapping.FromLibrary(err))
			}
		case capi.EventHostErrorReleased:
			c.hostErrors.Drop(event.HostErrorID)
		case capi.EventStatus:
			c.onStatus(event.Status, event.Error.Take())
		}
		c.discard(event)
	}
}

func (c *Component) forCall(event *capi.Event, record func(*call, *capi.Event) bool) {
	if call := c.calls.find(event.CallID); call == nil || !record(call, event) {
		c.stray.Add(1)
	}
}

// discard frees what an event owns.
func (c *Component) discard(event *capi.Event) {
	counted := event.Buffer.Unreleased()
	event.Release()
	if counted {
		c.buffers.Done()
	}
}

func (c *Component) onEmission(event *capi.Event) {
	e := emission{c, *event}
	if event.CallID == 0 {
		c.workers.enqueue(&e)
	} else if call := c.calls.find(event.CallID); call == nil || !call.onEmission(&e) {
		e.refuse(&errCallerLeft)
	}
}

// onStatus leaves the report to the notices' goroutine: it runs code of the host.
func (c *Component) onStatus(status capi.Status, native *capi.Error) {
	var err error
	if native != nil {
		err = errormapping.FromLibrary(native)
	} else {
		err = fmt.Errorf("the pipeline of %s ended", c.settings.Name)
	}
	var event *componentstatus.Event
	switch status {
	case capi.StatusOK:
		event = componentstatus.NewEvent(componentstatus.StatusOK)
	case capi.StatusRecoverableError:
		event = componentstatus.NewRecoverableErrorEvent(err)
	case capi.StatusPermanentError:
		event = componentstatus.NewPermanentErrorEvent(err)
	default:
		return
	}
	c.notify(func() { componentstatus.ReportStatus(c.host, event) })
}

// notify leaves what runs code of the host to the notices' goroutine.
func (c *Component) notify(f func()) {
	c.runtime.instance.notices.Run(c.native().ID(), f)
}
