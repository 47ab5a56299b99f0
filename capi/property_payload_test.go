// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

import (
	stdbytes "bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// markMagic begins every mark. The rest of a mark never contains it.
const markMagic = "~mark~"

// markHead is magic, serial number, index and length of what follows, in hexadecimal digits.
const markHead = len(markMagic) + 16 + 4 + 6

// lastSerial numbers payloads across all scenarios of a process, so that data of an
// earlier scenario are foreign, too.
var lastSerial atomic.Uint64

// mark is a text that names a payload and an item in it, and that nobody else has:
// what follows its head is made from both.
func mark(serial uint64, index, length int) []byte {
	text := fmt.Appendf(nil, "%s%016x%04x%06x", markMagic, serial, index, length)
	filler := rand.New(rand.NewPCG(serial, uint64(index)))
	for range length {
		text = append(text, 'A'+byte(filler.IntN(26)))
	}
	return text
}

// markedItem is where a payload says that it has an item.
type markedItem struct {
	serial uint64
	index  int
}

// readMarks finds the marks in a payload, and checks every byte of them.
func readMarks(payload []byte) ([]markedItem, error) {
	var items []markedItem
	for rest := payload; ; {
		at := stdbytes.Index(rest, []byte(markMagic))
		if at < 0 {
			return items, nil
		}
		rest = rest[at:]
		if len(rest) < markHead {
			return nil, fmt.Errorf("a mark ends early: %q", rest)
		}
		head := string(rest[len(markMagic):markHead])
		serial, errSerial := strconv.ParseUint(head[:16], 16, 64)
		index, errIndex := strconv.ParseUint(head[16:20], 16, 16)
		length, errLength := strconv.ParseUint(head[20:], 16, 24)
		if errSerial != nil || errIndex != nil || errLength != nil {
			return nil, fmt.Errorf("not a mark: %q", head)
		}
		want := mark(serial, int(index), int(length))
		if !stdbytes.HasPrefix(rest, want) {
			return nil, fmt.Errorf("item %d of payload %d is damaged", index, serial)
		}
		items = append(items, markedItem{serial, int(index)})
		rest = rest[len(want):]
	}
}

// markedPayload is an OTLP request of logs or traces with so many items, each with a mark.
// Without items, the mark is the schema's URL: a request without data.
func markedPayload(random *rand.Rand, serial uint64, signal Signal, items int) []byte {
	length := func() int {
		if random.IntN(50) == 0 {
			return random.IntN(20_000)
		}
		return random.IntN(100)
	}
	if items == 0 {
		return protoField(1, protoField(3, mark(serial, 0, length())))
	}
	var all []byte
	for index := range items {
		text := mark(serial, index, length())
		if signal == SignalLogs {
			text = protoField(1, text) // The string of a record's body; a span has its name there.
		}
		all = append(all, protoField(2, protoField(5, text))...)
	}
	return protoField(1, protoField(2, all))
}

// protoField is one field of protobuf's wire format, of a type with a length.
func protoField(number byte, content []byte) []byte {
	field := binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(content)))
	return append(field, content...)
}

// contextOf is a context block with a deadline, if there are flags for it, and a tenant.
func contextOf(flags ContextFlags, remaining time.Duration, tenant string) []byte {
	var entries [][2]string
	if tenant != "" {
		entries = append(entries, [2]string{"x-tenant", tenant})
	}
	entries = append(entries, [2]string{"x-other", "value"})
	end := ContextHeadSize + len(entries)*ContextEntrySize
	block := make([]byte, end, end+64)
	order := binary.NativeEndian
	for i, entry := range entries {
		fields := block[ContextHeadSize+i*ContextEntrySize:]
		order.PutUint32(fields, uint32(ContextEntryMetadata))
		order.PutUint32(fields[4:], uint32(len(block)))
		order.PutUint32(fields[8:], uint32(len(entry[0])))
		order.PutUint32(fields[12:], uint32(len(block)+len(entry[0])))
		order.PutUint32(fields[16:], uint32(len(entry[1])))
		block = append(append(block, entry[0]...), entry[1]...)
	}
	order.PutUint32(block[ContextOffsetSize:], ContextHeadSize)
	order.PutUint32(block[ContextOffsetFlags:], uint32(flags))
	order.PutUint64(block[ContextOffsetDeadlineRemaining:], uint64(remaining))
	order.PutUint64(block[ContextOffsetDeadlineUnix:], uint64(time.Now().Add(remaining).UnixNano()))
	order.PutUint32(block[ContextOffsetEntryCount:], uint32(len(entries)))
	order.PutUint32(block[ContextOffsetEntryOffset:], ContextHeadSize)
	order.PutUint32(block[ContextOffsetTotalSize:], uint32(len(block)))
	return block
}

// malformedContext is a context block with one mistake.
func malformedContext(random *rand.Rand) []byte {
	block := contextOf(0, 0, "a")
	put := func(at int, value uint32) { binary.NativeEndian.PutUint32(block[at:], value) }
	const first = ContextHeadSize
	switch random.IntN(9) {
	case 0:
		return block[:1+random.IntN(ContextHeadSize-1)]
	case 1:
		put(ContextOffsetTotalSize, uint32(len(block)+1))
	case 2:
		put(ContextOffsetTotalSize, uint32(random.IntN(ContextHeadSize)))
	case 3:
		put(ContextOffsetSize, uint32(random.IntN(ContextHeadSize)))
	case 4:
		put(ContextOffsetEntryOffset, ContextHeadSize+1)
	case 5:
		put(ContextOffsetEntryCount, 3+random.Uint32N(1<<30))
	case 6: // The key or the value ends behind the block.
		put(first+8+8*random.IntN(2), uint32(len(block)))
	case 7: // The address is there twice.
		put(first, uint32(ContextEntryAddress))
		put(first+ContextEntrySize, uint32(ContextEntryAddress))
	case 8: // The value has another length than a link's.
		put(first, uint32(ContextEntryLink))
	}
	return block
}
