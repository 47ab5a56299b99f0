// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The engine counts in 16 bits. One request with more records than that is divided before it, and
// its caller has one response.

const manyRecords = 66_000

// exportMany sends records in one request: each one's name is its number, from `first` on, and so is its
// attribute n.
func exportMany(t *testing.T, connection *grpc.ClientConn, of signal, first, count int) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	mark := func(attributes pcommon.Map, number int) string {
		attributes.PutInt("n", int64(number))
		return strconv.Itoa(number)
	}
	var err error
	switch of {
	case traces:
		data := ptrace.NewTraces()
		spans := data.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
		for number := first; number < first+count; number++ {
			span := spans.AppendEmpty()
			span.SetTraceID([16]byte{1})
			span.SetSpanID([8]byte{1, byte(number >> 16), byte(number >> 8), byte(number)})
			span.SetName(mark(span.Attributes(), number))
		}
		_, err = ptraceotlp.NewGRPCClient(connection).Export(ctx, ptraceotlp.NewExportRequestFromTraces(data))
	case metrics:
		data := pmetric.NewMetrics()
		all := data.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
		for number := first; number < first+count; number++ {
			metric := all.AppendEmpty()
			point := metric.SetEmptyGauge().DataPoints().AppendEmpty()
			point.SetIntValue(1)
			metric.SetName(mark(point.Attributes(), number))
		}
		_, err = pmetricotlp.NewGRPCClient(connection).Export(ctx, pmetricotlp.NewExportRequestFromMetrics(data))
	case logs:
		data := plog.NewLogs()
		all := data.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for number := first; number < first+count; number++ {
			one := all.AppendEmpty()
			one.Body().SetStr(mark(one.Attributes(), number))
		}
		_, err = plogotlp.NewGRPCClient(connection).Export(ctx, plogotlp.NewExportRequestFromLogs(data))
	}
	return err
}

// expectMany checks that each record arrived once, with its own attribute.
func expectMany(t *testing.T, arrived *sink, of signal, count int) {
	t.Helper()
	seen := map[string]bool{}
	wrong := 0
	for _, one := range arrived.got(of) {
		if n, ok := one.attributes["n"].(int64); !ok || strconv.FormatInt(n, 10) != one.name || len(one.attributes) != 1 || seen[one.name] {
			if wrong++; wrong <= 5 {
				t.Errorf("%s %s arrived with attributes %v, before: %v", of, one.name, one.attributes, seen[one.name])
			}
		}
		seen[one.name] = true
	}
	if len(seen) != count || wrong > 0 {
		t.Errorf("%d different %s arrived, want %d; %d are wrong", len(seen), of, count, wrong)
	}
}

const deletesNothing = "{type: processor:attribute, config: {actions: [{action: delete, key: absent}]}}"

// Each record of a request keeps its own attributes, in one request or joined by our batch before.
func TestMoreRecordsThanTheEngineCounts(t *testing.T) {
	for _, of := range allSignals {
		t.Run("one request of "+string(of), func(t *testing.T) {
			arrived := startSink(t)
			c := start(t, arrived, setup{processors: "otap/x: " + deletesNothing, names: []string{"otap/x"}})
			if err := exportMany(t, dial(t, c, "127.0.0.1"), of, 0, manyRecords); err != nil {
				t.Fatal(err)
			}
			expectMany(t, arrived, of, manyRecords)
			if asked := arrived.asked(); asked != 2 {
				t.Errorf("%d requests arrived, want 2", asked)
			}
		})
	}
	t.Run("joined by batch", func(t *testing.T) {
		arrived := startSink(t)
		const callers = 3
		c := start(t, arrived, setup{
			processors: fmt.Sprintf("otap/x: {nodes: {batch: {type: urn:otapbridge:processor:batch, config: {min_size: %d, flush_timeout: 1h}}, "+
				"engine: %s}, connections: [{from: batch, to: engine}]}", manyRecords, deletesNothing),
			names: []string{"otap/x"},
		})
		connection := dial(t, c, "127.0.0.1")
		responses := make(chan error, callers)
		for caller := range callers {
			go func() {
				responses <- exportMany(t, connection, logs, caller*manyRecords/callers, manyRecords/callers)
			}()
		}
		for range callers {
			if err := <-responses; err != nil {
				t.Error(err)
			}
		}
		expectMany(t, arrived, logs, manyRecords)
		if asked := arrived.asked(); asked != 2 {
			t.Errorf("%d requests arrived, want 2", asked)
		}
	})
}

// All parts are refused for now: so is the request. One part was accepted: sent again, it would be there
// twice, so that the error is a permanent one. Its code stays, as docs/errors.md says.
func TestDividedRequestIsRefusedAsOne(t *testing.T) {
	arrived := startSink(t)
	c := start(t, arrived, setup{processors: "otap/x: " + deletesNothing, names: []string{"otap/x"}})
	connection := dial(t, c, "127.0.0.1")

	arrived.refuse(unavailable)
	err := exportMany(t, connection, logs, 0, manyRecords)
	if status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "Permanent error") {
		t.Errorf("all refused: got %v, want Unavailable", err)
	}
	arrived.refuseAfter(1, unavailable)
	err = exportMany(t, connection, logs, 0, manyRecords)
	if status.Code(err) != codes.Unavailable || !strings.HasPrefix(status.Convert(err).Message(), "Permanent error: ") {
		t.Errorf("one part refused: got %v, want Unavailable as a permanent error", err)
	}
	if got := len(arrived.got(logs)); got == 0 || got >= manyRecords {
		t.Errorf("%d records arrived, want those of one part", got)
	}
}
