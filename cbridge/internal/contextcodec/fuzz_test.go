// SPDX-License-Identifier: Apache-2.0

package contextcodec

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
)

// FuzzDecodeContext: whatever the bytes, decoding neither panics nor reads outside, and
// what decodes is encoded and decoded again to the same content.
func FuzzDecodeContext(f *testing.F) {
	var encoder Encoder
	block, err := encoder.Encode(contexttest.Full(f), 0)
	require.NoError(f, err)
	f.Add(slices.Clone(block))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, block []byte) {
		fuzzBlock(t, block)
		if len(block) >= capi.ContextHeadSize {
			// Random bytes rarely get their size right.
			corrected := slices.Clone(block)
			binary.NativeEndian.PutUint32(corrected[capi.ContextOffsetTotalSize:], uint32(len(block)))
			fuzzBlock(t, corrected)
		}
	})
}

func fuzzBlock(t *testing.T, block []byte) {
	decoded, err := Decode(slices.Clip(block))
	if err != nil {
		assert.ErrorContains(t, err, "context block: ")
		assert.Nil(t, decoded)
		return
	}
	for _, link := range decoded.links {
		assert.True(t, link.SpanContext.IsRemote())
	}
	ctx, cancel := decoded.Context(t.Context())
	defer cancel(nil)
	deadline, has := ctx.Deadline()
	assert.Equal(t, decoded.HasDeadline, has)
	if decoded.HasDeadline && decoded.Remaining <= 0 {
		<-ctx.Done()
	}

	var encoder Encoder
	again, err := encoder.Encode(ctx, 0)
	if encoder.size > MaxBlockSize {
		// Entries may share bytes, which encoding does not.
		require.ErrorContains(t, err, "context.total_size")
		return
	}
	require.NoError(t, err)
	redecoded, err := Decode(again)
	require.NoError(t, err)
	result, cancelResult := redecoded.Context(t.Context())
	defer cancelResult(nil)
	requireSameContent(t, ctx, result)
	if has {
		left, hasAgain := result.Deadline()
		require.True(t, hasAgain)
		// The same moment, but for the time between reading the clock and setting the timer.
		assert.False(t, left.Before(deadline))
	}
	if span := trace.SpanContextFromContext(result); span.IsValid() {
		assert.Equal(t, decoded.span.TraceFlags(), span.TraceFlags())
	}
}
