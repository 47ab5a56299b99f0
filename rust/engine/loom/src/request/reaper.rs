// SPDX-License-Identifier: Apache-2.0

//! In the place of the engine's reaper: its queue, and a model's thread in the place of its own.
//! What is not here is how that thread sleeps and is woken, and its pauses between two entries.

use std::sync::Arc;

use crate::base::outbox::Outbox;
use crate::base::sync::{Instant, Mutex};
use crate::request::due::{Due, DueQueue, Reaped};

#[derive(Default)]
pub(crate) struct Reaper {
    due: Mutex<DueQueue>,
}

impl Reaper {
    pub(crate) fn reap_at(&self, request: &Arc<impl Reaped + 'static>, at: Instant) {
        self.due.lock().push(Due::of_request(request, at));
    }

    pub(crate) fn watch(&self, outbox: &Arc<Outbox>, at: Instant) {
        self.due.lock().push(Due::of_outbox(outbox, true, at));
    }

    pub(crate) fn deliver(&self, outbox: &Arc<Outbox>) {
        let due = Due::of_outbox(outbox, false, Instant::now());
        self.due.lock().push(due);
    }

    fn take_first(&self) -> Option<Due> {
        let mut queue = self.due.lock();
        let _ = queue.first_at()?;
        queue.take_first()
    }

    fn perform(&self, due: Due) {
        if let Some(again) = due.perform() {
            self.due.lock().push(again);
        }
    }

    /// Reaps the next request, and makes the deliveries before it, however soon: a model need not
    /// wait for the grace.
    pub(crate) fn reap(&self) {
        while let Some(due) = self.take_first() {
            let is_of_request = due.is_of_request();
            self.perform(due);
            if is_of_request {
                return;
            }
        }
    }

    /// Does the next that is due, whatever it is.
    pub(crate) fn perform_one(&self) {
        if let Some(due) = self.take_first() {
            self.perform(due);
        }
    }

    /// Does everything in its time, also what becomes due by that.
    pub(crate) fn finish(&self) {
        while let Some(due) = self.take_first() {
            due.at.pass_until();
            self.perform(due);
        }
    }
}
