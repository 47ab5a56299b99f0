// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/codes"
)

// bytesLimit is max_in_flight_bytes: how much payload Rust may hold.
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
		err := newProcessingError(KindPermanent, "max_in_flight_bytes",
			fmt.Sprintf("the request's %d bytes are more than the limit of %d: send smaller requests or raise the limit", size, b.limit))
		err.code, err.httpStatus = codes.ResourceExhausted, http.StatusRequestEntityTooLarge
		err.authorCode, err.authorStatus = true, true
		return err.classified()
	}
	if b.semaphore.Acquire(ctx, size) != nil {
		return contextError(ctx, "while waiting for payload in flight to be released (max_in_flight_bytes)")
	}
	return nil
}

func (b *bytesLimit) release(size int64) { b.semaphore.Release(size) }
