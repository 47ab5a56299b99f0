// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"errors"
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/processor/processortest"
	"google.golang.org/grpc/codes"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/otapprocessor"
)

// What a Go component in front of the processor sees of each error, as the table in
// docs/errors.md says. No process shows that: it is asked of the processor itself.
func TestErrorsInGo(t *testing.T) {
	table := errorTable(t)
	for _, one := range errorCases() {
		t.Run(one.name(), func(t *testing.T) {
			row := errorRow(t, table, one)
			err := refusal(t, one)

			var refused *cbridge.ProcessingError
			if !errors.As(err, &refused) {
				t.Fatalf("%v (%T) is no *cbridge.ProcessingError", err, err)
			}
			expectCell(t, row, "gRPC", refused.GRPCStatus().Code().String())
			expectCell(t, row, "HTTP", fmt.Sprint(refused.HTTPStatusCode()))
			class := "retryable"
			if consumererror.IsPermanent(err) {
				class = "permanent"
			}
			expectCell(t, row, "in Go", class)
			if kind := kindOf[one.kind]; refused.Kind() != kind {
				t.Errorf("kind is %v, want %v", refused.Kind(), kind)
			}
			delay, given := refused.RetryAfter()
			if want := one.delay(t); delay != want || given != (want > 0) {
				t.Errorf("retry after %v (%v), want %v", delay, given, want)
			}
			if refused.Message() != "disk on fire" {
				t.Errorf("message is %q", refused.Message())
			}
			if refused.GRPCStatus().Code() == codes.OK {
				t.Error("an error has the code OK")
			}
		})
	}
}

var kindOf = map[string]cbridge.ErrorKind{
	"permanent":          cbridge.KindPermanent,
	"retryable":          cbridge.KindRetryable,
	"cancelled":          cbridge.KindCancelled,
	"timeout":            cbridge.KindTimeout,
	"resource_exhausted": cbridge.KindResourceExhausted,
	"configuration":      cbridge.KindConfiguration,
}

// refusal is the error that a processor with the case's fault returns.
func refusal(t *testing.T, one errorCase) error {
	t.Helper()
	factory := otapprocessor.NewFactory()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte("{type: urn:otapbridge:processor:fault, config: " + one.fault(1) + "}"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := retrieved.AsConf()
	if err != nil {
		t.Fatal(err)
	}
	config := factory.CreateDefaultConfig()
	if err := settings.Unmarshal(config); err != nil {
		t.Fatal(err)
	}
	processor, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(component.MustNewType("otap")), config, consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := processor.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	refused := processor.ConsumeLogs(t.Context(), oneLog("refused").Logs())
	if err := processor.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	return refused
}
