// SPDX-License-Identifier: Apache-2.0

//! A runtime: what components share in a process.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use otapbridge_context::ProcessingError;
use parking_lot::Mutex;

use crate::base::counters::Stats;
use crate::base::event::{EventSink, LogLevel, LogSink};
use crate::base::spec::ComponentSpec;
use crate::component::Component;
use crate::pipeline::catalogue;
use crate::pipeline::resources::{Resources, shut_down};
use crate::pipeline::telemetry::Telemetry;
use crate::request::reaper::ReaperThread;

/// What a runtime is made from.
pub struct RuntimeOptions {
    /// Receives events.
    pub events: Arc<dyn EventSink>,
    /// Receives log records.
    pub log: Option<Arc<dyn LogSink>>,
    /// Least severe record to deliver.
    pub log_level: LogLevel,
}

/// Owns the reaper and the telemetry thread, and knows the components.
pub struct Runtime {
    resources: Arc<Resources>,
    /// `None` once the runtime was shut down.
    reaper: Mutex<Option<ReaperThread>>,
    /// `None` once the runtime was shut down.
    components: Mutex<Option<Vec<Weak<Component>>>>,
}

impl Runtime {
    /// Checks how the library was linked, and starts the threads of telemetry and of the reaper.
    ///
    /// # Errors
    /// Permanent when a part of the engine is missing.
    pub fn create(options: RuntimeOptions) -> Result<Self, ProcessingError> {
        catalogue::self_test()?;
        Ok(Self {
            resources: Arc::new(Resources {
                counters: Arc::default(),
                events: options.events,
                log: options.log,
                log_level: options.log_level,
                telemetry: Mutex::new(Some(Telemetry::start()?)),
            }),
            reaper: Mutex::new(Some(ReaperThread::start()?)),
            components: Mutex::new(Some(Vec::new())),
        })
    }

    /// Checks the configuration and makes a component of it, which is shut down with the
    /// runtime at the latest.
    ///
    /// # Errors
    /// As from [`validate`](crate::validate); Permanent once the runtime was shut down.
    pub fn create_component(
        &self,
        spec: &ComponentSpec,
    ) -> Result<Arc<Component>, Vec<ProcessingError>> {
        let reaper = self
            .reaper
            .lock()
            .as_ref()
            .map(|thread| Arc::clone(&thread.reaper));
        let reaper = reaper.ok_or_else(|| vec![shut_down()])?;
        let component = Component::create(&self.resources, reaper, spec)?;
        let mut components = self.components.lock();
        let components = components.as_mut().ok_or_else(|| vec![shut_down()])?;
        components.retain(|component| component.strong_count() > 0);
        components.push(Arc::downgrade(&component));
        Ok(component)
    }

    /// Shuts down every component, each with what is left of `timeout`, and
    /// then the runtime. Nothing is called back after it returns.
    pub fn shutdown(&self, timeout: Duration) {
        let started = Instant::now();
        // From here on no component is admitted; one that was is shut down, also
        // if it has not been started, and a start after that fails.
        let components = self.components.lock().take();
        for component in components.iter().flatten().filter_map(Weak::upgrade) {
            component.shutdown(timeout.saturating_sub(started.elapsed()));
        }
        drop(self.resources.telemetry.lock().take());
        // Last, because components need the reaper until they have ended. This waits for its thread,
        // which may be in a callback.
        drop(self.reaper.lock().take());
    }

    /// The runtime's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let components = self.components.lock();
        let components = components.iter().flatten().filter_map(Weak::upgrade);
        Stats {
            errors_carried: components.map(|c| c.carried_errors() as u64).sum(),
            ..self.resources.counters.read()
        }
    }
}
