// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Programs the tests run, built by make.
var (
	checkout     string
	otapcol      string
	telemetrygen string
	python       string
)

func TestMain(m *testing.M) {
	if err := buildPrograms(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// buildPrograms has make bring the programs up to date, so that the tests never
// run against an old collector, however they were started.
func buildPrograms() error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	checkout = root

	command := exec.CommandContext(context.Background(), "make", "program-paths")
	command.Dir = root
	command.Stderr = os.Stderr
	command.Env = environmentWithout("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("make program-paths: %w\n%s", err, output)
	}
	for line := range strings.Lines(string(output)) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "otapcol":
			otapcol = filepath.Join(root, path)
		case "telemetrygen":
			telemetrygen = path
		case "python":
			python = path
		}
	}
	for _, program := range []string{otapcol, telemetrygen, python} {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("make program-paths did not build it: %w", err)
		}
	}
	return nil
}

// environmentWithout returns this process's environment without some variables.
func environmentWithout(names ...string) []string {
	var kept []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		drop := false
		for _, unwanted := range names {
			drop = drop || name == unwanted
		}
		if !drop {
			kept = append(kept, variable)
		}
	}
	return kept
}
