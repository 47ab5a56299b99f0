// SPDX-License-Identifier: Apache-2.0

//! One request's context, shared by everything that works on the request.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::address::Address;
use crate::auth::Auth;
use crate::block::{
    ContextBlock, ENTRY_ADDRESS, ENTRY_BAGGAGE, ENTRY_TRACE_STATE, FLAG_DEADLINE, FLAG_TIMEOUT,
};
use crate::error::ProcessingError;
use crate::metadata::Metadata;
use crate::span::SpanContext;

static LIVE: AtomicU64 = AtomicU64::new(0);

/// Why a request was cancelled. The numbers are those of `OTAPB_CANCEL_REASON_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum CancelReason {
    /// The caller was cancelled.
    Cancelled = 1,
    /// The caller's deadline passed.
    Deadline = 2,
}

impl CancelReason {
    /// The reason with this number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Cancelled),
            2 => Some(Self::Deadline),
            _ => None,
        }
    }
}

/// Deadline, cancellation and metadata of a request: what Go's `context.Context`
/// carries. Clones share one state; any thread may use it. Nothing is decoded until it is
/// asked for.
///
/// Time is counted by the monotonic clock from when the context arrived: a jump of the wall
/// clock changes no deadline. At the deadline the runtime cancels the request, so that who
/// works on it need only await [`done`](Self::done). A context that is of no request in a
/// component has nobody who does that.
///
/// ```
/// use std::time::Duration;
/// use otapbridge_context::{BlockBuilder, CancelReason, ErrorKind, RequestContext};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// // A request that begins in Rust.
/// let mut block = BlockBuilder::new();
/// block.timeout(Duration::from_secs(5)).metadata("x-tenant", ["acme"]);
/// let context = RequestContext::new(block.build()?);
/// assert!(context.remaining() <= Some(Duration::from_secs(5)));
///
/// // Work stops at cancel or deadline, whichever comes first.
/// let work = tokio::time::sleep(Duration::from_secs(3600));
/// context.cancel(CancelReason::Cancelled, "the client went away");
/// let error = tokio::select! {
///     () = work => None,
///     error = context.done() => Some(error),
/// };
/// assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Cancelled));
///
/// // Why it was.
/// assert_eq!(context.cancellation(), Some((CancelReason::Cancelled, "the client went away")));
/// # Ok::<(), otapbridge_context::ProcessingError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// `None` is the context of work without a request.
    state: Option<Arc<State>>,
}

#[derive(Debug)]
struct State {
    block: ContextBlock,
    deadline: Option<Instant>,
    /// When the deadline is a mere timeout: how it was put off.
    pauses: Mutex<Pauses>,
    cancellation: OnceLock<(CancelReason, Box<str>)>,
    /// Wakes at a cancel.
    notify: Notify,
    /// Merged contexts that have this one among their inputs.
    merged_into: Mutex<Vec<Weak<State>>>,
    /// Set in a merged context.
    inputs: Option<merge::Inputs>,
}

/// The times that a timeout does not count.
#[derive(Debug, Default)]
struct Pauses {
    /// How many have paused it, and since when the first of them.
    count: usize,
    since: Option<Instant>,
    /// The pauses that are over.
    spent: Duration,
}

impl State {
    fn new(block: ContextBlock, deadline: Option<Instant>, inputs: Option<merge::Inputs>) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self {
            block,
            deadline,
            pauses: Mutex::default(),
            cancellation: OnceLock::new(),
            notify: Notify::new(),
            merged_into: Mutex::default(),
            inputs,
        }
    }

    fn cancel(&self, reason: CancelReason, cause: &str) -> bool {
        let first = self.cancellation.set((reason, cause.into())).is_ok();
        if first {
            self.notify.notify_waiters();
            self.tell_merged(reason, cause);
        }
        first
    }
}

impl Drop for State {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RequestContext {
    /// A context with the content of `block`. Its deadline is the block's
    /// remaining time from now on.
    #[must_use]
    pub fn new(block: ContextBlock) -> Self {
        let deadline = block.deadline_remaining_ns().map(deadline_from_now);
        Self {
            state: Some(Arc::new(State::new(block, deadline, None))),
        }
    }

    /// The context of work without a request: nothing in it, never done, not to
    /// be cancelled. Allocates nothing. A request without content that can be
    /// cancelled is `new(ContextBlock::empty())`.
    #[must_use]
    pub const fn empty() -> Self {
        Self { state: None }
    }

    /// Number of contexts made by [`new`](Self::new) and [`merged`](Self::merged) in
    /// this process and not yet dropped; clones do not count.
    #[must_use]
    pub fn live() -> u64 {
        LIVE.load(Ordering::Relaxed)
    }

    /// Whether both are the same request.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let state = |context: &Self| context.state.as_ref().map(Arc::as_ptr);
        state(self) == state(other)
    }

    /// When the request's time is up, on the monotonic clock. That of a
    /// [merged](Self::merged) one is the latest of its inputs'.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let state = self.state.as_ref()?;
        let deadline = state.deadline?;
        if !self.is_deadline_a_timeout() {
            return Some(deadline);
        }
        if let Some(inputs) = &state.inputs {
            return inputs.latest_deadline();
        }
        let pauses = state.pauses.lock();
        let under_way = pauses.since.map_or(Duration::ZERO, |since| since.elapsed());
        Some(deadline + pauses.spent + under_way)
    }

    /// Stops the time of a deadline that is [a mere timeout](Self::is_deadline_a_timeout)
    /// until [`resume`](Self::resume) was called as often. Meanwhile the deadline moves
    /// on, and does not pass. A caller's deadline stays; a merged request's time is that
    /// of its inputs. For hosts.
    pub fn pause(&self) {
        if let Some(state) = self.with_own_timeout() {
            let mut pauses = state.pauses.lock();
            pauses.count += 1;
            if pauses.count == 1 {
                pauses.since = Some(Instant::now());
            }
        }
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        if let Some(state) = self.with_own_timeout() {
            let mut pauses = state.pauses.lock();
            pauses.count = pauses.count.saturating_sub(1);
            if pauses.count == 0
                && let Some(since) = pauses.since.take()
            {
                pauses.spent += since.elapsed();
            }
        }
    }

    fn with_own_timeout(&self) -> Option<&State> {
        let state = self.state.as_deref()?;
        (self.is_deadline_a_timeout() && state.inputs.is_none()).then_some(state)
    }

    /// Whether the deadline only bounds the time in this library: the caller has none.
    #[must_use]
    pub fn is_deadline_a_timeout(&self) -> bool {
        const BOTH: u32 = FLAG_DEADLINE | FLAG_TIMEOUT;
        self.block().flags() & BOTH == BOTH
    }

    /// Time left until the deadline, zero once it has passed.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline()
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The deadline as wall clock in nanoseconds since 1970. For display only:
    /// what binds is [`deadline`](Self::deadline).
    #[must_use]
    pub fn deadline_unix_nanos(&self) -> Option<i64> {
        self.block().deadline_unix_ns()
    }

    /// Cancels the request and wakes everyone who waits. Only the first call counts
    /// and returns true; on [`empty`](Self::empty) none does.
    pub fn cancel(&self, reason: CancelReason, cause: &str) -> bool {
        self.state
            .as_ref()
            .is_some_and(|state| state.cancel(reason, cause))
    }

    /// Whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancellation().is_some()
    }

    /// Reason and cause of the cancellation.
    #[must_use]
    pub fn cancellation(&self) -> Option<(CancelReason, &str)> {
        let (reason, cause) = self.state.as_ref()?.cancellation.get()?;
        Some((*reason, cause))
    }

    /// Why work on the request should stop: `Some` once it was cancelled
    /// or its deadline has passed. The counterpart of Go's `Context.Err`.
    #[must_use]
    pub fn error(&self) -> Option<ProcessingError> {
        match self.cancellation() {
            Some((CancelReason::Cancelled, cause)) => Some(ProcessingError::cancelled(cause)),
            Some((CancelReason::Deadline, cause)) => Some(self.timeout(cause)),
            None if self.deadline_passed() => Some(self.timeout("")),
            None => None,
        }
    }

    /// Whether [`error`](Self::error) is `Some`.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_cancelled() || self.deadline_passed()
    }

    /// Waits until the request is cancelled, which it also is at its deadline, and says
    /// which.
    pub async fn done(&self) -> ProcessingError {
        let Some(state) = &self.state else {
            return pending().await;
        };
        loop {
            let mut changed = pin!(state.notify.notified());
            // Registered before the check, so that a cancel in between wakes it.
            changed.as_mut().enable();
            if let Some(error) = self.error() {
                return error;
            }
            changed.await;
        }
    }

    /// The request's metadata.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        Metadata::new(self.block())
    }

    /// The peer's address. `None` also if it is not UTF-8.
    #[must_use]
    pub fn address(&self) -> Option<Address<'_>> {
        let entry = self.block().first(ENTRY_ADDRESS)?;
        Some(Address {
            network: std::str::from_utf8(entry.key).ok()?,
            text: std::str::from_utf8(entry.value).ok()?,
        })
    }

    /// The authentication attributes.
    #[must_use]
    pub fn auth(&self) -> Auth<'_> {
        Auth::new(self.block())
    }

    /// The caller's span.
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        self.block().span_context()
    }

    /// The W3C tracestate header's text. `None` also if it is not UTF-8.
    #[must_use]
    pub fn trace_state(&self) -> Option<&str> {
        self.text(ENTRY_TRACE_STATE)
    }

    /// The W3C baggage header's text. `None` also if it is not UTF-8.
    #[must_use]
    pub fn baggage(&self) -> Option<&str> {
        self.text(ENTRY_BAGGAGE)
    }

    /// Spans of the requests that a merged batch stems from, in order.
    pub fn links(&self) -> impl Iterator<Item = SpanContext> + '_ {
        self.block().links()
    }

    /// A copy of the block that says how much time is left now: what to forward
    /// when the request leaves Rust.
    #[must_use]
    pub fn to_block(&self) -> ContextBlock {
        let mut block = self.block().clone();
        if let Some(deadline) = self.deadline() {
            block.set_deadline_remaining_ns(nanos_until(deadline));
        }
        block
    }

    /// The block that the context reads from.
    #[must_use]
    pub fn block(&self) -> &ContextBlock {
        static EMPTY: ContextBlock = ContextBlock::empty();
        self.state.as_ref().map_or(&EMPTY, |state| &state.block)
    }

    fn text(&self, kind: u32) -> Option<&str> {
        std::str::from_utf8(self.block().first(kind)?.value).ok()
    }

    fn deadline_passed(&self) -> bool {
        // A pause only puts it off: most are not due by what they began with.
        let earliest = self.state.as_ref().and_then(|state| state.deadline);
        let now = Instant::now;
        earliest.is_some_and(|earliest| earliest <= now())
            && self.deadline().is_some_and(|deadline| deadline <= now())
    }

    fn timeout(&self, message: &str) -> ProcessingError {
        ProcessingError::timeout(message, self.deadline_unix_nanos())
    }
}

/// Nanoseconds from now on, below 0 for what has passed.
fn nanos_until(deadline: Instant) -> i64 {
    let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    let now = Instant::now();
    match deadline.checked_duration_since(now) {
        Some(left) => nanos(left),
        None => -nanos(now.saturating_duration_since(deadline)),
    }
}

fn deadline_from_now(remaining_ns: i64) -> Instant {
    /// For a clock that cannot tell a later time; nobody sees the difference.
    const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    let now = Instant::now();
    let distance = Duration::from_nanos(remaining_ns.unsigned_abs());
    if remaining_ns > 0 {
        now.checked_add(distance).unwrap_or_else(|| now + FAR)
    } else {
        now.checked_sub(distance).unwrap_or(now)
    }
}

mod merge;

#[cfg(test)]
mod tests;
