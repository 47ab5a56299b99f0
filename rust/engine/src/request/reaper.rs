// SPDX-License-Identifier: Apache-2.0

//! The runtime's one clock: a thread that cancels requests whose deadline has passed,
//! completes calls that their pipeline has not completed within the grace, and delivers events
//! that have waited for their pipeline's thread so long.
//!
//! It has a thread of its own, so that no node that blocks its pipeline's thread delays it.
//! A request that ends is not taken out of the queue: it is found gone when its turn comes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use otapbridge_context::ProcessingError;
use parking_lot::{Condvar, Mutex};

use crate::base::outbox::Outbox;
use crate::request::due::{Due, DueQueue, Reaped};

#[derive(Default)]
struct Queue {
    due: DueQueue,
    /// Until when the thread sleeps; `None` while it works, or sleeps without end.
    wakes_at: Option<Instant>,
    /// The thread waits.
    waiting: bool,
    stopped: bool,
}

/// Without its [thread](ReaperThread) it does nothing; so in trial builds, which never run.
#[derive(Default)]
pub(crate) struct Reaper {
    queue: Mutex<Queue>,
    /// Taken while the thread reaps a request, but not while it delivers events.
    at_work: Mutex<()>,
    changed: Condvar,
}

impl Reaper {
    /// Makes the thread [reap](Reaped::reap) the request at this time.
    pub(crate) fn reap_at(&self, request: &Arc<impl Reaped + 'static>, at: Instant) {
        self.push(Due::of_request(request, at));
    }

    /// Makes the thread deliver what is left of events at this time: the delivery that the caller
    /// has [claimed](Outbox::claim_watch).
    pub(crate) fn watch(&self, outbox: &Arc<Outbox>, at: Instant) {
        self.push(Due::of_outbox(outbox, true, at));
    }

    /// Makes the thread deliver what is left of events now.
    pub(crate) fn deliver(&self, outbox: &Arc<Outbox>) {
        self.push(Due::of_outbox(outbox, false, Instant::now()));
    }

    /// Waits until the thread has let go of the request that it reaps, so that nothing is left of a
    /// component that has ended.
    pub(crate) fn let_go(&self) {
        drop(self.at_work.lock());
    }

    fn push(&self, due: Due) {
        let at = due.at;
        let mut queue = self.queue.lock();
        queue.due.push(due);
        if queue.waiting && queue.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            queue.wakes_at = Some(at);
            drop(queue);
            let _ = self.changed.notify_one();
        }
    }

    fn run(&self) {
        let mut queue = self.queue.lock();
        while !queue.stopped {
            let next = queue.due.first_at();
            if next.is_some_and(|next| next <= Instant::now()) {
                let due = queue.due.take_first();
                // Before the queue is let go, so that nothing comes in between.
                let is_of_request = due.as_ref().is_some_and(Due::is_of_request);
                let at_work = is_of_request.then(|| self.at_work.lock());
                drop(queue);
                let again = due.and_then(Due::perform);
                drop(at_work);
                queue = self.queue.lock();
                if let Some(again) = again {
                    queue.due.push(again);
                }
                continue;
            }
            queue.waiting = true;
            queue.wakes_at = next;
            match next {
                Some(next) => drop(self.changed.wait_until(&mut queue, next)),
                None => self.changed.wait(&mut queue),
            }
            queue.waiting = false;
        }
    }
}

/// The reaper and its thread, which ends when this is dropped.
pub(crate) struct ReaperThread {
    pub(crate) reaper: Arc<Reaper>,
    thread: Option<JoinHandle<()>>,
}

impl ReaperThread {
    pub(crate) fn start() -> Result<Self, ProcessingError> {
        let reaper = Arc::<Reaper>::default();
        let runner = Arc::clone(&reaper);
        let thread = std::thread::Builder::new()
            .name("otapb-reaper".to_owned())
            .spawn(move || runner.run())
            .map_err(|error| ProcessingError::permanent(format!("reaper thread: {error}")))?;
        Ok(Self {
            reaper,
            thread: Some(thread),
        })
    }
}

impl Drop for ReaperThread {
    fn drop(&mut self) {
        self.reaper.queue.lock().stopped = true;
        let _ = self.reaper.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
