// SPDX-License-Identifier: Apache-2.0

//! What a component's pipelines, a pipeline and a request consist of. They know each other, so
//! they stand here together; what decides about a request is in `request.rs`.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use otapbridge_context::{ErrorTable, HostErrorReleased, ProcessingError, RequestContext, Signal};
use otel_arrow_dfe_engine::control::Frame;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::base::counters::{Counters, decrement, increment};
use crate::base::event::Event;
use crate::base::outbox::Outbox;
use crate::base::sync::{
    AtomicBool, AtomicUsize, Instant, Mutex, Notify, RwLock, UnboundedSender, yield_now,
};
use crate::request::pace::Backlog;
use crate::request::reaper::Reaper;
use crate::request::table::{RequestId, RequestTable};

/// What the pipelines of a component share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) requests: RequestTable<Request>,
    pub(crate) reaper: Arc<Reaper>,
    /// How long a pipeline has to complete a call that is cancelled.
    pub(crate) grace: Duration,
    /// Nodes of the engine's own are in the pipelines: they read metadata as transport headers.
    pub(crate) has_engine_nodes: bool,
    /// No node looks at data, which stay with the host.
    pub(crate) is_blind: bool,
    /// Every node makes one thing at most of each message.
    pub(crate) early_answers: bool,
    /// Calls stay with one of several pipelines while it keeps up.
    pub(crate) calls_stay: bool,
    /// A pipeline's restarts are used up: the component never reports health again.
    pub(crate) given_up: AtomicBool,
}

impl Shared {
    pub(crate) fn not_running(&self) -> ProcessingError {
        ProcessingError::retryable(format!("component {:?} is not running", self.name))
    }
}

/// How much data a request has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataSize {
    /// Spans, data points or log records.
    pub items: usize,
    /// Bytes, written as OTLP protobuf.
    pub bytes: usize,
}

pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) context: RequestContext,
    pub(crate) pipeline: Arc<PipelineState>,
    /// The requests that its data stem from, each once; none of a call.
    pub(crate) origins: Vec<Arc<Request>>,
    /// Set if its data stay with the host.
    pub(crate) reference: Option<DataSize>,
    /// All decisions about it are made under this lock.
    pub(super) state: Mutex<RequestState>,
    pub(super) left_host: Notify,
}

#[derive(Default)]
pub(super) struct RequestState {
    pub(super) ended: bool,
    /// The pipeline's backlog counts it among the calls in nodes.
    pub(super) in_nodes: bool,
    pub(super) payload_released: bool,
    /// Its emissions that the host has not answered.
    pub(super) own_at_host: usize,
    /// Emissions that the host has not answered: its own, and those of requests of which it
    /// is an origin.
    pub(super) at_host: usize,
    /// One of them was answered.
    pub(super) answered: bool,
    /// When the last of them was answered. Set only if its deadline is a timeout.
    pub(super) left_host: Option<Instant>,
    /// It was cancelled, and the reaper completes it then.
    pub(super) grace_ends: Option<Instant>,
    /// The reaper dropped its entry while the host had output; `leave_host` queues a new one.
    pub(super) reaper_off: bool,
    /// Errors in the pipeline's table that were made for it.
    pub(super) errors: Vec<u64>,
}

/// A call on its way to a host receiver.
pub(crate) struct Submission {
    pub(crate) call: Arc<Request>,
    pub(crate) signal: Signal,
    pub(crate) payload: Bytes,
}

/// An emission that the host has not answered.
pub(crate) struct Emitted {
    pub(crate) request: Option<Arc<Request>>,
    /// The message that is acked or nacked with the answer, with its data only where a node before
    /// wants them back. `None` if the emission's call is all that waits: it gets the answer at once.
    pub(crate) routing: Option<OtapPdata>,
    /// The host knows that nobody waits for its answer any more.
    pub(crate) cancelled: bool,
}

/// The host's answer to an emission, on its way to a host exporter.
pub(crate) struct Answer {
    pub(crate) emission_id: u64,
    pub(crate) routing: OtapPdata,
    pub(crate) error: Option<ProcessingError>,
}

/// The two queues into a running pipeline.
pub(crate) struct Ingress {
    /// `None` once the pipeline is ending.
    pub(crate) submissions: Option<UnboundedSender<Submission>>,
    pub(crate) answers: UnboundedSender<Answer>,
}

pub(crate) struct PipelineState {
    pub(crate) shared: Arc<Shared>,
    /// Its place among the component's pipelines.
    pub(crate) index: usize,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) errors: ErrorTable,
    /// Of those, the ones that were made for output of no request, oldest first.
    pub(crate) unowned_errors: Mutex<VecDeque<u64>>,
    /// Reports the release of an error of the host's.
    pub(super) host_error_released: HostErrorReleased,
    /// `None` while the pipeline does not run.
    pub(super) ingress: RwLock<Option<Ingress>>,
    /// Calls that are not completed, and requests that began here and have not ended.
    calls: AtomicUsize,
    own_requests: AtomicUsize,
    /// `None` if calls do not stay with one of several pipelines.
    pub(crate) backlog: Option<Backlog>,
    /// Calls that nobody waits for any more and that are not completed. Weak: a request owns its
    /// pipeline, and a cancel may come after the pipeline ended.
    cancelled_calls: Mutex<Vec<Weak<Request>>>,
    some_cancelled: Notify,
    pub(super) emissions: Mutex<HashMap<u64, Emitted>>,
    pub(super) next_emission: AtomicU64,
    /// When a drain that is under way must have ended.
    drain_until: Mutex<Option<Instant>>,
    drain_begun: Notify,
    /// The engine's number of the host receiver if the host may answer early,
    /// else `usize::MAX`.
    early_answer_entry: AtomicUsize,
    /// Nodes that still have to note on disk what was acked.
    stores: AtomicUsize,
    /// The last call was completed during a drain, or a store was drained.
    settled: Notify,
    /// The drain marker has reached the host: all that was sent before it has.
    all_sent: AtomicBool,
}

/// Waits until it is so; `changed` tells of each change.
pub(super) async fn until(changed: &Notify, is_so: impl Fn() -> bool) {
    loop {
        let mut changed = pin!(changed.notified());
        // Registered before the check, so that a change in between is not missed.
        let _ = changed.as_mut().enable();
        if is_so() {
            return;
        }
        changed.await;
    }
}

fn push(outbox: &Arc<Outbox>, shared: &Shared, event: Event) {
    outbox.push(event);
    if outbox.claim_watch() {
        shared.reaper.watch(outbox, Instant::now() + shared.grace);
    }
}

impl PipelineState {
    pub(crate) fn new(shared: &Arc<Shared>, index: usize, outbox: Outbox) -> Arc<Self> {
        let outbox = Arc::new(outbox);
        let (reports, reporting) = (Arc::clone(&outbox), Arc::clone(shared));
        Arc::new(Self {
            shared: Arc::clone(shared),
            index,
            outbox,
            errors: ErrorTable::default(),
            unowned_errors: Mutex::default(),
            host_error_released: Arc::new(move |id| {
                push(&reports, &reporting, Event::HostErrorReleased { id });
            }),
            ingress: RwLock::default(),
            calls: AtomicUsize::new(0),
            own_requests: AtomicUsize::new(0),
            backlog: shared.calls_stay.then(Backlog::new),
            cancelled_calls: Mutex::default(),
            some_cancelled: Notify::new(),
            emissions: Mutex::default(),
            next_emission: AtomicU64::new(1),
            drain_until: Mutex::default(),
            drain_begun: Notify::new(),
            early_answer_entry: AtomicUsize::new(usize::MAX),
            stores: AtomicUsize::new(0),
            settled: Notify::new(),
            all_sent: AtomicBool::new(false),
        })
    }

    /// Gives the host an event. The pipeline's thread delivers it, or the reaper if that is
    /// busy with a node.
    pub(crate) fn push(&self, event: Event) {
        push(&self.outbox, &self.shared, event);
    }

    pub(crate) fn open(&self, ingress: Ingress) {
        self.all_sent.store(false, Ordering::Release);
        if let Some(backlog) = &self.backlog {
            backlog.clear();
        }
        *self.ingress.write() = Some(ingress);
    }

    /// Lets no more calls in; emissions can still be answered.
    pub(crate) fn close_submissions(&self) {
        if let Some(ingress) = self.ingress.write().as_mut() {
            ingress.submissions = None;
        }
    }

    pub(crate) fn close(&self) {
        *self.ingress.write() = None;
    }

    /// Hands a call to the pipeline. False if it does not run; `submission` is not made then.
    ///
    /// # Errors
    /// That of `submission`; Retryable if the pipeline ends at this moment.
    pub(crate) fn submit(
        &self,
        submission: impl FnOnce() -> Result<Submission, ProcessingError>,
    ) -> Result<bool, ProcessingError> {
        // Kept locked until the call is in the table: whoever closes the pipeline finds it
        // there and completes it.
        let ingress = self.ingress.read();
        let submissions = ingress.as_ref().and_then(|open| open.submissions.as_ref());
        let Some(submissions) = submissions else {
            return Ok(false);
        };
        let submission = submission()?;
        if let Some(backlog) = &self.backlog {
            backlog.call_queued();
        }
        match submissions.send(submission) {
            // The host hears of this call once: as the error of its submission, unless it was
            // completed meanwhile.
            Err(refused) if refused.0.call.undo() => Err(self.shared.not_running()),
            _ => Ok(true),
        }
    }

    /// Whether a call may stay because it would soon come out of the nodes.
    pub(crate) fn keeps_up(&self) -> bool {
        self.backlog.as_ref().is_some_and(Backlog::is_short)
    }

    /// Whether it may be blocked, and how many calls it has, those included that wait although
    /// they have ended; `None` if it takes none.
    pub(crate) fn load(&self) -> Option<(bool, u64)> {
        let takes_calls =
            (self.ingress.read().as_ref()).is_some_and(|open| open.submissions.is_some());
        let waiting = self.backlog.as_ref().map_or(0, Backlog::len);
        let stuck = self.backlog.as_ref().is_some_and(Backlog::is_stuck);
        takes_calls.then(|| (stuck, waiting.max(self.calls_in_flight() as u64)))
    }

    /// A call has come, or a request began here.
    pub(crate) fn request_begun(&self, is_call: bool) {
        if is_call {
            let _ = self.calls.fetch_add(1, Ordering::AcqRel);
            increment(&self.shared.counters.calls_in_flight);
        } else {
            let _ = self.own_requests.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A call or an own request has ended; `errors` were made for it.
    pub(crate) fn request_ended(&self, is_call: bool, errors: &[u64]) {
        if is_call {
            decrement(&self.shared.counters.calls_in_flight);
            let before = self.calls.fetch_sub(1, Ordering::AcqRel);
            if before == 1 && self.drain_until().is_some() {
                self.settled.notify_one();
            }
        } else {
            let _ = self.own_requests.fetch_sub(1, Ordering::AcqRel);
        }
        self.forget_errors(errors);
    }

    /// Number of calls that are not completed.
    pub(crate) fn calls_in_flight(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    /// Whether a request that began here has not ended.
    pub(crate) fn has_own_requests(&self) -> bool {
        self.own_requests.load(Ordering::Acquire) > 0
    }

    /// Whether no request is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls_in_flight() == 0 && !self.has_own_requests()
    }

    /// Completes every call with `error`.
    pub(crate) fn complete_all(&self, error: &ProcessingError) {
        for call in self.shared.requests.calls() {
            if std::ptr::eq(Arc::as_ptr(&call.pipeline), self) {
                call.complete(Some(error.clone()));
            }
        }
        self.cancelled_calls.lock().clear();
    }

    /// A call was cancelled, or its deadline passed: nobody waits for it any more.
    pub(crate) fn call_cancelled(&self, call: &Arc<Request>) {
        self.cancelled_calls.lock().push(Arc::downgrade(call));
        self.some_cancelled.notify_one();
    }

    /// The calls that nobody waits for, since the last time: at least one.
    pub(crate) async fn cancelled_calls(&self) -> Vec<Arc<Request>> {
        loop {
            let cancelled = std::mem::take(&mut *self.cancelled_calls.lock());
            let cancelled: Vec<_> = cancelled.iter().filter_map(Weak::upgrade).collect();
            if !cancelled.is_empty() {
                return cancelled;
            }
            self.some_cancelled.notified().await;
        }
    }

    /// Allows early answers; `host_receiver` is the engine's number of it.
    pub(crate) fn allow_early_answers(&self, host_receiver: usize) {
        self.early_answer_entry
            .store(host_receiver, Ordering::Release);
    }

    /// Whether the answer to output of a message may be an early one: no node behind the host
    /// receiver has subscribed to the message's ack.
    pub(crate) fn only_call_waits(&self, last_subscriber: Option<&Frame>) -> bool {
        let entry = self.early_answer_entry.load(Ordering::Acquire);
        last_subscriber.is_some_and(|frame| frame.node_id == entry)
    }

    /// Delivers what is left, and then nothing any more: the pipeline's thread has ended.
    pub(crate) fn close_outbox(&self) {
        // A thread that is completing a call has taken it out of the table, and may not have pushed its
        // event yet.
        while self.calls_in_flight() > 0 {
            yield_now();
        }
        self.outbox.close();
    }

    pub(crate) fn begin_drain(&self, until: Instant) {
        *self.drain_until.lock() = Some(until);
        self.drain_begun.notify_waiters();
    }

    pub(crate) fn drain_until(&self) -> Option<Instant> {
        *self.drain_until.lock()
    }

    /// Resolves when a drain has begun.
    pub(crate) async fn drain_begun(&self) {
        until(&self.drain_begun, || self.drain_until().is_some()).await;
    }

    /// A node keeps data on disk; [`store_drained`](Self::store_drained) follows.
    pub(crate) fn store_begun(&self) {
        let _ = self.stores.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn store_drained(&self) {
        let _ = self.stores.fetch_sub(1, Ordering::AcqRel);
        self.settled.notify_one();
    }

    pub(crate) fn has_stores(&self) -> bool {
        self.stores.load(Ordering::Acquire) > 0
    }

    /// Resolves when a drain may have nothing more to wait for.
    pub(crate) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// The drain marker has come out of the pipeline.
    pub(crate) fn marker_passed(&self) {
        self.all_sent.store(true, Ordering::Release);
    }

    /// Whether a pipeline that drains has sent everything to the host, and has every answer.
    pub(crate) fn is_all_answered(&self) -> bool {
        self.all_sent.load(Ordering::Acquire) && self.emissions.lock().is_empty()
    }
}
