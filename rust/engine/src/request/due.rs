// SPDX-License-Identifier: Apache-2.0

//! What is due for the reaper, in which order, and what it does then. The thread and the clock are
//! [elsewhere](crate::request::reaper): `rust/engine/loom` runs this without them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};

use crate::base::outbox::Outbox;
use crate::base::sync::Instant;

/// When the queue has so many entries, and each time it has doubled then, those of requests
/// that are gone are removed.
const FIRST_CLEANING: usize = 1024;

/// A request, as the reaper sees it.
pub(crate) trait Reaped: Send + Sync {
    /// Does what is due, and says when something is due again.
    fn reap(self: Arc<Self>) -> Option<Instant>;
}

/// An entry of the queue: when something is due, and for whom. The order is reversed, because
/// the heap gives the greatest first.
pub(crate) struct Due {
    pub(crate) at: Instant,
    of: Subject,
}

enum Subject {
    Request(Weak<dyn Reaped>),
    /// Events that wait for a thread that may be busy with a node; and whether this is the
    /// delivery that was claimed by [`Outbox::claim_watch`].
    Outbox(Weak<Outbox>, bool),
}

impl Subject {
    fn is_gone(&self) -> bool {
        match self {
            Self::Request(request) => request.strong_count() == 0,
            Self::Outbox(outbox, _) => outbox.strong_count() == 0,
        }
    }
}

impl Due {
    pub(crate) fn of_request(request: &Arc<impl Reaped + 'static>, at: Instant) -> Self {
        let of = Subject::Request(Arc::downgrade(request) as Weak<dyn Reaped>);
        Self { at, of }
    }

    /// `is_watch` says that it was claimed by [`Outbox::claim_watch`].
    pub(crate) fn of_outbox(outbox: &Arc<Outbox>, is_watch: bool, at: Instant) -> Self {
        let of = Subject::Outbox(Arc::downgrade(outbox), is_watch);
        Self { at, of }
    }

    pub(crate) fn is_of_request(&self) -> bool {
        matches!(self.of, Subject::Request(_))
    }

    /// Does what is due, and returns what is due next for the same subject.
    pub(crate) fn perform(self) -> Option<Self> {
        let (at, of) = match self.of {
            Subject::Request(request) => (request.upgrade()?.reap()?, Subject::Request(request)),
            Subject::Outbox(outbox, is_watch) => {
                let is_watch = outbox.upgrade()?.deliver_left(is_watch)?;
                (Instant::now(), Subject::Outbox(outbox, is_watch))
            }
        };
        Some(Self { at, of })
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

/// The queue.
#[derive(Default)]
pub(crate) struct DueQueue {
    entries: BinaryHeap<Due>,
    /// The number of entries at which it is cleaned.
    clean_at: usize,
}

impl DueQueue {
    pub(crate) fn push(&mut self, due: Due) {
        if self.entries.len() >= self.clean_at {
            self.entries.retain(|due| !due.of.is_gone());
            self.clean_at = FIRST_CLEANING.max(2 * self.entries.len());
        }
        self.entries.push(due);
    }

    /// When the first is due, after those of what is gone were removed.
    pub(crate) fn first_at(&mut self) -> Option<Instant> {
        loop {
            match self.entries.peek() {
                Some(due) if due.of.is_gone() => drop(self.entries.pop()),
                first => return first.map(|due| due.at),
            }
        }
    }

    pub(crate) fn take_first(&mut self) -> Option<Due> {
        self.entries.pop()
    }
}
