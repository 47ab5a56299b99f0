// SPDX-License-Identifier: Apache-2.0

//! In the place of the engine's reaper: keeps the looks until a model has them.

use std::sync::{Arc, Weak};

use crate::base::outbox::Outbox;
use crate::base::sync::{Instant, Mutex};
/// As in the engine.
pub(crate) trait Reaped: Send + Sync {
    fn reap(self: Arc<Self>) -> Option<Instant>;
}

type Look = (Instant, Weak<dyn Reaped>);

#[derive(Default)]
pub(crate) struct Reaper {
    looks: Mutex<Vec<Look>>,
    /// And whether somebody watches.
    deliveries: Mutex<Vec<(Weak<Outbox>, bool)>>,
}

impl Reaper {
    pub(crate) fn look_at(&self, request: &Arc<impl Reaped + 'static>, at: Instant) {
        let request = Arc::downgrade(request);
        self.looks.lock().push((at, request));
    }

    pub(crate) fn watch(&self, outbox: &Arc<Outbox>, _at: Instant) {
        self.deliveries.lock().push((Arc::downgrade(outbox), true));
    }

    pub(crate) fn deliver(&self, outbox: &Arc<Outbox>) {
        self.deliveries.lock().push((Arc::downgrade(outbox), false));
    }

    fn next(&self) -> Option<Look> {
        let mut looks = self.looks.lock();
        let next = (0..looks.len()).min_by_key(|index| looks[*index].0);
        next.map(|index| looks.remove(index))
    }

    fn reap(&self, request: Weak<dyn Reaped>) {
        let reaped = request.upgrade();
        if let Some(again) = reaped.and_then(|reaped| reaped.reap()) {
            self.looks.lock().push((again, request));
        }
    }

    /// Has the next look, however soon: a model need not wait for the grace.
    pub(crate) fn look(&self) {
        if let Some((_, request)) = self.next() {
            self.reap(request);
        }
    }

    /// Delivers the next time. False if nobody has asked for it.
    pub(crate) fn deliver_next(&self) -> bool {
        let Some((outbox, is_watch)) = self.deliveries.lock().pop() else {
            return false;
        };
        if let Some(upgraded) = outbox.upgrade()
            && let Some(is_watch) = upgraded.deliver_left(is_watch)
        {
            self.deliveries.lock().push((outbox, is_watch));
        }
        true
    }

    /// Has every look in its time, also those that looks lead to, and delivers what is left.
    pub(crate) fn finish(&self) {
        while let Some((at, request)) = self.next() {
            at.pass_until();
            self.reap(request);
        }
        while self.deliver_next() {}
    }
}
