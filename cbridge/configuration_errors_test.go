// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/otapbridge/otapbridge/cbridge"
	"github.com/otapbridge/otapbridge/cbridge/cbridgetest"
)

// findings are the configuration errors in an error's tree, by their fields.
func findings(t *testing.T, err error) map[string]string {
	t.Helper()
	found := make(map[string]string)
	var walk func(error)
	walk = func(err error) {
		if own, ok := err.(*cbridge.ProcessingError); ok {
			assert.Equal(t, cbridge.KindConfiguration, own.Kind(), own.Error())
			assert.True(t, own.IsPermanent() && cbridge.FromError(err).IsPermanent())
			found[own.Field()] = own.Message()
			return
		}
		switch wrapper := err.(type) {
		case interface{ Unwrap() []error }:
			for _, part := range wrapper.Unwrap() {
				walk(part)
			}
		case interface{ Unwrap() error }:
			walk(wrapper.Unwrap())
		default:
			t.Errorf("no ProcessingError: %T %v", err, err)
		}
	}
	walk(err)
	return found
}

const wrongInTwoNodes = `{"nodes": {
	"a": {"type": "urn:otapbridge:processor:fault", "config": {"every": "often"}},
	"b": {"type": "urn:otapbridge:processor:fault", "config": {"error": {"kind": "odd"}}}
}, "connections": [{"from": "a", "to": "b"}]}`

func TestEveryWrongSettingIsNamed(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	const name = "processors::otap/wrong"
	nodes := map[string]string{
		name + "::nodes::a::config::every":       "string",
		name + "::nodes::b::config::error::kind": "odd",
	}
	found := findings(t, cbridge.ValidateConfiguration(cbridge.Processor, name, []byte(wrongInTwoNodes)))
	for field, says := range nodes {
		assert.Contains(t, found[field], says, field)
	}
	assert.Len(t, found, len(nodes))

	settings := cbridge.Settings{Kind: cbridge.Processor, Name: name, Configuration: []byte(wrongInTwoNodes)}
	settings.Limits.Timeout, settings.Limits.CancelGrace, settings.Limits.Workers = -1, -1, -1
	_, err := cbridge.NewComponent(settings)
	found = findings(t, err)
	for _, field := range []string{"timeout", "cancel_grace", "max_in_flight", "max_in_flight_bytes", "workers"} {
		assert.NotEmpty(t, found[field], field)
	}
	for field, says := range nodes {
		assert.Contains(t, found[field], says, field)
	}
	assert.Len(t, found, 5+len(nodes))
}

// TestStartNamesEveryWrongSetting: what was never validated is found at the start.
func TestStartNamesEveryWrongSetting(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	component := newComponent(t, passThrough, cbridge.Consumers{})
	component.SetConfiguration(wrongInTwoNodes)
	err := component.Start(t.Context(), componenttest.NewNopHost())
	require.Error(t, err)
	expected := findings(t, cbridge.ValidateConfiguration(cbridge.Processor, "processors::otap/test", []byte(wrongInTwoNodes)))
	assert.Len(t, expected, 2)
	assert.Equal(t, expected, findings(t, err))
	require.NoError(t, component.Shutdown(t.Context()))
}

// TestStartSaysWhatNodesFindWhenTheyAreBuilt: what no validation has found is an error of
// the same kind, with the component's path at least.
func TestStartSaysWhatNodesFindWhenTheyAreBuilt(t *testing.T) {
	cbridgetest.VerifyIdle(t)
	component := newComponent(t, passThrough, cbridge.Consumers{})
	component.SetConfiguration(`{"type": "processor:batch", "config": {"otap": {"min_size": 10, "max_size": 5, "sizer": "items"}}}`)
	found := findings(t, component.Start(t.Context(), componenttest.NewNopHost()))
	require.Len(t, found, 1)
	for field, message := range found {
		assert.Regexp(t, "^processors::otap/test", field)
		assert.Contains(t, message, "max_size must be >= min_size")
	}
	require.NoError(t, component.Shutdown(t.Context()))
}

// TestValidationNamesWhatNodesFindWhenTheyAreBuilt: queries, and settings that exclude
// each other, are looked at by the engine's nodes only then.
func TestValidationNamesWhatNodesFindWhenTheyAreBuilt(t *testing.T) {
	const wrong = `{"nodes": {
		"a": {"type": "processor:transform", "config": {"opl_query": "logs | nonsense ("}},
		"b": {"type": "processor:batch", "config": {"otap": {"min_size": 10, "max_size": 5, "sizer": "items"}}},
		"c": {"type": "processor:fanout", "config": {"destinations": [{"port": "x"}, {"port": "x"}]}},
		"d": {"type": "processor:debug", "config": {}}
	}, "connections": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}, {"from": "c", "port": "x", "to": "d"}]}`
	found := findings(t, cbridge.ValidateConfiguration(cbridge.Processor, "", []byte(wrong)))
	assert.Contains(t, found["nodes::a::config::opl_query"], "nonsense")
	assert.Contains(t, found["nodes::b::config::otap::min_size"], "max_size must be >= min_size")
	assert.Contains(t, found["nodes::c::config::destinations::1::port"], "duplicate destination port")
	assert.Len(t, found, 3)
}
