// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"

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

// mutates reports whether the consumer of a signal that there is one for changes what it gets.
func (c *Consumers) mutates(signal capi.Signal) bool {
	switch signal {
	case capi.SignalTraces:
		return c.Traces.Capabilities().MutatesData
	case capi.SignalMetrics:
		return c.Metrics.Capabilities().MutatesData
	default:
		return c.Logs.Capabilities().MutatesData
	}
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

var (
	traceMarshaler    ptrace.ProtoMarshaler
	metricMarshaler   pmetric.ProtoMarshaler
	logMarshaler      plog.ProtoMarshaler
	traceUnmarshaler  ptrace.ProtoUnmarshaler
	metricUnmarshaler pmetric.ProtoUnmarshaler
	logUnmarshaler    plog.ProtoUnmarshaler
)

// pdata is data of one signal, in memory that is not the library's.
type pdata struct {
	signal  capi.Signal
	traces  ptrace.Traces
	metrics pmetric.Metrics
	logs    plog.Logs
}

// unmarshal copies data out of a payload.
func unmarshal(signal capi.Signal, payload []byte) (o pdata, err error) {
	o.signal = signal
	switch signal {
	case capi.SignalTraces:
		o.traces, err = traceUnmarshaler.UnmarshalTraces(payload)
	case capi.SignalMetrics:
		o.metrics, err = metricUnmarshaler.UnmarshalMetrics(payload)
	case capi.SignalLogs:
		o.logs, err = logUnmarshaler.UnmarshalLogs(payload)
	}
	return o, err
}

func (o *pdata) marshal() ([]byte, error) {
	switch o.signal {
	case capi.SignalTraces:
		return traceMarshaler.MarshalTraces(o.traces)
	case capi.SignalMetrics:
		return metricMarshaler.MarshalMetrics(o.metrics)
	default:
		return logMarshaler.MarshalLogs(o.logs)
	}
}

// empty reports whether there is nothing for a pipeline to work on.
func (o *pdata) empty() bool {
	switch o.signal {
	case capi.SignalTraces:
		return o.traces.ResourceSpans().Len() == 0
	case capi.SignalMetrics:
		return o.metrics.ResourceMetrics().Len() == 0
	default:
		return o.logs.ResourceLogs().Len() == 0
	}
}

func (o *pdata) consume(ctx context.Context, next *Consumers) error {
	switch o.signal {
	case capi.SignalTraces:
		return next.Traces.ConsumeTraces(ctx, o.traces)
	case capi.SignalMetrics:
		return next.Metrics.ConsumeMetrics(ctx, o.metrics)
	default:
		return next.Logs.ConsumeLogs(ctx, o.logs)
	}
}

// items is the number of spans, data points or log records.
func (o *pdata) items() int {
	switch o.signal {
	case capi.SignalTraces:
		return o.traces.SpanCount()
	case capi.SignalMetrics:
		return o.metrics.DataPointCount()
	default:
		return o.logs.LogRecordCount()
	}
}

// size is the number of bytes that marshal would write.
func (o *pdata) size() int {
	switch o.signal {
	case capi.SignalTraces:
		return traceMarshaler.TracesSize(o.traces)
	case capi.SignalMetrics:
		return metricMarshaler.MetricsSize(o.metrics)
	default:
		return logMarshaler.LogsSize(o.logs)
	}
}

// add appends a copy of data of the same signal.
func (o *pdata) add(data *pdata) {
	switch o.signal {
	case capi.SignalTraces:
		addCopies(data.traces.ResourceSpans(), o.traces.ResourceSpans())
	case capi.SignalMetrics:
		addCopies(data.metrics.ResourceMetrics(), o.metrics.ResourceMetrics())
	default:
		addCopies(data.logs.ResourceLogs(), o.logs.ResourceLogs())
	}
}

func addCopies[R interface{ CopyTo(R) }, S interface {
	Len() int
	At(int) R
	AppendEmpty() R
}](from, to S) {
	for i := range from.Len() {
		from.At(i).CopyTo(to.AppendEmpty())
	}
}

// moveTo appends the data to others of the same signal, and leaves none here.
func (o *pdata) moveTo(to *pdata) {
	switch o.signal {
	case capi.SignalTraces:
		o.traces.ResourceSpans().MoveAndAppendTo(to.traces.ResourceSpans())
	case capi.SignalMetrics:
		o.metrics.ResourceMetrics().MoveAndAppendTo(to.metrics.ResourceMetrics())
	default:
		o.logs.ResourceLogs().MoveAndAppendTo(to.logs.ResourceLogs())
	}
}

func newPdata(signal capi.Signal) pdata {
	return pdata{signal: signal, traces: ptrace.NewTraces(), metrics: pmetric.NewMetrics(), logs: plog.NewLogs()}
}

// readOnly reports whether others have the data, too, so that nobody may change them.
func (o *pdata) readOnly() bool {
	switch o.signal {
	case capi.SignalTraces:
		return o.traces.IsReadOnly()
	case capi.SignalMetrics:
		return o.metrics.IsReadOnly()
	default:
		return o.logs.IsReadOnly()
	}
}

// mayGoTo reports whether next can take the data themselves and need not have a copy: it
// must not change what is read-only.
func (o *pdata) mayGoTo(next *Consumers) bool {
	return next.has(o.signal) && (!o.readOnly() || !next.mutates(o.signal))
}
