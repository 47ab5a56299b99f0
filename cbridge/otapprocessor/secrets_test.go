// SPDX-License-Identifier: Apache-2.0

package otapprocessor

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otapbridge/otapbridge/capi"
)

const (
	salt   = "TOPSECRETSALT"
	digits = "0020261126" // 4285014 in YAML
	// saltedActions have a secret in the text, one from a variable, and one that is no text there.
	saltedActions = `{action: delete, key: visible}, {action: hash, key: a, salt: ` + salt + `},
		{action: hash, key: b, salt: "${test:salt}"}, {action: hash, key: c, salt: "${test:digits}"}`
)

// A node's secrets are not shown with the configuration, and reach the node. In a build without the nodes
// nobody knows which settings are secrets, so that every text is one.
func TestSecretsAreHidden(t *testing.T) {
	for name, of := range map[string]struct {
		uri     string
		config  func(*Config) any
		written []string // the way to the node's configuration in what is written
	}{
		"one node":      {"test:one", func(cfg *Config) any { return cfg.Config }, []string{"config"}},
		"several nodes": {"test:several", func(cfg *Config) any { return cfg.Nodes["a"].Config }, []string{"nodes", "a", "config"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := loadExpanded(t, of.uri)
			visible := func(text string) any {
				if capi.Available {
					return text
				}
				return configopaque.String(text)
			}
			hash := func(key, salt string) any {
				return map[string]any{"action": visible("hash"), "key": visible(key), "salt": configopaque.String(salt)}
			}
			actions := of.config(cfg).(map[string]any)["actions"].([]any)
			last := actions[3].(map[string]any)["salt"]
			assert.Equal(t, "[REDACTED]", fmt.Sprint(last))
			if capi.Available {
				// The node takes a text, so that it is the variable's.
				assert.Equal(t, configopaque.String(digits), last)
			}
			assert.Equal(t, []any{
				map[string]any{"action": visible("delete"), "key": visible("visible")}, hash("a", salt), hash("b", salt),
			}, actions[:3])

			conf := confmap.New()
			require.NoError(t, conf.Marshal(cfg))
			var written any = conf.ToStringMap()
			for _, key := range of.written {
				written = written.(map[string]any)[key]
			}
			for index, action := range written.(map[string]any)["actions"].([]any) {
				if index > 0 {
					assert.Equal(t, "[REDACTED]", action.(map[string]any)["salt"])
				}
			}
			for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
				for _, shown := range []string{fmt.Sprintf(format, conf.ToStringMap()), fmt.Sprintf(format, cfg), fmt.Sprintf(format, *cfg)} {
					for _, secret := range []string{salt, digits, "20261126", "4285014"} {
						assert.NotContains(t, shown, secret, format)
					}
				}
			}

			document, err := cfg.Document()
			require.NoError(t, err)
			if !capi.Available {
				assert.Contains(t, string(document), salt)
				assert.NotContains(t, string(document), "REDACTED")
				return
			}
			var node struct{ Config, Expanded any }
			if of.uri == "test:one" {
				require.NoError(t, json.Unmarshal(document, &node))
			} else {
				var all struct {
					Nodes map[string]json.RawMessage
				}
				require.NoError(t, json.Unmarshal(document, &all))
				require.NoError(t, json.Unmarshal(all.Nodes["a"], &node))
			}
			assert.Nil(t, node.Expanded)
			action := func(key, salt string) any { return map[string]any{"action": "hash", "key": key, "salt": salt} }
			assert.Equal(t, map[string]any{"actions": []any{
				map[string]any{"action": "delete", "key": "visible"}, action("a", salt), action("b", salt), action("c", digits),
			}}, node.Config)
			require.NoError(t, cfg.Validate())
		})
	}
}

// Where the nodes say that nothing is a secret, everything is shown.
func TestWithoutSecretsEverythingIsShown(t *testing.T) {
	if !capi.Available {
		t.Skip("every text is hidden in a build without the library")
	}
	cfg := loadExpanded(t, "test:several")
	assert.Equal(t, map[string]any{"error": map[string]any{"kind": "permanent", "message": "visible"}}, cfg.Nodes["b"].Config)
}
