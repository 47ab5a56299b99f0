// SPDX-License-Identifier: Apache-2.0

//! What the engine tells its host, and the two sinks a host provides.

use bytes::Bytes;
use otapbridge_context::{ContextBlock, ProcessingError, Signal};

/// Something that happened to a call, an emission or a component.
#[derive(Debug)]
pub enum Event {
    /// The call ended. Each accepted call has exactly one, unless an
    /// [`EmissionAnswer`](crate::EmissionAnswer) said that it ended.
    Done {
        /// The host's name for the call.
        call_id: u64,
        /// Why it failed, or `None` when every output was acknowledged.
        error: Option<ProcessingError>,
        /// The payload was released before; no `PayloadReleased` follows.
        payload_released: bool,
    },
    /// Output that the host forwards and answers.
    Emit(Emission),
    /// Nobody waits for the answer to an emission any more. It is still to be answered.
    EmissionCancelled {
        /// The emission.
        id: u64,
        /// Cancelled or Timeout if its request ended so; Retryable if the pipeline ended.
        error: ProcessingError,
    },
    /// The engine no longer reads the payload of a call that is done.
    PayloadReleased {
        /// The host's name for the call.
        call_id: u64,
    },
    /// The library no longer has an error of the host's, nor what stems from it.
    HostErrorReleased {
        /// The host's name for it.
        id: u64,
    },
    /// The component's health changed.
    Status {
        /// The new state.
        status: ComponentStatus,
        /// What went wrong, unless the state is `Ok`.
        error: Option<ProcessingError>,
    },
}

/// Output of a pipeline.
#[derive(Debug)]
pub struct Emission {
    /// Unique within the component.
    pub id: u64,
    /// The call it stems from, if that is exactly one.
    pub call_id: Option<u64>,
    /// What the payload is.
    pub signal: Signal,
    /// Output port.
    pub port: &'static str,
    /// OTLP protobuf; nothing if `by_reference`.
    pub payload: Bytes,
    /// The data are those of the call, or of all origins in their order: the host has them.
    pub by_reference: bool,
    /// A context block, when there is no single call.
    pub context: ContextBlock,
    /// The host's answer is an early one, which ends the call at once: see [`EmissionAnswer`](crate::EmissionAnswer).
    pub ends_call: bool,
    /// The calls that output of an own request stems from, as far as they are known.
    pub origins: Vec<u64>,
}

/// Health of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentStatus {
    /// It works.
    Ok,
    /// A pipeline ended unexpectedly and is being restarted.
    RecoverableError,
    /// A pipeline ended unexpectedly and its restarts are used up.
    PermanentError,
}

/// Receives events. Called from pipelines' threads and the reaper's, for one component also at
/// the same time, with no lock taken but the outbox's `batch`, and at a shutdown the component's
/// `life`; what concerns one call or emission comes in order.
/// It drains `events`, may call the component's methods, and must not block.
pub trait EventSink: Send + Sync {
    /// Takes every event out of `events`. `component_data` names the component.
    fn deliver(&self, component_data: u64, events: &mut Vec<Event>);
}

/// Severity of a log record, least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest detail.
    Trace,
    /// Detail for developers.
    Debug,
    /// Normal operation.
    Info,
    /// Something to look at.
    Warn,
    /// A failure.
    Error,
}

/// A log record of a node or of the engine.
#[derive(Debug)]
pub struct LogRecord<'a> {
    /// Severity.
    pub level: LogLevel,
    /// The module or scope that logged.
    pub target: &'a str,
    /// The text.
    pub message: &'a str,
    /// Key-value pairs.
    pub attributes: &'a [(&'static str, String)],
}

/// Receives log records. Called from any thread, also concurrently; must not block.
pub trait LogSink: Send + Sync {
    /// Takes one record. `component_data` names the component, 0 for none.
    fn log(&self, component_data: u64, record: &LogRecord<'_>);
}
