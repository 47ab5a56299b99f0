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

	"google.golang.org/grpc/codes"
)

// Settings of nodes that come from variables, and settings that nobody should read.

// attributeNodes are the node types that change attributes: the engine's and ours.
var attributeNodes = []string{"processor:attribute", "urn:otapbridge:processor:attributes"}

// A setting that is a text gets the variable's text, one that is a number its value; where
// either is right, a number is only what is written as one.
func TestValuesFromTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"BUILD": "0123", "COUNT": "5", "FLAG": "true", "SALT": "20261126", "MESSAGE": "007", "EVERY": "2",
	} {
		t.Setenv(name, value)
	}
	for _, node := range attributeNodes {
		t.Run(node, func(t *testing.T) { valuesFromTheEnvironment(t, node) })
	}
}

func valuesFromTheEnvironment(t *testing.T, node string) {
	t.Helper()
	arrived := startSink(t)
	c := start(t, arrived, setup{
		processors: `
otap/attribute:
  type: ` + node + `
  config:
    actions:
      - {action: upsert, key: build, value: "${env:BUILD}"}
      - {action: upsert, key: count, value: "${env:COUNT}"}
      - {action: upsert, key: flag, value: "${env:FLAG}"}
      - {action: hash, key: first, salt: "${env:SALT}"}
      - {action: hash, key: second, salt: "20261126"}
otap/fault:
  type: urn:otapbridge:processor:fault
  config: {every: "${env:EVERY}", error: {kind: permanent, message: "${env:MESSAGE}"}}
`,
		names:   []string{"otap/attribute", "otap/fault"},
		signals: []signal{logs},
	})

	request := oneLog("first")
	attributes := request.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
	attributes.PutStr("first", "jane@example.com")
	attributes.PutStr("second", "jane@example.com")
	if err := exportLog(t, c.grpc, request); err != nil {
		t.Fatal(err)
	}
	got := only(t, arrived).attributes
	for key, want := range map[string]any{"build": "0123", "count": int64(5), "flag": true, "first": got["second"]} {
		if got[key] != want {
			t.Errorf("attribute %s is %#v, want %#v", key, got[key], want)
		}
	}
	if hash, _ := got["first"].(string); len(hash) != 64 {
		t.Errorf("%q is no hash", got["first"])
	}
	response := exportTo(t, c.grpc, logs, "second")
	if response.Code() != codes.Internal || response.Message() != "Permanent error: 007" {
		t.Errorf("got %v: %q, want Internal: 007", response.Code(), response.Message())
	}
}

const secretSalt = "TOPSECRETSALT"

// saltedNode is a component with a secret; its type and the secret are to be put in.
const saltedNode = "{type: %s, config: {actions: [{action: delete, key: visible}, {action: hash, key: mail, salt: %s}]}}"

func printConfig(t *testing.T, processors, mode string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	how := setup{processors: processors, names: []string{"otap/x"}}
	if err := os.WriteFile(path, []byte(how.yaml("127.0.0.1:4317", "127.0.0.1:4318", "127.0.0.1:4319")), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, otapcol, "print-config", "--config", path, "--mode="+mode).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return string(output)
}

// `otapcol print-config` shows a configuration without its secrets.
func TestPrintConfigHidesSecrets(t *testing.T) {
	t.Setenv("SALT", secretSalt)
	t.Setenv("DIGITS", "20261126")
	for _, node := range attributeNodes {
		t.Run(node, func(t *testing.T) { printConfigHidesSecrets(t, node) })
	}
}

func printConfigHidesSecrets(t *testing.T, node string) {
	t.Helper()
	for _, one := range []struct{ name, processors, secret string }{
		{"one node", "otap/x: " + salted(node, secretSalt), secretSalt},
		{"one of several nodes", "otap/x: {nodes: {a: " + salted(node, secretSalt) + ", b: {type: urn:otapbridge:processor:fault}}, connections: [{from: a, to: b}]}", secretSalt},
		{"from the environment", "otap/x: " + salted(node, "${env:SALT}"), secretSalt},
		{"digits from the environment", "otap/x: " + salted(node, "${env:DIGITS}"), "20261126"},
	} {
		t.Run(one.name, func(t *testing.T) {
			output := printConfig(t, one.processors, "redacted")
			if strings.Contains(output, one.secret) {
				t.Errorf("shows the salt:\n%s", output)
			}
			for _, want := range []string{"salt: '[REDACTED]'", "key: mail", "key: visible"} {
				if !strings.Contains(strings.ReplaceAll(output, `"`, "'"), want) {
					t.Errorf("does not show %q:\n%s", want, output)
				}
			}
			if output := printConfig(t, one.processors, "unredacted"); !strings.Contains(output, one.secret) {
				t.Errorf("unredacted: does not show the salt:\n%s", output)
			}
		})
	}
}

func salted(node, salt string) string { return fmt.Sprintf(saltedNode, node, `"`+salt+`"`) }

// What is said about a configuration does not show its secrets either.
func TestMistakesDoNotShowSecrets(t *testing.T) {
	t.Setenv("SALT", secretSalt)
	for _, node := range attributeNodes {
		t.Run(node, func(t *testing.T) { mistakesDoNotShowSecrets(t, node) })
	}
}

func mistakesDoNotShowSecrets(t *testing.T, node string) {
	t.Helper()
	for _, one := range []struct{ name, config, secret, says string }{
		{
			"a number", "{actions: [{action: hash, key: mail, salt: 7654321}]}", "7654321", "config::actions",
		},
		{
			"a mistake beside it", "{actions: [{action: hash, key: mail, salt: " + secretSalt + "}], colour: red}", secretSalt, "config::colour",
		},
		{
			"a mistake in the action", "{actions: [{action: hash, key: 5, salt: " + secretSalt + "}]}", secretSalt, "config::actions",
		},
		{
			"a text in place of the list", "{actions: \"[{action: hash, salt: " + secretSalt + "}\"}", secretSalt, "config::actions",
		},
		{
			"a list from the environment", "{actions: [{action: hash, key: mail, salt: [\"${env:SALT}\"]}]}", secretSalt, "config::actions",
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			output, err := validateProcessors(t, "otap/x: {type: "+node+", config: "+one.config+"}")
			if err == nil || !strings.Contains(output, "processors::otap/x: ") || !strings.Contains(output, one.says) {
				t.Errorf("got %v, want a complaint about %s: %s", err, one.says, output)
			}
			if strings.Contains(output, one.secret) {
				t.Errorf("shows the salt: %s", output)
			}
		})
	}
}
