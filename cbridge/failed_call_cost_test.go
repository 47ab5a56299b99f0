// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64 && !race && !asan

package cbridge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping/errortest"
)

// failure is a way in which a call fails: in a node, whose error is made anew for its
// caller, or in the next consumer, whose error comes back.
type failure struct {
	name, settings string
	refusal        error
	// most is how many allocations it may take in Go.
	most float64
}

func failures(tb testing.TB) []failure {
	plain := errors.New("refused on purpose")
	return []failure{
		{"node/plain", `"error": {"kind": "retryable", "message": "refused on purpose"}`, nil, 3},
		{"node/delay", `"error": {"kind": "retryable", "message": "refused on purpose", "retry_after": "1s"}`, nil, 3},
		{"node/permanent", `"error": {"kind": "permanent", "message": "refused on purpose"}`, nil, 4},
		{"consumer/plain", "", plain, 11},
		{"consumer/wrapped", "", fmt.Errorf("a: %w", fmt.Errorf("b: %w", plain)), 13},
		{"consumer/permanent", "", consumererror.NewPermanent(plain), 9},
		{"consumer/cancelled", "", context.Canceled, 10},
		{"consumer/own", "", errormapping.New(KindResourceExhausted, "field", "refused on purpose"), 9},
		{"consumer/status", "", status.Error(codes.ResourceExhausted, "refused on purpose"), 13},
		{"consumer/status_with_RetryInfo", "", errortest.WithDelay(tb, codes.ResourceExhausted, time.Second), 20},
		{"consumer/HTTP", "", consumererror.NewOTLPHTTPError(plain, 429), 18},
		{"consumer/partial", "", consumererror.NewLogs(plain, plog.NewLogs()), 20},
		{"consumer/joined", "", errors.Join(plain, consumererror.NewPermanent(plain)), 20},
	}
}

// BenchmarkFailedCall is BenchmarkCrossing for calls that fail.
func BenchmarkFailedCall(b *testing.B) {
	for _, test := range failures(b) {
		b.Run(test.name, func(b *testing.B) {
			component := startFault(b, test.settings, test.refusal)
			b.ReportAllocs()
			for b.Loop() {
				if crossing(context.Background(), component, unknownField) == nil {
					b.Fatal("no error")
				}
			}
		})
	}
}

// TestAllocationsOfFailedCalls: docs/errors.md states the same bounds. The runtime itself
// may add a fraction of one to each.
func TestAllocationsOfFailedCalls(t *testing.T) {
	for _, test := range failures(t) {
		t.Run(test.name, func(t *testing.T) {
			component := startFault(t, test.settings, test.refusal)
			allocations := testing.AllocsPerRun(1000, func() {
				if crossing(context.Background(), component, unknownField) == nil {
					t.Error("no error")
				}
			})
			assert.LessOrEqual(t, allocations, test.most)
		})
	}
}
