// SPDX-License-Identifier: Apache-2.0

//! A host: it collects events, answers emissions, and can wait for anything.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use otapbridge_context::{BlockBuilder, ContextBlock, ProcessingError, Signal};
use otapbridge_engine::{
    Component, ComponentStatus, Emission, Event, EventSink, LogLevel, Runtime, RuntimeOptions,
    catalogue,
};
use otapbridge_engine::{ComponentKind, ComponentSpec};
use otapbridge_test_support::otlp::field;
use serde_json::Value;

use crate::nodes;

/// Longer than anything here takes; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

type Answer = Box<dyn Fn(&Emission) -> Option<Result<(), ProcessingError>> + Send + Sync>;

/// What the host has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) results: HashMap<u64, Vec<Option<ProcessingError>>>,
    pub(crate) released: HashMap<u64, usize>,
    pub(crate) emissions: Vec<Emission>,
    /// Of each emission that has one.
    calls: HashMap<u64, u64>,
    pub(crate) cancelled_emissions: HashMap<u64, ProcessingError>,
    pub(crate) released_errors: HashMap<u64, usize>,
    pub(crate) statuses: Vec<ComponentStatus>,
}

#[derive(Default)]
pub(crate) struct Host {
    seen: Mutex<Seen>,
    changed: Condvar,
    component: OnceLock<Weak<Component>>,
    answer: OnceLock<Answer>,
}

impl EventSink for Host {
    fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
        let mut answers = Vec::new();
        {
            let mut seen = self.seen.lock().unwrap();
            for event in events.drain(..) {
                match event {
                    Event::Done {
                        call_id,
                        error,
                        payload_released,
                    } => {
                        seen.results.entry(call_id).or_default().push(error);
                        if payload_released {
                            *seen.released.entry(call_id).or_default() += 1;
                        }
                    }
                    Event::PayloadReleased { call_id } => {
                        assert!(
                            seen.results.contains_key(&call_id),
                            "released before it was done"
                        );
                        *seen.released.entry(call_id).or_default() += 1;
                    }
                    Event::Emit(emission) => {
                        if let Some(call_id) = emission.call_id {
                            let _ = seen.calls.insert(emission.id, call_id);
                        }
                        // An answered emission is not kept: its payload would not be released.
                        match self.answer.get().and_then(|answer| answer(&emission)) {
                            Some(result) => answers.push((emission.id, result)),
                            None => seen.emissions.push(emission),
                        }
                    }
                    Event::EmissionCancelled { id, error } => {
                        let _ = seen.cancelled_emissions.insert(id, error);
                    }
                    Event::HostErrorReleased { id } => {
                        *seen.released_errors.entry(id).or_default() += 1;
                    }
                    Event::Status { status, .. } => seen.statuses.push(status),
                }
            }
        }
        let component = self.component.get().and_then(Weak::upgrade);
        for (emission, result) in answers {
            let component = component.as_ref().expect("a component emits");
            assert!(self.emission_done(component, emission, result.err()));
        }
        self.changed.notify_all();
    }
}

impl Host {
    /// Answers an emission; false if it did not await its answer.
    fn emission_done(
        &self,
        component: &Component,
        id: u64,
        error: Option<ProcessingError>,
    ) -> bool {
        let answer = component.emission_done(id, error.clone());
        if answer.call_done {
            let mut seen = self.seen.lock().unwrap();
            let call_id = seen.calls[&id];
            seen.results.entry(call_id).or_default().push(error);
            if answer.payload_released {
                *seen.released.entry(call_id).or_default() += 1;
            }
            self.changed.notify_all();
        }
        answer.awaited
    }

    /// Waits until `look` finds what it looks for.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut(&mut Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.lock().unwrap();
        loop {
            if let Some(found) = look(&mut seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}");
            seen = self.changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// The call's result, which is its only one so far.
    pub(crate) fn done(&self, call_id: u64) -> Result<(), ProcessingError> {
        self.wait(&format!("the result of call {call_id}"), |seen| {
            let results = seen.results.get(&call_id)?;
            assert_eq!(
                results.len(),
                1,
                "call {call_id} was completed more than once"
            );
            Some(results[0].clone().map_or(Ok(()), Err))
        })
    }

    /// Takes the next emission.
    pub(crate) fn emission(&self) -> Emission {
        self.wait("an emission", |seen| {
            (!seen.emissions.is_empty()).then(|| seen.emissions.remove(0))
        })
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }
}

/// A context with one metadata key.
pub(crate) fn metadata(key: &str, value: &str) -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block.metadata(key, [value]);
    block.build().unwrap()
}

/// A runtime with one started component and its host.
pub(crate) struct Bridge {
    pub(crate) runtime: Runtime,
    pub(crate) component: Arc<Component>,
    pub(crate) host: Arc<Host>,
}

impl Bridge {
    /// Answers an emission; false if it did not await its answer.
    pub(crate) fn emission_done(&self, id: u64, error: Option<ProcessingError>) -> bool {
        self.host.emission_done(&self.component, id, error)
    }

    /// Emissions wait for the test to answer them.
    pub(crate) fn start(config: Value) -> Self {
        Self::start_with(config, |_| None)
    }

    /// Every emission is accepted at once.
    pub(crate) fn accepting(config: Value) -> Self {
        Self::start_with(config, |_| Some(Ok(())))
    }

    /// A component whose first node is a receiver; emissions wait for the test.
    pub(crate) fn receiver(config: Value) -> Self {
        let spec = ComponentSpec {
            kind: ComponentKind::Receiver,
            ..spec(config)
        };
        Self::start_spec(&spec, |_| None)
    }

    pub(crate) fn start_with(
        config: Value,
        answer: impl Fn(&Emission) -> Option<Result<(), ProcessingError>> + Send + Sync + 'static,
    ) -> Self {
        Self::start_spec(&spec(config), answer)
    }

    fn start_spec(
        spec: &ComponentSpec,
        answer: impl Fn(&Emission) -> Option<Result<(), ProcessingError>> + Send + Sync + 'static,
    ) -> Self {
        catalogue::install(nodes::factories);
        let host = Arc::new(Host::default());
        assert!(host.answer.set(Box::new(answer)).is_ok());
        let runtime = Runtime::create(RuntimeOptions {
            events: Arc::clone(&host) as Arc<dyn EventSink>,
            log: None,
            log_level: LogLevel::Info,
        })
        .unwrap();
        let component = Component::create(&runtime, spec).unwrap();
        assert!(host.component.set(Arc::downgrade(&component)).is_ok());
        component.start(PATIENCE).unwrap();
        Self {
            runtime,
            component,
            host,
        }
    }

    pub(crate) fn submit(&self, call_id: u64, payload: &Bytes) -> Result<(), ProcessingError> {
        self.submit_with(call_id, payload, ContextBlock::empty())
    }

    pub(crate) fn submit_with(
        &self,
        call_id: u64,
        payload: &Bytes,
        context: ContextBlock,
    ) -> Result<(), ProcessingError> {
        self.submit_signal(call_id, Signal::Logs, payload, context)
    }

    pub(crate) fn submit_signal(
        &self,
        call_id: u64,
        signal: Signal,
        payload: &Bytes,
        context: ContextBlock,
    ) -> Result<(), ProcessingError> {
        let payload = payload.clone();
        self.component
            .submit(call_id, signal, context, payload.len(), |guard| {
                Bytes::from_owner(Guarded(payload, guard))
            })
    }

    /// Shuts down and checks that nothing is left: each call completed once, each
    /// payload released once, every counter back at zero.
    pub(crate) fn finish(self) -> Seen {
        self.runtime.shutdown(PATIENCE);
        let mut seen = std::mem::take(&mut *self.host.seen.lock().unwrap());
        seen.emissions.clear();
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

struct Guarded(
    Bytes,
    #[expect(dead_code, reason = "kept for its drop")] otapbridge_engine::PayloadGuard,
);

impl AsRef<[u8]> for Guarded {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) fn spec(config: Value) -> ComponentSpec {
    ComponentSpec {
        signal: None,
        kind: ComponentKind::Processor,
        name: "processors::otap/test".to_owned(),
        component_data: 1,
        cancel_grace: otapbridge_engine::DEFAULT_CANCEL_GRACE,
        references: false,
        config: config.to_string().into_bytes(),
    }
}

/// A context whose deadline is `remaining` away.
pub(crate) fn deadline(remaining: Duration) -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block.deadline(remaining, 0);
    block.build().unwrap()
}

/// A context without a caller's deadline, whose time in the library is bounded.
pub(crate) fn timeout(after: Duration) -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block.timeout(after).deadline_is_a_timeout();
    block.build().unwrap()
}

/// An OTLP logs request: one resource, and as many records as there are bodies.
pub(crate) fn logs(bodies: &[&str]) -> Bytes {
    let records: Vec<u8> = bodies
        .iter()
        .flat_map(|body| field(2, &field(5, &field(1, body.as_bytes()))))
        .collect();
    let scope_logs = field(2, &records);
    let resource_logs = [field(1, &[]), scope_logs].concat();
    field(1, &resource_logs).into()
}

/// An OTLP metrics request: a gauge with one point.
pub(crate) fn gauge(name: &str) -> Bytes {
    // time_unix_nano is a fixed64, as_int an sfixed64.
    let point = [vec![3 << 3 | 1], vec![1; 8], vec![6 << 3 | 1], vec![2; 8]].concat();
    let metric = [field(1, name.as_bytes()), field(5, &field(1, &point))].concat();
    let resource_metrics = [field(1, &[]), field(2, &field(2, &metric))].concat();
    field(1, &resource_metrics).into()
}

/// A directory that is removed at the end.
pub(crate) struct Directory(std::path::PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("otapbridge-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
