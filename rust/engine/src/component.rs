// SPDX-License-Identifier: Apache-2.0

//! A component: what a host creates, starts, feeds and shuts down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use otapbridge_context::{CancelReason, ContextBlock, ProcessingError, RequestContext, Signal};
use parking_lot::Mutex;

use crate::base::counters::{decrement, increment};
use crate::base::logging::HostSubscriber;
use crate::base::outbox::Outbox;
use crate::base::spec::{ComponentKind, ComponentSpec, Path, Topology};
use crate::base::storage::Storage;
use crate::config::validate::topology;
use crate::guard::durable_buffer;
use crate::pipeline::catalogue;
use crate::pipeline::resources::Resources;
use crate::pipeline::thread::{Launch, PipelineThread};
use crate::request::emissions::{EmissionAnswer, pipeline_of_emission};
use crate::request::reaper::Reaper;
use crate::request::request::PayloadGuard;
use crate::request::state::{DataSize, PipelineState, Request, Shared, Submission};

/// One hosted pipeline, or several that are alike (`shards`). It has no thread until it is started,
/// and must be shut down before it is dropped for calls in flight to be finished; a drop ends them.
pub struct Component {
    resources: Arc<Resources>,
    shared: Arc<Shared>,
    pipelines: Vec<Arc<PipelineState>>,
    /// The pipeline of the last call.
    last: AtomicUsize,
    topology: Arc<Topology>,
    /// Of each pipeline; those beyond the first `shards` only send what former ones have left.
    storages: Vec<Storage>,
    component_data: u64,
    life: Mutex<Life>,
}

enum Life {
    Created,
    Running(Vec<PipelineThread>),
    Stopped,
}

impl Component {
    /// Checks the configuration and makes a component of it.
    ///
    /// # Errors
    /// As from [`crate::config::validate`].
    pub(crate) fn create(
        resources: &Arc<Resources>,
        reaper: Arc<Reaper>,
        spec: &ComponentSpec,
    ) -> Result<Arc<Self>, Vec<ProcessingError>> {
        let topology = topology(spec)?;
        let storages = storages(&topology, spec).map_err(|error| vec![error])?;
        // Nodes of our own read OTLP without recursion.
        let has_engine_nodes = topology
            .nodes
            .iter()
            .any(|node| catalogue::is_engine_node(&node.urn));
        let shared = Arc::new(Shared {
            name: spec.name.clone(),
            counters: Arc::clone(&resources.counters),
            reaper,
            grace: spec.cancel_grace,
            has_engine_nodes,
            is_blind: spec.references && catalogue::is_blind(&topology),
            early_answers: catalogue::has_at_most_one_output(&topology),
            // A durable buffer's disk is divided among all pipelines.
            calls_stay: topology.shards > 1 && !durable_buffer::is_in(&topology),
            ..Shared::default()
        });
        let pipelines = (0..storages.len())
            .map(|index| {
                let outbox = Outbox::new(spec.component_data, Arc::clone(&resources.events));
                PipelineState::new(&shared, index, outbox)
            })
            .collect();
        increment(&resources.counters.components);
        Ok(Arc::new(Self {
            resources: Arc::clone(resources),
            shared,
            pipelines,
            last: AtomicUsize::new(0),
            topology: Arc::new(topology),
            storages,
            component_data: spec.component_data,
            life: Mutex::new(Life::Created),
        }))
    }

    /// Starts the pipelines and waits until their nodes run.
    ///
    /// # Errors
    /// Configuration when a node cannot be built, Timeout when it takes longer
    /// than `timeout`, Permanent when the component is not newly created.
    pub fn start(&self, timeout: Duration) -> Result<(), ProcessingError> {
        let deadline = Instant::now() + timeout.min(FOREVER);
        let mut life = self.life.lock();
        if !matches!(*life, Life::Created) {
            return Err(ProcessingError::permanent(
                "a component can be started once only",
            ));
        }
        let reporters = self.resources.reporters()?;
        let (ready, readiness) = mpsc::channel();
        let mut threads = Vec::new();
        let mut started = Ok(());
        for (pipeline, storage) in self.pipelines.iter().zip(&self.storages) {
            let launch = Launch {
                pipeline: Arc::clone(pipeline),
                topology: Arc::clone(&self.topology),
                storage: storage.clone(),
                reporters: reporters.clone(),
                log: self.resources.log.as_ref().map(|sink| {
                    HostSubscriber::dispatch(
                        Arc::clone(sink),
                        self.component_data,
                        self.resources.log_level,
                    )
                }),
            };
            match PipelineThread::start(launch, ready.clone()) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    started = Err(error);
                    break;
                }
            }
        }
        drop(ready);
        for _ in 0..threads.len() {
            if started.is_err() {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            started = match readiness.recv_timeout(left) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    let name = &self.shared.name;
                    let field = (!name.is_empty()).then(|| name.clone());
                    Err(ProcessingError::configuration(error.message(), field))
                }
                Err(_) => Err(ProcessingError::timeout(
                    format!(
                        "component {:?} did not start within {timeout:?}",
                        self.shared.name
                    ),
                    None,
                )),
            };
        }
        if started.is_ok() {
            *life = Life::Running(threads);
        } else {
            *life = Life::Stopped;
            drop(life);
            self.end(threads, Instant::now());
        }
        started
    }

    /// Stops the component: calls in flight finish, or end with a retryable
    /// error when the time is up. No event comes after it returns.
    pub fn shutdown(&self, timeout: Duration) {
        let mut life = self.life.lock();
        // Kept locked: a second caller must not return before the first.
        if let Life::Running(threads) = std::mem::replace(&mut *life, Life::Stopped) {
            self.end(threads, Instant::now() + timeout.min(FOREVER));
        }
    }

    fn end(&self, threads: Vec<PipelineThread>, deadline: Instant) {
        for thread in &threads {
            thread.stop(deadline);
        }
        for thread in threads {
            thread.join();
        }
        for pipeline in &self.pipelines {
            pipeline.close_outbox();
        }
        self.shared.reaper.let_go();
    }

    /// Puts a call in flight. When this returns `Ok`, exactly one `Done` follows, or an
    /// [`EmissionAnswer`] that says so.
    ///
    /// `payload` makes the payload's bytes; they must keep the guard until they
    /// are dropped.
    ///
    /// # Errors
    /// Configuration for a call id in use, Timeout when the deadline is past,
    /// Retryable when no pipeline runs. Nothing is kept then.
    pub fn submit(
        &self,
        call_id: u64,
        signal: Signal,
        context: ContextBlock,
        payload_len: usize,
        payload: impl FnOnce(PayloadGuard) -> Bytes,
    ) -> Result<(), ProcessingError> {
        if self.takes_references() {
            return Err(ProcessingError::configuration(
                "the component takes references only",
                Some("payload".to_owned()),
            ));
        }
        self.begin(call_id, signal, context, None, |call| {
            payload(PayloadGuard::new(call, payload_len))
        })
    }

    /// Puts a call in flight whose data stay with the host, otherwise as [`Self::submit`].
    ///
    /// # Errors
    /// Also Configuration unless the component [takes references](Self::takes_references).
    pub fn submit_reference(
        &self,
        call_id: u64,
        signal: Signal,
        context: ContextBlock,
        size: DataSize,
    ) -> Result<(), ProcessingError> {
        if !self.takes_references() {
            return Err(ProcessingError::configuration(
                "its nodes look at the data: submit a payload",
                Some("component".to_owned()),
            ));
        }
        self.begin(call_id, signal, context, Some(size), |_| Bytes::new())
    }

    /// Whether no node looks at data, so that they stay with the host.
    pub fn takes_references(&self) -> bool {
        self.shared.is_blind
    }

    fn begin(
        &self,
        call_id: u64,
        signal: Signal,
        context: ContextBlock,
        reference: Option<DataSize>,
        payload: impl FnOnce(Arc<Request>) -> Bytes,
    ) -> Result<(), ProcessingError> {
        if self.topology.kind == ComponentKind::Receiver {
            return Err(ProcessingError::configuration(
                "a receiver component takes no calls",
                Some("component".to_owned()),
            ));
        }
        let context = RequestContext::new(context);
        if let Some(error) = context.error() {
            return Err(error);
        }
        let open = &self.pipelines[..self.topology.shards];
        let first = self.choose(open);
        let mut payload = Some(payload);
        for offset in 0..open.len() {
            let index = (first + offset) % open.len();
            let pipeline = &open[index];
            let submission = || {
                let call = self.begin_call(call_id, &context, pipeline, reference)?;
                // Called once: whatever follows, the loop ends.
                let payload = payload.take().map(|payload| payload(Arc::clone(&call)));
                Ok(Submission {
                    call,
                    signal,
                    payload: payload.unwrap_or_default(),
                })
            };
            if pipeline.submit(submission)? {
                increment(&self.shared.counters.calls_total);
                if open.len() > 1 {
                    self.last.store(index, Ordering::Relaxed);
                }
                return Ok(());
            }
        }
        Err(self.shared.not_running())
    }

    /// The pipeline for the next call: that of the last one while it keeps up, because a
    /// thread that is at work need not be woken; else the one with the fewest calls.
    fn choose(&self, open: &[Arc<PipelineState>]) -> usize {
        let last = self.last.load(Ordering::Relaxed);
        if open.len() == 1 || open[last].keeps_up() {
            return last;
        }
        // In turns among those that have equally few.
        let others = (1..=open.len()).map(|offset| (last + offset) % open.len());
        let load = |index: &usize| open[*index].load().unwrap_or((true, u64::MAX));
        others.min_by_key(load).unwrap_or(last)
    }

    fn begin_call(
        &self,
        call_id: u64,
        context: &RequestContext,
        pipeline: &Arc<PipelineState>,
        reference: Option<DataSize>,
    ) -> Result<Arc<Request>, ProcessingError> {
        let requests = &self.shared.requests;
        let call = Request::new(
            requests.call_id(call_id),
            context.clone(),
            pipeline,
            Vec::new(),
            reference,
        );
        pipeline.request_begun(true);
        if !requests.insert(call.id, Arc::clone(&call)) {
            pipeline.request_ended(true, &[]);
            return Err(ProcessingError::configuration(
                format!("call {call_id} is in flight already"),
                Some("call_id".to_owned()),
            ));
        }
        call.watch_deadline();
        Ok(call)
    }

    /// Tells a call that its caller no longer waits. True if it counted.
    pub fn cancel(&self, call_id: u64, reason: CancelReason, cause: &str) -> bool {
        let call = self.shared.requests.call(call_id);
        call.is_some_and(|call| call.cancel(reason, cause))
    }

    /// Number of errors that are on their way through the engine.
    pub(crate) fn carried_errors(&self) -> usize {
        self.pipelines.iter().map(|p| p.errors.len()).sum()
    }

    /// Answers an emission.
    pub fn emission_done(
        &self,
        emission_id: u64,
        error: Option<ProcessingError>,
    ) -> EmissionAnswer {
        let pipeline = self.pipelines.get(pipeline_of_emission(emission_id));
        let answer = pipeline.map(|pipeline| pipeline.emission_done(emission_id, error));
        let answer = answer.unwrap_or_default();
        if !answer.awaited {
            increment(&self.shared.counters.late_completions_total);
        }
        answer
    }
}

/// Where each pipeline that is to run keeps data on disk: one for each of `shards`, and further
/// ones for folders of former pipelines that contain data.
fn storages(topology: &Topology, spec: &ComponentSpec) -> Result<Vec<Storage>, ProcessingError> {
    let root = Path::new(&spec.name);
    let storage = Storage {
        component: spec.name.clone(),
        signal: spec.signal,
        number: 0,
        shards: topology.shards,
    };
    let former = durable_buffer::pipelines_with_data(topology, &storage, &root)?;
    if let (ComponentKind::Receiver, Some(last)) = (topology.kind, former.last()) {
        // Its further pipelines would have the receiver, too, which would receive more often than configured.
        return Err(root.key("shards").error(format!(
            "there were more pipelines, and the durable buffer of number {last} still contains data: start once more with {} pipelines, until \
             it has sent them",
            last + 1
        )));
    }
    let of_pipeline = |number| Storage {
        number,
        ..storage.clone()
    };
    let numbers = (0..topology.shards).chain(former);
    Ok(numbers.map(of_pipeline).collect())
}

/// Longer waits than this are the same as no limit.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl Drop for Component {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
        decrement(&self.resources.counters.components);
    }
}
