// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// errorCase is an error that a node returns: a row of the table in docs/errors.md.
type errorCase struct {
	variant string // of Rust's ProcessingError
	kind    string // the same, as the fault processor writes it
	given   string // what the author gives besides, as the fault processor writes it
}

func (c errorCase) name() string { return strings.TrimSpace(c.variant + " " + c.given) }

// fault is the configuration of a fault processor that returns the error.
func (c errorCase) fault(every int) string {
	given := ""
	if c.given != "" {
		given = ", " + c.given
	}
	return fmt.Sprintf("{every: %d, error: {kind: %s, message: disk on fire%s}}", every, c.kind, given)
}

// delay is what the error says about when to come again; 0 if it says nothing.
func (c errorCase) delay(t *testing.T) time.Duration {
	t.Helper()
	_, text, found := strings.Cut(c.given, "retry_after: ")
	if !found {
		return 0
	}
	delay, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", c.name(), err)
	}
	return delay
}

// errorCases are all kinds with default codes, with a delay, and with codes of the
// author's; and the codes that change what others do with a kind.
func errorCases() []errorCase {
	const delay = "retry_after: 1.5s"
	var cases []errorCase
	for _, each := range []struct{ variant, kind, codes string }{
		{"Permanent", "permanent", "grpc_code: 7, http_status: 403"},
		{"Retryable", "retryable", "grpc_code: 10, http_status: 409"},
		{"Cancelled", "cancelled", "grpc_code: 9, http_status: 412"},
		{"Timeout", "timeout", "grpc_code: 11, http_status: 416"},
		{"ResourceExhausted", "resource_exhausted", "grpc_code: 14, http_status: 503"},
		{"Configuration", "configuration", "grpc_code: 12, http_status: 501"},
	} {
		for _, given := range []string{"", delay, each.codes + ", " + delay} {
			cases = append(cases, errorCase{each.variant, each.kind, given})
		}
	}
	return append(cases,
		errorCase{"Permanent", "permanent", "grpc_code: 3, http_status: 400"},
		errorCase{"Permanent", "permanent", "grpc_code: 14, http_status: 503"},
		errorCase{"Retryable", "retryable", "grpc_code: 5, http_status: 404"},
		errorCase{"Retryable", "retryable", "grpc_code: 15, http_status: 500"},
		errorCase{"Retryable", "retryable", "grpc_code: 16, http_status: 401"},
	)
}

// errorColumns are the columns of the table that follow variant and what is given.
var errorColumns = []string{
	"gRPC", "HTTP", "in Go",
	"receiver over gRPC", "receiver over HTTP",
	"`otlp_grpc` exporter", "`otlp_http` exporter",
	"Python SDK over gRPC", "Python SDK over HTTP", "`retry` node",
}

// errorTable reads docs/errors.md: the cells of each row, by the row's case and column.
func errorTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(checkout, "docs/errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	head := "| variant | given by its author | " + strings.Join(errorColumns, " | ") + " |\n"
	_, rest, found := strings.Cut(string(content), head)
	if !found {
		t.Fatalf("docs/errors.md has no table with this head:\n%s", head)
	}
	table := map[string]map[string]string{}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if strings.HasPrefix(cells[0], "---") {
			continue
		}
		if len(cells) != len(errorColumns)+2 {
			t.Fatalf("docs/errors.md: %d cells, want %d: %s", len(cells), len(errorColumns)+2, line)
		}
		name := strings.TrimSpace(strings.ReplaceAll(cells[0]+" "+cells[1], "`", ""))
		if table[name] != nil {
			t.Errorf("docs/errors.md: two rows for %s", name)
		}
		row := map[string]string{}
		for i, column := range errorColumns {
			row[column] = cells[i+2]
		}
		table[name] = row
	}
	return table
}

// errorRow returns a case's row.
func errorRow(t *testing.T, table map[string]map[string]string, of errorCase) map[string]string {
	t.Helper()
	row := table[of.name()]
	if row == nil {
		t.Fatalf("docs/errors.md has no row for %s", of.name())
	}
	return row
}

// expectCell compares what was observed with a cell of the row.
func expectCell(t *testing.T, row map[string]string, column, got string) {
	t.Helper()
	if row[column] != got {
		t.Errorf("%s: observed %q, docs/errors.md says %q", column, got, row[column])
	}
}

// Each row of the table is a case of the tests.
func TestErrorTableIsTested(t *testing.T) {
	table := errorTable(t)
	for _, one := range errorCases() {
		delete(table, one.name())
	}
	for name := range table {
		t.Errorf("docs/errors.md: no test for the row %s", name)
	}
}
