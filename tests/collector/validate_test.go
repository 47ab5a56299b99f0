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

// validate runs `otapcol validate` and returns what it prints.
func validate(t *testing.T, path string) (string, error) {
	t.Helper()
	return validateWith(t, otapcol, path)
}

func validateWith(t *testing.T, program, path string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, program, "validate", "--config", path).CombinedOutput()
	return string(output), err
}

func validateProcessors(t *testing.T, processors string) (string, error) {
	t.Helper()
	return validateSetup(t, setup{processors: processors, names: []string{"otap/x"}})
}

func validateSetup(t *testing.T, how setup) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(how.yaml("127.0.0.1:4317", "127.0.0.1:4318", "127.0.0.1:4319")), 0o600); err != nil {
		t.Fatal(err)
	}
	return validate(t, path)
}

// What is wrong in a configuration is found by `otapcol validate`, which names
// its path in the file.
func TestValidateRefuses(t *testing.T) {
	const (
		attribute = `{type: processor:attribute, config: {actions: [{action: delete, key: secret}]}}`
		pair      = "nodes:\n  a: " + attribute + "\n  b: " + attribute + "\n"
	)
	for _, wrong := range []struct {
		name   string
		config string
		says   []string
	}{
		{
			name:   "node type",
			config: "type: processor:no_such_node\nconfig: {}",
			says:   []string{"type: ", "processor:no_such_node"},
		},
		{
			name:   "node type in a chain",
			config: "nodes: {a: {type: processor:no_such_node}}",
			says:   []string{"nodes::a::type: ", "processor:no_such_node"},
		},
		{
			name:   "key of the component",
			config: "type: processor:attribute\nconfig: {actions: []}\ntimeuot: 5s",
			says:   []string{"'processors'", `"otap/x"`, "invalid keys: timeuot"},
		},
		{
			name:   "key of a connection",
			config: pair + "connections: [{from: a, to: b, prot: out}]",
			says:   []string{`"otap/x"`, "'connections[0]'", "invalid keys: prot"},
		},
		{
			name:   "value of the component",
			config: "type: processor:attribute\nconfig: {actions: []}\nmax_in_flight: -1",
			says:   []string{"processors::otap/x: ", "max_in_flight: "},
		},
		{
			name:   "key of an engine node",
			config: "type: processor:attribute\nconfig: {actions: [], actoins: []}",
			says:   []string{"processors::otap/x: ", "config::actoins: "},
		},
		{
			name:   "key of an engine node in a chain",
			config: "nodes: {a: {type: processor:attribute, config: {actoins: []}}}",
			says:   []string{"processors::otap/x: ", "nodes::a::config::actoins: "},
		},
		{
			name:   "value of an engine node",
			config: "type: processor:attribute\nconfig: {actions: 7}",
			says:   []string{"processors::otap/x: ", "config::actions: ", "7"},
		},
		{
			name:   "key of a node of ours",
			config: "type: urn:otapbridge:processor:fault\nconfig: {dealy: 1s}",
			says:   []string{"processors::otap/x: ", "config::dealy: "},
		},
		{
			name:   "value of a node of ours",
			config: "type: urn:otapbridge:processor:fault\nconfig: {delay: soon}",
			says:   []string{"processors::otap/x: ", "config::delay: ", "soon"},
		},
		{
			name:   "source of context_attributes",
			config: "type: urn:otapbridge:processor:context_attributes\nconfig: {actions: [{key: a, from_context: weather}]}",
			says:   []string{"processors::otap/x: ", "config::actions::0::from_context: ", "weather"},
		},
		{
			name:   "connection to a node that is not there",
			config: pair + "connections: [{from: a, to: c}]",
			says:   []string{"processors::otap/x: ", "connections::0::to: ", `"c"`},
		},
		{
			name:   "cycle",
			config: pair + "connections: [{from: a, to: b}, {from: b, to: a}]",
			says:   []string{"processors::otap/x: ", "connections: ", "cycle"},
		},
		{
			name:   "two entries",
			config: pair + "  c: " + attribute + "\nconnections: [{from: [a, b], to: c}]",
			says:   []string{"processors::otap/x: ", "connections: ", "entries (a, b)"},
		},
		{
			name:   "unconnected nodes",
			config: pair,
			says:   []string{"processors::otap/x: ", "nodes::a: ", "nodes::b: ", "not connected"},
		},
		{
			name:   "neither node nor nodes",
			config: "timeout: 5s",
			says:   []string{"processors::otap/x: ", "`type`", "`nodes`"},
		},
		{
			name:   "both node and nodes",
			config: "type: processor:attribute\n" + pair + "connections: [{from: a, to: b}]",
			says:   []string{"processors::otap/x: ", "`type`", "`nodes`"},
		},
		{
			name:   "several mistakes at once",
			config: "nodes:\n  a: {type: processor:attribute, config: {actoins: []}}\n  b: {type: processor:nonesuch}\nconnections: [{from: a, to: b}]\ntimeout: -1s",
			says:   []string{"processors::otap/x: ", "nodes::a::config::actoins: ", "nodes::b::type: ", "timeout: "},
		},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			output, err := validateProcessors(t, "otap/x:\n"+indent(wrong.config, 2))
			if err == nil {
				t.Fatalf("accepted; printed %q", output)
			}
			for _, words := range wrong.says {
				if !strings.Contains(output, words) {
					t.Errorf("does not say %q: %s", words, output)
				}
			}
		})
	}
}

// Every configuration in examples/ is valid, and nothing in it changes data unasked.
func TestExamplesAreValid(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(checkout, "examples/*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples found (%v)", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if output, err := validate(t, path); err != nil || output != "" {
				t.Errorf("%v: %q", err, output)
			}
		})
	}
}

// Every configuration in the README is valid, and nothing in it changes data unasked.
func TestREADMEIsValid(t *testing.T) {
	blocks := validateDocument(t, "README.md")
	if blocks["processors"] == 0 || blocks["receivers"] == 0 {
		t.Errorf("README.md has configurations of %v, want processors and receivers", blocks)
	}
}

// So is every configuration of the page on attributes and filter. One is Go's, which this collector does not have.
func TestAttributesAndFilterPageIsValid(t *testing.T) {
	if blocks := validateDocument(t, "docs/attributes-and-filter.md"); blocks["processors"] != 3 {
		t.Errorf("the page has configurations of %v, want 3 of processors", blocks)
	}
}

// validateDocument validates the configurations of components of otapbridge in a document, and counts them by section.
func validateDocument(t *testing.T, name string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkout, name))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]int{}
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		section, components, _ := strings.Cut(block, ":\n")
		if !strings.Contains(components, "otap/") {
			continue
		}
		var output string
		switch section {
		case "processors":
			output, err = validateProcessors(t, components+"  otap/x: {type: processor:attribute, config: {actions: []}}\n")
		case "receivers":
			output, err = validateReceivers(t, components)
		default:
			continue
		}
		blocks[section]++
		if err != nil || output != "" {
			t.Errorf("%v: %q\n%s", err, output, block)
		}
	}
	return blocks
}
