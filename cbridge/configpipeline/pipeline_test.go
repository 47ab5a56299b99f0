// SPDX-License-Identifier: Apache-2.0

package configpipeline

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// To a node, 1.0 and 1 are different values.
func TestNumbersWithAPointStaySo(t *testing.T) {
	written := confmap.NewFromStringMap(map[string]any{
		"type": "urn:otapbridge:processor:attributes",
		"config": map[string]any{
			"numbers": []any{1, 1.0, -2.5, 1e21, 5e-324, math.Copysign(0, -1), uint64(1 << 63)},
			"nested":  map[string]any{"whole": 3.0},
		},
	})
	var pipeline Pipeline
	require.NoError(t, written.Unmarshal(&pipeline))
	document, err := pipeline.Document()
	require.NoError(t, err)
	require.Contains(t, string(document), `"numbers":[1,1.0,-2.5,1e+21,5e-324,-0.0,9223372036854775808]`)
	require.Contains(t, string(document), `"nested":{"whole":3.0}`)
}

// Helm writes the integer 1000000 as 1e+06.
func TestOtherNodesGetWholeNumbersAsIntegers(t *testing.T) {
	written := confmap.NewFromStringMap(map[string]any{
		"type":   "urn:otapbridge:processor:batch",
		"config": map[string]any{"max_size": 1e+06},
	})
	var pipeline Pipeline
	require.NoError(t, written.Unmarshal(&pipeline))
	document, err := pipeline.Document()
	require.NoError(t, err)
	require.Contains(t, string(document), `"max_size":1000000}`)
}
