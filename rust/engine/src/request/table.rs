// SPDX-License-Identifier: Apache-2.0

//! A component's requests, by id: those in flight, and a tombstone for each that ended
//! with an error. Gates refuse the messages that are left of the latter.
//!
//! A request that was accepted leaves none. A node may accept a message for all
//! its copies, as the engine's fanout does, and the rest of them still has to arrive.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::sync::Mutex;

/// Parts of the table with a lock each, so that pipelines seldom wait for each other.
const STRIPES: usize = 16;

/// The most tombstones in a stripe. Messages of older failed requests are not refused any more.
const MAX_TOMBSTONES: usize = 4096;

/// What a request is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A call, under the host's name for it, which it may use again.
    Call(u64),
    /// A request that began inside a pipeline, under its number.
    Own(u64),
}

/// Names one request of the component. Unlike the host's id it is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId {
    pub(crate) key: Key,
    pub(crate) number: u64,
}

impl RequestId {
    /// The host's name for it, if it is a call.
    pub(crate) fn call_id(self) -> Option<u64> {
        match self.key {
            Key::Call(call_id) => Some(call_id),
            Key::Own(_) => None,
        }
    }
}

enum Slot<R> {
    /// By its number.
    InFlight(u64, Arc<R>),
    /// The request of this number ended with an error.
    Tombstone(u64),
}

/// What the table says of an id.
pub(crate) enum Found<R> {
    InFlight(Arc<R>),
    /// It ended with an error.
    Failed,
    /// It was accepted, or is long forgotten.
    Gone,
}

struct Stripe<R> {
    slots: HashMap<Key, Slot<R>>,
    /// Ids of the tombstones, oldest first.
    tombstones: VecDeque<RequestId>,
}

pub(crate) struct RequestTable<R> {
    stripes: [Mutex<Stripe<R>>; STRIPES],
    last_number: AtomicU64,
}

impl<R> Default for RequestTable<R> {
    fn default() -> Self {
        let stripe = || Stripe {
            slots: HashMap::new(),
            tombstones: VecDeque::new(),
        };
        Self {
            stripes: std::array::from_fn(|_| Mutex::new(stripe())),
            last_number: AtomicU64::new(0),
        }
    }
}

impl<R> RequestTable<R> {
    fn stripe(&self, key: Key) -> &Mutex<Stripe<R>> {
        let (Key::Call(id) | Key::Own(id)) = key;
        // Ids may come in any stride; the multiplication (Knuth 6.4) spreads them.
        let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        &self.stripes[spread as usize % STRIPES]
    }

    pub(crate) fn call_id(&self, call_id: u64) -> RequestId {
        RequestId {
            key: Key::Call(call_id),
            number: self.next_number(),
        }
    }

    pub(crate) fn own_id(&self) -> RequestId {
        let number = self.next_number();
        RequestId {
            key: Key::Own(number),
            number,
        }
    }

    fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Puts a request in flight, and says whether none has its key.
    pub(crate) fn insert(&self, id: RequestId, request: Arc<R>) -> bool {
        let mut stripe = self.stripe(id.key).lock();
        match stripe.slots.entry(id.key) {
            Entry::Occupied(slot) if matches!(slot.get(), Slot::InFlight(..)) => false,
            slot => {
                let _ = slot.insert_entry(Slot::InFlight(id.number, request));
                true
            }
        }
    }

    pub(crate) fn find(&self, id: RequestId) -> Found<R> {
        match self.stripe(id.key).lock().slots.get(&id.key) {
            Some(Slot::InFlight(number, request)) if *number == id.number => {
                Found::InFlight(Arc::clone(request))
            }
            Some(Slot::Tombstone(number)) if *number == id.number => Found::Failed,
            _ => Found::Gone,
        }
    }

    /// The request, if it is in flight.
    pub(crate) fn in_flight(&self, id: RequestId) -> Option<Arc<R>> {
        match self.find(id) {
            Found::InFlight(request) => Some(request),
            Found::Failed | Found::Gone => None,
        }
    }

    /// The call that the host names so, if it is in flight.
    pub(crate) fn call(&self, call_id: u64) -> Option<Arc<R>> {
        let key = Key::Call(call_id);
        match self.stripe(key).lock().slots.get(&key) {
            Some(Slot::InFlight(_, request)) => Some(Arc::clone(request)),
            _ => None,
        }
    }

    /// Takes a request out of flight. For requests only: they decide who may.
    pub(crate) fn end(&self, id: RequestId, failed: bool) {
        let mut stripe = self.stripe(id.key).lock();
        let ended = if failed {
            let ended = stripe.slots.insert(id.key, Slot::Tombstone(id.number));
            stripe.tombstones.push_back(id);
            if stripe.tombstones.len() > MAX_TOMBSTONES {
                stripe.remove_oldest();
            }
            ended
        } else {
            stripe.slots.remove(&id.key)
        };
        drop(stripe);
        // Dropped after the lock: this may be the last reference, and its drop runs other code.
        drop(ended);
    }

    /// All calls in flight.
    pub(crate) fn calls(&self) -> Vec<Arc<R>> {
        let mut calls = Vec::new();
        for stripe in &self.stripes {
            for (key, slot) in &stripe.lock().slots {
                if let (Key::Call(_), Slot::InFlight(_, request)) = (key, slot) {
                    calls.push(Arc::clone(request));
                }
            }
        }
        calls
    }
}

impl<R> Stripe<R> {
    fn remove_oldest(&mut self) {
        if let Some(oldest) = self.tombstones.pop_front()
            && let Entry::Occupied(slot) = self.slots.entry(oldest.key)
            && matches!(slot.get(), Slot::Tombstone(number) if *number == oldest.number)
        {
            let _ = slot.remove();
        }
    }
}
