// SPDX-License-Identifier: Apache-2.0

package contextcodec

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/otapbridge/otapbridge/cbridge/internal/contextcodec/contexttest"
)

// anyBytes is any string, UTF-8 or not.
var anyBytes = rapid.OneOf(
	rapid.StringN(0, 20, -1),
	rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
)

var anyMetadata = rapid.MapOfN(
	rapid.OneOf(anyBytes, rapid.SampledFrom([]string{"", "host", ":authority", "X-Tenant", "authorization", "User-Agent", "ΑΣ", "İ"})),
	rapid.SliceOfN(anyBytes, 0, 4), 0, 8)

var anyIP = rapid.Custom(func(t *rapid.T) net.IP {
	size := rapid.SampledFrom([]int{net.IPv4len, net.IPv6len}).Draw(t, "size")
	ip := net.IP(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "ip"))
	if rapid.Bool().Draw(t, "long form") {
		return ip.To16()
	}
	return ip
})

var anyZone = rapid.OneOf(rapid.Just(""), rapid.Just("eth0"), rapid.Just("3"), rapid.StringMatching(`[^\x00\]\[%]{1,8}`))

// anyUsualAddress is what listeners give.
var anyUsualAddress = rapid.Custom(func(t *rapid.T) net.Addr {
	ip, port := anyIP.Draw(t, "ip"), rapid.IntRange(0, 65535).Draw(t, "port")
	zone := ""
	if ip.To4() == nil {
		zone = anyZone.Draw(t, "zone")
	}
	switch rapid.SampledFrom([]string{"tcp", "udp", "ip", "unix"}).Draw(t, "network") {
	case "tcp":
		return &net.TCPAddr{IP: ip, Port: port, Zone: zone}
	case "udp":
		return &net.UDPAddr{IP: ip, Port: port, Zone: zone}
	case "ip":
		return &net.IPAddr{IP: ip, Zone: zone}
	default:
		return &net.UnixAddr{Net: rapid.SampledFrom([]string{"unix", "unixgram", "unixpacket"}).Draw(t, "unix"), Name: anyBytes.Draw(t, "path")}
	}
})

// anyOddAddress may have parts that no listener gives: of those the text survives.
var anyOddAddress = rapid.Custom(func(t *rapid.T) net.Addr {
	ip := net.IP(rapid.SliceOfN(rapid.Byte(), 0, 17).Draw(t, "ip"))
	port, zone := rapid.Int().Draw(t, "port"), anyBytes.Draw(t, "zone")
	switch rapid.SampledFrom([]string{"tcp", "udp", "ip", "unix", "other"}).Draw(t, "network") {
	case "tcp":
		return &net.TCPAddr{IP: ip, Port: port, Zone: zone}
	case "udp":
		return &net.UDPAddr{IP: ip, Port: port, Zone: zone}
	case "ip":
		return &net.IPAddr{IP: ip, Zone: zone}
	case "unix":
		return &net.UnixAddr{Net: anyBytes.Draw(t, "unix"), Name: anyBytes.Draw(t, "path")}
	default:
		return textAddress{anyBytes.Draw(t, "network"), anyBytes.Draw(t, "text")}
	}
})

var anySpan = rapid.Custom(func(t *rapid.T) trace.SpanContext {
	var state trace.TraceState
	for key, value := range rapid.MapOfN(rapid.StringMatching(`[a-z][a-z0-9_*/-]{0,9}`), rapid.StringMatching(`[!-+\--<>-~]{1,9}`), 0, 5).Draw(t, "tracestate") {
		extended, err := state.Insert(key, value)
		require.NoError(t, err)
		state = extended
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace id")),
		SpanID:     trace.SpanID(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span id")),
		TraceFlags: trace.TraceFlags(rapid.Byte().Draw(t, "flags")),
		TraceState: state,
		Remote:     rapid.Bool().Draw(t, "remote"),
	})
})

// anyBaggage has keys that are W3C tokens: OpenTelemetry writes no others.
var anyBaggage = rapid.Custom(func(t *rapid.T) baggage.Baggage {
	token := rapid.StringMatching("[A-Za-z0-9!#$&'*+.^_`|~-]{1,8}")
	var bag baggage.Baggage
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		property, err := baggage.NewKeyValuePropertyRaw(token.Draw(t, "property"), rapid.StringN(0, 8, -1).Draw(t, "property value"))
		require.NoError(t, err)
		member, err := baggage.NewMemberRaw(token.Draw(t, "key"), rapid.StringN(0, 8, -1).Draw(t, "value"), property)
		require.NoError(t, err)
		bag, err = bag.SetMember(member)
		require.NoError(t, err)
	}
	return bag
})

var anyAuth = rapid.MapOfN(rapid.OneOf(anyBytes, rapid.SampledFrom([]string{"subject", "groups"})), rapid.OneOf(
	rapid.Map(anyBytes, func(s string) any { return s }),
	rapid.Map(rapid.SliceOfN(anyBytes, 0, 4), func(s []string) any { return s }),
	rapid.Map(rapid.Int(), func(i int) any { return i }),
	rapid.Just[any](nil),
), 0, 5)

// maybe draws every second time.
func maybe[T any](t *rapid.T, generator *rapid.Generator[T], label string, then func(T)) {
	if rapid.Bool().Draw(t, "has "+label) {
		then(generator.Draw(t, label))
	}
}

// anyContext is everything that crosses. The cancel function must be called.
func anyContext(t *rapid.T, address *rapid.Generator[net.Addr]) (context.Context, context.CancelFunc) {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	var info client.Info
	maybe(t, anyMetadata, "metadata", func(m map[string][]string) { info.Metadata = client.NewMetadata(m) })
	maybe(t, address, "address", func(a net.Addr) { info.Addr = a })
	maybe(t, anyAuth, "auth", func(a map[string]any) { info.Auth = authAttributes(a) })
	ctx = client.NewContext(ctx, info)
	maybe(t, anySpan, "span", func(s trace.SpanContext) { ctx = trace.ContextWithSpanContext(ctx, s) })
	maybe(t, anyBaggage, "baggage", func(b baggage.Baggage) { ctx = baggage.ContextWithBaggage(ctx, b) })
	maybe(t, rapid.SliceOfN(anySpan, 1, 4), "links", func(spans []trace.SpanContext) {
		links := make([]trace.Link, len(spans))
		for i, span := range spans {
			// A link is an identity elsewhere, without state.
			links[i].SpanContext = span.WithTraceState(trace.TraceState{}).WithRemote(true)
		}
		ctx = context.WithValue(ctx, linksKey{}, links)
	})
	hour := int64(time.Hour)
	maybe(t, rapid.Int64Range(-hour, 100*365*24*hour), "deadline", func(nanoseconds int64) {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(nanoseconds))
	})
	return ctx, cancel
}

// requireSameContent compares all that crosses but the deadline.
func requireSameContent(t require.TestingT, want, got context.Context) {
	wantSpan, gotSpan := trace.SpanContextFromContext(want), trace.SpanContextFromContext(got)
	if wantSpan.IsValid() {
		require.True(t, wantSpan.Equal(gotSpan), "%v instead of %v", gotSpan, wantSpan)
	} else {
		require.False(t, gotSpan.IsValid())
	}
	require.Equal(t, LinksFromContext(want), LinksFromContext(got))
	require.Equal(t, membersOf(baggage.FromContext(want)), membersOf(baggage.FromContext(got)))

	wantInfo, gotInfo := client.FromContext(want), client.FromContext(got)
	require.Equal(t, contexttest.MetadataOf(wantInfo.Metadata), contexttest.MetadataOf(gotInfo.Metadata))
	require.Equal(t, attributesOf(wantInfo.Auth), attributesOf(gotInfo.Auth))
	requireSameAddress(t, wantInfo.Addr, gotInfo.Addr)
}

// requireSameAddress allows an IPv4 address its two forms, which net.IP takes for equal.
func requireSameAddress(t require.TestingT, want, got net.Addr) {
	if want == nil {
		require.Nil(t, got)
		return
	}
	require.NotNil(t, got)
	require.Equal(t, want.Network(), got.Network())
	require.Equal(t, want.String(), got.String())
}

// requireSameUsualAddress compares types and fields too.
func requireSameUsualAddress(t require.TestingT, want, got net.Addr) {
	requireSameAddress(t, want, got)
	require.IsType(t, want, got)
	normal := func(address net.Addr) net.Addr {
		switch a := address.(type) {
		case *net.TCPAddr:
			return &net.TCPAddr{IP: a.IP.To16(), Port: a.Port, Zone: a.Zone}
		case *net.UDPAddr:
			return &net.UDPAddr{IP: a.IP.To16(), Port: a.Port, Zone: a.Zone}
		case *net.IPAddr:
			return &net.IPAddr{IP: a.IP.To16(), Zone: a.Zone}
		}
		return address
	}
	assert.Equal(t, normal(want), normal(got))
}

// attributesOf are the attributes, as far as they cross.
func attributesOf(auth client.AuthData) map[string]any {
	attributes := map[string]any{}
	if auth == nil {
		return attributes
	}
	for _, name := range auth.GetAttributeNames() {
		switch value := auth.GetAttribute(name).(type) {
		case string:
			attributes[name] = value
		case []string:
			attributes[name] = append([]string{}, value...)
		default:
			attributes[name] = nil
		}
	}
	return attributes
}

// baggageMember is a member in a form that can be compared.
type baggageMember struct {
	value      string
	properties []string
}

func membersOf(bag baggage.Baggage) map[string]baggageMember {
	members := map[string]baggageMember{}
	for _, member := range bag.Members() {
		var properties []string
		for _, property := range member.Properties() {
			value, has := property.Value()
			if has {
				value = "=" + value
			}
			properties = append(properties, property.Key()+value)
		}
		slices.Sort(properties)
		members[member.Key()] = baggageMember{member.Value(), properties}
	}
	return members
}

// requireSameDeadline: the decoded time left lies between what was left before the
// crossing and after it, to the nanosecond.
func requireSameDeadline(t require.TestingT, ctx context.Context, before, after time.Time, decoded *Content) {
	deadline, ok := ctx.Deadline()
	require.Equal(t, ok, decoded.HasDeadline)
	if ok {
		require.LessOrEqual(t, decoded.Remaining, deadline.Sub(before))
		require.GreaterOrEqual(t, decoded.Remaining, deadline.Sub(after))
	}
}
