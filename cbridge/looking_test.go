// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func nothing() bool { return false }

func TestLooksThatFindNothingBecomeRare(t *testing.T) {
	var l looking
	looks := 0
	for range 1000 {
		looked := false
		l.look(func() bool { looked = true; return false })
		if looked {
			looks++
		}
	}
	assert.LessOrEqual(t, looks, 4+1000/40, "what a look costs is saved up first")
	assert.Greater(t, looks, 1000/50, "it looks again now and then")
}

func TestALookThatPaysIsNotTheLast(t *testing.T) {
	var l looking
	for l.debt < mostCredit {
		l.look(nothing)
	}
	// Each call sleeps now, until one look is paid for and finds something at once.
	sleeps := 0
	for found := false; !found; sleeps++ {
		l.look(func() bool { found = true; return true })
	}
	assert.LessOrEqual(t, sleeps, 41)
	for range 100 {
		looked := false
		l.look(func() bool { looked = true; return true })
		assert.True(t, looked)
	}
}

func TestOneCallerLooksAtATime(t *testing.T) {
	var l looking
	l.look(func() bool {
		l.look(func() bool {
			assert.Fail(t, "two callers look")
			return true
		})
		return true
	})
	assert.False(t, l.busy.Load())
}
