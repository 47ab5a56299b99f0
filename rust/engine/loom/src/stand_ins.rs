// SPDX-License-Identifier: Apache-2.0

//! In the place of types of other crates.

use std::sync::Arc;
use std::time::Duration;

use context::{CancelReason, ContextBlock, ProcessingError};
use parking_lot::Mutex;

use crate::base::sync::{Instant, Meeting};

pub mod control {
    //! Of otap-dataflow's engine.

    pub struct Frame {
        pub node_id: usize,
    }
}

pub mod pdata {
    //! Of otap-dataflow's data type.

    pub struct OtapPdata;
}

loom::lazy_static! {
    /// All contexts meet here: one may have been merged of others.
    static ref CONTEXTS: Meeting = Meeting::new();
}

/// The context's own cancellation, and the model's time.
#[derive(Clone)]
pub struct RequestContext {
    inner: context::RequestContext,
    time: Arc<Time>,
}

#[derive(Default)]
struct Time {
    deadline: Option<Instant>,
    is_timeout: bool,
    pauses: Mutex<Pauses>,
    merged_of: Vec<RequestContext>,
}

#[derive(Default)]
struct Pauses {
    count: usize,
    since: Option<Instant>,
    spent: Duration,
}

impl RequestContext {
    pub(crate) fn new(deadline: Option<Instant>, is_timeout: bool) -> Self {
        Self {
            inner: context::RequestContext::new(ContextBlock::empty()),
            time: Arc::new(Time {
                deadline,
                is_timeout,
                ..Time::default()
            }),
        }
    }

    pub(crate) fn merged(of: &[Self]) -> Self {
        let inner: Vec<_> = of.iter().map(|context| context.inner.clone()).collect();
        Self {
            inner: context::RequestContext::merged(&inner, &[]),
            time: Arc::new(Time {
                is_timeout: of.iter().any(|context| context.time.is_timeout),
                merged_of: of.to_vec(),
                ..Time::default()
            }),
        }
    }

    /// Time passes until then.
    pub(crate) fn pass_until(at: Instant) {
        CONTEXTS.pass();
        at.pass_until();
    }

    #[must_use]
    pub fn live() -> u64 {
        context::RequestContext::live()
    }

    pub(crate) fn cancel(&self, reason: CancelReason, cause: &str) -> bool {
        CONTEXTS.pass();
        let counted = self.inner.cancel(reason, cause);
        if counted && reason == CancelReason::Deadline && self.time.is_timeout {
            // Time at the host does not count.
            let deadline = self.time.deadline();
            assert!(deadline.is_some_and(|at| at <= Instant::now()), "too early");
        }
        counted
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        CONTEXTS.pass();
        self.inner.is_cancelled()
    }

    pub(crate) fn error(&self) -> Option<ProcessingError> {
        CONTEXTS.pass();
        let passed = || self.time.deadline().is_some_and(|at| at <= Instant::now());
        let timeout = || passed().then(|| ProcessingError::timeout("", None));
        self.inner.error().or_else(timeout)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        CONTEXTS.pass();
        self.time.deadline()
    }

    pub(crate) fn is_deadline_a_timeout(&self) -> bool {
        self.time.is_timeout
    }

    pub(crate) fn pause(&self) {
        self.meet_in_time();
        let mut pauses = self.time.pauses.lock();
        pauses.count += 1;
        if pauses.count == 1 {
            pauses.since = Some(Instant::now());
        }
    }

    /// Pauses matter to nobody else if time is no matter.
    fn meet_in_time(&self) {
        if self.time.is_timeout {
            CONTEXTS.pass();
        }
    }

    pub(crate) fn resume(&self) {
        self.meet_in_time();
        let mut pauses = self.time.pauses.lock();
        pauses.count = pauses.count.checked_sub(1).expect("it was paused");
        if pauses.count == 0
            && let Some(since) = pauses.since.take()
        {
            pauses.spent += Instant::now().since(since);
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.time.pauses.lock().count > 0
    }
}

impl Time {
    fn deadline(&self) -> Option<Instant> {
        if !self.merged_of.is_empty() {
            let mut latest = None;
            for input in &self.merged_of {
                latest = latest.max(Some(input.time.deadline()?));
            }
            return latest;
        }
        let deadline = self.deadline?;
        if !self.is_timeout {
            return Some(deadline);
        }
        let pauses = self.pauses.lock();
        let under_way = pauses.since.map(|since| Instant::now().since(since));
        Some(deadline + pauses.spent + under_way.unwrap_or_default())
    }
}
