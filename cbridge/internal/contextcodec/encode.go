// SPDX-License-Identifier: Apache-2.0

// Package contextcodec writes contexts as request context blocks (see otapb_context in the header), and
// reads those.
package contextcodec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
)

// Encoder writes blocks into memory that it reuses. Beyond that memory it allocates only what
// client.Metadata.Get, TraceState.String and Baggage.String allocate.
// Not safe for concurrent use.
type Encoder struct {
	block   []byte
	bytes   []byte
	entries []encodedEntry
	// size and count are those of the whole block, also of what did not fit in.
	size, count uint64
}

// encodedEntry is an entry whose offsets count from the first byte after the entries.
type encodedEntry struct {
	kind                     capi.ContextEntryKind
	keyOffset, keyLength     uint32
	valueOffset, valueLength uint32
}

const (
	// MaxBlockSize is the largest block that the library takes, in bytes.
	MaxBlockSize = 16 << 20
	// MaxEntryCount is the largest number of entries that it takes.
	MaxEntryCount = 65_536
	// maxRetainedScratch bounds what an encoder keeps from one call to the next, in
	// bytes of each of its slices.
	maxRetainedScratch = 64 << 10
)

// Encode returns the block for ctx. It lives until the next Encode. A ctx
// without a deadline gets one after timeout, unless that is 0. The block is nil
// when there is nothing to say.
func (e *Encoder) Encode(ctx context.Context, timeout time.Duration) ([]byte, error) {
	e.reset()
	var flags capi.ContextFlags
	var remaining time.Duration
	var unix int64
	if deadline, ok := ctx.Deadline(); ok {
		flags |= capi.ContextFlagDeadline
		remaining, unix = time.Until(deadline), deadline.UnixNano()
	} else if timeout > 0 {
		flags |= capi.ContextFlagDeadline | capi.ContextFlagTimeout
		remaining, unix = timeout, time.Now().Add(timeout).UnixNano()
	}

	span := trace.SpanContextFromContext(ctx)
	if span.IsValid() {
		flags |= capi.ContextFlagSpan
		if span.IsRemote() {
			flags |= capi.ContextFlagSpanRemote
		}
		if state := span.TraceState(); state.Len() > 0 {
			e.add(capi.ContextEntryTraceState, "", state.String())
		}
	}
	e.addClient(client.FromContext(ctx))
	if bag := baggage.FromContext(ctx); bag.Len() > 0 {
		e.add(capi.ContextEntryBaggage, "", bag.String())
	}
	for _, link := range LinksFromContext(ctx) {
		e.addLink(link.SpanContext)
	}
	if flags == 0 && e.count == 0 {
		return nil, nil
	}

	if err := e.checkLimits(); err != nil {
		return nil, err
	}
	base := capi.ContextHeadSize + len(e.entries)*capi.ContextEntrySize
	e.writeHead(flags, remaining, unix, &span, base+len(e.bytes))
	for i := range e.entries {
		e.writeEntry(&e.entries[i], uint32(base))
	}
	e.block = append(e.block, e.bytes...)
	return e.block, nil
}

func (e *Encoder) reset() {
	e.block, e.bytes, e.entries = e.block[:0], e.bytes[:0], e.entries[:0]
	e.size, e.count = capi.ContextHeadSize, 0
}

// Trim gives large memory back; the block must not be used afterwards.
func (e *Encoder) Trim() {
	if max(cap(e.block), cap(e.bytes), cap(e.entries)*capi.ContextEntrySize) > maxRetainedScratch {
		*e = Encoder{}
	}
}

// Retained is how many bytes of memory the encoder has.
func (e *Encoder) Retained() int {
	return cap(e.block) + cap(e.bytes) + cap(e.entries)*capi.ContextEntrySize
}

// admit counts an entry with that many bytes, and reports whether there is room.
// What has none is not written: a large context costs no memory before it is refused.
func (e *Encoder) admit(bytes int) bool {
	e.size += capi.ContextEntrySize + uint64(bytes)
	e.count++
	return e.size <= MaxBlockSize && e.count <= MaxEntryCount
}

// checkLimits refuses what the library would refuse, with the same error.
func (e *Encoder) checkLimits() error {
	switch {
	case e.size > MaxBlockSize:
		return errormapping.Classified(errormapping.New(capi.ErrorKindConfiguration, "context.total_size",
			fmt.Sprintf("%d bytes exceed the limit of %d", e.size, MaxBlockSize)))
	case e.count > MaxEntryCount:
		return errormapping.Classified(errormapping.New(capi.ErrorKindConfiguration, "context.entry_count",
			fmt.Sprintf("%d entries exceed the limit of %d", e.count, MaxEntryCount)))
	}
	return nil
}

func (e *Encoder) addClient(info client.Info) {
	for key := range info.Metadata.Keys() {
		values := info.Metadata.Get(key)
		if len(values) == 0 {
			e.add(capi.ContextEntryMetadataEmpty, key, "")
		}
		for _, value := range values {
			e.add(capi.ContextEntryMetadata, key, value)
		}
	}
	if info.Addr != nil {
		e.addAddress(info.Addr)
	}
	if info.Auth != nil {
		for _, name := range info.Auth.GetAttributeNames() {
			switch value := info.Auth.GetAttribute(name).(type) {
			case string:
				e.add(capi.ContextEntryAuth, name, value)
			case []string:
				e.add(capi.ContextEntryAuthList, name, "")
				for _, item := range value {
					e.add(capi.ContextEntryAuthItem, name, item)
				}
			default:
				e.add(capi.ContextEntryAuthOpaque, name, "")
			}
		}
	}
}

// addAddress writes the usual address types without allocating; other types say
// what they are by themselves.
func (e *Encoder) addAddress(address net.Addr) {
	switch a := address.(type) {
	case *net.TCPAddr:
		if a != nil {
			e.addIP("tcp", a.IP, a.Zone, a.Port, true, a)
		}
	case *net.UDPAddr:
		if a != nil {
			e.addIP("udp", a.IP, a.Zone, a.Port, true, a)
		}
	case *net.IPAddr:
		if a != nil {
			e.addIP("ip", a.IP, a.Zone, 0, false, a)
		}
	case *net.UnixAddr:
		if a != nil {
			e.add(capi.ContextEntryAddress, a.Net, a.Name)
		}
	default:
		e.add(capi.ContextEntryAddress, address.Network(), address.String())
	}
}

func (e *Encoder) addIP(network string, ip net.IP, zone string, port int, hasPort bool, address net.Addr) {
	parsed, ok := netip.AddrFromSlice(ip)
	parsed = parsed.Unmap()
	// What has no such form goes by its text.
	if !ok || port < 0 || port > math.MaxUint16 || (zone != "" && parsed.Is4()) {
		e.add(capi.ContextEntryAddress, network, address.String())
		return
	}
	if zone != "" {
		parsed = parsed.WithZone(zone)
	}
	keyOffset := len(e.bytes)
	e.bytes = append(e.bytes, network...)
	valueOffset := len(e.bytes)
	if hasPort {
		e.bytes = netip.AddrPortFrom(parsed, uint16(port)).AppendTo(e.bytes)
	} else {
		e.bytes = parsed.AppendTo(e.bytes)
	}
	if !e.admit(len(e.bytes) - keyOffset) {
		e.bytes = e.bytes[:keyOffset]
		return
	}
	e.addRange(capi.ContextEntryAddress, keyOffset, valueOffset)
}

// addLink writes a span that a batch was merged from: what one component of ours
// put out may enter the next one.
func (e *Encoder) addLink(span trace.SpanContext) {
	if !e.admit(capi.ContextLinkSize) {
		return
	}
	traceID, spanID := span.TraceID(), span.SpanID()
	offset := len(e.bytes)
	e.bytes = append(e.bytes, traceID[:]...)
	e.bytes = append(e.bytes, spanID[:]...)
	e.bytes = append(e.bytes, byte(span.TraceFlags()))
	e.addRange(capi.ContextEntryLink, offset, offset)
}

func (e *Encoder) add(kind capi.ContextEntryKind, key, value string) {
	if !e.admit(len(key) + len(value)) {
		return
	}
	keyOffset := len(e.bytes)
	e.bytes = append(e.bytes, key...)
	valueOffset := len(e.bytes)
	e.bytes = append(e.bytes, value...)
	e.addRange(kind, keyOffset, valueOffset)
}

// addRange adds an admitted entry whose key and value are the last bytes written.
func (e *Encoder) addRange(kind capi.ContextEntryKind, keyOffset, valueOffset int) {
	e.entries = append(e.entries, encodedEntry{
		kind:        kind,
		keyOffset:   uint32(keyOffset),
		keyLength:   uint32(valueOffset - keyOffset),
		valueOffset: uint32(valueOffset),
		valueLength: uint32(len(e.bytes) - valueOffset),
	})
}

// writeHead writes the fields in the order of the struct.
func (e *Encoder) writeHead(flags capi.ContextFlags, remaining time.Duration, unix int64, span *trace.SpanContext, total int) {
	order := binary.NativeEndian
	block := order.AppendUint32(e.block, capi.ContextHeadSize)
	block = order.AppendUint32(block, uint32(flags))
	block = order.AppendUint64(block, uint64(remaining))
	block = order.AppendUint64(block, uint64(unix))
	traceID, spanID := span.TraceID(), span.SpanID()
	block = append(block, traceID[:]...)
	block = append(block, spanID[:]...)
	block = order.AppendUint32(block, uint32(span.TraceFlags()))
	block = order.AppendUint32(block, uint32(len(e.entries)))
	block = order.AppendUint32(block, capi.ContextHeadSize)
	e.block = order.AppendUint32(block, uint32(total))
}

func (e *Encoder) writeEntry(entry *encodedEntry, base uint32) {
	order := binary.NativeEndian
	block := order.AppendUint32(e.block, uint32(entry.kind))
	block = order.AppendUint32(block, base+entry.keyOffset)
	block = order.AppendUint32(block, entry.keyLength)
	block = order.AppendUint32(block, base+entry.valueOffset)
	e.block = order.AppendUint32(block, entry.valueLength)
}
