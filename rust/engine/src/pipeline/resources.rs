// SPDX-License-Identifier: Apache-2.0

//! What all components of a runtime have.

use std::sync::Arc;

use otapbridge_context::ProcessingError;
use parking_lot::Mutex;

use crate::base::counters::Counters;
use crate::base::event::{EventSink, LogLevel, LogSink};
use crate::pipeline::telemetry::{Reporters, Telemetry};

pub(crate) struct Resources {
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) log: Option<Arc<dyn LogSink>>,
    pub(crate) log_level: LogLevel,
    /// `None` once the runtime was shut down.
    pub(crate) telemetry: Mutex<Option<Telemetry>>,
}

impl Resources {
    /// What a pipeline reports to.
    ///
    /// # Errors
    /// Permanent once the runtime was shut down.
    pub(crate) fn reporters(&self) -> Result<Reporters, ProcessingError> {
        let telemetry = self.telemetry.lock();
        let reporters = telemetry.as_ref().map(|running| running.reporters.clone());
        reporters.ok_or_else(shut_down)
    }
}

pub(crate) fn shut_down() -> ProcessingError {
    ProcessingError::permanent("the runtime was shut down")
}
