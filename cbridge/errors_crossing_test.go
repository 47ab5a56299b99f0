// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping/errortest"
)

// consumerErrors are the ways in which a Go consumer fails.
func consumerErrors(t testing.TB) map[string]error {
	plain := errors.New("plain")
	permanent := consumererror.NewPermanent(plain)
	return map[string]error{
		"plain":             plain,
		"own":               errormapping.New(KindResourceExhausted, "quota", "used up"),
		"own, wrapped":      fmt.Errorf("x: %w", errormapping.Classified(errormapping.New(KindConfiguration, "config::key", "wrong"))),
		"permanent":         permanent,
		"wrapped permanent": fmt.Errorf("x: %w", permanent),
		"downstream":        consumererror.NewDownstream(permanent),
		"collector, HTTP":   consumererror.NewOTLPHTTPError(plain, 429),
		"collector, gRPC":   consumererror.NewOTLPGRPCError(plain, status.New(codes.DataLoss, "x")),
		"status":            fmt.Errorf("x: %w", status.Error(codes.Aborted, "y")),
		"status, permanent": status.Error(codes.InvalidArgument, "y"),
		"status and delay":  fmt.Errorf("x: %w", errortest.WithDelay(t, codes.ResourceExhausted, 90*time.Second)),
		"throttle":          errortest.Throttle(errortest.WithDelay(t, codes.Unavailable, 90*time.Second), time.Second),
		"throttle by text":  errortest.Throttle(plain, 90*time.Second),
		"cancelled":         context.Canceled,
		"deadline":          fmt.Errorf("x: %w", context.DeadlineExceeded),
		"network timeout":   &net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true}},
		"partial traces":    consumererror.NewTraces(plain, ptrace.NewTraces()),
		"partial metrics":   consumererror.NewMetrics(plain, pmetric.NewMetrics()),
		"partial logs":      consumererror.NewDownstream(consumererror.NewLogs(permanent, testdata.GenerateLogs(1))),
		"joined":            errors.Join(permanent, plain),
		"joined, permanent": errors.Join(permanent, status.Error(codes.InvalidArgument, "y")),
		"not UTF-8":         errors.New("\xff\x00"),
		"without a text":    errortest.EmptyText{},
		"hostile":           errortest.Hostile{},
		"nil own":           (*ProcessingError)(nil),
		"wraps itself":      errortest.WrapsItself{},
	}
}

func init() { errormapping.ThrottlePackage = errortest.ThrottlePackage }

// topologies are pipelines that bring an error back on different ways.
var topologies = map[string]string{
	"pass":   `{"type": "urn:otapbridge:processor:fault", "config": {}}`,
	"return": `{"type": "urn:otapbridge:processor:fault", "config": {"log_refusals": true}}`,
	"attribute": `{"type": "processor:attribute", "config":
		{"actions": [{"action": "insert", "key": "a", "value": "b"}], "apply_to": ["resource"]}}`,
	"retry": `{"type": "processor:retry", "config":
		{"initial_interval": "1ms", "max_interval": "1ms", "max_elapsed_time": "5ms", "multiplier": 1.0}}`,
	"type_router": `{"nodes": {
		"it": {"type": "processor:type_router", "config": {}}, "exit": {"type": "urn:otapbridge:processor:fault", "config": {}}
	}, "connections": [{"from": "it", "port": "logs", "to": "exit"}]}`,
	"content_router": `{"nodes": {
		"it": {"type": "processor:content_router", "config": {"routing_key": {"resource_attribute": "tenant"}, "routes": {"one": "a"}, "default_output": "b"}},
		"a": {"type": "urn:otapbridge:processor:fault", "config": {}}, "b": {"type": "urn:otapbridge:processor:fault", "config": {}}
	}, "connections": [{"from": "it", "port": "a", "to": "a"}, {"from": "it", "port": "b", "to": "b"}]}`,
	"fanout": `{"nodes": {
		"it": {"type": "processor:fanout", "config": {"await_ack": "all", "destinations": [{"port": "a", "primary": true}, {"port": "b"}]}},
		"a": {"type": "urn:otapbridge:processor:fault", "config": {}}, "b": {"type": "urn:otapbridge:processor:fault", "config": {}}
	}, "connections": [{"from": "it", "port": "a", "to": "a"}, {"from": "it", "port": "b", "to": "b"}]}`,
	"partition": `{"type": "processor:partition", "config":
		{"partition_by": {"opl_expression": "severity_text"}, "partition_header_name": "part"}}`,
	"batch":  `{"type": "processor:batch", "config": {"otlp": {"min_size": 1, "sizer": "bytes"}, "max_batch_duration": "20ms"}}`,
	"debug":  `{"type": "processor:debug", "config": {"verbosity": "basic"}}`,
	"filter": `{"type": "processor:filter", "config": {"logs": {"include": {"match_type": "regexp", "bodies": [".*"]}}}}`,
	"log_parser": `{"type": "processor:log_parser", "config": {"format": "json", "on_error": "preserve", "body": {"source": "/body"},
		"limits": {"max_input_bytes": 1024, "max_scratch_bytes": 65536, "max_pattern_bytes": 1024,
			"max_compiled_regex_bytes": 1048576, "max_json_depth": 8, "max_entries": 8}}}`,
	"log_sampling": `{"type": "processor:log_sampling", "config": {"policy": {"ratio": {"emit": 1, "out_of": 1}}}}`,
	"transform":    `{"type": "processor:transform", "config": {"opl_query": "logs | where body != \"z\""}}`,
}

// endsAtOnce are those in which the answer to the output ends the call: Rust gives
// nothing back.
var endsAtOnce = map[string]bool{"pass": true, "attribute": true, "filter": true, "type_router": true}

// startTopology runs a pipeline until the end of the test.
func startTopology(t testing.TB, configuration string, next consumer.ConsumeLogsFunc, change ...func(*Settings)) *Component {
	t.Helper()
	logs, err := consumer.NewLogs(next)
	require.NoError(t, err)
	settings := Settings{
		Kind: Processor, Name: "processors::otap/errors", Next: Consumers{Logs: logs}, Limits: DefaultLimits(),
		Configuration: []byte(configuration), alwaysMarshal: true,
	}
	for _, change := range change {
		change(&settings)
	}
	c, err := NewComponent(settings)
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, c.Shutdown(context.Background())) })
	return c
}

// throughRust refuses a call's output with an error that has no identity, and returns
// what Rust then knows of it.
func throughRust(t testing.TB, c *Component, refusal error) *ProcessingError {
	t.Helper()
	var own *ProcessingError
	require.ErrorAs(t, answerTo(t, c, errormapping.ToHost(FromError(refusal), 0)), &own)
	return own
}

// answerTo refuses a call's output and returns the call's result.
func answerTo(t testing.TB, c *Component, refusal *capi.HostError) error {
	t.Helper()
	payload, err := logMarshaler.MarshalLogs(testdata.GenerateLogs(1))
	require.NoError(t, err)
	call, err := c.enter(t.Context())
	require.NoError(t, err)
	defer call.leave(true)
	require.NoError(t, call.submit(t.Context(), &pdata{signal: capi.SignalLogs}, payload))
	var e emission
	for {
		switch call.take(&e) {
		case foundEmission:
			e.refuse(refusal)
			continue
		case foundResult:
			return call.result(t.Context())
		}
		<-call.wake
	}
}

func TestRustSeesWhatTheConsumersErrorMeans(t *testing.T) {
	for name, configuration := range topologies {
		if endsAtOnce[name] {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c := startTopology(t, configuration, func(context.Context, plog.Logs) error { return nil })
			for name, refusal := range consumerErrors(t) {
				expected, seen := FromError(refusal), throughRust(t, c, refusal)
				assert.Equal(t, expected.Kind(), seen.Kind(), name)
				// To Rust nothing that was cancelled is worth a retry.
				assert.Equal(t, expected.IsPermanent() || expected.Kind() == KindCancelled, seen.IsPermanent(), name)
				assert.Equal(t, expected.Message(), seen.Message(), name)
				assert.Equal(t, expected.Field(), seen.Field(), name)
				assert.Equal(t, expected.HTTPStatusCode(), seen.HTTPStatusCode(), name)
				assert.True(t, proto.Equal(expected.GRPCStatus().Proto(), seen.GRPCStatus().Proto()), name)
				expectedDelay, expectedHas := expected.RetryAfter()
				delay, has := seen.RetryAfter()
				assert.Equal(t, expectedDelay, delay, name)
				assert.Equal(t, expectedHas, has, name)
			}
		})
	}
}

// TestNodeSeesWhyTheConsumerFailed: the node before a consumer says what it sees of the
// consumer's error, whose caller gets the very error.
func TestNodeSeesWhyTheConsumerFailed(t *testing.T) {
	core, records := observer.New(zapcore.InfoLevel)
	var refusal error
	c := startTopology(t, `{"type": "urn:otapbridge:processor:fault", "config": {"log_refusals": true}}`,
		func(context.Context, plog.Logs) error { return refusal },
		func(s *Settings) { s.Logger = zap.New(core) })
	refusals := consumerErrors(t)
	names := slices.Sorted(maps.Keys(refusals))
	for _, name := range names {
		refusal = refusals[name]
		err := c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))
		assert.True(t, err == refusal, "%s: got %T, gave %T", name, err, refusal)
	}
	refusal = nil
	require.NoError(t, c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)))
	require.NoError(t, c.Shutdown(t.Context()))

	seen := records.FilterMessage("refused").All()
	require.Len(t, seen, len(names))
	for i, name := range names {
		expected := FromError(refusals[name])
		fields := seen[i].ContextMap()
		delete(fields, "target")
		want := map[string]any{
			"kind": expected.Kind().String(),
			// To Rust nothing that was cancelled is worth a retry.
			"permanent":   strconv.FormatBool(expected.IsPermanent() || expected.Kind() == KindCancelled),
			"grpc_code":   strconv.Itoa(int(expected.GRPCStatus().Code())),
			"http_status": strconv.Itoa(expected.HTTPStatusCode()),
			"error":       expected.Message(),
		}
		if delay, has := expected.RetryAfter(); has {
			text, ok := fields["retry_after"].(string)
			require.True(t, ok, name)
			parsed, err := time.ParseDuration(text)
			require.NoError(t, err, name)
			assert.Equal(t, delay, parsed, name)
			delete(fields, "retry_after")
		}
		if field := expected.Field(); field != "" {
			want["field"] = field
		}
		assert.Equal(t, want, fields, name)
	}
	for _, record := range records.All() {
		assert.NotContains(t, fmt.Sprint(record.Message, record.ContextMap()), "otapbridge-error", "a mark in a log")
	}
}

func TestConsumersErrorIsTheSameValueBehindEveryNode(t *testing.T) {
	severalOutputs := map[string]bool{"retry": true, "fanout": true}
	for topology, configuration := range topologies {
		t.Run(topology, func(t *testing.T) {
			var refusal error
			c := startTopology(t, configuration, func(context.Context, plog.Logs) error { return refusal })
			for name, original := range consumerErrors(t) {
				refusal = original
				err := c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1))
				// What may contain the data of one output comes in a wrapper.
				hides := severalOutputs[topology] && err == errormapping.WithoutData(original)
				assert.True(t, err == original || hides, "%s: got %T, gave %T", name, err, original)
				assert.True(t, c.NoHostErrors(), name)
			}
		})
	}
}

func TestConsumersErrorOfMergedOutputIsWhatItWas(t *testing.T) {
	const calls = 4
	plain := errors.New("plain")
	refusals := consumerErrors(t)
	refusals["partial logs"] = consumererror.NewDownstream(consumererror.NewLogs(plain, plog.NewLogs()))
	for name, original := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startTopology(t, `{"type": "processor:batch", "config": {"otlp": {"min_size": 1000000, "sizer": "bytes"},
				"format": "otlp", "max_batch_duration": "50ms"}}`, func(context.Context, plog.Logs) error { return original })
			var wg sync.WaitGroup
			for range calls {
				wg.Go(func() {
					err := c.ConsumeLogs(context.Background(), testdata.GenerateLogs(1))
					// What may contain other callers' data comes in a wrapper.
					assert.True(t, err == errormapping.WithoutData(original), "got %T, gave %T", err, original)
				})
			}
			wg.Wait()
			assert.True(t, c.NoHostErrors())
		})
	}
}
