// SPDX-License-Identifier: Apache-2.0

package programs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checked runs a program under valgrind, which must find no error and no leak.
// What the library keeps for the life of the process is not a leak; of some of it
// valgrind sees only interior pointers ("possibly lost").
func checked(t *testing.T, program string) string {
	t.Helper()
	return command{}.run(t, "valgrind", "--quiet", "--error-exitcode=99",
		"--leak-check=full", "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect",
		program)
}

func expectText(t *testing.T, output string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(output, want) {
			t.Errorf("does not print %q:\n%s", want, output)
		}
	}
}

// The commands of the C example's README run as they stand there, and print what
// it says; valgrind finds nothing in the program.
func TestCExample(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(checkout(t), "examples/c/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(content)
	program := filepath.Join(t.TempDir(), "example")
	script := strings.NewReplacer(
		"PREFIX=/tmp/otapbridge", "PREFIX="+installed(t),
		"/tmp/otapbridge", installed(t),
		"-o example", "-o "+program,
		"./example", program,
	).Replace(fenced(t, readme, "sh"))

	here := command{folder: checkout(t), environment: []string{"MAKEFLAGS=", "MAKELEVEL="}}
	expectText(t, here.run(t, "bash", "-euc", script), fenced(t, readme, "text"))
	expectText(t, checked(t, program), fenced(t, readme, "text"))
}

// fenced returns the first block of a language in a Markdown text.
func fenced(t *testing.T, markdown, language string) string {
	t.Helper()
	_, after, found := strings.Cut(markdown, "```"+language+"\n")
	block, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatalf("no block of %s", language)
	}
	return block
}

// Each mistake of a host gets a clear error.
func TestBadInput(t *testing.T) {
	program := compile(t, "bad_input", nil, "tests/c/bad_input.c", "tests/c/host.c")
	t.Run("plain", func(t *testing.T) {
		expectText(t, command{}.run(t, program), " 0 failed")
	})
	t.Run("valgrind", func(t *testing.T) {
		expectText(t, checked(t, program), " 0 failed")
	})
}

// Starting and stopping leaves the process's signal handling alone.
func TestSignalHandling(t *testing.T) {
	program := compile(t, "signals", nil, "tests/c/signals.c", "tests/c/host.c")
	expectText(t, command{}.run(t, program), " 0 failed")
}

// Calls are completed at their deadline while a node blocks the pipeline's thread.
func TestBlockedNode(t *testing.T) {
	program := compile(t, "blocked", nil, "tests/c/blocked.c", "tests/c/host.c")
	expectText(t, command{}.run(t, program), " 0 failed")
}

// Another Rust static library links and works in the same program.
func TestSecondRustLibrary(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libsecond.a")
	command{folder: checkout(t)}.run(t, "rustc", "--edition=2024", "--crate-type=staticlib", "-O",
		"tests/c/second_library.rs", "-o", library)
	program := compile(t, "second", []string{library}, "tests/c/second_library.c", "tests/c/host.c")
	expectText(t, command{}.run(t, program), " 0 failed")
}
