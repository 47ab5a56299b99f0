// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
	"github.com/otapbridge/otapbridge/internal/lease"
)

const (
	// defaultStartTimeout is how long a start may take when its context has no deadline.
	defaultStartTimeout = 10 * time.Second
	// leaveTime is how long callers whose calls were just completed, and loggers that were
	// given the last records, may take to return whatever the deadline.
	leaveTime = 100 * time.Millisecond
)

// Component is one hosted pipeline, or several that are alike. It has no native memory and no thread before
// Start and after Shutdown. Consume methods are safe for concurrent use; those of a
// receiver only return an error.
type Component struct {
	settings   Settings
	calls      *callTable
	bytes      *bytesLimit
	workers    *workers
	hostErrors errormapping.HostErrors
	looking    looking
	// references: no node looks at data, which go in by reference. Set by Start.
	references bool
	// mutatesData: see MutatesData.
	mutatesData bool
	// callers counts goroutines inside Consume methods.
	callers lease.Lease
	// buffers counts buffers of events from their arrival to their release.
	buffers sync.WaitGroup
	// stray counts events about calls that were not in flight.
	stray    atomic.Uint64
	stopping chan struct{}
	pipeline atomic.Pointer[capi.Component]

	mu      sync.Mutex
	phase   phase
	runtime *Runtime
	host    component.Host
}

type phase int

const (
	phaseCreated phase = iota
	phaseRunning
	phaseStopped
)

// NewComponent makes a component that does nothing until it is started. It checks
// the settings as Limits.Validate and ValidateConfiguration do, and names all that is wrong.
func NewComponent(settings Settings) (*Component, error) {
	if settings.Kind == Receiver {
		// Nothing goes in that the others could bound.
		settings.Limits = Limits{Workers: settings.Limits.Workers, MaxInFlight: 1, MaxInFlightBytes: 1}
	}
	findings := ValidateConfiguration(settings.Kind, settings.Name, settings.Configuration)
	if err := errors.Join(settings.Limits.Validate(), findings); err != nil {
		return nil, err
	}
	if settings.Logger == nil {
		settings.Logger = zap.NewNop()
	}
	c := &Component{
		settings: settings,
		bytes:    newBytesLimit(settings.Limits.MaxInFlightBytes),
		stopping: make(chan struct{}),
	}
	c.mutatesData = settings.ShareUnchangedData && capi.ComponentJoinsReferences(settings.options())
	c.calls = newCallTable(settings.Limits.MaxInFlight, c.stopping, func(index uint32) *call { return newCall(c, index) })
	c.workers = newWorkers(c, cmp.Or(settings.Limits.Workers, DefaultLimits().Workers))
	return c, nil
}

// MutatesData reports whether the component may take the data out of what it is given and
// accepts, which its consumer.Capabilities must declare. It is known from the settings, before
// Start: with ShareUnchangedData, where nodes join data that none of them looks at.
func (c *Component) MutatesData() bool { return c.mutatesData }

// native is the pipeline, which exists from Start on and can be called also after Shutdown.
func (c *Component) native() *capi.Component { return c.pipeline.Load() }

// Start starts the pipeline and waits until its nodes run, at most until the
// context's deadline, or 10 seconds without one. The host is told changes of the
// pipeline's health.
func (c *Component) Start(ctx context.Context, host component.Host) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseCreated {
		return errors.New("otapbridge: a component can be started once")
	}
	timeout := defaultStartTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	if err := ctx.Err(); err != nil {
		return errormapping.ContextError(ctx, "before the start of "+c.settings.Name)
	}
	runtime, err := OpenRuntime(c.settings.Logger)
	if err != nil {
		return err
	}
	native, err := runtime.instance.native.NewComponent(c.settings.options(), eventHandler{c})
	if err != nil {
		return errors.Join(errormapping.FromLibrary(err), runtime.Close(ctx))
	}
	runtime.instance.notices.Register(native.ID(), c.settings.Logger)
	c.references = native.TakesReferences()
	c.pipeline.Store(native)
	c.runtime, c.host = runtime, host
	if err := native.Start(timeout); err != nil {
		c.phase = phaseStopped
		return errors.Join(errormapping.FromLibrary(err), c.stop(ctx, false))
	}
	c.phase = phaseRunning
	return nil
}

// Shutdown stops the pipeline. Calls in flight may finish until the context's
// deadline, 5 seconds without one; then they fail with a retryable error. It returns
// when every caller has left and the logger has written everything, or with an error
// if by then some are still inside the next consumer, the logger or the host. Nothing
// of Rust is left in either case.
func (c *Component) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseRunning {
		c.phase = phaseStopped
		return nil
	}
	c.phase = phaseStopped
	return c.stop(ctx, true)
}

// stop ends everything, in an order in which no memory is given back while it is in use.
func (c *Component) stop(ctx context.Context, started bool) error {
	deadline := stopDeadline(ctx)
	close(c.stopping)
	left := c.callers.Close()
	native := c.native()
	var err error
	if started {
		err = errormapping.FromLibrary(native.Shutdown(time.Until(deadline)))
	} else {
		// After a failed start the library allows nothing else.
		native.Destroy()
	}

	// No event comes from here on, so buffers only become fewer: those in queues go
	// now, and those being unmarshalled in a moment.
	for _, call := range c.calls.all() {
		call.onShutdown()
	}
	idle := c.workers.stop(errStopped())
	c.buffers.Wait()
	for _, call := range c.calls.all() {
		call.onBuffersReleased()
	}

	timer := time.NewTimer(max(time.Until(deadline), leaveTime))
	defer timer.Stop()
	for left != nil || idle != nil {
		select {
		case <-left:
			left = nil
		case <-idle:
			idle = nil
		case <-timer.C:
			err = errors.Join(err, fmt.Errorf("%s: after its shutdown, %d callers and %d outputs without a caller are still inside the next consumer",
				c.settings.Name, c.callers.Users(), c.workers.inside()))
			left, idle = nil, nil
		}
	}
	c.hostErrors.Clear()
	if stray := c.stray.Load(); stray > 0 {
		c.notify(func() {
			c.settings.Logger.Warn("The library reported on requests that were not in flight.", zap.Uint64("events", stray))
		})
	}
	if !c.runtime.instance.notices.Unregister(native.ID(), leaveUntil(deadline)) {
		err = errors.Join(err, fmt.Errorf("%s: after its shutdown, a logger or the host's ReportStatus has not returned", c.settings.Name))
	}
	native.Destroy()
	return errors.Join(err, c.runtime.close(deadline))
}

// enter admits a caller and gives it a record. The record's leave must follow.
func (c *Component) enter(ctx context.Context) (*call, error) {
	ctx, cancel := observable(ctx)
	defer cancel()
	if err := c.admit(ctx); err != nil {
		return nil, err
	}
	call, err := c.calls.acquire(ctx)
	if err != nil {
		c.callers.Release()
		return nil, err
	}
	return call, nil
}

// admit counts a caller; release must follow.
func (c *Component) admit(ctx context.Context) error {
	if c.settings.Kind == Receiver {
		return errormapping.Classified(errormapping.New(KindConfiguration, "kind",
			c.settings.Name+" is a receiver: it is the source of its data and takes none"))
	}
	if ctx.Err() != nil {
		return errormapping.ContextError(ctx, "before the request was handed to the pipeline")
	}
	if !c.callers.Acquire() {
		return errStopped()
	}
	if c.native() == nil {
		c.callers.Release()
		return errormapping.New(KindRetryable, "", "the component was not started")
	}
	return nil
}

// ConsumeTraces passes traces through the pipeline. What comes out is forwarded to the
// next consumer with this ctx before it returns, unless a node merges requests.
// Data without any resource goes straight to the next consumer.
func (c *Component) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	return c.consume(ctx, pdata{signal: capi.SignalTraces, traces: traces})
}

// ConsumeMetrics is ConsumeTraces for metrics.
func (c *Component) ConsumeMetrics(ctx context.Context, metrics pmetric.Metrics) error {
	return c.consume(ctx, pdata{signal: capi.SignalMetrics, metrics: metrics})
}

// ConsumeLogs is ConsumeTraces for logs.
func (c *Component) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	return c.consume(ctx, pdata{signal: capi.SignalLogs, logs: logs})
}

func (c *Component) consume(ctx context.Context, data pdata) error {
	if data.empty() {
		return c.pass(ctx, &data)
	}
	call, err := c.enter(ctx)
	if err != nil {
		return err
	}
	accepted := false
	defer func() { call.leave(accepted) }()
	var payload []byte
	if !c.references {
		if payload, err = data.marshal(); err != nil {
			return marshalError(err)
		}
	}
	err = call.run(ctx, data, payload)
	accepted = err == nil
	return err
}

// pass forwards data that has nothing for the pipeline to work on.
func (c *Component) pass(ctx context.Context, data *pdata) error {
	if err := c.admit(ctx); err != nil {
		return err
	}
	defer c.callers.Release()
	if !c.settings.Next.has(data.signal) {
		return nil
	}
	return data.consume(ctx, &c.settings.Next)
}

func marshalError(err error) error {
	return errormapping.Classified(errormapping.Wrap(KindPermanent, "", "the data cannot be written as OTLP: "+errormapping.Text(err), err))
}
