// SPDX-License-Identifier: Apache-2.0

//! How long a further call would wait in a pipeline, so that a component of several
//! pipelines can let the others sleep while one keeps up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// About what it costs to wake a thread.
const WAKE_UP: Duration = Duration::from_micros(20);

/// How long a call may wait in a pipeline that needs less time for each call than a wake-up takes. If
/// it needs more, a call waits no longer than a wake-up takes: from then on a free pipeline is faster.
const CHEAP_CALLS_WAIT: Duration = Duration::from_micros(300);

/// A pipeline that has calls, and gets nothing done for so long, may be blocked by a node.
const STUCK: Duration = Duration::from_millis(1);

/// The calls of one of several pipelines, until they are completed or their output is with the
/// host. The numbers belong to different moments: they decide about speed only.
pub(crate) struct Backlog {
    created: Instant,
    /// Calls that the host receiver has not forwarded, also those that have ended meanwhile.
    queued: AtomicU64,
    /// Calls that it has forwarded.
    inside: AtomicU64,
    /// When it last forwarded one, or got the first for an empty queue. Times are nanoseconds
    /// since `created`.
    forwarded_at: AtomicU64,
    /// When the last call came out of the nodes, or the first one went to them.
    out_at: AtomicU64,
    /// The mean time between two calls that come out while others are inside.
    pace: AtomicU64,
}

impl Backlog {
    pub(crate) fn new() -> Self {
        Self {
            created: Instant::now(),
            queued: AtomicU64::new(0),
            inside: AtomicU64::new(0),
            forwarded_at: AtomicU64::new(0),
            out_at: AtomicU64::new(0),
            // Until it is known, calls go where there are fewest.
            pace: AtomicU64::new(nanoseconds(STUCK)),
        }
    }

    /// The pipeline was built anew: nothing waits.
    pub(crate) fn clear(&self) {
        self.queued.store(0, Relaxed);
        self.inside.store(0, Relaxed);
    }

    fn now(&self) -> u64 {
        nanoseconds(self.created.elapsed())
    }

    pub(crate) fn call_queued(&self) {
        if self.queued.fetch_add(1, Relaxed) == 0 {
            self.forwarded_at.store(self.now(), Relaxed);
        }
    }

    /// The host receiver forwards a call.
    pub(crate) fn call_forwarded(&self) {
        let now = self.now();
        less_one(&self.queued);
        self.forwarded_at.store(now, Relaxed);
        if self.inside.fetch_add(1, Relaxed) == 0 {
            self.out_at.store(now, Relaxed);
        }
    }

    /// The host receiver drops a call that has ended.
    pub(crate) fn call_dropped(&self) {
        less_one(&self.queued);
        self.forwarded_at.store(self.now(), Relaxed);
    }

    /// A call that was forwarded is completed, or has output that is with the host.
    pub(crate) fn call_out(&self) {
        let now = self.now();
        let took = now.saturating_sub(self.out_at.swap(now, Relaxed));
        less_one(&self.inside);
        let pace = self.pace.load(Relaxed);
        self.pace.store(pace - pace / 16 + took / 16, Relaxed);
    }

    /// Number of calls that wait.
    pub(crate) fn len(&self) -> u64 {
        self.queued
            .load(Relaxed)
            .saturating_add(self.inside.load(Relaxed))
    }

    /// Whether a further call would soon come out.
    pub(crate) fn is_short(&self) -> bool {
        if self.len() == 0 {
            return true;
        }
        let pace = self.pace.load(Relaxed);
        let is_cheap = pace < nanoseconds(WAKE_UP);
        let bound = nanoseconds(if is_cheap { CHEAP_CALLS_WAIT } else { WAKE_UP });
        pace.saturating_mul(self.len()) <= bound && !self.is_stuck()
    }

    /// Whether it gets nothing done, as when a node blocks the thread.
    pub(crate) fn is_stuck(&self) -> bool {
        let now = self.now();
        let is_stuck = |calls: &AtomicU64, since: &AtomicU64| {
            calls.load(Relaxed) > 0 && now.saturating_sub(since.load(Relaxed)) > nanoseconds(STUCK)
        };
        is_stuck(&self.queued, &self.forwarded_at) || is_stuck(&self.inside, &self.out_at)
    }
}

/// `clear` may have come in between.
fn less_one(number: &AtomicU64) {
    let _ = number.fetch_update(Relaxed, Relaxed, |number| number.checked_sub(1));
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(pace: Duration) -> Backlog {
        Backlog {
            pace: AtomicU64::new(nanoseconds(pace)),
            ..Backlog::new()
        }
    }

    /// How many calls come before one would go to another pipeline.
    fn stayed(backlog: &Backlog) -> usize {
        let more = |_: &usize| {
            backlog.call_queued();
            backlog.is_short()
        };
        (0..1000).take_while(more).count()
    }

    #[test]
    fn cheap_calls_stay_together_until_they_would_wait() {
        assert_eq!(stayed(&backlog(Duration::from_micros(3))), 100);
    }

    #[test]
    fn dear_calls_and_those_of_unknown_cost_go_to_others() {
        assert_eq!(stayed(&backlog(Duration::from_micros(21))), 0);
        assert_eq!(stayed(&Backlog::new()), 0);
    }

    #[test]
    fn a_pipeline_that_forwards_or_finishes_nothing_is_left() {
        let (queue, nodes) = (backlog(Duration::ZERO), backlog(Duration::ZERO));
        queue.call_queued();
        nodes.call_queued();
        nodes.call_forwarded();
        assert!(queue.is_short() && nodes.is_short());
        while nodes.created.elapsed() < 2 * STUCK {}
        assert!(!queue.is_short() && !nodes.is_short());
        queue.call_dropped();
        nodes.call_out();
        assert!(queue.is_short() && nodes.is_short());
    }

    #[test]
    fn the_pace_is_the_time_between_two_calls() {
        let backlog = backlog(Duration::ZERO);
        for _ in 0..100 {
            backlog.call_queued();
            backlog.call_forwarded();
            let forwarded = Instant::now();
            while forwarded.elapsed() < Duration::from_micros(500) {}
            backlog.call_out();
        }
        let pace = Duration::from_nanos(backlog.pace.load(Relaxed));
        assert!(pace >= Duration::from_micros(400), "{pace:?}");
        assert_eq!(backlog.len(), 0);
    }
}
