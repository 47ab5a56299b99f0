// SPDX-License-Identifier: Apache-2.0

//! Runs nodes in tests: in an engine pipeline as the collector has it, with a
//! [`TestHost`] in the place of the collector and nothing of the C ABI.
//!
//! [`Bridge`] is what it is made of: the component and the runtime themselves, and a host that
//! records every event. The engine's own tests use it; node authors rarely need it.
//!
//! Random data, and OTLP in an independent reading, are in `otapbridge-test-support`: crates
//! below the engine test with it, which this crate depends on.
#![forbid(unsafe_code)]

mod bridge;

use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use otapbridge_context::{CancelReason, ContextBlock, ProcessingError, Signal};
use otapbridge_engine::{
    ComponentKind, ComponentSpec, DEFAULT_CANCEL_GRACE, Emission, NodeFactory,
};
use serde_json::Value;

pub use bridge::{Bridge, Host, PATIENCE, Seen};

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

impl Output {
    fn of(emission: &Emission) -> Self {
        Self {
            signal: emission.signal,
            port: emission.port,
            payload: emission.payload.clone(),
            context: emission.context.clone(),
        }
    }
}

/// Runs one component and stands for the collector around it. When it is dropped,
/// the component ends at once.
pub struct TestHost {
    bridge: Bridge,
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
        Self::create(node_types, ComponentKind::Processor, config, next)
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
        Self::create(node_types, ComponentKind::Receiver, config, next)
    }

    fn create(
        node_types: fn() -> Vec<NodeFactory>,
        kind: ComponentKind,
        config: &Value,
        next: impl Fn(&Output) -> Result<(), ProcessingError> + Send + Sync + 'static,
    ) -> Result<Self, Vec<ProcessingError>> {
        let spec = ComponentSpec {
            signal: None,
            kind,
            name: String::new(),
            component_data: 0,
            cancel_grace: DEFAULT_CANCEL_GRACE,
            references: false,
            config: config.to_string().into_bytes(),
        };
        let answer = move |emission: &Emission| Some(next(&Output::of(emission)));
        let bridge = Bridge::create(node_types, &spec, Box::new(answer), true)?;
        Ok(Self {
            bridge,
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
        let submitted = self
            .bridge
            .submit_signal(id, signal, &payload.into(), context);
        if let Err(error) = submitted {
            self.bridge.host.note(|seen| {
                let _ = seen.results.insert(id, vec![Some(error)]);
            });
        }
        Call { id, host: self }
    }

    /// Takes what came out so far. When a call was completed with `Ok`, all its output is there.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        let emissions = self.bridge.host.seen(|seen| take(&mut seen.emissions));
        emissions.iter().map(Output::of).collect()
    }

    /// Waits for an output and takes it.
    ///
    /// # Panics
    /// After 30 seconds without one.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::of(&self.bridge.host.emission())
    }

    /// Ends the component as the collector does when it stops: what nodes keep back is
    /// flushed, and every call has its result when this returns.
    pub fn shutdown(&self, timeout: Duration) {
        self.bridge.component.shutdown(timeout);
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.bridge.runtime.shutdown(Duration::ZERO);
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
        let component = &self.host.bridge.component;
        let _ = component.cancel(self.id, CancelReason::Cancelled, cause);
    }

    /// Waits for what the caller gets.
    ///
    /// # Errors
    /// The error that the caller gets.
    ///
    /// # Panics
    /// After 30 seconds without a result.
    pub fn result(&self) -> Result<(), ProcessingError> {
        self.host.bridge.host.done(self.id)
    }
}
