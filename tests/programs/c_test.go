package programs

import (
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

// The C example as its README builds it.
func TestCExample(t *testing.T) {
	program := compile(t, "example", nil, "examples/c/otapbridge_example.c", "examples/c/otlp.c")
	wanted := []string{
		"resource service.name = c-example",
		"resource deployment.environment.name = example",
		"resource tenant = acme",
		"resource client = 192.0.2.1",
		"body = hello from C",
	}
	t.Run("plain", func(t *testing.T) {
		expectText(t, command{}.run(t, program), wanted...)
	})
	t.Run("valgrind", func(t *testing.T) {
		expectText(t, checked(t, program), wanted...)
	})
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

// Another Rust static library links and works in the same program.
func TestSecondRustLibrary(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libsecond.a")
	command{folder: checkout(t)}.run(t, "rustc", "--edition=2024", "--crate-type=staticlib", "-O",
		"tests/c/second_library.rs", "-o", library)
	program := compile(t, "second", []string{library}, "tests/c/second_library.c", "tests/c/host.c")
	expectText(t, command{}.run(t, program), " 0 failed")
}
