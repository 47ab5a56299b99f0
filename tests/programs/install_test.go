// SPDX-License-Identifier: Apache-2.0

package programs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every program; a build of the Go library is the longest.
const patience = 10 * time.Minute

func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// command is a program that runs in a folder, with further environment variables.
type command struct {
	folder      string
	environment []string
}

// try runs a program and returns what it prints.
func (c command) try(t *testing.T, program string, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	started := exec.CommandContext(ctx, program, arguments...)
	started.Dir = c.folder
	started.Env = append(os.Environ(), c.environment...)
	output, err := started.CombinedOutput()
	return string(output), err
}

// run is try for a program that has to succeed.
func (c command) run(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	output, err := c.try(t, program, arguments...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, arguments, err, output)
	}
	return output
}

var (
	installOnce   sync.Once
	installPrefix string
)

// TestMain removes what was installed.
func TestMain(m *testing.M) {
	status := m.Run()
	if installPrefix != "" {
		_ = os.RemoveAll(installPrefix)
	}
	os.Exit(status)
}

// installed is the folder of a `make install`, one for all tests.
func installed(t *testing.T) string {
	t.Helper()
	installOnce.Do(func() {
		prefix, err := os.MkdirTemp("", "otapbridge-install") //nolint:usetesting // it outlives the test that asks first
		if err != nil {
			t.Fatal(err)
		}
		installPrefix = prefix
		// make hands its own flags on to sub-processes.
		command{folder: checkout(t), environment: []string{"MAKEFLAGS=", "MAKELEVEL="}}.
			run(t, "make", "install", "PREFIX="+prefix)
	})
	if installPrefix == "" {
		t.Fatal("make install failed")
	}
	return installPrefix
}

// flags asks pkg-config, as a user's build does.
func flags(t *testing.T, arguments ...string) []string {
	t.Helper()
	where := "PKG_CONFIG_PATH=" + filepath.Join(installed(t), "lib/pkgconfig")
	output := command{environment: []string{where}}.run(t, "pkg-config", append(arguments, "otapbridge")...)
	return strings.Fields(output)
}

// pedantic is how the header and every C program are compiled.
var pedantic = []string{"-Wall", "-Wextra", "-Werror", "-pedantic", "-g"}

// compile builds a C99 program from sources in the checkout and returns its path.
func compile(t *testing.T, name string, linkMore []string, sources ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	arguments := slices.Concat([]string{"-std=c99", "-o", program}, pedantic, flags(t, "--cflags"))
	for _, source := range sources {
		arguments = append(arguments, filepath.Join(checkout(t), source))
	}
	arguments = slices.Concat(arguments, linkMore, flags(t, "--libs", "--static"), []string{"-pthread"})
	command{}.run(t, "gcc", arguments...)
	return program
}

func TestHeaderCompilesAlone(t *testing.T) {
	for name, compiler := range map[string][]string{
		"C99":   {"gcc", "-x", "c", "-std=c99"},
		"C++11": {"g++", "-x", "c++", "-std=c++11"},
	} {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "alone")
			if err := os.WriteFile(source, []byte("#include <otapbridge.h>\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			arguments := slices.Concat(compiler[1:], pedantic, flags(t, "--cflags"), []string{"-fsyntax-only", source})
			command{}.run(t, compiler[0], arguments...)
		})
	}
}

func TestLayout(t *testing.T) {
	for name, compiler := range map[string][]string{
		"C11":   {"gcc", "-std=c11", "tests/c/layout.c"},
		"C++11": {"g++", "-std=c++11", "tests/c/layout.cpp"},
	} {
		t.Run(name, func(t *testing.T) {
			arguments := slices.Concat(compiler[1:], pedantic, flags(t, "--cflags"), []string{"-fsyntax-only"})
			command{folder: checkout(t)}.run(t, compiler[0], arguments...)
		})
	}
}

// The installed library defines what the header declares, and no other global symbol.
func TestSymbols(t *testing.T) {
	header, err := os.ReadFile(filepath.Join(installed(t), "include/otapbridge.h"))
	if err != nil {
		t.Fatal(err)
	}
	declared := declaredFunctions(string(header))
	if len(declared) < 10 {
		t.Fatalf("found only %q in the header", declared)
	}

	var defined []string
	library := filepath.Join(installed(t), "lib/libotapbridge.a")
	for line := range strings.Lines(command{}.run(t, "nm", "--extern-only", "--defined-only", library)) {
		if fields := strings.Fields(line); len(fields) == 3 {
			defined = append(defined, fields[2])
		}
	}
	slices.Sort(defined)
	if !slices.Equal(declared, defined) {
		t.Errorf("declared: %q\ndefined:  %q", declared, defined)
	}
}

func declaredFunctions(header string) []string {
	var names []string
	inComment := false
	for line := range strings.Lines(header) {
		line = strings.TrimSpace(line)
		inComment = inComment || strings.HasPrefix(line, "/*")
		if !inComment && !strings.HasPrefix(line, "typedef") && !strings.HasPrefix(line, "#") {
			before, _, isFunction := strings.Cut(line, "(")
			words := strings.FieldsFunc(before, func(r rune) bool { return r == ' ' || r == '*' })
			if isFunction && len(words) > 1 && strings.HasPrefix(words[len(words)-1], "otapb_") {
				names = append(names, words[len(words)-1])
			}
		}
		if strings.HasSuffix(line, "*/") {
			inComment = false
		}
	}
	slices.Sort(names)
	return names
}
