// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/testdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otapbridge/otapbridge/capi"
)

// These tests have a logger or a host that does not return.

// within returns what f returns, unless that takes longer than any deadline of these tests.
func within(t *testing.T, f func() error) error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- f() }()
	select {
	case err := <-result:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("it does not return")
		return nil
	}
}

// blockingLogger does not return from a record before leave is closed; entered is
// closed by the first.
func blockingLogger() (logger *zap.Logger, entered, leave chan struct{}) {
	entered, leave = make(chan struct{}), make(chan struct{})
	var first sync.Once
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(discard{}), zapcore.InfoLevel)
	return zap.New(core, zap.Hooks(func(zapcore.Entry) error {
		first.Do(func() { close(entered) })
		<-leave
		return nil
	})), entered, leave
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestShutdownDoesNotWaitForeverForTheLogger(t *testing.T) {
	logger, entered, leave := blockingLogger()
	defer close(leave)
	c, err := NewComponent(Settings{
		Kind: Processor, Name: "processors::otap/test", Logger: logger, Limits: DefaultLimits(),
		Configuration: []byte(`{"type": "urn:otapbridge:processor:fault", "config": {"panic": "on purpose"}}`),
	})
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	require.Error(t, c.ConsumeLogs(t.Context(), testdata.GenerateLogs(1)))
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = within(t, func() error { return c.Shutdown(ctx) })
	require.ErrorContains(t, err, "processors::otap/test: after its shutdown, a logger or the host's ReportStatus has not returned")
	require.ErrorContains(t, err, "stop the otapbridge runtime: a logger has not returned")
	require.NoError(t, within(t, func() error { return c.Shutdown(context.Background()) }), "twice is fine")
}

// TestBlockedLoggerHoldsUpNobodyElse: while the last reference's Close waits for a
// logger, others start and stop the library.
func TestBlockedLoggerHoldsUpNobodyElse(t *testing.T) {
	logger, entered, leave := blockingLogger()
	blocked, err := OpenRuntime(logger)
	require.NoError(t, err)
	blocked.instance.notices.HandleLog(capi.LogRecord{Level: capi.LogLevelError, Message: "of the library"})
	<-entered
	closed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		closed <- blocked.Close(ctx)
	}()
	require.NoError(t, within(t, func() error {
		for current() == blocked.instance {
			runtime.Gosched()
		}
		other, err := OpenRuntime(zap.NewNop())
		if err != nil {
			return err
		}
		return other.Close(context.Background())
	}))
	assert.Empty(t, closed, "waits for its logger")
	close(leave)
	require.NoError(t, <-closed)
}

// current is the process's instance of the library.
func current() *runtimeInstance {
	process.mu.Lock()
	defer process.mu.Unlock()
	return process.instance
}

// stoppingHost shuts its component down as soon as it is told of a change.
type stoppingHost struct {
	component *Component
	stopped   chan error
}

func (*stoppingHost) GetExtensions() map[component.ID]component.Component { return nil }
func (h *stoppingHost) Report(*componentstatus.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	h.stopped <- h.component.Shutdown(ctx)
}

func TestHostMayShutDownInsideOfReportStatus(t *testing.T) {
	host := &stoppingHost{stopped: make(chan error, 1)}
	host.component = startWithHost(t, host, DefaultLimits(), zap.NewNop(), func(context.Context, plog.Logs) error { return nil })
	host.component.handleEvents([]capi.Event{{Type: capi.EventStatus, Status: capi.StatusPermanentError}})
	err := within(t, func() error { return <-host.stopped })
	require.ErrorContains(t, err, "ReportStatus has not returned")
}
