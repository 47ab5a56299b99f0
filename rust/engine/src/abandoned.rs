// SPDX-License-Identifier: Apache-2.0

//! Releases callers whose requests were cancelled or are overdue and that no node
//! answers: one that is not context-aware may never do so.
//!
//! A node that is told at the same time gets a few turns of the pipeline's thread
//! to answer first. Calls whose output the host holds are left to the host.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::core::Core;

/// How often calls are looked at that were passed over, because the host held
/// their output or a node was about to answer; such a call has one to two
/// intervals' time.
const SWEEP_INTERVAL: Duration = Duration::from_millis(50);

/// As many turns as an answer takes from a node through the engine to its caller.
const TURNS: usize = 8;

/// Looks after the calls of one pipeline, on its thread.
pub(crate) struct Sweeper {
    core: Arc<Core>,
    shard: usize,
    /// The next deadline of a call, or an earlier instant.
    earliest: Cell<Option<Instant>>,
    /// There is nothing in flight, so it waits for a call to enter.
    idle: Cell<bool>,
    entered: Notify,
    /// The receiver waits for room before the first node: calls behind it do not enter,
    /// and end all the same.
    blocked: Cell<bool>,
}

impl Sweeper {
    pub(crate) fn new(core: Arc<Core>, shard: usize) -> Self {
        Self {
            core,
            shard,
            earliest: Cell::new(None),
            idle: Cell::new(false),
            entered: Notify::new(),
            blocked: Cell::new(false),
        }
    }

    pub(crate) fn set_blocked(&self, blocked: bool) {
        self.blocked.set(blocked);
        if blocked && self.idle.get() {
            self.entered.notify_one();
        }
    }

    /// A call has entered the pipeline.
    pub(crate) fn entered(&self, deadline: Option<Instant>) {
        let earlier = deadline.is_some_and(|deadline| {
            self.earliest
                .get()
                .is_none_or(|earliest| deadline < earliest)
        });
        if earlier {
            self.earliest.set(deadline);
        }
        if earlier || self.idle.get() {
            self.entered.notify_one();
        }
    }

    /// Never ends.
    pub(crate) async fn run(&self) {
        let mut next_look = Instant::now() + SWEEP_INTERVAL;
        loop {
            if self.core.calls_in_flight(self.shard) == 0 && !self.blocked.get() {
                self.earliest.set(None);
                self.idle.set(true);
                self.entered.notified().await;
                self.idle.set(false);
                next_look = Instant::now() + SWEEP_INTERVAL;
            }
            let deadline = self.earliest.get().filter(|earliest| *earliest < next_look);
            tokio::select! {
                () = self.core.some_cancelled(self.shard) => {
                    self.release(self.core.take_cancelled(self.shard)).await;
                }
                () = self.entered.notified() => {}
                () = tokio::time::sleep_until(deadline.unwrap_or(next_look).into()) => {
                    if deadline.is_some() {
                        let (overdue, earliest) = self.core.overdue(self.shard);
                        self.earliest.set(earliest);
                        self.release(overdue).await;
                    } else {
                        self.core.answer_abandoned(self.shard);
                        next_look = Instant::now() + SWEEP_INTERVAL;
                    }
                }
            }
        }
    }

    async fn release(&self, calls: Vec<u64>) {
        for _ in 0..TURNS {
            yield_now().await;
        }
        for call_id in calls {
            self.core.release_caller(self.shard, call_id);
        }
    }
}
