// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCloseWithoutUsersIsDrainedAtOnce(t *testing.T) {
	var l Lease
	<-l.Close()
	assert.False(t, l.Acquire())
	assert.Nil(t, l.Close())
}

func TestCloseWaitsForUsersAndTurnsLateOnesAway(t *testing.T) {
	var l Lease
	require.True(t, l.Acquire())
	require.True(t, l.Acquire())
	drained := l.Close()
	assert.False(t, l.Acquire())
	l.Release()
	select {
	case <-drained:
		t.Fatal("drained with a user left")
	default:
	}
	assert.Equal(t, 1, l.Users())
	l.Release()
	<-drained
	assert.Zero(t, l.Users())
}

func TestThoseWhoAreTurnedAwayDoNotCount(t *testing.T) {
	var l Lease
	require.True(t, l.Acquire())
	drained := l.Close()
	var late sync.WaitGroup
	var over atomic.Bool
	for range 8 {
		late.Go(func() {
			for !over.Load() {
				assert.False(t, l.Acquire())
			}
		})
	}
	for range 1_000_000 {
		if users := l.Users(); users != 1 {
			assert.Equal(t, 1, users)
			break
		}
	}
	l.Release()
	<-drained
	over.Store(true)
	late.Wait()
}

func TestNoUseAfterDrain(t *testing.T) {
	for range 200 {
		var l Lease
		var gone atomic.Bool
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for l.Acquire() {
					assert.False(t, gone.Load())
					l.Release()
				}
			})
		}
		<-l.Close()
		gone.Store(true)
		wg.Wait()
	}
}
