// SPDX-License-Identifier: Apache-2.0

//! Runs nodes in tests: in an engine pipeline as the collector has it, with a
//! [`TestHost`] in the place of the collector and nothing of the C ABI.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use otapbridge_context::{CancelReason, ContextBlock, ProcessingError, Signal};
use otapbridge_engine::NodeFactory;
use otapbridge_engine::{
    Component, DEFAULT_CANCEL_GRACE, Event, EventSink, LogLevel, PayloadGuard, Runtime,
    RuntimeOptions, catalogue,
};
use otapbridge_engine::{ComponentKind, ComponentSpec};
use serde_json::Value;

/// A test that waits longer than this for a result or an output has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came out of the pipeline.
#[derive(Clone, Debug)]
pub struct Output {
    /// What the payload is.
    pub signal: Signal,
    /// The output port.
    pub port: &'static str,
    /// OTLP protobuf.
    pub payload: Bytes,
    /// The context, if the output does not stem from exactly one call.
    pub context: ContextBlock,
}

/// The component behind the pipeline: its answer to an output.
type Next = Box<dyn Fn(&Output) -> Result<(), ProcessingError> + Send + Sync>;

#[derive(Default)]
struct Seen {
    results: HashMap<u64, Result<(), ProcessingError>>,
    outputs: Vec<Output>,
}

struct Host {
    next: Next,
    component: OnceLock<Weak<Component>>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl EventSink for Host {
    fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            match event {
                Event::Done { call_id, error, .. } => self.note(|seen| {
                    let _ = seen.results.insert(call_id, error.map_or(Ok(()), Err));
                }),
                Event::Emit(emission) => {
                    let output = Output {
                        signal: emission.signal,
                        port: emission.port,
                        payload: emission.payload,
                        context: emission.context,
                    };
                    let result = (self.next)(&output);
                    self.note(|seen| seen.outputs.push(output));
                    if let Some(component) = self.component.get().and_then(Weak::upgrade) {
                        let error = result.err();
                        let answer = component.emission_done(emission.id, error.clone());
                        if let Some(call_id) = emission.call_id.filter(|_| answer.call_done) {
                            self.note(|seen| {
                                let _ = seen.results.insert(call_id, error.map_or(Ok(()), Err));
                            });
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

impl Host {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait<T>(&self, what: &str, mut look: impl FnMut(&mut Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = look(&mut seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {PATIENCE:?} in vain for {what}");
            let woken = self.changed.wait_timeout(seen, left);
            seen = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Runs one component and stands for the collector around it. When it is dropped,
/// the component ends at once.
pub struct TestHost {
    runtime: Runtime,
    component: Arc<Component>,
    host: Arc<Host>,
    calls: AtomicU64,
}

impl TestHost {
    /// Starts a component of this configuration, `{"type": …, "config": …}` or
    /// `{"nodes": …, "connections": …}` as in the collector. Every output is accepted.
    ///
    /// There may be several hosts at a time; `node_types` counts only when the first
    /// one of a process starts, so all tests of a program must give the same.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn start(
        node_types: fn() -> Vec<NodeFactory>,
        config: &Value,
    ) -> Result<Self, Vec<ProcessingError>> {
        Self::start_with(node_types, config, |_| Ok(()))
    }

    /// As [`start`](Self::start), with `next` as the component behind: it answers each
    /// output. It is called on the pipeline's thread, so it must not wait.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn start_with(
        node_types: fn() -> Vec<NodeFactory>,
        config: &Value,
        next: impl Fn(&Output) -> Result<(), ProcessingError> + Send + Sync + 'static,
    ) -> Result<Self, Vec<ProcessingError>> {
        Self::create(node_types, ComponentKind::Processor, config, Box::new(next))
    }

    /// As [`start_with`](Self::start_with), for a component that begins with a receiver
    /// and takes no calls.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn start_receiver(
        node_types: fn() -> Vec<NodeFactory>,
        config: &Value,
        next: impl Fn(&Output) -> Result<(), ProcessingError> + Send + Sync + 'static,
    ) -> Result<Self, Vec<ProcessingError>> {
        Self::create(node_types, ComponentKind::Receiver, config, Box::new(next))
    }

    fn create(
        node_types: fn() -> Vec<NodeFactory>,
        kind: ComponentKind,
        config: &Value,
        next: Next,
    ) -> Result<Self, Vec<ProcessingError>> {
        catalogue::install(node_types);
        let host = Arc::new(Host {
            next,
            component: OnceLock::new(),
            seen: Mutex::default(),
            changed: Condvar::new(),
        });
        let runtime = Runtime::create(RuntimeOptions {
            events: Arc::clone(&host) as Arc<dyn EventSink>,
            log: None,
            log_level: LogLevel::Info,
        })
        .map_err(|error| vec![error])?;
        let spec = ComponentSpec {
            signal: None,
            kind,
            name: String::new(),
            component_data: 0,
            cancel_grace: DEFAULT_CANCEL_GRACE,
            references: false,
            config: config.to_string().into_bytes(),
        };
        let component = Component::create(&runtime, &spec)?;
        let _ = host.component.set(Arc::downgrade(&component));
        component.start(PATIENCE).map_err(|error| vec![error])?;
        Ok(Self {
            runtime,
            component,
            host,
            calls: AtomicU64::new(0),
        })
    }

    /// Makes a call, as the collector does for each request. `payload` is OTLP protobuf.
    #[must_use]
    pub fn call(
        &self,
        signal: Signal,
        payload: impl Into<Bytes>,
        context: ContextBlock,
    ) -> Call<'_> {
        let id = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let payload = payload.into();
        let submitted = self
            .component
            .submit(id, signal, context, payload.len(), |guard| {
                Bytes::from_owner(Lent(payload, guard))
            });
        if let Err(error) = submitted {
            self.host.note(|seen| {
                let _ = seen.results.insert(id, Err(error));
            });
        }
        Call { id, host: self }
    }

    /// Takes what came out so far. When a call was completed with `Ok`, all its output is there.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        let mut seen = self
            .host
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        take(&mut seen.outputs)
    }

    /// Waits for an output and takes it.
    ///
    /// # Panics
    /// After 30 seconds without one.
    #[must_use]
    pub fn output(&self) -> Output {
        self.host.wait("an output", |seen| {
            (!seen.outputs.is_empty()).then(|| seen.outputs.remove(0))
        })
    }

    /// Ends the component as the collector does when it stops: what nodes keep back is
    /// flushed, and every call has its result when this returns.
    pub fn shutdown(&self, timeout: Duration) {
        self.component.shutdown(timeout);
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.runtime.shutdown(Duration::ZERO);
    }
}

/// A call that was made.
pub struct Call<'host> {
    id: u64,
    host: &'host TestHost,
}

impl Call<'_> {
    /// Cancels it, as a client does that goes away.
    pub fn cancel(&self, cause: &str) {
        let _ = self
            .host
            .component
            .cancel(self.id, CancelReason::Cancelled, cause);
    }

    /// Waits for what the caller gets.
    ///
    /// # Errors
    /// The error that the caller gets.
    ///
    /// # Panics
    /// After 30 seconds without a result.
    pub fn result(&self) -> Result<(), ProcessingError> {
        self.host.host.wait("the result of a call", |seen| {
            seen.results.get(&self.id).cloned()
        })
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
