// SPDX-License-Identifier: Apache-2.0

package latency_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otapbridge/otapbridge/tests/latency"
)

func TestPercentilesAreTimesThatWereTaken(t *testing.T) {
	var samples latency.Samples
	assert.Zero(t, samples.Percentile(50))
	for i := 100; i > 0; i-- {
		samples.Add(time.Duration(i))
	}
	for percent, want := range map[int]time.Duration{0: 1, 1: 1, 50: 50, 99: 99, 100: 100} {
		assert.Equal(t, want, samples.Percentile(percent), percent)
	}
	samples.Add(1000)
	assert.Equal(t, time.Duration(100), samples.Percentile(99))
	assert.Equal(t, time.Duration(1000), samples.Percentile(100))
}

func TestTheHistogramShowsEachBucketBetweenTheExtremes(t *testing.T) {
	var samples latency.Samples
	assert.Empty(t, samples.Histogram())
	for range 100 {
		samples.Add(50 * time.Microsecond)
	}
	samples.Add(51 * time.Microsecond)
	samples.Add(400 * time.Microsecond)
	assert.Equal(t, "up to 50µs: 100, 100µs: 1, 200µs: 0, 500µs: 1", samples.Histogram())
	samples.Add(time.Hour)
	assert.Equal(t, "up to 50µs: 100, 100µs: 1, 200µs: 0, 500µs: 1, "+
		"1ms: 0, 2ms: 0, 5ms: 0, 10ms: 0, 20ms: 0, 50ms: 0, 100ms: 0, more: 1", samples.Histogram())
}
