// SPDX-License-Identifier: Apache-2.0

package cbridge

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// wakeUp is about what it costs to let a goroutine sleep and to wake it from another
	// thread. To look longer than this never pays.
	wakeUp = 20 * time.Microsecond
	// mostCredit may be saved for looks that find nothing.
	mostCredit = 4 * wakeUp
	// sleepEarns is the credit for a sleep without a look: a look that finds nothing costs a
	// wakeUp, so where all are such there is one in forty sleeps.
	sleepEarns = wakeUp / 40
)

// looking lets a caller look for a moment before it sleeps, as the pipeline's thread does
// (rust/engine/src/base/looking.rs): to be woken takes longer, and costs more, than what a quick
// pipeline does. A look that finds something earns what the wake-up would have cost.
// One caller of a component looks at a time; where there are several, others have work meanwhile.
type looking struct {
	busy atomic.Bool
	// debt is what is missing of the full credit. It belongs to who has set busy.
	debt time.Duration
}

// look returns when found says so, or when it is time to sleep.
func (l *looking) look(found func() bool) {
	if l.busy.Swap(true) {
		return
	}
	defer l.busy.Store(false)
	if mostCredit-l.debt < wakeUp {
		l.debt -= sleepEarns
		return
	}
	began := time.Now()
	var spent time.Duration
	for spent < wakeUp {
		if found() {
			l.debt = max(0, l.debt+spent-wakeUp)
			return
		}
		// Whoever else has work goes first. If that took long, the look was of no use: where
		// there is other work, the caller may as well sleep.
		runtime.Gosched()
		spent = time.Since(began)
	}
	l.debt += wakeUp
}
