// SPDX-License-Identifier: Apache-2.0

//! What decides about a request: a call of the host, or one that began inside a pipeline,
//! such as a batch or what a receiver makes.
//!
//! All decisions about a request are made under its lock. So a call is completed once, its
//! payload's release is reported once and never before that, and it emits nothing afterwards.

use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use otapbridge_context::{CancelReason, ErrorKind, ProcessingError, RequestContext};

use crate::base::counters::{decrement, increment};
use crate::base::event::Event;
use crate::base::sync::{Instant, Mutex, Notify};
use crate::request::due::Reaped;
use crate::request::state::{DataSize, PipelineState, Request, RequestState, until};
use crate::request::table::RequestId;

pub(crate) fn ended_already() -> ProcessingError {
    ProcessingError::cancelled("the request has ended already")
}

/// Why work on a call stops: it was completed with this error.
fn ended_by(error: &ProcessingError) -> CancelReason {
    match error.kind() {
        ErrorKind::Timeout => CancelReason::Deadline,
        _ => CancelReason::Cancelled,
    }
}

impl Request {
    pub(crate) fn new(
        id: RequestId,
        context: RequestContext,
        pipeline: &Arc<PipelineState>,
        origins: Vec<Arc<Request>>,
        reference: Option<DataSize>,
    ) -> Arc<Self> {
        let state = RequestState {
            // By reference no payload crosses, so there is no release to report.
            payload_released: reference.is_some(),
            ..RequestState::default()
        };
        Arc::new(Self {
            id,
            context,
            pipeline: Arc::clone(pipeline),
            origins,
            reference,
            state: Mutex::new(state),
            left_host: Notify::new(),
        })
    }

    /// Has the reaper cancel it when its time is up.
    pub(crate) fn watch_deadline(self: &Arc<Self>) {
        if let Some(deadline) = self.context.deadline() {
            self.pipeline.shared.reaper.reap_at(self, deadline);
        }
    }

    pub(crate) fn is_call(&self) -> bool {
        self.id.call_id().is_some()
    }

    /// The calls whose data it carries.
    pub(crate) fn call_ids(&self) -> impl Iterator<Item = u64> {
        self.origins.iter().filter_map(|origin| origin.id.call_id())
    }

    /// Completes a call. Late and second completions are counted.
    pub(crate) fn complete(&self, error: Option<ProcessingError>) {
        if !self.complete_if(|_| true, error) {
            increment(&self.pipeline.shared.counters.late_completions_total);
        }
    }

    /// Completes a call that is cancelled, unless the host has output with its data, or has just
    /// answered: nodes must hear the answer first. True if it is to be tried again when they
    /// have, then with `answers_came`.
    pub(crate) fn complete_cancelled(&self, answers_came: bool) -> bool {
        let mut again = false;
        let may = |state: &mut RequestState| {
            again = state.at_host == 0 && state.answered && !answers_came;
            state.at_host == 0 && !again
        };
        let _ = self.complete_if(may, self.context.error());
        again
    }

    /// Completes a call without an event: the host is told directly, and whether the payload
    /// was released. `None` if the call was completed before.
    pub(crate) fn complete_here(&self, error: Option<ProcessingError>) -> Option<bool> {
        let mut released = None;
        let reason = error.as_ref().map(ended_by);
        let report = |payload_released| released = Some(payload_released);
        let _ = self.complete_by(|_| true, reason, report);
        released
    }

    fn complete_if(
        &self,
        may: impl FnOnce(&mut RequestState) -> bool,
        error: Option<ProcessingError>,
    ) -> bool {
        let Some(call_id) = self.id.call_id() else {
            return false;
        };
        let reason = error.as_ref().map(ended_by);
        self.complete_by(may, reason, |payload_released| {
            self.pipeline.push(Event::Done {
                call_id,
                error,
                payload_released,
            });
        })
    }

    fn complete_by(
        &self,
        may: impl FnOnce(&mut RequestState) -> bool,
        reason: Option<CancelReason>,
        report: impl FnOnce(bool),
    ) -> bool {
        let completed = self.end_if(may, reason.is_some(), report);
        if completed && let Some(reason) = reason {
            // Who still works on it may stop.
            let _ = self.context.cancel(reason, "");
        }
        completed
    }

    /// Ends a request that began inside the pipeline.
    pub(crate) fn end(&self, failed: bool) {
        let _ = self.end_if(|_| true, failed, |_| {});
    }

    /// Ends a call that was not submitted after all: the host hears no more of it. False if
    /// it was completed before.
    pub(crate) fn undo(&self) -> bool {
        let no_report = |state: &mut RequestState| {
            state.payload_released = true;
            true
        };
        self.end_if(no_report, false, |_| {})
    }

    /// Ends it if it has not ended and `may` allows. `report` learns whether the payload
    /// was released.
    fn end_if(
        &self,
        may: impl FnOnce(&mut RequestState) -> bool,
        failed: bool,
        report: impl FnOnce(bool),
    ) -> bool {
        let mut state = self.state.lock();
        if state.ended || !may(&mut state) {
            return false;
        }
        state.ended = true;
        self.leave_nodes(&mut state);
        let errors = take(&mut state.errors);
        // The call leaves the table before the host is told: from then on the host may use
        // its id again.
        self.pipeline.shared.requests.end(self.id, failed);
        report(state.payload_released);
        drop(state);
        self.pipeline.request_ended(self.is_call(), &errors);
        true
    }

    /// The host receiver forwards the call, unless it has ended.
    pub(crate) fn enter_nodes(&self) -> bool {
        let mut state = self.state.lock();
        let Some(backlog) = &self.pipeline.backlog else {
            return !state.ended;
        };
        if state.ended {
            backlog.call_dropped();
        } else {
            backlog.call_forwarded();
            state.in_nodes = true;
        }
        !state.ended
    }

    /// Its first output goes to the host, or it ends.
    fn leave_nodes(&self, state: &mut RequestState) {
        if take(&mut state.in_nodes)
            && let Some(backlog) = &self.pipeline.backlog
        {
            backlog.call_out();
        }
    }

    /// The library no longer reads the call's payload.
    fn payload_released(&self) {
        let mut state = self.state.lock();
        let reported = std::mem::replace(&mut state.payload_released, true);
        if state.ended
            && !reported
            && let Some(call_id) = self.id.call_id()
        {
            // Under the lock, so that it comes after the completion.
            self.pipeline.push(Event::PayloadReleased { call_id });
        }
    }

    /// Tells a call that its caller no longer waits. True for the first cancel only.
    pub(crate) fn cancel(self: &Arc<Self>, reason: CancelReason, cause: &str) -> bool {
        let counted = self.context.cancel(reason, cause);
        // Also if a node has cancelled it before.
        self.complete_soon();
        counted
    }

    /// Nobody waits any more: the pipeline completes a call in a few turns, and tells the host
    /// whose output is not awaited; the reaper does if it has not done so within the grace.
    fn complete_soon(self: &Arc<Self>) {
        if self.is_call() {
            self.pipeline.call_cancelled(self);
        }
        let shared = &self.pipeline.shared;
        let ends = Instant::now() + shared.grace;
        let ends = *self.state.lock().grace_ends.get_or_insert(ends);
        shared.reaper.reap_at(self, ends);
    }

    /// Runs `hand_over`, which gives its output to the host, unless it has ended. Its timeout
    /// and those of its origins stand still until the host has answered.
    ///
    /// # Errors
    /// Why nobody waits for the output.
    pub(crate) fn emit(&self, hand_over: impl FnOnce()) -> Result<(), ProcessingError> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(ended_already());
        }
        if let Some(error) = self.context.error() {
            return Err(error);
        }
        state.own_at_host += 1;
        self.enter_host(&mut state);
        for origin in &self.origins {
            origin.enter_host(&mut origin.state.lock());
        }
        // Under the lock: it cannot be answered before.
        hand_over();
        Ok(())
    }

    /// The time at the host does not count as time in this library.
    fn enter_host(&self, state: &mut RequestState) {
        self.leave_nodes(state);
        state.at_host += 1;
        self.context.pause();
    }

    /// The host has answered an emission of it.
    pub(crate) fn emission_answered(self: &Arc<Self>) {
        for origin in &self.origins {
            origin.leave_host(false);
        }
        self.leave_host(true);
    }

    fn leave_host(self: &Arc<Self>, own: bool) {
        let mut state = self.state.lock();
        state.own_at_host -= usize::from(own);
        state.at_host -= 1;
        state.answered = true;
        self.context.resume();
        let now = Instant::now();
        if state.at_host == 0 {
            state.left_host = self.context.is_deadline_a_timeout().then_some(now);
            self.left_host.notify_waiters();
        }
        let may_be_reaped = state.at_host == 0 || state.own_at_host == 0;
        if may_be_reaped {
            let shared = &self.pipeline.shared;
            let ends = now + shared.grace;
            if own {
                // If it is cancelled, the grace begins anew: nodes have the answer to bring back. Not
                // with each answer to a batch, for which nobody waits.
                state.grace_ends = state.grace_ends.map(|_| ends);
            }
            if take(&mut state.reaper_off) {
                drop(state);
                shared.reaper.reap_at(self, ends);
            }
        }
    }

    pub(crate) fn is_at_host(&self) -> bool {
        self.state.lock().at_host > 0
    }

    /// Waits until all emissions with its data are answered.
    pub(crate) async fn left_host(&self) {
        until(&self.left_host, || !self.is_at_host()).await;
    }

    /// Changes the list of its errors, unless it has ended.
    pub(crate) fn change_errors<T>(&self, change: impl FnOnce(&mut Vec<u64>) -> T) -> Option<T> {
        let mut state = self.state.lock();
        (!state.ended).then(|| change(&mut state.errors))
    }
}

impl Reaped for Request {
    /// Cancels it if its time is up, or completes it if the grace is over.
    fn reap(self: Arc<Self>) -> Option<Instant> {
        if self.context.is_cancelled() {
            let mut again = None;
            let may = |state: &mut RequestState| {
                // It may be here because of its deadline, while the host has just cancelled it, or
                // answered: then its grace is not over.
                again = state.grace_ends.filter(|ends| *ends > Instant::now());
                state.reaper_off = again.is_none() && state.own_at_host > 0;
                again.is_none() && !state.reaper_off
            };
            let _ = self.complete_if(may, self.context.error());
            if again.is_some() {
                return again;
            }
            // This may have been the last call of a batch, which is cancelled with it. If a node
            // blocks the pipeline's thread, nobody else tells the host so.
            if self.pipeline.has_own_requests() {
                self.pipeline.cancel_emissions_of_cancelled();
            }
            let (outbox, reaper) = (&self.pipeline.outbox, &self.pipeline.shared.reaper);
            reaper.deliver(outbox);
            return None;
        }
        {
            let mut state = self.state.lock();
            // Under the lock, because an answer of the host may just put the deadline off.
            let deadline = self.context.deadline()?;
            let is_timeout = self.context.is_deadline_a_timeout();
            if is_timeout && state.at_host > 0 {
                state.reaper_off = true;
                return None;
            }
            // After the host's answer, nodes have the grace to ack or nack.
            let grace = self.pipeline.shared.grace;
            let returned = state.left_host.map(|left| left + grace);
            let due = returned.map_or(deadline, |returned| deadline.max(returned));
            if due > Instant::now() {
                return Some(due);
            }
            // Under the lock, so that no output of it goes to the host any more.
            let _ = self.context.cancel(CancelReason::Deadline, "");
        }
        self.complete_soon();
        None
    }
}

/// Reports, when it is dropped, that the library no longer reads a call's payload.
pub struct PayloadGuard {
    call: Arc<Request>,
    len: u64,
}

impl PayloadGuard {
    pub(crate) fn new(call: Arc<Request>, len: usize) -> Self {
        let len = len as u64;
        let counters = &call.pipeline.shared.counters;
        increment(&counters.payloads_unreleased);
        let _ = counters
            .payload_bytes_unreleased
            .fetch_add(len, Ordering::Relaxed);
        Self { call, len }
    }
}

impl Drop for PayloadGuard {
    fn drop(&mut self) {
        let counters = &self.call.pipeline.shared.counters;
        decrement(&counters.payloads_unreleased);
        let _ = counters
            .payload_bytes_unreleased
            .fetch_sub(self.len, Ordering::Relaxed);
        self.call.payload_released();
    }
}
