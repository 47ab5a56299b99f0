// SPDX-License-Identifier: Apache-2.0

//! In the place of the engine's `base/sync.rs`: the same names, over `loom`.

use std::cell::Cell;
use std::future::Future;
use std::ops::Add;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use loom::sync as model;
pub(crate) use loom::thread::yield_now;

/// A place where threads meet in something that is not `loom`'s: another may come in before
/// it, and its order among those of others matters.
pub(crate) struct Meeting(model::atomic::AtomicUsize);

impl Meeting {
    pub(crate) fn new() -> Self {
        Self(model::atomic::AtomicUsize::new(0))
    }

    pub(crate) fn pass(&self) {
        let _ = self.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[derive(Default)]
pub(crate) struct Mutex<T>(model::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(model::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> model::MutexGuard<'_, T> {
        self.0.lock().expect("loom's are never poisoned")
    }
}

#[derive(Default)]
pub(crate) struct RwLock<T>(model::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn read(&self) -> model::RwLockReadGuard<'_, T> {
        self.0.read().expect("loom's are never poisoned")
    }

    pub(crate) fn write(&self) -> model::RwLockWriteGuard<'_, T> {
        self.0.write().expect("loom's are never poisoned")
    }
}

// `loom` takes `SeqCst` for `AcqRel`, and may read a value that a store has replaced if a swap
// came between. What reads and writes at once is as it should be: so are all `SeqCst` accesses.
macro_rules! atomic {
    ($name:ident, $value:ty, $read:ident, $nothing:literal) => {
        #[derive(Default)]
        pub(crate) struct $name(model::atomic::$name);

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(model::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                match order {
                    Ordering::SeqCst => self.0.$read($nothing, order),
                    _ => self.0.load(order),
                }
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                match order {
                    Ordering::SeqCst => drop(self.0.swap(value, order)),
                    _ => self.0.store(value, order),
                }
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.0.swap(value, order)
            }
        }
    };
}

atomic!(AtomicBool, bool, fetch_or, false);
atomic!(AtomicUsize, usize, fetch_add, 0);

impl AtomicUsize {
    pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        self.0.fetch_add(value, order)
    }

    pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        self.0.fetch_sub(value, order)
    }
}

/// The ordinary one, each of whose steps is one.
pub(crate) struct Notify {
    meeting: Arc<Meeting>,
    inner: tokio::sync::Notify,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self {
            meeting: Arc::new(Meeting::new()),
            inner: tokio::sync::Notify::new(),
        }
    }

    pub(crate) fn notify_one(&self) {
        self.meeting.pass();
        self.inner.notify_one();
    }

    pub(crate) fn notify_waiters(&self) {
        self.meeting.pass();
        self.inner.notify_waiters();
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        self.meeting.pass();
        Notified {
            meeting: &self.meeting,
            inner: Box::pin(self.inner.notified()),
        }
    }
}

pub(crate) struct Notified<'a> {
    meeting: &'a Meeting,
    inner: Pin<Box<tokio::sync::futures::Notified<'a>>>,
}

impl Notified<'_> {
    pub(crate) fn enable(mut self: Pin<&mut Self>) -> bool {
        self.meeting.pass();
        self.inner.as_mut().enable()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.meeting.pass();
        self.inner.as_mut().poll(context)
    }
}

pub(crate) struct UnboundedSender<T> {
    meeting: Arc<Meeting>,
    inner: tokio::sync::mpsc::UnboundedSender<T>,
}

pub(crate) struct UnboundedReceiver<T> {
    meeting: Arc<Meeting>,
    inner: parking_lot::Mutex<tokio::sync::mpsc::UnboundedReceiver<T>>,
}

pub(crate) fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let meeting = Arc::new(Meeting::new());
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (
        UnboundedSender {
            meeting: Arc::clone(&meeting),
            inner: sender,
        },
        UnboundedReceiver {
            meeting,
            inner: parking_lot::Mutex::new(receiver),
        },
    )
}

impl<T> UnboundedSender<T> {
    pub(crate) fn send(&self, value: T) -> Result<(), tokio::sync::mpsc::error::SendError<T>> {
        self.meeting.pass();
        self.inner.send(value)
    }
}

impl<T> UnboundedReceiver<T> {
    pub(crate) fn try_recv(&self) -> Option<T> {
        self.meeting.pass();
        self.inner.lock().try_recv().ok()
    }

    pub(crate) fn close(&self) {
        self.meeting.pass();
        self.inner.lock().close();
    }
}

thread_local! {
    // All threads of a model run on one of the process's.
    static NOW: Cell<Instant> = const { Cell::new(Instant(0)) };
}

/// A time of the model's clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(u64);

impl Instant {
    pub(crate) fn now() -> Self {
        NOW.get()
    }

    /// Begins a new model's time.
    pub(crate) fn reset() {
        NOW.set(Self(0));
    }

    /// Time passes until then, if it has not passed. Who reads it meets the others elsewhere.
    pub(crate) fn pass_until(self) {
        NOW.set(NOW.get().max(self));
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0 - earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + u64::try_from(time.as_nanos()).expect("models are short"))
    }
}
