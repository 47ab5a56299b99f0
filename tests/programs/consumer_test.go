// SPDX-License-Identifier: Apache-2.0

package programs

import (
	"os"
	"path/filepath"
	"testing"
)

// consumerMain is a user's program: it validates a configuration and creates a
// component, without a collector around it.
const consumerMain = `package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otapbridge/otapbridge/cbridge/otapprocessor"
	"go.opentelemetry.io/collector/confmap"
)

func run() error {
	factory := otapprocessor.NewFactory()
	config := factory.CreateDefaultConfig()
	err := confmap.NewFromStringMap(map[string]any{
		"type": "processor:attribute",
		"config": map[string]any{
			"actions": []any{map[string]any{"action": "upsert", "key": "from", "value": "rust"}},
		},
	}).Unmarshal(config)
	if err != nil {
		return err
	}

	sink := new(consumertest.LogsSink)
	created, err := factory.CreateLogs(context.Background(), processortest.NewNopSettings(factory.Type()), config, sink)
	if err != nil {
		return err
	}
	var host component.Host = componenttest.NewNopHost()
	if err := created.Start(context.Background(), host); err != nil {
		return err
	}
	data := plog.NewLogs()
	data.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("hello")
	if err := created.ConsumeLogs(context.Background(), data); err != nil {
		return err
	}
	for _, logs := range sink.AllLogs() {
		record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		fmt.Println(record.Body().AsString(), record.Attributes().AsRaw())
	}
	return created.Shutdown(context.Background())
}

func main() {
	if err := run(); err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
}
`

// consumer is a module of a user's that requires ours.
func consumer(t *testing.T) command {
	t.Helper()
	folder := t.TempDir()
	module := "module example.com/consumer\n\ngo 1.26.0\n\n" +
		"require github.com/otapbridge/otapbridge v0.0.0\n\n" +
		"replace github.com/otapbridge/otapbridge => " + checkout(t) + "\n"
	for name, text := range map[string]string{"go.mod": module, "main.go": consumerMain} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := command{folder: folder}
	c.run(t, "go", "mod", "tidy")
	return c
}

// A consumer that vendors its dependencies gets all it needs to compile and link.
func TestConsumerVendors(t *testing.T) {
	c := consumer(t)
	c.run(t, "go", "mod", "vendor")
	c.environment = []string{"CGO_ENABLED=1"}
	c.run(t, "go", "build", "-mod=vendor", "-o", "consumer", ".")
	expectText(t, c.run(t, "./consumer"), "hello map[from:rust]")
}

// Without cgo everything compiles, and using it fails with what to do.
func TestConsumerWithoutCgo(t *testing.T) {
	c := consumer(t)
	c.environment = []string{"CGO_ENABLED=0"}
	c.run(t, "go", "vet", ".")
	c.run(t, "go", "build", "-o", "consumer", ".")
	output, err := c.try(t, "./consumer")
	if err == nil {
		t.Errorf("it runs without cgo: %s", output)
	}
	expectText(t, output, "error:", "cgo_enabled: true")
}
