// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written are the numbers that this package writes out for builds without cgo, by their
// names. Those of the header have types; those of the context block's layout have none.
func written(t *testing.T) (typed, untyped map[string]string) {
	t.Helper()
	typed, untyped = map[string]string{}, map[string]string{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(node ast.Node) bool {
			declaration, ok := node.(*ast.GenDecl)
			if !ok || declaration.Tok != token.CONST {
				return true
			}
			for _, spec := range declaration.Specs {
				constant := spec.(*ast.ValueSpec)
				if len(constant.Values) != 1 {
					continue
				}
				number, ok := constant.Values[0].(*ast.BasicLit)
				switch {
				case !ok || number.Kind != token.INT:
				case constant.Type != nil:
					typed[strings.ToLower(constant.Names[0].Name)] = number.Value
				default:
					untyped[constant.Names[0].Name] = number.Value
				}
			}
			return false
		})
	}
	return typed, untyped
}

// found are the pairs that a pattern finds in a file.
func found(t *testing.T, file, pattern string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	pairs := map[string]string{}
	for _, pair := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		pairs[pair[1]] = pair[2]
	}
	require.NotEmpty(t, pairs)
	return pairs
}

func TestConstantsAreThoseOfTheHeader(t *testing.T) {
	header := map[string]string{}
	for name, value := range found(t, "../include/otapbridge.h", `(?m)^#define OTAPB_(\w+) (\d+)$`) {
		header[strings.ToLower(strings.ReplaceAll(name, "_", ""))] = value
	}
	// ComponentOptions has a field for it.
	delete(header, "componentflagreferences")
	header["headerabiversion"] = header["abiversion"]
	delete(header, "abiversion")
	typed, _ := written(t)
	assert.Equal(t, header, typed)
}

// The compiler checks layout.h against the header.
func TestContextBlockHasTheLayoutOfTheHeader(t *testing.T) {
	_, untyped := written(t)
	sizes := found(t, "layout.h", `(?m)^SIZE\((otapb_context\w*), (\d+)\);$`)
	assert.Equal(t, sizes, map[string]string{
		"otapb_context": untyped["ContextHeadSize"], "otapb_context_entry": untyped["ContextEntrySize"],
	})
	fields, offsets := map[string]string{}, map[string]string{}
	for field, offset := range found(t, "layout.h", `(?m)^FIELD\(otapb_context, (\w+), (\d+)\);$`) {
		fields[strings.ReplaceAll(strings.TrimSuffix(field, "_ns"), "_", "")] = offset
	}
	for name, value := range untyped {
		if field, ok := strings.CutPrefix(name, "ContextOffset"); ok {
			offsets[strings.ToLower(field)] = value
		}
	}
	assert.Equal(t, fields, offsets)
}
