// SPDX-License-Identifier: Apache-2.0

package notices

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otapbridge/otapbridge/capi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNoticesKeepLevelAndAttributes(t *testing.T) {
	core, records := observer.New(zapcore.DebugLevel)
	own, ownRecords := observer.New(zapcore.WarnLevel)
	queue := NewQueue(zap.New(core))
	queue.Register(7, zap.New(own))
	for level, expected := range map[capi.LogLevel]zapcore.Level{
		capi.LogLevelTrace: zapcore.DebugLevel, capi.LogLevelDebug: zapcore.DebugLevel, capi.LogLevelInfo: zapcore.InfoLevel,
		capi.LogLevelWarn: zapcore.WarnLevel, capi.LogLevelError: zapcore.ErrorLevel, 99: zapcore.InfoLevel,
	} {
		assert.Equal(t, expected, zapLevel(level))
	}
	queue.HandleLog(capi.LogRecord{Level: capi.LogLevelInfo, Target: "t", Message: "of none", Attributes: []capi.LogAttribute{{Key: "k", Value: "v"}}})
	queue.HandleLog(capi.LogRecord{Level: capi.LogLevelWarn, ComponentID: 7, Message: "of the component"})
	queue.HandleLog(capi.LogRecord{Level: capi.LogLevelInfo, ComponentID: 7, Message: "too detailed for it"})
	require.True(t, queue.Unregister(7, time.Now().Add(time.Minute)))
	require.Len(t, ownRecords.All(), 1, "unregister waits for what was queued")
	queue.HandleLog(capi.LogRecord{Level: capi.LogLevelWarn, ComponentID: 7, Message: "afterwards"})
	queue.Close()
	require.True(t, queue.Wait(time.Now().Add(time.Minute)))
	require.Len(t, records.All(), 2)
	assert.Equal(t, map[string]any{"target": "t", "k": "v"}, records.All()[0].ContextMap())
	assert.Equal(t, "afterwards", records.All()[1].Message)
	assert.Len(t, ownRecords.All(), 1)
}

func TestFloodOfLogRecordsIsCounted(t *testing.T) {
	core, records := observer.New(zapcore.DebugLevel)
	queue := NewQueue(zap.New(core))
	queue.Register(1, zap.NewNop())
	var blocked sync.WaitGroup
	blocked.Add(1)
	entered := make(chan struct{})
	queue.Run(1, func() {
		close(entered)
		blocked.Wait()
	})
	<-entered
	const extra = 10
	for range maxQueuedLogRecords + extra {
		queue.HandleLog(capi.LogRecord{Level: capi.LogLevelInfo, Message: "record"})
	}
	assert.Equal(t, uint64(extra), queue.DroppedTotal())
	blocked.Done()
	queue.Close()
	require.True(t, queue.Wait(time.Now().Add(time.Minute)))
	assert.Equal(t, maxQueuedLogRecords, records.FilterMessage("record").Len())
	dropped := records.FilterLevelExact(zapcore.WarnLevel).All()
	require.Len(t, dropped, 1)
	assert.Equal(t, uint64(extra), dropped[0].ContextMap()["dropped_records"])
}

// TestNothingOfTheHostRunsAfterItsTime: what still waits behind a logger or a host
// that does not return is not handled any more once that was given up.
func TestNothingOfTheHostRunsAfterItsTime(t *testing.T) {
	core, records := observer.New(zapcore.DebugLevel)
	queue := NewQueue(zap.New(core))
	queue.Register(1, zap.NewNop())
	queue.Register(2, zap.NewNop())
	entered, leave := make(chan struct{}), make(chan struct{})
	queue.Run(1, func() {
		close(entered)
		<-leave
	})
	<-entered
	queue.Run(1, func() { t.Error("called the host of a component that was unregistered") })
	assert.False(t, queue.Unregister(1, time.Now()))
	queue.Run(2, func() { t.Error("called the host of a runtime that was closed") })
	queue.HandleLog(capi.LogRecord{Level: capi.LogLevelInfo, Message: "too late"})
	queue.Close()
	assert.False(t, queue.Wait(time.Now()))
	close(leave)
	assert.True(t, queue.Wait(time.Now().Add(time.Minute)))
	assert.Empty(t, records.All())
}

func TestLibraryLogsAsMuchAsTheLoggerWants(t *testing.T) {
	for level, expected := range map[zapcore.Level]capi.LogLevel{
		zapcore.DebugLevel: capi.LogLevelDebug, zapcore.InfoLevel: capi.LogLevelInfo, zapcore.WarnLevel: capi.LogLevelWarn,
		zapcore.ErrorLevel: capi.LogLevelError, zapcore.FatalLevel: capi.LogLevelError, zapcore.InvalidLevel: capi.LogLevelOff,
	} {
		core, _ := observer.New(level)
		assert.Equal(t, expected, LibraryLevel(zap.New(core)), level)
	}
}
