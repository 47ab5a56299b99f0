// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What `make run` runs: it starts the quick start's configuration, sends it
// telemetry, and checks what came out.
func TestQuickstart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	script := exec.CommandContext(ctx, filepath.Join(checkout, "examples/run.sh"))
	script.Env = append(os.Environ(), "TELEMETRYGEN="+telemetrygen)
	output, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, want := range []string{"-> tenant: Str(", "-> client.address: Str(127.0.0.1)", "\nOK: "} {
		if !strings.Contains(string(output), want) {
			t.Errorf("does not print %q:\n%s", want, output)
		}
	}
}
