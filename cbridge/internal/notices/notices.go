// SPDX-License-Identifier: Apache-2.0

// Package notices brings what the library says outside of the data path, log records and changes of
// health, to loggers and hosts.
package notices

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otapbridge/otapbridge/capi"
)

// maxQueuedLogRecords bounds the memory that a flood of log records takes.
const maxQueuedLogRecords = 1024

// Queue carries notices from the library's callbacks, which must not block, to one
// goroutine that may run loggers and hosts.
type Queue struct {
	fallback *zap.Logger
	wake     chan struct{}
	stopped  chan struct{}

	mu      sync.Mutex
	pending []notice
	records int
	// dropped counts since the last report, droppedSum since the start.
	dropped, droppedSum uint64
	closed              bool
	// gaveUp: close was given up, so nothing of the host is called any more.
	gaveUp  bool
	loggers map[uint64]*zap.Logger
}

// notice is a log record, or something to run for the component that record names.
type notice struct {
	record capi.LogRecord
	run    func()
}

// NewQueue starts the goroutine. The fallback is for records that belong to no component.
func NewQueue(fallback *zap.Logger) *Queue {
	q := &Queue{
		fallback: fallback,
		wake:     make(chan struct{}, 1),
		stopped:  make(chan struct{}),
		loggers:  make(map[uint64]*zap.Logger),
	}
	go q.drain()
	return q
}

// HandleLog queues a record or, when there are too many, counts it as dropped.
func (q *Queue) HandleLog(record capi.LogRecord) {
	q.mu.Lock()
	if q.records >= maxQueuedLogRecords {
		q.dropped++
		q.droppedSum++
		q.mu.Unlock()
		return
	}
	q.records++
	q.pending = append(q.pending, notice{record: record})
	q.mu.Unlock()
	q.signal()
}

// Run queues a function for a component, which runs unless the component is
// unregistered before its turn comes.
func (q *Queue) Run(component uint64, f func()) {
	q.mu.Lock()
	q.pending = append(q.pending, notice{record: capi.LogRecord{ComponentID: component}, run: f})
	q.mu.Unlock()
	q.signal()
}

// Register lets a component's records go to its own logger.
func (q *Queue) Register(component uint64, logger *zap.Logger) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.loggers[component] = logger
}

// Unregister waits until what the component has said so far was handled, at most
// until the deadline, and reports whether it was. Its logger and its host are not
// called afterwards, except by a call that is under way.
func (q *Queue) Unregister(component uint64, deadline time.Time) bool {
	handled := make(chan struct{})
	q.Run(component, func() { close(handled) })
	ok := closedBefore(handled, deadline)
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.loggers, component)
	return ok
}

// DroppedTotal is how many log records were dropped since the start.
func (q *Queue) DroppedTotal() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.droppedSum
}

// Close lets the goroutine end when it has handled what is queued. Nothing may be
// queued afterwards.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// Wait waits for the goroutine's end after Close, at most until the deadline. It
// reports whether it came; if not, what is still queued is not handled any more.
func (q *Queue) Wait(deadline time.Time) bool {
	if closedBefore(q.stopped, deadline) {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gaveUp = true
	return false
}

// closedBefore waits for a channel's close until the deadline.
func closedBefore(channel <-chan struct{}, deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-channel:
		return true
	case <-timer.C:
		return false
	}
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) drain() {
	defer close(q.stopped)
	var batch []notice
	for range q.wake {
		for {
			q.mu.Lock()
			clear(batch)
			batch, q.pending = q.pending, batch[:0]
			q.records = 0
			dropped, closed, gaveUp := q.dropped, q.closed, q.gaveUp
			q.dropped = 0
			q.mu.Unlock()
			if dropped > 0 && !gaveUp {
				q.fallback.Warn("Log records of the otapbridge library were dropped: they came faster than they could be written.",
					zap.Uint64("dropped_records", dropped))
			}
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			for i := range batch {
				q.handle(&batch[i])
			}
		}
	}
}

func (q *Queue) handle(n *notice) {
	q.mu.Lock()
	logger, ok := q.loggers[n.record.ComponentID]
	gaveUp := q.gaveUp
	q.mu.Unlock()
	if gaveUp {
		return
	}
	if n.run != nil {
		if ok {
			n.run()
		}
		return
	}
	if !ok {
		logger = q.fallback
	}
	entry := logger.Check(zapLevel(n.record.Level), n.record.Message)
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, len(n.record.Attributes)+1)
	fields = append(fields, zap.String("target", n.record.Target))
	for _, attribute := range n.record.Attributes {
		fields = append(fields, zap.String(attribute.Key, attribute.Value))
	}
	entry.Write(fields...)
}

func zapLevel(level capi.LogLevel) zapcore.Level {
	switch level {
	case capi.LogLevelTrace, capi.LogLevelDebug:
		return zapcore.DebugLevel
	case capi.LogLevelWarn:
		return zapcore.WarnLevel
	case capi.LogLevelError:
		return zapcore.ErrorLevel
	}
	return zapcore.InfoLevel
}

// LibraryLevel is how detailed the library should be for a logger.
func LibraryLevel(logger *zap.Logger) capi.LogLevel {
	switch level := logger.Level(); {
	case level <= zapcore.DebugLevel:
		return capi.LogLevelDebug
	case level <= zapcore.InfoLevel:
		return capi.LogLevelInfo
	case level <= zapcore.WarnLevel:
		return capi.LogLevelWarn
	case level <= zapcore.FatalLevel:
		return capi.LogLevelError
	}
	return capi.LogLevelOff
}
