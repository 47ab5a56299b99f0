// SPDX-License-Identifier: Apache-2.0

package contextcodec

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/request"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
)

// checkContexts lets any context cross by way of a function that is given its block.
// rapid generates them and shrinks what fails to what matters, which testing/quick
// does not.
func checkContexts(t *testing.T, through func(t *rapid.T, block []byte) []byte) {
	var encoder Encoder
	check := func(t *rapid.T, address *rapid.Generator[net.Addr], same func(t require.TestingT, want, got net.Addr)) {
		ctx, stop := anyContext(t, address)
		defer stop()
		before := time.Now()
		block, err := encoder.Encode(ctx, 0)
		require.NoError(t, err)
		decoded, err := Decode(through(t, block))
		require.NoError(t, err)
		requireSameDeadline(t, ctx, before, time.Now(), decoded)
		got, cancel := decoded.Context(context.Background())
		defer cancel(nil)
		requireSameContent(t, ctx, got)
		same(t, client.FromContext(ctx).Addr, client.FromContext(got).Addr)
	}
	t.Run("usual addresses", func(t *testing.T) {
		for range 5 {
			rapid.Check(t, func(t *rapid.T) { check(t, anyUsualAddress, requireSameUsualAddress) })
		}
	})
	t.Run("odd addresses", func(t *testing.T) {
		for range 5 {
			rapid.Check(t, func(t *rapid.T) { check(t, anyOddAddress, requireSameAddress) })
		}
	})
}

func TestAnyContextSurvivesGo(t *testing.T) {
	checkContexts(t, func(_ *rapid.T, block []byte) []byte { return block })
}

// TestContextsAreWhatTheCollectorsOwnFormatKeeps: the collector's persistent queue writes
// span context, client metadata and address of a request in a format of its own, by other
// code. What it makes of a context, ours makes too.
func TestContextsAreWhatTheCollectorsOwnFormatKeeps(t *testing.T) {
	for range 5 {
		rapid.Check(t, func(rt *rapid.T) {
			ctx, stop := anyContext(rt, anyUsualAddress)
			defer stop()
			theirs := throughCollectorsFormat(rt, ctx)
			ours := crossed(t, ctx, 0)

			theirSpan, ourSpan := trace.SpanContextFromContext(theirs), trace.SpanContextFromContext(ours)
			require.True(rt, theirSpan.Equal(ourSpan), "%v instead of %v", ourSpan, theirSpan)
			theirInfo, ourInfo := client.FromContext(theirs), client.FromContext(ours)
			require.Equal(rt, contexttest.MetadataOf(theirInfo.Metadata), contexttest.MetadataOf(ourInfo.Metadata))
			if theirInfo.Addr != nil || ourInfo.Addr != nil {
				requireSameUsualAddress(rt, theirInfo.Addr, ourInfo.Addr)
			}
		})
	}
}

func throughCollectorsFormat(t require.TestingT, ctx context.Context) context.Context {
	bytes, err := request.MarshalLogs(ctx, plog.NewLogs())
	require.NoError(t, err)
	result, _, err := request.UnmarshalLogs(bytes)
	require.NoError(t, err)
	return result
}

// TestDifferencesToTheCollectorsOwnFormat are all there are, and deliberate.
func TestDifferencesToTheCollectorsOwnFormat(t *testing.T) {
	withAddress := func(address net.Addr) context.Context {
		return client.NewContext(t.Context(), client.Info{Addr: address})
	}

	t.Run("we keep baggage, authentication and the deadline", func(t *testing.T) {
		member, err := baggage.NewMember("k", "v")
		require.NoError(t, err)
		bag, err := baggage.New(member)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(baggage.ContextWithBaggage(t.Context(), bag), time.Hour)
		defer cancel()
		ctx = client.NewContext(ctx, client.Info{Auth: authAttributes{"subject": "me"}})
		ours, theirs := crossed(t, ctx, 0), throughCollectorsFormat(t, ctx)
		assert.Equal(t, 1, baggage.FromContext(ours).Len())
		assert.Equal(t, 0, baggage.FromContext(theirs).Len())
		assert.Equal(t, "me", client.FromContext(ours).Auth.GetAttribute("subject"))
		assert.Nil(t, client.FromContext(theirs).Auth)
		_, has := ours.Deadline()
		assert.True(t, has)
		_, has = theirs.Deadline()
		assert.False(t, has)
	})
	t.Run("we keep the text of addresses of other types", func(t *testing.T) {
		ctx := withAddress(textAddress{"bufconn", "pipe"})
		requireSameAddress(t, textAddress{"bufconn", "pipe"}, client.FromContext(crossed(t, ctx, 0)).Addr)
		assert.Nil(t, client.FromContext(throughCollectorsFormat(t, ctx)).Addr)
	})
	t.Run("we keep the text alone of addresses that cannot be", func(t *testing.T) {
		for _, address := range []net.Addr{
			&net.TCPAddr{IP: net.IP{1, 2, 3}, Port: 1},
			&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 65536},
			&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: -1},
			&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Zone: "eth0"},
		} {
			ours := client.FromContext(crossed(t, withAddress(address), 0)).Addr
			assert.Equal(t, textAddress{address.Network(), address.String()}, ours)
			assert.Equal(t, address, client.FromContext(throughCollectorsFormat(t, withAddress(address))).Addr)
		}
	})
	t.Run("we take a nil address for none", func(t *testing.T) {
		ctx := withAddress((*net.TCPAddr)(nil))
		assert.Nil(t, client.FromContext(crossed(t, ctx, 0)).Addr)
		assert.Panics(t, func() { throughCollectorsFormat(t, ctx) })
	})
}
