// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package contextcodec

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/otapbridge/otapbridge/capi"
)

// mirror is a process that reads context blocks as nodes do, by Rust, and writes what it
// understood. The library itself never gives a whole context back: one caller's output
// belongs to the caller's own.
type mirror struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startMirror(t *testing.T) *mirror {
	t.Helper()
	// Built by make, so that it is never older than its sources, however the test was started.
	build := exec.CommandContext(t.Context(), "make", "context-mirror-path")
	build.Dir = "../../.."
	build.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}, name)
	})
	build.Stderr = os.Stderr
	output, err := build.Output()
	require.NoError(t, err)
	lines := strings.Fields(string(output))
	require.NotEmpty(t, lines)

	program := exec.CommandContext(context.WithoutCancel(t.Context()), lines[len(lines)-1])
	program.Stderr = os.Stderr
	in, err := program.StdinPipe()
	require.NoError(t, err)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	t.Cleanup(func() {
		assert.NoError(t, in.Close())
		assert.NoError(t, program.Wait())
	})
	return &mirror{in, bufio.NewReader(out)}
}

// errRefused begins the error of a block that Rust refused.
var errRefused = errors.New("refused")

func (m *mirror) reflect(t require.TestingT, block []byte) ([]byte, error) {
	message := binary.NativeEndian.AppendUint32(nil, uint32(len(block)))
	_, err := m.in.Write(append(message, block...))
	require.NoError(t, err)
	var head [8]byte
	_, err = io.ReadFull(m.out, head[:])
	require.NoError(t, err)
	answer := make([]byte, binary.NativeEndian.Uint32(head[4:]))
	_, err = io.ReadFull(m.out, answer)
	require.NoError(t, err)
	if binary.NativeEndian.Uint32(head[:4]) != 0 {
		return nil, errors.Join(errRefused, errors.New(string(answer)))
	}
	return answer, nil
}

func TestAnyContextSurvivesRust(t *testing.T) {
	mirror := startMirror(t)
	checkContexts(t, func(t *rapid.T, block []byte) []byte {
		reflected, err := mirror.reflect(t, block)
		require.NoError(t, err)
		require.Equal(t, wallClock(block), wallClock(reflected))
		return reflected
	})
}

// wallClock is the deadline for display, of which a decoded context says nothing.
func wallClock(block []byte) []byte {
	if len(block) == 0 {
		return nil
	}
	return block[capi.ContextOffsetDeadlineUnix:][:8]
}

// TestBothDecodersAgree on which blocks are right and what those say: of damaged blocks
// and of all that fuzzing kept.
func TestBothDecodersAgree(t *testing.T) {
	mirror := startMirror(t)
	var refused, readable int
	agree := func(t require.TestingT, block []byte) {
		ours, ourErr := Decode(block)
		reflected, theirErr := mirror.reflect(t, block)
		if ourErr != nil {
			refused++
			require.ErrorIs(t, theirErr, errRefused, "Go says: %v", ourErr)
			return
		}
		if theirErr != nil && strings.Contains(theirErr.Error(), "exceed the limit") {
			return // Entries that share bytes became too large when they were written again.
		}
		readable++
		require.NoError(t, theirErr)
		theirs, err := Decode(reflected)
		require.NoError(t, err)
		ourContext, cancel := ours.Context(context.Background())
		defer cancel(nil)
		theirContext, cancel := theirs.Context(context.Background())
		defer cancel(nil)
		requireSameContent(t, ourContext, theirContext)
		require.Equal(t, ours.HasDeadline, theirs.HasDeadline)
	}

	t.Run("damaged", func(t *testing.T) {
		var encoder Encoder
		for range 5 {
			rapid.Check(t, func(t *rapid.T) {
				ctx, stop := anyContext(t, anyOddAddress)
				defer stop()
				block, err := encoder.Encode(ctx, 0)
				require.NoError(t, err)
				if len(block) == 0 {
					return
				}
				block = slices.Clone(block)
				for range rapid.IntRange(1, 4).Draw(t, "damages") {
					// Most of what there is to damage is in the head and in the entries.
					at := rapid.IntRange(0, len(block)-1).Draw(t, "at")
					block[at] = rapid.SampledFrom([]byte{0, 1, 4, 5, 6, 8, 10, 64, 0xff, block[at] + 1}).Draw(t, "byte")
				}
				agree(t, block)
			})
		}
		assert.Greater(t, refused, 10) // Both ways are taken often, or the test shows nothing.
		assert.Greater(t, readable, 10)
	})
	t.Run("kept by fuzzing", func(t *testing.T) {
		for _, block := range append(keptByRust(t), keptByGo(t)...) {
			agree(t, block)
			if len(block) >= capi.ContextHeadSize {
				binary.NativeEndian.PutUint32(block[capi.ContextOffsetTotalSize:], uint32(len(block)))
				agree(t, block)
			}
		}
	})
}

// keptByRust are the blocks that the fuzz target in Rust keeps.
func keptByRust(t *testing.T) [][]byte {
	return filesOf(t, "../../../rust/context/fuzz/corpus/context_block")
}

// keptByGo are those of FuzzDecodeContext, which go test runs by itself.
func keptByGo(t *testing.T) [][]byte {
	blocks := filesOf(t, "testdata/fuzz/FuzzDecodeContext")
	for i, file := range blocks {
		literal, ok := strings.CutPrefix(strings.TrimSpace(string(file)), "go test fuzz v1\n[]byte(")
		require.True(t, ok)
		text, err := strconv.Unquote(strings.TrimSuffix(literal, ")"))
		require.NoError(t, err)
		blocks[i] = []byte(text)
	}
	return blocks
}

func filesOf(t *testing.T, folder string) [][]byte {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Greater(t, len(entries), 20)
	files := make([][]byte, len(entries))
	for i, entry := range entries {
		files[i], err = os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(t, err)
	}
	return files
}

// TestKeysAreLowerCaseTheSameWay: Go's and Rust's text functions differ in some letters.
func TestKeysAreLowerCaseTheSameWay(t *testing.T) {
	mirror := startMirror(t)
	var encoder Encoder
	encoder.reset()
	for letter := rune(0); letter <= unicode.MaxRune; letter++ {
		if unicode.ToLower(letter) != letter {
			// As a C host might write it; a capital sigma stands at the end of a word.
			encoder.add(capi.ContextEntryMetadata, "A"+string(letter), string(letter))
		}
	}
	require.Greater(t, encoder.count, uint64(1000))
	var noSpan trace.SpanContext
	base := capi.ContextHeadSize + len(encoder.entries)*capi.ContextEntrySize
	encoder.writeHead(0, 0, 0, &noSpan, base+len(encoder.bytes))
	for i := range encoder.entries {
		encoder.writeEntry(&encoder.entries[i], uint32(base))
	}
	block := slices.Concat(encoder.block, encoder.bytes)

	reflected, err := mirror.reflect(t, block)
	require.NoError(t, err)
	for _, block := range [][]byte{block, reflected} {
		decoded, err := Decode(block)
		require.NoError(t, err)
		require.Equal(t, []string{"\u03a3"}, decoded.info.Metadata.Get("a\u03c3"), "a final sigma is no special case")
	}
	// Go's decoder would lower what is not: so look at what Rust wrote.
	written := blockBytes(reflected)
	for i := range int(written.word(capi.ContextOffsetEntryCount)) {
		entry := written[capi.ContextHeadSize+i*capi.ContextEntrySize:]
		key, _ := written.slice(entry.word(4), entry.word(8))
		require.Equal(t, strings.ToLower(string(key)), string(key))
	}
}
