// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otapbridge/otapbridge/capi"
)

// maxQueuedLogRecords bounds the memory that a flood of log records takes.
const maxQueuedLogRecords = 1024

// noticeQueue carries what the library has to say outside of the data path, log
// records and changes of health, from its callbacks, which must not block, to one
// goroutine that may run loggers and hosts.
type noticeQueue struct {
	fallback *zap.Logger
	wake     chan struct{}
	stopped  chan struct{}

	mu      sync.Mutex
	pending []notice
	records int
	// dropped counts since the last report, droppedSum since the start.
	dropped, droppedSum uint64
	closed              bool
	loggers             map[uint64]*zap.Logger
}

// notice is a log record or something to run.
type notice struct {
	record capi.LogRecord
	run    func()
}

func newNoticeQueue(fallback *zap.Logger) *noticeQueue {
	q := &noticeQueue{
		fallback: fallback,
		wake:     make(chan struct{}, 1),
		stopped:  make(chan struct{}),
		loggers:  make(map[uint64]*zap.Logger),
	}
	go q.drain()
	return q
}

// HandleLog queues a record or, when there are too many, counts it as dropped.
func (q *noticeQueue) HandleLog(record capi.LogRecord) {
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

// run queues a function, which is never dropped.
func (q *noticeQueue) run(f func()) {
	q.mu.Lock()
	q.pending = append(q.pending, notice{run: f})
	q.mu.Unlock()
	q.signal()
}

// register lets a component's records go to its own logger.
func (q *noticeQueue) register(component uint64, logger *zap.Logger) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.loggers[component] = logger
}

// unregister waits until what the component has said so far was handled; its
// logger is not used afterwards.
func (q *noticeQueue) unregister(component uint64) {
	handled := make(chan struct{})
	q.run(func() { close(handled) })
	<-handled
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.loggers, component)
}

func (q *noticeQueue) droppedTotal() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.droppedSum
}

// close handles what is queued and ends the goroutine. Nothing may be queued afterwards.
func (q *noticeQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
	<-q.stopped
}

func (q *noticeQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *noticeQueue) drain() {
	defer close(q.stopped)
	var batch []notice
	for range q.wake {
		for {
			q.mu.Lock()
			clear(batch)
			batch, q.pending = q.pending, batch[:0]
			q.records = 0
			dropped, closed := q.dropped, q.closed
			q.dropped = 0
			q.mu.Unlock()
			if dropped > 0 {
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

func (q *noticeQueue) handle(n *notice) {
	if n.run != nil {
		n.run()
		return
	}
	q.mu.Lock()
	logger, ok := q.loggers[n.record.ComponentID]
	q.mu.Unlock()
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
