// SPDX-License-Identifier: Apache-2.0

//! What a component's pipelines share: calls, emissions, errors, outbox.
//!
//! The rule of the whole bridge lives here: whoever takes a call out of the
//! in-flight table owns its answer, so each call is answered exactly once.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use otapbridge_context::{
    CancelReason, ErrorKind, ErrorTable, InFlightTable, ProcessingError, RequestContext, Signal,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::carried::CallErrors;
use crate::context_headers::RequestId;
use crate::counters::{Counters, decrement, increment};
use crate::dead::Dead;
use crate::event::{Emission, Event};
use crate::outbox::Outbox;
use crate::request::{AtHost, InFlight, LocalRequest};

const DONE: u8 = 1;
const RELEASED: u8 = 2;
const ABANDONED: u8 = 4;

/// A call that was accepted and not yet answered.
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) context: RequestContext,
    /// `DONE` and `RELEASED`, of which the second to be set reports the release,
    /// and `ABANDONED` once the call was seen to be cancelled or overdue.
    state: AtomicU8,
    /// Its emissions that the host has not answered.
    pub(crate) at_host: AtHost,
    pub(crate) errors: CallErrors,
}

impl Call {
    pub(crate) fn is_answered(&self) -> bool {
        self.state.load(Ordering::Acquire) & DONE != 0
    }
}

/// A call on its way to a host receiver.
pub(crate) struct Submission {
    pub(crate) call: Arc<Call>,
    pub(crate) signal: Signal,
    pub(crate) payload: Bytes,
}

/// The host's answer to an emission, on its way to a host exporter.
pub(crate) struct Answer {
    pub(crate) emission_id: u64,
    pub(crate) error: Option<ProcessingError>,
}

/// The two queues into a running pipeline.
pub(crate) struct Ingress {
    /// `None` once the pipeline is ending.
    pub(crate) submissions: Option<UnboundedSender<Submission>>,
    pub(crate) answers: UnboundedSender<Answer>,
}

/// An emission that the host has not answered.
struct Emitted {
    /// The shard whose host exporter waits for the answer.
    shard: usize,
    request: Option<InFlight>,
}

impl Emitted {
    fn answered(&self) {
        if let Some(request) = &self.request {
            request.leave_host();
        }
    }
}

/// One pipeline of a component.
#[derive(Default)]
struct Shard {
    /// `None` while the pipeline does not run.
    ingress: RwLock<Option<Ingress>>,
    calls: InFlightTable<Call>,
    /// Calls that were cancelled since the sweeper's last look.
    cancelled: Mutex<Vec<u64>>,
    some_cancelled: Notify,
    /// When a drain that is under way must have ended.
    drain_until: Mutex<Option<Instant>>,
    drain_begun: Notify,
    /// Nodes that still have to note on disk what was delivered.
    stores: AtomicUsize,
    stores_drained: Notify,
    /// The drain's mark has reached the host: all that was sent before it has.
    all_sent: AtomicBool,
}

/// State shared by a component, its pipelines and the nodes in them.
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) outbox: Outbox,
    pub(crate) errors: ErrorTable,
    /// Emissions that the host has not answered.
    emissions: Mutex<HashMap<u64, Emitted>>,
    next_emission: AtomicU64,
    /// Requests that began in one of the pipelines.
    requests: InFlightTable<LocalRequest>,
    next_request: AtomicU64,
    pub(crate) dead: Dead,
    shards: Vec<Shard>,
    /// So many of them, the first, take calls.
    open_to_calls: usize,
    next_shard: AtomicU64,
    /// A pipeline's restarts are used up: the component never reports health again.
    given_up: AtomicBool,
    /// Nodes of the engine's own are in the pipelines: they read metadata as transport headers.
    pub(crate) has_engine_nodes: bool,
}

impl Core {
    pub(crate) fn new(
        name: String,
        shards: usize,
        open_to_calls: usize,
        counters: Arc<Counters>,
        outbox: Outbox,
        has_engine_nodes: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            counters,
            outbox,
            errors: ErrorTable::default(),
            emissions: Mutex::default(),
            next_emission: AtomicU64::new(1),
            requests: InFlightTable::new(),
            next_request: AtomicU64::new(1),
            dead: Dead::default(),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            open_to_calls,
            next_shard: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
            has_engine_nodes,
        })
    }

    /// A pipeline's restarts are used up.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    pub(crate) fn has_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    pub(crate) fn open_shard(&self, shard: usize, ingress: Ingress) {
        self.shards[shard].all_sent.store(false, Ordering::Release);
        *self.shards[shard].ingress.write() = Some(ingress);
    }

    /// Lets no more calls into a shard; its emissions can still be answered.
    pub(crate) fn close_submissions(&self, shard: usize) {
        if let Some(ingress) = self.shards[shard].ingress.write().as_mut() {
            ingress.submissions = None;
        }
    }

    pub(crate) fn begin_drain(&self, shard: usize, until: Instant) {
        *self.shards[shard].drain_until.lock() = Some(until);
        self.shards[shard].drain_begun.notify_waiters();
    }

    /// Resolves when a drain of a shard has begun.
    pub(crate) async fn drain_begun(&self, shard: usize) {
        loop {
            let mut begun = pin!(self.shards[shard].drain_begun.notified());
            // Registered before the look, so that a beginning in between is not missed.
            let _ = begun.as_mut().enable();
            if self.drain_until(shard).is_some() {
                return;
            }
            begun.await;
        }
    }

    /// A node of a shard keeps data on disk; [`store_drained`](Self::store_drained) follows.
    pub(crate) fn store_begun(&self, shard: usize) {
        let _ = self.shards[shard].stores.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn store_drained(&self, shard: usize) {
        let _ = self.shards[shard].stores.fetch_sub(1, Ordering::AcqRel);
        self.shards[shard].stores_drained.notify_one();
    }

    pub(crate) fn has_any_store(&self) -> bool {
        (0..self.shards.len()).any(|shard| self.has_stores(shard))
    }

    pub(crate) fn has_stores(&self, shard: usize) -> bool {
        self.shards[shard].stores.load(Ordering::Acquire) > 0
    }

    pub(crate) async fn stores_drained(&self, shard: usize) {
        self.shards[shard].stores_drained.notified().await;
    }

    /// The drain's mark has come out of a shard's pipeline.
    pub(crate) fn mark_passed(&self, shard: usize) {
        self.shards[shard].all_sent.store(true, Ordering::Release);
    }

    /// Whether a shard that drains has sent everything to the host, and has every answer.
    pub(crate) fn is_all_answered(&self, shard: usize) -> bool {
        self.shards[shard].all_sent.load(Ordering::Acquire)
            && !self
                .emissions
                .lock()
                .values()
                .any(|emitted| emitted.shard == shard)
    }

    pub(crate) fn drain_until(&self, shard: usize) -> Option<Instant> {
        *self.shards[shard].drain_until.lock()
    }

    pub(crate) fn close_shard(&self, shard: usize) {
        *self.shards[shard].ingress.write() = None;
    }

    /// Puts a call in flight and hands it to a running pipeline.
    ///
    /// `payload` is only called once the call's release can be reported.
    pub(crate) fn submit(
        self: &Arc<Self>,
        call_id: u64,
        context: RequestContext,
        signal: Signal,
        payload_len: usize,
        payload: impl FnOnce(PayloadRelease) -> Bytes,
    ) -> Result<(), ProcessingError> {
        if self.call(call_id).is_some() {
            return Err(duplicate(call_id));
        }
        self.dead.forget(RequestId::Call(call_id));
        let call = Arc::new(Call {
            id: call_id,
            context,
            state: AtomicU8::new(0),
            at_host: AtHost::default(),
            errors: CallErrors::default(),
        });
        let first = self.next_shard.fetch_add(1, Ordering::Relaxed) as usize;
        for offset in 0..self.open_to_calls {
            let shard = &self.shards[(first + offset) % self.open_to_calls];
            // Held until the call is in the table: whoever closes the shard
            // finds it there and answers it.
            let ingress = shard.ingress.read();
            let submissions = ingress.as_ref().and_then(|open| open.submissions.as_ref());
            let Some(submissions) = submissions else {
                continue;
            };
            shard
                .calls
                .insert(call_id, Arc::clone(&call))
                .map_err(|_| duplicate(call_id))?;
            increment(&self.counters.calls_in_flight);
            let release = PayloadRelease::new(Arc::clone(self), Arc::clone(&call), payload_len);
            let submission = Submission {
                call,
                signal,
                payload: payload(release),
            };
            if let Err(refused) = submissions.send(submission)
                && let Some(call) = shard.calls.remove(call_id)
            {
                // The host hears of this call once: as the error of this function.
                let _ = call.state.fetch_or(DONE | RELEASED, Ordering::AcqRel);
                drop(refused);
                decrement(&self.counters.calls_in_flight);
                return Err(self.not_running());
            }
            increment(&self.counters.calls_total);
            return Ok(());
        }
        Err(self.not_running())
    }

    fn not_running(&self) -> ProcessingError {
        ProcessingError::retryable(format!("component {:?} is not running", self.name))
    }

    /// The call, if it still awaits its answer.
    pub(crate) fn call(&self, call_id: u64) -> Option<Arc<Call>> {
        self.shards
            .iter()
            .find_map(|shard| shard.calls.get(call_id))
    }

    /// Number of a shard's calls that await their answer.
    pub(crate) fn calls_in_flight(&self, shard: usize) -> usize {
        self.shards[shard].calls.len()
    }

    /// Answers a call. Late and duplicate answers are counted.
    pub(crate) fn complete(&self, call_id: u64, error: Option<ProcessingError>) {
        match self
            .shards
            .iter()
            .find_map(|shard| shard.calls.remove(call_id))
        {
            Some(call) => self.answer(&call, error),
            None => increment(&self.counters.late_completions_total),
        }
    }

    /// Answers every call of a shard with `error`.
    pub(crate) fn complete_all(&self, shard: usize, error: &ProcessingError) {
        for (_, call) in self.shards[shard].calls.drain() {
            self.answer(&call, Some(error.clone()));
        }
    }

    /// Tells a call that its caller no longer waits. True if it counted.
    pub(crate) fn cancel(&self, call_id: u64, reason: CancelReason, cause: &str) -> bool {
        for shard in &self.shards {
            let Some(call) = shard.calls.get(call_id) else {
                continue;
            };
            let counted = call.context.cancel(reason, cause);
            if counted {
                shard.cancelled.lock().push(call_id);
                shard.some_cancelled.notify_one();
            }
            return counted;
        }
        false
    }

    /// Resolves when a call of a shard was cancelled.
    pub(crate) async fn some_cancelled(&self, shard: usize) {
        self.shards[shard].some_cancelled.notified().await;
    }

    /// The calls that were cancelled since the last time. Those whose output the host
    /// holds are left out: its answer may come at any moment, and counts.
    pub(crate) fn take_cancelled(&self, shard: usize) -> Vec<u64> {
        let mut cancelled = std::mem::take(&mut *self.shards[shard].cancelled.lock());
        let calls = &self.shards[shard].calls;
        cancelled.retain(|id| calls.get(*id).is_some_and(|call| !call.at_host.any()));
        cancelled
    }

    /// The calls of a shard whose deadline has passed, without those whose output the host
    /// holds, and the next deadline.
    pub(crate) fn overdue(&self, shard: usize) -> (Vec<u64>, Option<Instant>) {
        let now = Instant::now();
        let (mut overdue, mut next) = (Vec::new(), None::<Instant>);
        self.shards[shard].calls.visit(|call| {
            let Some(deadline) = call.context.deadline() else {
                return;
            };
            if call.at_host.any() && (deadline <= now || call.context.is_deadline_a_timeout()) {
                return;
            }
            if deadline <= now {
                overdue.push(call.id);
            } else {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        });
        (overdue, next)
    }

    /// Answers a call that is cancelled or overdue, unless the host holds its output.
    pub(crate) fn release_caller(&self, shard: usize, call_id: u64) {
        if let Some(call) = self.shards[shard].calls.get(call_id)
            && !call.at_host.any()
            && let Some(error) = call.context.error()
            && let Some(call) = self.shards[shard].calls.remove(call_id)
        {
            // A batch that it is in hears that it no longer waits.
            let _ = call.context.cancel(CancelReason::Deadline, "");
            self.answer(&call, Some(error));
        }
    }

    /// Answers the calls of a shard that were cancelled or overdue at the last
    /// look already, and that neither a node nor the host has answered since.
    pub(crate) fn answer_abandoned(&self, shard: usize) {
        let abandoned = |call: &Call| {
            !call.at_host.any()
                && call.context.is_done()
                && call.state.fetch_or(ABANDONED, Ordering::AcqRel) & ABANDONED != 0
        };
        for call in self.shards[shard].calls.select(abandoned) {
            self.release_caller(shard, call.id);
        }
    }

    /// Whether no request is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.shards.iter().all(|shard| shard.calls.is_empty())
    }

    fn answer(&self, call: &Call, error: Option<ProcessingError>) {
        self.forget_errors(&call.errors);
        if let Some(error) = &error {
            self.dead.add(RequestId::Call(call.id));
            let reason = match error.kind() {
                ErrorKind::Timeout => CancelReason::Deadline,
                _ => CancelReason::Cancelled,
            };
            // Who still works on it may stop.
            let _ = call.context.cancel(reason, "");
        }
        {
            // The release of the payload may happen on another thread right now:
            // under the lock its event cannot overtake this one.
            let mut queue = self.outbox.lock();
            let before = call.state.fetch_or(DONE, Ordering::AcqRel);
            queue.push(Event::Done {
                call_id: call.id,
                error,
                payload_released: before & RELEASED != 0,
            });
        }
        self.outbox.wake();
        decrement(&self.counters.calls_in_flight);
    }

    /// The request, if it still awaits its answer.
    pub(crate) fn find(&self, id: RequestId) -> Option<InFlight> {
        match id {
            RequestId::Call(id) => self.call(id).map(InFlight::Call),
            RequestId::Local(id) => self.requests.get(id).map(InFlight::Local),
        }
    }

    /// Puts a request in flight that begins in a pipeline, and says its id.
    pub(crate) fn begin_request(&self, request: Arc<LocalRequest>) -> u64 {
        let id = self.next_request.fetch_add(1, Ordering::Relaxed);
        // Ids are not reused.
        let _ = self.requests.insert(id, request);
        id
    }

    pub(crate) fn end_request(&self, id: u64, failed: bool) {
        if failed {
            self.dead.add(RequestId::Local(id));
        }
        if let Some(request) = self.requests.remove(id) {
            self.forget_errors(&request.errors);
        }
    }

    /// Hands output of a request, if it stems from exactly one, to the host, and
    /// says under which id it will be answered.
    pub(crate) fn emit(
        &self,
        shard: usize,
        request: Option<InFlight>,
        emission: impl FnOnce(u64) -> Emission,
    ) -> u64 {
        let id = self.next_emission.fetch_add(1, Ordering::Relaxed);
        let emission = emission(id);
        if let Some(request) = &request {
            request.enter_host();
        }
        let emitted = Emitted { shard, request };
        let _ = self.emissions.lock().insert(id, emitted);
        increment(&self.counters.emissions_in_flight);
        self.outbox.push(Event::Emit(emission));
        id
    }

    /// Tells the host that nobody waits for the answer to an emission any more.
    pub(crate) fn cancel_emission(&self, id: u64, error: ProcessingError) {
        // Held until it is pushed: nothing follows the host's answer.
        let emissions = self.emissions.lock();
        if emissions.contains_key(&id) {
            self.outbox.push(Event::EmissionCancelled { id, error });
        }
    }

    /// Takes the host's answer to an emission; false if none was awaited.
    pub(crate) fn emission_done(&self, emission_id: u64, error: Option<ProcessingError>) -> bool {
        let Some(emitted) = self.emissions.lock().remove(&emission_id) else {
            increment(&self.counters.late_completions_total);
            return false;
        };
        decrement(&self.counters.emissions_in_flight);
        if let Some(ingress) = self.shards[emitted.shard].ingress.read().as_ref() {
            // A closed queue means the pipeline ended, and with it the calls
            // this answer was for.
            let _ = ingress.answers.send(Answer { emission_id, error });
        }
        // Behind the answer, which counts if the call has ended meanwhile.
        emitted.answered();
        true
    }

    /// Forgets what a pipeline that ended was waiting for.
    pub(crate) fn abandon_emissions(&self, shard: usize) {
        // Of a shutdown the host knows: it is its own.
        let unexpected = self.drain_until(shard).is_none();
        self.emissions.lock().retain(|id, emitted| {
            let keep = emitted.shard != shard;
            if !keep {
                emitted.answered();
                decrement(&self.counters.emissions_in_flight);
                if unexpected && !matches!(emitted.request, Some(InFlight::Call(_))) {
                    let error = ProcessingError::retryable("the pipeline ended");
                    self.outbox
                        .push(Event::EmissionCancelled { id: *id, error });
                }
            }
            keep
        });
    }
}

fn duplicate(call_id: u64) -> ProcessingError {
    ProcessingError::configuration(
        format!("call {call_id} is in flight already"),
        Some("call_id".to_owned()),
    )
}

/// Reports, when it is dropped, that the engine no longer reads a payload.
pub(crate) struct PayloadRelease {
    core: Arc<Core>,
    call: Arc<Call>,
    len: u64,
}

impl PayloadRelease {
    fn new(core: Arc<Core>, call: Arc<Call>, len: usize) -> Self {
        let len = len as u64;
        increment(&core.counters.payloads_held);
        let _ = core
            .counters
            .payload_bytes_held
            .fetch_add(len, Ordering::Relaxed);
        Self { core, call, len }
    }
}

impl Drop for PayloadRelease {
    fn drop(&mut self) {
        decrement(&self.core.counters.payloads_held);
        let _ = self
            .core
            .counters
            .payload_bytes_held
            .fetch_sub(self.len, Ordering::Relaxed);
        let before = self.call.state.fetch_or(RELEASED, Ordering::AcqRel);
        if before & (DONE | RELEASED) == DONE {
            self.core.outbox.push(Event::PayloadReleased {
                call_id: self.call.id,
            });
        }
    }
}
