// SPDX-License-Identifier: Apache-2.0

//! What the reaper looks at, in which order, and what it does then. The thread and the clock are
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
    /// Does what is due, and says when to look again.
    fn reap(self: Arc<Self>) -> Option<Instant>;
}

/// An entry of the queue: look at this request at this time. The order is reversed, because
/// the heap gives the greatest first.
pub(crate) struct Look {
    pub(crate) at: Instant,
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
    pub(crate) fn at_request(request: &Arc<impl Reaped + 'static>, at: Instant) -> Self {
        let of = Looked::Request(Arc::downgrade(request) as Weak<dyn Reaped>);
        Self { at, of }
    }

    /// `is_watch` says that it was asked for by [`Outbox::needs_watch`].
    pub(crate) fn at_outbox(outbox: &Arc<Outbox>, is_watch: bool, at: Instant) -> Self {
        let of = Looked::Outbox(Arc::downgrade(outbox), is_watch);
        Self { at, of }
    }

    pub(crate) fn is_at_request(&self) -> bool {
        matches!(self.of, Looked::Request(_))
    }

    /// Looks, and says when to look again.
    pub(crate) fn look(self) -> Option<Self> {
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

/// The queue.
#[derive(Default)]
pub(crate) struct Looks {
    looks: BinaryHeap<Look>,
    /// The number of entries at which it is cleaned.
    clean_at: usize,
}

impl Looks {
    pub(crate) fn push(&mut self, look: Look) {
        if self.looks.len() >= self.clean_at {
            self.looks.retain(|look| !look.of.is_gone());
            self.clean_at = FIRST_CLEANING.max(2 * self.looks.len());
        }
        self.looks.push(look);
    }

    /// When the first is due, after those of what is gone were removed.
    pub(crate) fn first_at(&mut self) -> Option<Instant> {
        loop {
            match self.looks.peek() {
                Some(look) if look.of.is_gone() => drop(self.looks.pop()),
                first => return first.map(|look| look.at),
            }
        }
    }

    pub(crate) fn take_first(&mut self) -> Option<Look> {
        self.looks.pop()
    }
}
