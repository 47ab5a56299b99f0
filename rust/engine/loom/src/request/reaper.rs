// SPDX-License-Identifier: Apache-2.0

//! In the place of the engine's reaper: its queue, and a model's thread in the place of its own.
//! What is not here is how that thread sleeps and is woken, and its pauses between two looks.

use std::sync::Arc;

use crate::base::outbox::Outbox;
use crate::base::sync::{Instant, Mutex};
use crate::request::looks::{Look, Looks, Reaped};

#[derive(Default)]
pub(crate) struct Reaper {
    looks: Mutex<Looks>,
}

impl Reaper {
    pub(crate) fn look_at(&self, request: &Arc<impl Reaped + 'static>, at: Instant) {
        self.looks.lock().push(Look::at_request(request, at));
    }

    pub(crate) fn watch(&self, outbox: &Arc<Outbox>, at: Instant) {
        self.looks.lock().push(Look::at_outbox(outbox, true, at));
    }

    pub(crate) fn deliver(&self, outbox: &Arc<Outbox>) {
        let look = Look::at_outbox(outbox, false, Instant::now());
        self.looks.lock().push(look);
    }

    fn first(&self) -> Option<Look> {
        let mut looks = self.looks.lock();
        let _ = looks.first_at()?;
        looks.take_first()
    }

    fn has(&self, look: Look) {
        if let Some(again) = look.look() {
            self.looks.lock().push(again);
        }
    }

    /// Has the next look at a request, and the deliveries before it, however soon: a model need not
    /// wait for the grace.
    pub(crate) fn look(&self) {
        while let Some(look) = self.first() {
            let is_at_request = look.is_at_request();
            self.has(look);
            if is_at_request {
                return;
            }
        }
    }

    /// Has the next look, whatever it is at.
    pub(crate) fn look_once(&self) {
        if let Some(look) = self.first() {
            self.has(look);
        }
    }

    /// Has every look in its time, also those that looks lead to.
    pub(crate) fn finish(&self) {
        while let Some(look) = self.first() {
            look.at.pass_until();
            self.has(look);
        }
    }
}
