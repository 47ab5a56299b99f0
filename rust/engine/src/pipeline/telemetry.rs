// SPDX-License-Identifier: Apache-2.0

//! The engine's own telemetry: it must be collected, or its channel fills up.

use std::thread::JoinHandle;
use std::time::Duration;

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::observed_state::SendPolicy;
use otel_arrow_dfe_config::pipeline::telemetry::TelemetryConfig;
use otel_arrow_dfe_telemetry::InternalTelemetrySystem;
use otel_arrow_dfe_telemetry::event::ObservedEventReporter;
use otel_arrow_dfe_telemetry::registry::TelemetryRegistryHandle;
use otel_arrow_dfe_telemetry::reporter::MetricsReporter;
use tokio::sync::oneshot;

/// What a pipeline needs to report to.
#[derive(Clone)]
pub(crate) struct Reporters {
    pub(crate) registry: TelemetryRegistryHandle,
    pub(crate) metrics: MetricsReporter,
    pub(crate) events: ObservedEventReporter,
}

/// The collection loop and its thread; stops when dropped.
pub(crate) struct Telemetry {
    pub(crate) reporters: Reporters,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Telemetry {
    pub(crate) fn start() -> Result<Self, ProcessingError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            ProcessingError::permanent(format!("engine telemetry: {what}: {error}"))
        };
        let registry = TelemetryRegistryHandle::new();
        let policy = SendPolicy {
            blocking_timeout: None,
            console_fallback: false,
        };
        let system = InternalTelemetrySystem::new(
            &TelemetryConfig::default(),
            Duration::from_secs(1),
            registry.clone(),
            None,
            policy.clone(),
            otel_arrow_dfe_telemetry::self_tracing::LogContext::new,
            None,
        )
        .map_err(|error| failed("set-up", &error))?;
        // Pipeline life-cycle events go nowhere: the pipeline's own thread knows
        // how it ended. The receiver is dropped, so that sends fail at once.
        let (events, _) = flume::bounded(1);
        let reporters = Reporters {
            registry,
            metrics: system.reporter(),
            events: ObservedEventReporter::new(policy, events),
        };
        let collector = system.collector();
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| failed("runtime", &error))?;
        let thread = std::thread::Builder::new()
            .name("otapb-telemetry".to_owned())
            .spawn(move || {
                let _system = system;
                runtime.block_on(async {
                    tokio::select! {
                        _ = collector.run_collection_loop() => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(|error| failed("thread", &error))?;
        Ok(Self {
            reporters,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
