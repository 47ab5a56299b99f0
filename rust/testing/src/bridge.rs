// SPDX-License-Identifier: Apache-2.0

//! One component with its runtime, and the host that both talk to.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use otapbridge_context::{ContextBlock, ProcessingError, Signal};
use otapbridge_engine::{
    Component, ComponentSpec, ComponentStatus, Emission, Event, EventSink, LogLevel, NodeFactory,
    PayloadGuard, Runtime, RuntimeOptions, catalogue,
};
use parking_lot::{Condvar, Mutex};

/// Longer than anything in a test takes: what waits as long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Answers an emission, or leaves it to the test. Called on a pipeline's thread, so it must not wait.
type Answer = Box<dyn Fn(&Emission) -> Option<Result<(), ProcessingError>> + Send + Sync>;

/// What the host has seen.
#[derive(Default)]
pub struct Seen {
    /// Of each call, in order; there should be one. `None` is success.
    pub results: HashMap<u64, Vec<Option<ProcessingError>>>,
    /// How often each call's payload was released.
    pub released: HashMap<u64, usize>,
    /// Those that nobody has taken.
    pub emissions: Vec<Emission>,
    /// The call of each emission that has one.
    calls: HashMap<u64, u64>,
    /// Why the library took emissions back.
    pub cancelled_emissions: HashMap<u64, ProcessingError>,
    /// How often each of the host's own errors was released.
    pub released_errors: HashMap<u64, usize>,
    /// Changes of health, in order.
    pub statuses: Vec<ComponentStatus>,
    /// What the library should not have done.
    wrong: Vec<String>,
}

impl Seen {
    fn done(&mut self, call_id: u64, error: Option<ProcessingError>, payload_released: bool) {
        self.results.entry(call_id).or_default().push(error);
        if payload_released {
            self.released(call_id);
        }
    }

    fn released(&mut self, call_id: u64) {
        if !self.results.contains_key(&call_id) {
            let wrong = format!("call {call_id} was released before it was done");
            self.wrong.push(wrong);
        }
        *self.released.entry(call_id).or_default() += 1;
    }
}

/// Stands for the host: it records all events, and a closure answers emissions.
pub struct Host {
    seen: Mutex<Seen>,
    changed: Condvar,
    component: OnceLock<Weak<Component>>,
    answer: Answer,
    /// Emissions are kept although they are answered, and their payloads with them.
    keeps_answered: bool,
}

impl EventSink for Host {
    fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            match event {
                Event::Done {
                    call_id,
                    error,
                    payload_released,
                } => self.note(|seen| seen.done(call_id, error, payload_released)),
                Event::PayloadReleased { call_id } => self.note(|seen| seen.released(call_id)),
                Event::Emit(emission) => self.emitted(emission),
                Event::EmissionCancelled { id, error } => self.note(|seen| {
                    let _ = seen.cancelled_emissions.insert(id, error);
                }),
                Event::HostErrorReleased { id } => {
                    self.note(|seen| *seen.released_errors.entry(id).or_default() += 1);
                }
                Event::Status { status, .. } => self.note(|seen| seen.statuses.push(status)),
            }
        }
    }
}

impl Host {
    /// Records what it sees of an event.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock());
        let _ = self.changed.notify_all();
    }

    fn emitted(&self, emission: Emission) {
        let id = emission.id;
        let answer = (self.answer)(&emission);
        self.note(|seen| {
            if let Some(call_id) = emission.call_id {
                let _ = seen.calls.insert(id, call_id);
            }
            if answer.is_none() || self.keeps_answered {
                seen.emissions.push(emission);
            }
        });
        let Some(answer) = answer else { return };
        let component = self.component.get().and_then(Weak::upgrade);
        if !component.is_some_and(|it| self.emission_done(&it, id, answer.err())) {
            let wrong = format!("emission {id} did not await its answer");
            self.note(|seen| seen.wrong.push(wrong));
        }
    }

    /// Answers an emission; false if it did not await its answer.
    fn emission_done(
        &self,
        component: &Component,
        id: u64,
        error: Option<ProcessingError>,
    ) -> bool {
        let answer = component.emission_done(id, error.clone());
        if answer.call_done {
            self.note(|seen| seen.done(seen.calls[&id], error, answer.payload_released));
        }
        answer.awaited
    }

    /// Waits until `look` finds what it looks for.
    ///
    /// # Panics
    /// After [`PATIENCE`], and says `what` it has waited for.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&mut Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.lock();
        loop {
            if let Some(found) = look(&mut seen) {
                return found;
            }
            let waited = self.changed.wait_until(&mut seen, deadline);
            assert!(
                !waited.timed_out(),
                "waited {PATIENCE:?} in vain for {what}"
            );
        }
    }

    /// Waits for the call's result, which is its only one so far.
    ///
    /// # Errors
    /// The error that the caller gets.
    ///
    /// # Panics
    /// After [`PATIENCE`], or if there were several results.
    pub fn done(&self, call_id: u64) -> Result<(), ProcessingError> {
        self.wait(&format!("the result of call {call_id}"), |seen| {
            let results = seen.results.get(&call_id)?;
            assert_eq!(results.len(), 1, "results of call {call_id}");
            Some(results[0].clone().map_or(Ok(()), Err))
        })
    }

    /// Waits for the next emission and takes it.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn emission(&self) -> Emission {
        self.wait("an emission", |seen| {
            (!seen.emissions.is_empty()).then(|| seen.emissions.remove(0))
        })
    }

    /// As [`emission`](Self::emission), or `None` when there is none and the call has its result.
    pub fn emission_before_result(&self, call_id: u64) -> Option<Emission> {
        self.wait("an emission or a result", |seen| {
            if seen.emissions.is_empty() {
                return seen.results.contains_key(&call_id).then_some(None);
            }
            Some(Some(seen.emissions.remove(0)))
        })
    }

    /// Looks at what came so far.
    pub fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock())
    }
}

/// A runtime with one started component and its host.
pub struct Bridge {
    /// Its only component is this one, unless the test makes more.
    pub runtime: Runtime,
    /// It is started.
    pub component: Arc<Component>,
    /// Gets all events.
    pub host: Arc<Host>,
}

impl Bridge {
    /// Starts a component. `answer` answers each emission, or leaves it to the test; an
    /// emission that it answers is not kept, because its payload would not be released.
    ///
    /// `node_types` counts only when the first component of a process starts.
    ///
    /// # Errors
    /// What is wrong with the configuration, or why it did not start.
    pub fn start(
        node_types: fn() -> Vec<NodeFactory>,
        spec: &ComponentSpec,
        answer: impl Fn(&Emission) -> Option<Result<(), ProcessingError>> + Send + Sync + 'static,
    ) -> Result<Self, Vec<ProcessingError>> {
        Self::create(node_types, spec, Box::new(answer), false)
    }

    pub(crate) fn create(
        node_types: fn() -> Vec<NodeFactory>,
        spec: &ComponentSpec,
        answer: Answer,
        keeps_answered: bool,
    ) -> Result<Self, Vec<ProcessingError>> {
        catalogue::install(node_types);
        let host = Arc::new(Host {
            seen: Mutex::default(),
            changed: Condvar::new(),
            component: OnceLock::new(),
            answer,
            keeps_answered,
        });
        let runtime = Runtime::create(RuntimeOptions {
            events: Arc::clone(&host) as Arc<dyn EventSink>,
            log: None,
            log_level: LogLevel::Info,
        })
        .map_err(|error| vec![error])?;
        let component = runtime.create_component(spec)?;
        let _ = host.component.set(Arc::downgrade(&component));
        component.start(PATIENCE).map_err(|error| vec![error])?;
        Ok(Self {
            runtime,
            component,
            host,
        })
    }

    /// Makes a call. `payload` is OTLP protobuf.
    ///
    /// # Errors
    /// Why the call was not taken; it gets no result then.
    pub fn submit_signal(
        &self,
        call_id: u64,
        signal: Signal,
        payload: &Bytes,
        context: ContextBlock,
    ) -> Result<(), ProcessingError> {
        let payload = payload.clone();
        self.component
            .submit(call_id, signal, context, payload.len(), |guard| {
                Bytes::from_owner(Lent(payload, guard))
            })
    }

    /// Answers an emission; false if it did not await its answer.
    pub fn emission_done(&self, id: u64, error: Option<ProcessingError>) -> bool {
        self.host.emission_done(&self.component, id, error)
    }

    /// Shuts down and checks that nothing is left: each call was completed once, each
    /// payload was released once, and every counter is back at zero.
    ///
    /// # Panics
    /// If that is not so.
    pub fn finish(self) -> Seen {
        self.runtime.shutdown(PATIENCE);
        let mut seen = self.host.seen(std::mem::take);
        seen.emissions.clear();
        assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
        for (call, results) in &seen.results {
            assert_eq!(results.len(), 1, "results of call {call}");
            assert_eq!(seen.released.get(call), Some(&1), "releases of call {call}");
        }
        let stats = self.runtime.stats();
        assert_eq!(stats.calls_in_flight, 0);
        assert_eq!(stats.payloads_unreleased, 0);
        assert_eq!(stats.payload_bytes_unreleased, 0);
        assert_eq!(stats.emissions_in_flight, 0);
        assert_eq!(stats.pipelines, 0);
        assert_eq!(stats.calls_total, seen.results.len() as u64);
        seen
    }
}

/// A payload that says when it is released.
struct Lent(
    Bytes,
    #[expect(dead_code, reason = "kept for its drop")] PayloadGuard,
);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
