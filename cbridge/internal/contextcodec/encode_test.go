// SPDX-License-Identifier: Apache-2.0

package contextcodec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// crossed is a context as it looks after it was encoded and decoded.
func crossed(t testing.TB, ctx context.Context, timeout time.Duration) context.Context {
	t.Helper()
	var encoder Encoder
	block, err := encoder.Encode(ctx, timeout)
	require.NoError(t, err)
	decoded, err := Decode(block)
	require.NoError(t, err)
	result, cancel := decoded.Context(context.Background())
	t.Cleanup(func() { cancel(nil) })
	return result
}

func TestNothingToSayIsNoBlock(t *testing.T) {
	var encoder Encoder
	block, err := encoder.Encode(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, block)
}

func TestDeadlineCrosses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deadline, ok := crossed(t, ctx, time.Hour).Deadline()
	require.True(t, ok)
	expected, _ := ctx.Deadline()
	assert.WithinDuration(t, expected, deadline, time.Second)
}

// TestTimeoutBoundsTheTimeInRustOnly: what comes back out of Rust has no deadline of it.
func TestTimeoutBoundsTheTimeInRustOnly(t *testing.T) {
	var encoder Encoder
	block, err := encoder.Encode(t.Context(), time.Hour)
	require.NoError(t, err)
	flags := binary.NativeEndian.Uint32(block[capi.ContextOffsetFlags:])
	assert.Equal(t, capi.ContextFlagDeadline|capi.ContextFlagTimeout, capi.ContextFlags(flags))
	remaining := binary.NativeEndian.Uint64(block[capi.ContextOffsetDeadlineRemaining:])
	assert.InDelta(t, time.Hour, time.Duration(remaining), float64(time.Second))
	for _, timeout := range []time.Duration{0, time.Hour} {
		_, ok := crossed(t, t.Context(), timeout).Deadline()
		assert.False(t, ok)
	}
}

// TestWallClockIsForDisplay: what a jump of the wall clock between writing and reading
// makes of it changes no deadline.
func TestWallClockIsForDisplay(t *testing.T) {
	for _, remaining := range []time.Duration{time.Hour, -time.Second} {
		for _, unix := range []int64{math.MinInt64, 0, 1, math.MaxInt64} {
			ctx, cancel := context.WithTimeout(t.Context(), remaining)
			defer cancel()
			var encoder Encoder
			before := time.Now()
			block, err := encoder.Encode(ctx, 0)
			require.NoError(t, err)
			binary.NativeEndian.PutUint64(block[capi.ContextOffsetDeadlineUnix:], uint64(unix))
			decoded, err := Decode(block)
			require.NoError(t, err)
			requireSameDeadline(t, ctx, before, time.Now(), decoded)
			result, stop := decoded.Context(t.Context())
			defer stop(nil)
			assert.Equal(t, remaining < 0, result.Err() != nil)
		}
	}
}

func TestDecodedDeadlineEndsWithACause(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	result := crossed(t, ctx, 0)
	<-result.Done()
	require.ErrorIs(t, result.Err(), context.DeadlineExceeded)
	var cause *errormapping.ProcessingError
	require.ErrorAs(t, context.Cause(result), &cause)
	assert.Equal(t, capi.ErrorKindTimeout, cause.Kind())
}

func TestMetadataCross(t *testing.T) {
	many := map[string][]string{}
	for i := range 10_000 {
		many[fmt.Sprintf("key-%d", i)] = []string{fmt.Sprint(i)}
	}
	for name, metadata := range map[string]map[string][]string{
		"several values in order": {"x-tenant": {"b", "a", "b"}, "other": {""}},
		"mixed-case keys":         {"X-Tenant-ID": {"acme"}},
		"key without value":       {"x-none": {}},
		"not UTF-8":               {"x-bin": {"\xff\x00\xfe", "\n\r"}},
		"10,000 entries":          many,
		"one value of 1 MiB":      {"x-large": {strings.Repeat("v", 1<<20)}},
	} {
		t.Run(name, func(t *testing.T) {
			original := client.NewMetadata(metadata)
			result := client.FromContext(crossed(t, client.NewContext(t.Context(), client.Info{Metadata: original}), 0))
			assert.Equal(t, contexttest.MetadataOf(original), contexttest.MetadataOf(result.Metadata))
		})
	}
}

func TestAddressesCross(t *testing.T) {
	for _, address := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4317},
		&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1},
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 65535, Zone: "eth0"},
		&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 514},
		&net.IPAddr{IP: net.IPv4(192, 0, 2, 1)},
		&net.IPAddr{IP: net.ParseIP("2001:db8::1")},
		&net.UnixAddr{Net: "unix", Name: "/run/otlp.sock"},
		&net.TCPAddr{Port: 4317},
		&net.UDPAddr{},
		&net.IPAddr{},
		textAddress{"bufconn", "pipe"},
	} {
		t.Run(address.Network()+" "+address.String(), func(t *testing.T) {
			result := client.FromContext(crossed(t, client.NewContext(t.Context(), client.Info{Addr: address}), 0))
			require.NotNil(t, result.Addr)
			assert.Equal(t, address.Network(), result.Addr.Network())
			assert.Equal(t, address.String(), result.Addr.String())
			assert.IsType(t, address, result.Addr)
		})
	}
}

func TestAddressThatIsNilIsNone(t *testing.T) {
	for _, address := range []net.Addr{(*net.TCPAddr)(nil), (*net.UDPAddr)(nil), (*net.IPAddr)(nil), (*net.UnixAddr)(nil)} {
		assert.Nil(t, client.FromContext(crossed(t, client.NewContext(t.Context(), client.Info{Addr: address}), time.Hour)).Addr)
	}
}

func TestAuthenticationDataCross(t *testing.T) {
	auth := authAttributes{"subject": "me", "groups": []string{"a", "", "c"}, "none": []string{}, "raw": 42, "empty": nil}
	result := client.FromContext(crossed(t, client.NewContext(t.Context(), client.Info{Auth: auth}), 0)).Auth
	require.NotNil(t, result)
	assert.ElementsMatch(t, auth.GetAttributeNames(), result.GetAttributeNames())
	assert.Equal(t, "me", result.GetAttribute("subject"))
	assert.Equal(t, []string{"a", "", "c"}, result.GetAttribute("groups"))
	assert.Equal(t, []string{}, result.GetAttribute("none"))
	assert.Nil(t, result.GetAttribute("raw"), "of other types only the name crosses")
	assert.Nil(t, result.GetAttribute("absent"))
}

func TestSpanContextCrosses(t *testing.T) {
	for _, remote := range []bool{true, false} {
		span := contexttest.Span(t, remote)
		result := trace.SpanContextFromContext(crossed(t, trace.ContextWithSpanContext(t.Context(), span), 0))
		assert.True(t, span.Equal(result), "%v", result)
	}
}

func TestBaggageCrosses(t *testing.T) {
	bag, err := baggage.Parse("tenant=acme,plan=gold;prop=1")
	require.NoError(t, err)
	result := baggage.FromContext(crossed(t, baggage.ContextWithBaggage(t.Context(), bag), 0))
	assert.Equal(t, "acme", result.Member("tenant").Value())
	assert.Equal(t, "gold", result.Member("plan").Value())
	assert.Len(t, result.Member("plan").Properties(), 1)
}

func TestEncoderForgetsTheCallBefore(t *testing.T) {
	var encoder Encoder
	full, err := encoder.Encode(contexttest.Full(t), 0)
	require.NoError(t, err)
	require.NotEmpty(t, full)
	block, err := encoder.Encode(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, block)
}

func TestEncoderDoesNotKeepLargeMemory(t *testing.T) {
	for name, metadata := range map[string]map[string][]string{
		"large value":  {"x": {strings.Repeat("v", 2*maxRetainedScratch)}},
		"many entries": {"x": make([]string, maxRetainedScratch/capi.ContextEntrySize+1)},
	} {
		t.Run(name, func(t *testing.T) {
			var encoder Encoder
			_, err := encoder.Encode(contexttest.WithMetadata(t, metadata), 0)
			require.NoError(t, err)
			encoder.Trim()
			assert.Zero(t, encoder.Retained())
		})
	}
}

func TestEncoderKeepsSmallMemory(t *testing.T) {
	var encoder Encoder
	_, err := encoder.Encode(contexttest.Full(t), 0)
	require.NoError(t, err)
	encoder.Trim()
	assert.NotZero(t, encoder.Retained())
}

func TestTooLargeContextsAreRefused(t *testing.T) {
	const key = "x"
	room := MaxBlockSize - capi.ContextHeadSize - capi.ContextEntrySize - len(key)
	for name, test := range map[string]struct {
		values []string
		field  string
		says   string
	}{
		"just fits":        {values: []string{strings.Repeat("v", room)}},
		"a byte too large": {[]string{strings.Repeat("v", room+1)}, "context.total_size", "16777217 bytes exceed the limit of 16777216"},
		// The same MiB many times: it costs memory only once it is written.
		"8 GiB":            {slices.Repeat([]string{strings.Repeat("v", 1<<20)}, 8<<10), "context.total_size", "exceed the limit of 16777216"},
		"65,536 entries":   {values: make([]string, 65_536)},
		"too many entries": {make([]string, 65_537), "context.entry_count", "65537 entries exceed the limit of 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			var encoder Encoder
			block, err := encoder.Encode(contexttest.WithMetadata(t, map[string][]string{key: test.values}), 0)
			assert.LessOrEqual(t, cap(encoder.bytes), 2*MaxBlockSize)
			if test.field == "" {
				require.NoError(t, err)
				assert.LessOrEqual(t, len(block), MaxBlockSize)
				return
			}
			var own *errormapping.ProcessingError
			require.ErrorAs(t, err, &own)
			assert.Equal(t, capi.ErrorKindConfiguration, own.Kind())
			assert.Equal(t, test.field, own.Field())
			assert.Contains(t, own.Message(), test.says)
			assert.True(t, consumererror.IsPermanent(err))
		})
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	ctx = trace.ContextWithRemoteSpanContext(ctx, contexttest.Span(t, true).WithTraceState(trace.TraceState{}))
	ctx = client.NewContext(ctx, client.Info{Addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 4317}})
	var encoder Encoder
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = encoder.Encode(ctx, 0) }))
}

func TestEncodingAllocatesOnlyWhatReadingMetadataDoes(t *testing.T) {
	metadata := map[string][]string{"a": {"1"}, "b": {"2", "3"}, "c": {"4"}}
	info := client.Info{Metadata: client.NewMetadata(metadata)}
	ctx := client.NewContext(t.Context(), info)
	var encoder Encoder
	reading := testing.AllocsPerRun(100, func() {
		for key := range info.Metadata.Keys() {
			_ = info.Metadata.Get(key)
		}
	})
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = encoder.Encode(ctx, 0) }), max(reading, float64(len(metadata))))
}

func TestMalformedBlocksAreRefused(t *testing.T) {
	var encoder Encoder
	block, err := encoder.Encode(contexttest.Full(t), 0)
	require.NoError(t, err)
	with := func(offset int, value uint32) []byte {
		changed := slices.Clone(block)
		binary.NativeEndian.PutUint32(changed[offset:], value)
		return changed
	}
	for name, malformed := range map[string][]byte{
		"shorter than the head": block[:capi.ContextHeadSize-1],
		"cut off":               block[:len(block)-1],
		"size too small":        with(capi.ContextOffsetSize, 8),
		"size too large":        with(capi.ContextOffsetSize, uint32(len(block)+1)),
		"too large a block":     with(capi.ContextOffsetTotalSize, MaxBlockSize+1),
		"trace flags":           with(capi.ContextOffsetTraceFlags, 256),
		"wrong total":           with(capi.ContextOffsetTotalSize, 1<<31),
		"entries in the head":   with(capi.ContextOffsetEntryOffset, 8),
		"unaligned entries":     with(capi.ContextOffsetEntryOffset, capi.ContextHeadSize+2),
		"too many entries":      with(capi.ContextOffsetEntryCount, 1<<31),
		"entries beyond":        with(capi.ContextOffsetEntryCount, MaxEntryCount),
		"a list's item alone":   with(capi.ContextHeadSize, uint32(capi.ContextEntryAuthItem)),
		"a short link":          with(capi.ContextHeadSize, uint32(capi.ContextEntryLink)),
		"two of a kind":         with(capi.ContextHeadSize+capi.ContextEntrySize, uint32(capi.ContextEntryTraceState)),
		"key beyond the block":  with(capi.ContextHeadSize+8, ^uint32(0)),
		"value beyond":          with(capi.ContextHeadSize+16, ^uint32(0)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(malformed)
			require.ErrorContains(t, err, "context block: ")
		})
	}
}

func TestBlocksAreLimited(t *testing.T) {
	for count, says := range map[uint32]string{MaxEntryCount: "", MaxEntryCount + 1: "65537 entries exceed the limit of 65536"} {
		// Entries of kind 0, which nobody knows.
		block := make([]byte, capi.ContextHeadSize+count*capi.ContextEntrySize)
		for offset, value := range map[int]uint32{
			capi.ContextOffsetSize: capi.ContextHeadSize, capi.ContextOffsetEntryCount: count,
			capi.ContextOffsetEntryOffset: capi.ContextHeadSize, capi.ContextOffsetTotalSize: uint32(len(block)),
		} {
			binary.NativeEndian.PutUint32(block[offset:], value)
		}
		_, err := Decode(block)
		if says == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, says)
		}
	}
}

func TestUnknownEntriesAreSkipped(t *testing.T) {
	var encoder Encoder
	block, err := encoder.Encode(client.NewContext(t.Context(), client.Info{
		Metadata: client.NewMetadata(map[string][]string{"x": {"y"}}),
	}), 0)
	require.NoError(t, err)
	binary.NativeEndian.PutUint32(block[capi.ContextHeadSize:], 999)
	decoded, err := Decode(block)
	require.NoError(t, err)
	assert.False(t, hasMetadata(decoded.info.Metadata))
}

func TestLinksCross(t *testing.T) {
	links := []trace.Link{{SpanContext: contexttest.Span(t, true).WithTraceState(trace.TraceState{})}}
	ctx := context.WithValue(t.Context(), linksKey{}, links)
	assert.Equal(t, links, LinksFromContext(crossed(t, ctx, 0)))
	assert.Nil(t, LinksFromContext(crossed(t, t.Context(), time.Hour)))
}
