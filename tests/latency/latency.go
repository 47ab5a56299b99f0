// SPDX-License-Identifier: Apache-2.0

// Package latency reports times that benchmarks have taken, as percentiles and as a
// histogram: an average would hide the few that are late.
package latency

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Samples are times of one kind. The zero value is empty; one goroutine at a time may
// use it.
type Samples struct{ times []time.Duration }

// Add adds a time.
func (s *Samples) Add(sample time.Duration) { s.times = append(s.times, sample) }

// Percentile is the smallest time that at least so many percent of all do not exceed; 0 of none.
func (s *Samples) Percentile(percent int) time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	slices.Sort(s.times)
	return s.times[max((len(s.times)*percent+99)/100-1, 0)]
}

// bounds are the histogram's, each included in the bucket that it ends.
var bounds = []time.Duration{
	20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond,
}

// Histogram says how many samples are in each bucket between the smallest and the
// largest time, such as "up to 50µs: 120, 100µs: 30, 200µs: 0, 500µs: 1".
func (s *Samples) Histogram() string {
	counts := make([]int, len(bounds)+1)
	for _, sample := range s.times {
		bucket, _ := slices.BinarySearch(bounds, sample)
		counts[bucket]++
	}
	first := slices.IndexFunc(counts, func(count int) bool { return count > 0 })
	if first < 0 {
		return ""
	}
	var text strings.Builder
	separator, left := "up to ", len(s.times)
	for bucket := first; left > 0; bucket++ {
		name := "more"
		if bucket < len(bounds) {
			name = bounds[bucket].String()
		}
		fmt.Fprintf(&text, "%s%s: %d", separator, name, counts[bucket])
		separator, left = ", ", left-counts[bucket]
	}
	return text.String()
}

// Report makes the percentiles the benchmark's figures, in milliseconds, and logs the
// histogram. Without samples it does nothing.
func (s *Samples) Report(b *testing.B, name string) {
	b.Helper()
	if len(s.times) == 0 {
		return
	}
	for _, percent := range []int{50, 90, 99, 100} {
		figure := float64(s.Percentile(percent)) / float64(time.Millisecond)
		b.ReportMetric(figure, name+"-p"+strconv.Itoa(percent)+"-ms")
	}
	b.ReportMetric(float64(len(s.times)), "samples")
	b.Logf("%s: %s", name, s.Histogram())
}
