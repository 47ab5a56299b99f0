// SPDX-License-Identifier: Apache-2.0

package configpipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever the depth of a place, what is there is hidden, nothing else is, and it reaches the node.
func TestSecretIsHiddenAtAnyDepth(t *testing.T) {
	for _, place := range []string{"config", "config::key", "config::login::key", "config::logins::0::key"} {
		for _, path := range []string{place, "nodes::a::" + place} {
			t.Run(path, func(t *testing.T) {
				config := any("SECRET")
				steps := strings.Split(place, "::")
				for i := len(steps) - 1; i > 0; i-- {
					if steps[i] == "0" {
						config = []any{config}
					} else {
						config = map[string]any{steps[i]: config, "other": "visible"}
					}
				}
				pipeline := Pipeline{Type: "processor:x", Config: config}
				if path != place {
					pipeline = Pipeline{Nodes: map[string]NodeConfig{"a": {Type: "processor:x", Config: config}}}
				}
				pipeline.hideAt(path)
				shown := fmt.Sprint(pipeline.Config, pipeline.Nodes)
				assert.NotContains(t, shown, "SECRET")
				assert.Contains(t, shown, "[REDACTED]")
				assert.Equal(t, len(steps) > 1, strings.Contains(shown, "visible"))
				document, err := pipeline.Document()
				require.NoError(t, err)
				assert.Contains(t, string(document), "SECRET")
			})
		}
	}
}

// A place cannot be told from a longer one where a key contains its separator. Nothing is added to what
// the node gets.
func TestSecretBelowAKeyWithTheSeparatorIsHidden(t *testing.T) {
	config := map[string]any{"logins": []any{map[string]any{"a::key": "SECRET"}}}
	pipeline := Pipeline{Type: "processor:x", Config: config}
	pipeline.hideAt("config::logins::0::a::key")
	assert.NotContains(t, fmt.Sprint(pipeline.Config), "SECRET")
	document, err := pipeline.Document()
	require.NoError(t, err)
	assert.Contains(t, string(document), `"logins":[{"a::key":"SECRET"}]`)
}
