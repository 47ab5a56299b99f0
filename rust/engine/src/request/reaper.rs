// SPDX-License-Identifier: Apache-2.0

//! The runtime's one clock: a thread that cancels requests whose deadline has passed,
//! completes calls that their pipeline has not completed within the grace, and delivers events
//! that have waited for their pipeline's thread so long.
//!
//! It has a thread of its own, so that no node that blocks its pipeline's thread delays it.
//! A request that ends is not taken out of the queue: it is found gone when its turn comes.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use otapbridge_context::ProcessingError;
use parking_lot::{Condvar, Mutex};

use crate::base::outbox::Outbox;

/// When the queue has so many entries, and each time it has doubled then, those of requests
/// that are gone are removed.
const FIRST_CLEANING: usize = 1024;

/// A request, as the reaper sees it.
pub(crate) trait Reaped: Send + Sync {
    /// Does what is due, and says when to look again.
    fn reap(self: Arc<Self>) -> Option<Instant>;
}

/// An entry of the queue: look at this request at this time. The order is reversed, because
/// the heap gives the greatest first.
struct Look {
    at: Instant,
    of: Looked,
}

enum Looked {
    Request(Weak<dyn Reaped>),
    /// Events that wait for a thread that may be busy with a node; and whether somebody watches.
    Outbox(Weak<Outbox>, bool),
}

impl Looked {
    fn is_gone(&self) -> bool {
        match self {
            Self::Request(request) => request.strong_count() == 0,
            Self::Outbox(outbox, _) => outbox.strong_count() == 0,
        }
    }
}

impl Look {
    /// Looks, and says when to look again.
    fn look(self) -> Option<Self> {
        let (at, of) = match self.of {
            Looked::Request(request) => (request.upgrade()?.reap()?, Looked::Request(request)),
            Looked::Outbox(outbox, is_watch) => {
                let is_watch = outbox.upgrade()?.deliver_left(is_watch)?;
                (Instant::now(), Looked::Outbox(outbox, is_watch))
            }
        };
        Some(Self { at, of })
    }
}

impl Ord for Look {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Look {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Look {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Look {}

#[derive(Default)]
struct Queue {
    looks: BinaryHeap<Look>,
    /// The number of entries at which it is cleaned.
    clean_at: usize,
    /// Until when the thread sleeps; `None` while it works, or sleeps without end.
    wakes_at: Option<Instant>,
    /// The thread waits.
    waiting: bool,
    stopped: bool,
}

/// It never looks without its [thread](ReaperThread): so in pipelines that are built and not run.
#[derive(Default)]
pub(crate) struct Reaper {
    queue: Mutex<Queue>,
    /// Taken while the thread looks at a request, but not while it delivers events.
    at_work: Mutex<()>,
    changed: Condvar,
}

impl Reaper {
    /// Makes the reaper look at the request at this time.
    pub(crate) fn look_at(&self, request: &Arc<impl Reaped + 'static>, at: Instant) {
        let request = Arc::downgrade(request);
        self.push(Looked::Request(request), at);
    }

    /// Makes the reaper deliver what is left of events at this time, because somebody
    /// [watches](Outbox::needs_watch).
    pub(crate) fn watch(&self, outbox: &Arc<Outbox>, at: Instant) {
        self.push(Looked::Outbox(Arc::downgrade(outbox), true), at);
    }

    /// Makes the reaper deliver what is left of events now.
    pub(crate) fn deliver(&self, outbox: &Arc<Outbox>) {
        let of = Looked::Outbox(Arc::downgrade(outbox), false);
        self.push(of, Instant::now());
    }

    /// Waits until the thread has let go of the request that it looks at, so that nothing is left of a
    /// component that has ended.
    pub(crate) fn let_go(&self) {
        drop(self.at_work.lock());
    }

    fn push(&self, of: Looked, at: Instant) {
        let mut queue = self.queue.lock();
        if queue.looks.len() >= queue.clean_at {
            queue.looks.retain(|look| !look.of.is_gone());
            queue.clean_at = FIRST_CLEANING.max(2 * queue.looks.len());
        }
        queue.looks.push(Look { at, of });
        if queue.waiting && queue.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            queue.wakes_at = Some(at);
            drop(queue);
            let _ = self.changed.notify_one();
        }
    }

    fn run(&self) {
        let mut queue = self.queue.lock();
        while !queue.stopped {
            let now = Instant::now();
            let next = loop {
                match queue.looks.peek() {
                    Some(look) if look.of.is_gone() => drop(queue.looks.pop()),
                    next => break next.map(|look| look.at),
                }
            };
            if next.is_some_and(|next| next <= now) {
                let due = queue.looks.pop();
                // Before the queue is let go, so that nothing comes in between.
                let is_request = |due: &Look| matches!(due.of, Looked::Request(_));
                let at_work = (due.as_ref().is_some_and(is_request)).then(|| self.at_work.lock());
                drop(queue);
                let again = due.and_then(|due| due.look());
                drop(at_work);
                queue = self.queue.lock();
                queue.looks.extend(again);
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
