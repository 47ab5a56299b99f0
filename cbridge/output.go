// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otapbridge/otapbridge/capi"
)

// Consumers receive what a component gives out. Those of signals that do not come
// out may be nil.
type Consumers struct {
	Traces  consumer.Traces
	Metrics consumer.Metrics
	Logs    consumer.Logs
}

func (c *Consumers) has(signal capi.Signal) bool {
	switch signal {
	case capi.SignalTraces:
		return c.Traces != nil
	case capi.SignalMetrics:
		return c.Metrics != nil
	case capi.SignalLogs:
		return c.Logs != nil
	}
	return false
}

// onlySignal is the signal that there is a consumer for, or 0 if there are several.
func (c *Consumers) onlySignal() capi.Signal {
	var only capi.Signal
	for _, signal := range []capi.Signal{capi.SignalTraces, capi.SignalMetrics, capi.SignalLogs} {
		if !c.has(signal) {
			continue
		}
		if only != 0 {
			return 0
		}
		only = signal
	}
	return only
}

// output is unmarshalled data of one signal, independent of the library's memory.
type output struct {
	signal  capi.Signal
	traces  ptrace.Traces
	metrics pmetric.Metrics
	logs    plog.Logs
}

func (o *output) consume(ctx context.Context, next *Consumers) error {
	switch o.signal {
	case capi.SignalTraces:
		return next.Traces.ConsumeTraces(ctx, o.traces)
	case capi.SignalMetrics:
		return next.Metrics.ConsumeMetrics(ctx, o.metrics)
	default:
		return next.Logs.ConsumeLogs(ctx, o.logs)
	}
}

var (
	traceUnmarshaler  ptrace.ProtoUnmarshaler
	metricUnmarshaler pmetric.ProtoUnmarshaler
	logUnmarshaler    plog.ProtoUnmarshaler
)

// unmarshal copies an emission's data out of the library and releases its buffer.
func (c *Component) unmarshal(event *capi.Event) (out output, err error) {
	defer c.discard(event)
	out.signal = event.Signal
	if !c.settings.Next.has(event.Signal) {
		return out, newProcessingError(KindConfiguration, "", fmt.Sprintf(
			"the pipeline put out %s, for which %s has no consumer", event.Signal, c.settings.Name)).classified()
	}
	switch event.Signal {
	case capi.SignalTraces:
		out.traces, err = traceUnmarshaler.UnmarshalTraces(event.Payload)
	case capi.SignalMetrics:
		out.metrics, err = metricUnmarshaler.UnmarshalMetrics(event.Payload)
	case capi.SignalLogs:
		out.logs, err = logUnmarshaler.UnmarshalLogs(event.Payload)
	}
	if err != nil {
		malformed := newProcessingError(KindPermanent, "payload",
			fmt.Sprintf("the pipeline put out %s that are not valid OTLP: %v", event.Signal, err))
		malformed.cause = err
		return out, malformed.classified()
	}
	return out, nil
}

// discard frees what an event owns.
func (c *Component) discard(event *capi.Event) {
	counted := event.Buffer.Held()
	event.Release()
	if counted {
		c.buffers.Done()
	}
}

var (
	errDeadlinePassed   = capi.HostError{Kind: KindTimeout, Message: "the request's deadline passed"}
	errCallerLeft       = capi.HostError{Kind: KindCancelled, Flags: capi.ErrorFlagPermanent, Message: "the request's caller has left"}
	errConsumerPanicked = capi.HostError{Kind: KindRetryable, Message: "the next consumer panicked"}
)

// refuse answers an emission that nobody waits for.
func (c *Component) refuse(event *capi.Event, refusal *capi.HostError) {
	id := event.EmissionID
	c.discard(event)
	c.native().EmissionDone(id, refusal)
}
