// SPDX-License-Identifier: Apache-2.0

//! How long a call would wait for a pipeline's thread, so that a component of several
//! pipelines can let the others sleep while one keeps up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

/// About what it costs to wake a thread.
const WAKE_UP: Duration = Duration::from_micros(20);

/// How long calls may wait that cost less than the wake-up of another thread. Dearer calls wait
/// for a wake-up's time at most.
const CHEAP_CALLS_WAIT: Duration = Duration::from_micros(300);

/// What a call costs the threads of a component with several pipelines, in processor time.
pub(crate) struct Pace {
    began: Instant,
    /// Nanoseconds. It follows lower values sooner: where a thread has few calls, it also counts
    /// what the thread spends on looking for more.
    cost: AtomicU64,
}

/// What waits for a pipeline's thread. The numbers belong to different moments: they decide
/// about speed only.
#[derive(Default)]
pub(crate) struct Backlog {
    /// Calls that the host receiver has not taken.
    queued: AtomicU64,
    /// Calls that it took last, and when: nanoseconds since `Pace::began`.
    taken: AtomicU64,
    taken_at: AtomicU64,
}

/// The processor time of a pipeline's thread.
pub(crate) struct Meter(ThreadTime);

impl Meter {
    pub(crate) fn new() -> Self {
        Self(ThreadTime::now())
    }
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            cost: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }
}

impl Backlog {
    /// The pipeline was built anew: nothing waits.
    pub(crate) fn clear(&self) {
        self.queued.store(0, Relaxed);
        self.taken.store(0, Relaxed);
    }

    pub(crate) fn call_queued(&self) {
        let _ = self.queued.fetch_add(1, Relaxed);
    }

    /// The host receiver has taken calls. What the thread has spent since the last time, it has
    /// spent on those that were taken then.
    pub(crate) fn calls_taken(&self, count: u64, pace: &Pace, meter: &mut Meter) {
        let now = ThreadTime::now();
        let spent = nanoseconds(now.duration_since(meter.0));
        meter.0 = now;
        if let Some(each) = spent.checked_div(self.taken.load(Relaxed)) {
            let cost = pace.cost.load(Relaxed);
            let weight = if each < cost { 2 } else { 16 };
            pace.cost
                .store(cost - cost / weight + each / weight, Relaxed);
        }
        self.taken.store(count, Relaxed);
        self.taken_at.store(pace.now(), Relaxed);
        let _ = self.queued.fetch_sub(count, Relaxed);
    }

    /// Whether a further call would be worked on soon.
    pub(crate) fn is_short(&self, pace: &Pace) -> bool {
        let cost = pace.cost.load(Relaxed);
        let since_taken = pace.now().saturating_sub(self.taken_at.load(Relaxed));
        let taken = cost.saturating_mul(self.taken.load(Relaxed));
        let queued = cost.saturating_mul(self.queued.load(Relaxed));
        let wait = taken.saturating_sub(since_taken).saturating_add(queued);
        let is_cheap = cost < nanoseconds(WAKE_UP);
        wait <= nanoseconds(if is_cheap { CHEAP_CALLS_WAIT } else { WAKE_UP })
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(cost: Duration) -> Pace {
        Pace {
            began: Instant::now(),
            cost: AtomicU64::new(nanoseconds(cost)),
        }
    }

    #[test]
    fn cheap_calls_stay_together_until_they_would_wait() {
        let (pace, backlog) = (pace(Duration::from_micros(3)), Backlog::default());
        let stayed = (0..1000)
            .take_while(|_| {
                backlog.call_queued();
                backlog.is_short(&pace)
            })
            .count();
        assert_eq!(stayed, 100);
    }

    #[test]
    fn a_dear_call_does_not_wait_for_another() {
        let (pace, backlog) = (pace(Duration::from_secs(100)), Backlog::default());
        assert!(backlog.is_short(&pace));
        backlog.call_queued();
        assert!(!backlog.is_short(&pace));
        // It is being worked on: cost is what it takes from now on.
        backlog.taken.store(1, Relaxed);
        backlog.queued.store(0, Relaxed);
        backlog.taken_at.store(pace.now(), Relaxed);
        assert!(!backlog.is_short(&pace));
    }

    #[test]
    fn a_thread_that_must_have_finished_is_free() {
        let (pace, backlog) = (pace(Duration::from_micros(400)), Backlog::default());
        backlog.taken.store(1, Relaxed);
        let began = pace.began;
        while began.elapsed() < Duration::from_micros(400) {}
        assert!(backlog.is_short(&pace));
    }

    #[test]
    fn what_calls_cost_is_measured() {
        let (pace, backlog) = (Pace::new(), Backlog::default());
        let mut meter = Meter::new();
        for _ in 0..100 {
            backlog.call_queued();
            backlog.calls_taken(1, &pace, &mut meter);
            let busy = ThreadTime::now();
            while busy.elapsed() < Duration::from_micros(500) {}
        }
        let cost = Duration::from_nanos(pace.cost.load(Relaxed));
        assert!(cost >= Duration::from_micros(400), "{cost:?}");
        assert_eq!(backlog.queued.load(Relaxed), 0);
    }
}
