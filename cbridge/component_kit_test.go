// SPDX-License-Identifier: Apache-2.0

package cbridge_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryComponentHasTheCollectorsTests: mdatagen writes them from metadata.yaml, which
// can also leave them out.
func TestEveryComponentHasTheCollectorsTests(t *testing.T) {
	packages, err := filepath.Glob("otap*")
	require.NoError(t, err)
	require.NotEmpty(t, packages)
	for _, name := range packages {
		t.Run(name, func(t *testing.T) {
			metadata, err := os.ReadFile(filepath.Join(name, "metadata.yaml"))
			require.NoError(t, err)
			for _, left := range []string{"skip_", "skip: true"} {
				assert.NotContains(t, string(metadata), left)
			}
			tests, err := os.ReadFile(filepath.Join(name, "generated_component_test.go"))
			require.NoError(t, err)
			for _, test := range []string{"func TestComponentFactoryType(", "func TestComponentConfigStruct(", "func TestComponentLifecycle("} {
				assert.Contains(t, string(tests), test)
			}
			// It checks for leaked goroutines.
			leaks, err := os.ReadFile(filepath.Join(name, "generated_package_test.go"))
			require.NoError(t, err)
			assert.Contains(t, string(leaks), "goleak.VerifyTestMain(")
		})
	}
}
