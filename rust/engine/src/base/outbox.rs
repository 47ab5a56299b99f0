// SPDX-License-Identifier: Apache-2.0

//! The queue between a pipeline and its host's event sink.
//!
//! Anything may push from any thread. Events leave in order, in batches, from
//! one thread at a time. That thread has only the lock `batch` then, which is needed by
//! nothing that the sink may call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::event::{Event, EventSink};
use crate::base::sync::{AtomicBool, Mutex, Notify, yield_now};

pub(crate) struct Outbox {
    component_data: u64,
    sink: Arc<dyn EventSink>,
    queue: Mutex<Vec<Event>>,
    /// The batch that is being delivered. Only the thread that has set `delivering` uses it. It
    /// is kept so that its capacity is reused.
    batch: Mutex<Vec<Event>>,
    delivering: AtomicBool,
    /// The one delayed delivery by the reaper is claimed.
    watched: AtomicBool,
    /// Set once the component's shutdown returned: nothing is delivered any more.
    closed: AtomicBool,
    some_pushed: Notify,
}

impl Outbox {
    pub(crate) fn new(component_data: u64, sink: Arc<dyn EventSink>) -> Self {
        Self {
            component_data,
            sink,
            queue: Mutex::default(),
            batch: Mutex::default(),
            delivering: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            some_pushed: Notify::new(),
        }
    }

    pub(crate) fn push(&self, event: Event) {
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        self.queue.lock().push(event);
        self.some_pushed.notify_one();
    }

    /// Claims the one delayed delivery by the reaper. If true, the caller must schedule
    /// [`deliver_left`](Self::deliver_left).
    pub(crate) fn claim_watch(&self) -> bool {
        !self.watched.load(Ordering::SeqCst) && !self.watched.swap(true, Ordering::SeqCst)
    }

    /// Delivers what the pipeline's thread has not, but does not stay while more comes. `is_watch`
    /// says that it was claimed by [`claim_watch`](Self::claim_watch). If events are left, it
    /// has to be called again at once, with what is returned.
    pub(crate) fn deliver_left(&self, is_watch: bool) -> Option<bool> {
        if is_watch {
            // Before the queue is read, so that a push from now on claims another.
            self.watched.store(false, Ordering::SeqCst);
        }
        let delivery = self.begin()?;
        let _ = self.deliver_batch(&mut self.batch.lock());
        drop(delivery);
        let is_left = !self.queue.lock().is_empty();
        // An event pushed meanwhile was left to us, because `delivering` was set; its own delayed
        // delivery would come too late.
        is_left.then(|| is_watch && self.claim_watch())
    }

    /// Resolves when there is something to deliver.
    pub(crate) async fn pushed(&self) {
        self.some_pushed.notified().await;
    }

    /// Delivers what is queued. If another thread delivers already, that one
    /// delivers this too.
    pub(crate) fn deliver(&self) {
        while let Some(delivery) = self.begin() {
            self.deliver_batches();
            drop(delivery);
            // A push may have come after the queue was read and before `delivering` was reset.
            if self.queue.lock().is_empty() {
                return;
            }
        }
    }

    /// Begins a delivery, unless one is under way.
    fn begin(&self) -> Option<Delivery<'_>> {
        let is_free = !self.delivering.swap(true, Ordering::SeqCst);
        is_free.then(|| Delivery(&self.delivering))
    }

    /// Until there is no more. For the thread that has set `delivering`.
    fn deliver_batches(&self) {
        let mut batch = self.batch.lock();
        while self.deliver_batch(&mut batch) {}
    }

    /// False if there is nothing to deliver.
    fn deliver_batch(&self, batch: &mut Vec<Event>) -> bool {
        std::mem::swap(&mut *self.queue.lock(), batch);
        if batch.is_empty() {
            return false;
        }
        if !self.closed.load(Ordering::SeqCst) {
            self.sink.deliver(self.component_data, batch);
        }
        batch.clear();
        true
    }

    /// Delivers what is queued, then never anything again. When it returns, no
    /// delivery is under way.
    pub(crate) fn close(&self) {
        // Another's delivery may have taken events that it has not delivered yet.
        let delivery = loop {
            match self.begin() {
                Some(delivery) => break delivery,
                None => yield_now(),
            }
        };
        self.deliver_batches();
        self.closed.store(true, Ordering::SeqCst);
        drop(delivery);
        // Dropped without the lock: an event's drop may push another.
        drop(std::mem::take(&mut *self.queue.lock()));
    }
}

/// Ends a delivery, also when the sink panics.
struct Delivery<'a>(&'a AtomicBool);

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::base::event::ComponentStatus;

    fn event() -> Event {
        Event::Status {
            status: ComponentStatus::Ok,
            error: None,
        }
    }

    /// Pushes one event during the first delivery, as a pipeline's thread does then.
    #[derive(Default)]
    struct Pushing {
        outbox: OnceLock<Arc<Outbox>>,
        watches: bool,
        delivered: Mutex<usize>,
    }

    impl EventSink for Pushing {
        fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
            let mut delivered = self.delivered.lock();
            *delivered += events.len();
            if *delivered == 1 {
                let outbox = self.outbox.get().expect("an outbox");
                outbox.push(event());
                assert!(!self.watches || outbox.claim_watch());
                // The other thread's turn: this delivery has it.
                outbox.deliver();
            }
        }
    }

    #[test]
    fn what_comes_during_a_delivery_is_delivered_at_once() {
        for (watches, again) in [(false, true), (true, false)] {
            let sink = Arc::new(Pushing {
                watches,
                ..Pushing::default()
            });
            let outbox = Arc::new(Outbox::new(0, Arc::clone(&sink) as Arc<dyn EventSink>));
            assert!(sink.outbox.set(Arc::clone(&outbox)).is_ok());
            outbox.push(event());
            assert!(outbox.claim_watch());
            assert_eq!(outbox.deliver_left(true), Some(again));
            assert_eq!(outbox.deliver_left(again), None);
            assert_eq!(*sink.delivered.lock(), 2);
            // Only one entry of the reaper's queue is claimed at a time.
            assert_eq!(outbox.claim_watch(), !watches);
        }
    }
}
