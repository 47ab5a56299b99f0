// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRegistrySaysGone(t *testing.T) {
	var r registry[string]
	_, ok := r.get(1)
	assert.False(t, ok)
	first, second := r.add("a"), r.add("b")
	assert.NotEqual(t, first, second)
	r.remove(first)
	_, ok = r.get(first)
	assert.False(t, ok)
	value, ok := r.get(second)
	assert.True(t, ok)
	assert.Equal(t, "b", value)
	assert.NotEqual(t, first, r.add("c"), "ids are never used twice")
}

func TestRegistryConcurrently(t *testing.T) {
	var r registry[int]
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				id := r.add(i)
				value, ok := r.get(id)
				assert.True(t, ok)
				assert.Equal(t, i, value)
				r.remove(id)
			}
		})
	}
	wg.Wait()
	assert.Empty(t, *r.entries.Load())
}

func TestPinIsCountedOnce(t *testing.T) {
	before := Pins()
	var pin Pin
	pin.Release()
	pin.Pin([]byte{1})
	assert.True(t, pin.pinned)
	assert.Panics(t, func() { pin.Pin([]byte{2}) })
	assert.Equal(t, before+1, Pins())
	pin.Release()
	pin.Release()
	assert.Equal(t, before, Pins())
}

func TestErrorTextNamesFieldsAndAllFindings(t *testing.T) {
	err := &Error{Message: "one", Field: "a", Next: &Error{Message: "two"}}
	assert.Equal(t, "a: one\ntwo", err.Error())
}
