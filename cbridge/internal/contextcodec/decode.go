// SPDX-License-Identifier: Apache-2.0

package contextcodec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// Content is what a block says, copied out of it.
type Content struct {
	HasDeadline bool
	// Remaining is the time left before the deadline, from when the block was written.
	Remaining time.Duration
	span      trace.SpanContext
	info      client.Info
	baggage   baggage.Baggage
	links     []trace.Link
}

// linksKey is the context key of links.
type linksKey struct{}

// LinksFromContext is cbridge.LinksFromContext.
func LinksFromContext(ctx context.Context) []trace.Link {
	links, _ := ctx.Value(linksKey{}).([]trace.Link)
	return links
}

// Context adds what the block said to parent. The cancel function must be called.
func (c *Content) Context(parent context.Context) (context.Context, context.CancelCauseFunc) {
	ctx := parent
	if c.info.Addr != nil || c.info.Auth != nil || hasMetadata(c.info.Metadata) {
		ctx = client.NewContext(ctx, c.info)
	}
	switch {
	case c.span.IsValid() && c.span.IsRemote():
		ctx = trace.ContextWithRemoteSpanContext(ctx, c.span)
	case c.span.IsValid():
		ctx = trace.ContextWithSpanContext(ctx, c.span)
	}
	if c.baggage.Len() > 0 {
		ctx = baggage.ContextWithBaggage(ctx, c.baggage)
	}
	if len(c.links) > 0 {
		ctx = context.WithValue(ctx, linksKey{}, c.links)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if !c.HasDeadline {
		return ctx, cancel
	}
	ctx, stop := context.WithTimeoutCause(ctx, c.Remaining,
		errormapping.New(capi.ErrorKindTimeout, "", "the deadline of the request passed"))
	return ctx, func(cause error) {
		cancel(cause)
		stop()
	}
}

func hasMetadata(metadata client.Metadata) bool {
	for range metadata.Keys() {
		return true
	}
	return false
}

// Decode reads a block. It copies what it keeps and reads nothing outside
// of the block, whatever the block says. An empty block is an empty context.
func Decode(block []byte) (*Content, error) {
	decoded := &Content{}
	if len(block) == 0 {
		return decoded, nil
	}
	head, err := readHead(block)
	if err != nil {
		return nil, err
	}
	flags := capi.ContextFlags(head.word(capi.ContextOffsetFlags))
	// A timeout bounds the time in Rust, which is over.
	if flags&(capi.ContextFlagDeadline|capi.ContextFlagTimeout) == capi.ContextFlagDeadline {
		decoded.HasDeadline = true
		decoded.Remaining = time.Duration(binary.NativeEndian.Uint64(head[capi.ContextOffsetDeadlineRemaining:]))
	}
	traceFlags := head.word(capi.ContextOffsetTraceFlags)
	if flags&capi.ContextFlagSpan != 0 && traceFlags > math.MaxUint8 {
		return nil, fmt.Errorf("context block: trace_flags %d do not fit into a byte", traceFlags)
	}

	reader := entryReader{content: decoded, metadata: map[string][]string{}, auth: authAttributes{}}
	offset := int(head.word(capi.ContextOffsetEntryOffset))
	for i := range int(head.word(capi.ContextOffsetEntryCount)) {
		entry := head[offset+i*capi.ContextEntrySize:][:capi.ContextEntrySize]
		key, keyOK := head.slice(entry.word(4), entry.word(8))
		value, valueOK := head.slice(entry.word(12), entry.word(16))
		if !keyOK || !valueOK {
			return nil, fmt.Errorf("context block: entry %d reaches beyond the block of %d bytes", i, len(head))
		}
		if err := reader.add(capi.ContextEntryKind(entry.word(0)), string(key), value); err != nil {
			return nil, fmt.Errorf("context block: entry %d: %w", i, err)
		}
	}

	if len(reader.metadata) > 0 {
		decoded.info.Metadata = client.NewMetadata(reader.metadata)
	}
	if len(reader.auth) > 0 {
		decoded.info.Auth = reader.auth
	}
	if flags&capi.ContextFlagSpan != 0 {
		decoded.span = trace.NewSpanContext(trace.SpanContextConfig{
			TraceID:    trace.TraceID(head[capi.ContextOffsetTraceID:][:16]),
			SpanID:     trace.SpanID(head[capi.ContextOffsetSpanID:][:8]),
			TraceFlags: trace.TraceFlags(traceFlags),
			TraceState: reader.traceState,
			Remote:     flags&capi.ContextFlagSpanRemote != 0,
		})
	}
	return decoded, nil
}

// blockBytes is a block or a part of one.
type blockBytes []byte

func (b blockBytes) word(offset int) uint32 { return binary.NativeEndian.Uint32(b[offset:]) }

// slice reports whether the range lies within the block. The offset of an empty one
// means nothing.
func (b blockBytes) slice(offset, length uint32) ([]byte, bool) {
	if length == 0 {
		return nil, true
	}
	if uint64(offset)+uint64(length) > uint64(len(b)) {
		return nil, false
	}
	return b[offset:][:length], true
}

// readHead checks that the head and all entries lie within the block, as the
// library does, and cuts off what follows the block.
func readHead(block blockBytes) (blockBytes, error) {
	if len(block) < capi.ContextHeadSize {
		return nil, fmt.Errorf("context block: %d bytes are fewer than its head of %d", len(block), capi.ContextHeadSize)
	}
	size, total := block.word(capi.ContextOffsetSize), block.word(capi.ContextOffsetTotalSize)
	offset, count := block.word(capi.ContextOffsetEntryOffset), block.word(capi.ContextOffsetEntryCount)
	switch {
	case total > MaxBlockSize:
		return nil, fmt.Errorf("context block: total_size %d exceeds the limit of %d", total, MaxBlockSize)
	case uint64(total) > uint64(len(block)) || total < capi.ContextHeadSize:
		return nil, fmt.Errorf("context block: total_size %d does not fit its %d bytes", total, len(block))
	case size < capi.ContextHeadSize || size > total:
		return nil, fmt.Errorf("context block: size %d is not between %d and total_size %d", size, capi.ContextHeadSize, total)
	case count == 0:
		return block[:total:total], nil
	case count > MaxEntryCount:
		return nil, fmt.Errorf("context block: %d entries exceed the limit of %d", count, MaxEntryCount)
	case offset < size || offset%4 != 0:
		return nil, fmt.Errorf("context block: entry_offset %d is wrong after a head of %d bytes", offset, size)
	case uint64(offset)+uint64(count)*capi.ContextEntrySize > uint64(total):
		return nil, fmt.Errorf("context block: %d entries reach beyond its %d bytes", count, total)
	}
	return block[:total:total], nil
}

// entryReader collects entries. What several of them or the head make up is put together
// when all are read.
type entryReader struct {
	content    *Content
	metadata   map[string][]string
	auth       authAttributes
	list       openList
	traceState trace.TraceState
	// seen has a bit for each kind so far of which there may be one.
	seen uint32
}

// openList is the list that the next item belongs to.
type openList struct {
	open, keep bool
	name       string
}

func (r *entryReader) add(kind capi.ContextEntryKind, key string, value []byte) error {
	if kind == capi.ContextEntryAuthItem {
		if !r.list.open || r.list.name != key {
			return errors.New("a list's item does not follow its list")
		}
		if r.list.keep {
			r.auth[key] = append(r.auth[key].([]string), string(value))
		}
		return nil
	}
	r.list = openList{}
	switch kind {
	case capi.ContextEntryMetadata:
		key = strings.ToLower(key)
		r.metadata[key] = append(r.metadata[key], string(value))
	case capi.ContextEntryMetadataEmpty:
		key = strings.ToLower(key)
		r.metadata[key] = append([]string{}, r.metadata[key]...)
	case capi.ContextEntryAddress:
		r.content.info.Addr = parseAddress(key, string(value))
		return r.once(kind)
	case capi.ContextEntryAuth:
		r.addAuth(key, string(value))
	case capi.ContextEntryAuthList:
		r.list = openList{open: true, keep: r.addAuth(key, []string{}), name: key}
	case capi.ContextEntryAuthOpaque:
		r.addAuth(key, nil)
	case capi.ContextEntryTraceState:
		// W3C: what does not parse is discarded, and the trace goes on.
		r.traceState, _ = trace.ParseTraceState(string(value))
		return r.once(kind)
	case capi.ContextEntryBaggage:
		r.content.baggage, _ = baggage.Parse(string(value))
		return r.once(kind)
	case capi.ContextEntryLink:
		if len(value) != capi.ContextLinkSize {
			return fmt.Errorf("a link of %d bytes instead of %d", len(value), capi.ContextLinkSize)
		}
		r.content.links = append(r.content.links, trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID:    trace.TraceID(value[:16]),
			SpanID:     trace.SpanID(value[16:24]),
			TraceFlags: trace.TraceFlags(value[24]),
			Remote:     true,
		})})
	}
	return nil
}

// addAuth reports whether the attribute was added: the first of a name counts.
func (r *entryReader) addAuth(name string, value any) bool {
	if _, exists := r.auth[name]; exists {
		return false
	}
	r.auth[name] = value
	return true
}

func (r *entryReader) once(kind capi.ContextEntryKind) error {
	if r.seen&(1<<kind) != 0 {
		return fmt.Errorf("kind %d may occur only once", kind)
	}
	r.seen |= 1 << kind
	return nil
}

// parseAddress gives the type that Go's listeners give, and keeps as text what
// does not parse.
func parseAddress(network, text string) net.Addr {
	switch network {
	case "tcp":
		if parsed, ok := parseAddrPort(text); ok {
			return net.TCPAddrFromAddrPort(parsed)
		}
	case "udp":
		if parsed, ok := parseAddrPort(text); ok {
			return net.UDPAddrFromAddrPort(parsed)
		}
	case "ip":
		if text == "" {
			return &net.IPAddr{}
		}
		if parsed, err := netip.ParseAddr(text); err == nil {
			return &net.IPAddr{IP: parsed.AsSlice(), Zone: parsed.Zone()}
		}
	case "unix", "unixgram", "unixpacket":
		return &net.UnixAddr{Net: network, Name: text}
	}
	return textAddress{network, text}
}

// parseAddrPort takes ":4317" too, as which Go writes an address without an IP.
func parseAddrPort(text string) (netip.AddrPort, bool) {
	if port, ok := strings.CutPrefix(text, ":"); ok {
		number, err := strconv.ParseUint(port, 10, 16)
		return netip.AddrPortFrom(netip.Addr{}, uint16(number)), err == nil
	}
	parsed, err := netip.ParseAddrPort(text)
	return parsed, err == nil
}

// textAddress is an address of a network that is not known here.
type textAddress struct{ network, text string }

func (a textAddress) Network() string { return a.network }
func (a textAddress) String() string  { return a.text }

// authAttributes is the part of authentication data that crosses: strings, lists
// of strings, and nil for attributes of which only the name crossed.
type authAttributes map[string]any

var _ client.AuthData = authAttributes(nil)

func (a authAttributes) GetAttribute(name string) any {
	if items, ok := a[name].([]string); ok {
		return slices.Clone(items)
	}
	return a[name]
}

func (a authAttributes) GetAttributeNames() []string {
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
