// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/codes"

	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// maxInFlightLimit is the largest value of Limits.MaxInFlight.
const maxInFlightLimit = 1 << 20

// workersPerCPU: most of them wait for something else than the CPU.
const workersPerCPU = 16

// Limits bound what a component lets into Rust, and the work that begins there.
type Limits struct {
	// Timeout bounds a call's time in Rust when the caller's context has no
	// deadline. Time in the next consumer does not count. 0 means no bound.
	Timeout time.Duration
	// CancelGrace is how long nodes have to ack or nack a call whose context is done,
	// before the library completes it in their place.
	CancelGrace time.Duration
	// MaxInFlight is the largest number of calls that Rust has not done with, 1 to
	// maxInFlightLimit. Further callers wait.
	MaxInFlight int
	// MaxInFlightBytes is the largest sum of payloads that Rust has not released, also of
	// callers that have left. Further callers wait.
	MaxInFlightBytes int64
	// Workers is how many goroutines at most forward output that stems from no
	// single waiting call. 0 means 16 for each CPU.
	Workers int
}

// DefaultLimits are the limits of a component whose configuration says nothing.
func DefaultLimits() Limits {
	return Limits{
		Timeout:          30 * time.Second,
		CancelGrace:      100 * time.Millisecond,
		MaxInFlight:      1000,
		MaxInFlightBytes: 512 << 20,
		Workers:          workersPerCPU * runtime.GOMAXPROCS(0),
	}
}

// Validate names every setting that is wrong, by its name in the collector's
// configuration; several findings come joined.
func (l *Limits) Validate() error {
	var findings []error
	find := func(wrong bool, field, message string) {
		if wrong {
			findings = append(findings, errormapping.New(KindConfiguration, field, message))
		}
	}
	find(l.Timeout < 0, "timeout", fmt.Sprintf("%s is negative; use 0 for no timeout", l.Timeout))
	find(l.CancelGrace < 0, "cancel_grace", fmt.Sprintf("%s is negative; use 0 to wait not at all", l.CancelGrace))
	find(l.MaxInFlight < 1 || l.MaxInFlight > maxInFlightLimit, "max_in_flight",
		fmt.Sprintf("%d is not between 1 and %d", l.MaxInFlight, maxInFlightLimit))
	find(l.MaxInFlightBytes < 1, "max_in_flight_bytes", fmt.Sprintf("%d is below 1", l.MaxInFlightBytes))
	find(l.Workers < 0, "workers", fmt.Sprintf("%d is negative", l.Workers))
	if len(findings) == 1 {
		return findings[0]
	}
	return errors.Join(findings...)
}

// bytesLimit is max_in_flight_bytes: how much of payloads Rust may read.
type bytesLimit struct {
	limit     int64
	semaphore *semaphore.Weighted
}

func newBytesLimit(limit int64) *bytesLimit {
	return &bytesLimit{limit: limit, semaphore: semaphore.NewWeighted(limit)}
}

// acquire waits until size bytes are free, in the order of callers.
func (b *bytesLimit) acquire(ctx context.Context, size int64) error {
	if size > b.limit {
		err := errormapping.New(KindPermanent, "max_in_flight_bytes",
			fmt.Sprintf("the request's %d bytes are more than the limit of %d: send smaller requests or raise the limit", size, b.limit))
		return errormapping.Classified(errormapping.WithCodes(err, codes.ResourceExhausted, http.StatusRequestEntityTooLarge))
	}
	if b.semaphore.Acquire(ctx, size) != nil {
		return errormapping.ContextError(ctx, "while waiting for payloads to be released (max_in_flight_bytes)")
	}
	return nil
}

func (b *bytesLimit) release(size int64) { b.semaphore.Release(size) }
