// SPDX-License-Identifier: Apache-2.0

//! Runtime entry points.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use otapbridge_engine::{LogLevel, LogSink, Runtime, RuntimeOptions, catalogue};

use crate::abi::{
    OTAPB_ABI_VERSION, OTAPB_LOG_LEVEL_DEBUG, OTAPB_LOG_LEVEL_ERROR, OTAPB_LOG_LEVEL_INFO,
    OTAPB_LOG_LEVEL_OFF, OTAPB_LOG_LEVEL_TRACE, OTAPB_LOG_LEVEL_WARN, otapb_error, otapb_events_fn,
    otapb_log_fn, otapb_runtime_options, otapb_stats,
};
use crate::borrow::{not_null, read_sized, wrong};
use crate::events::HostEvents;
use crate::log::HostLog;
use crate::panic::{Errors, guarded, guarded_or, log_panics};
use crate::{error, events, library};

/// A process-wide library instance: owns components, counters and the log sink.
/// Created by otapb_runtime_create, freed by otapb_runtime_destroy.
#[allow(non_camel_case_types)]
pub struct otapb_runtime {
    pub(crate) runtime: Runtime,
    log: Option<Arc<HostLog>>,
}

impl otapb_runtime {
    fn shutdown(&self, timeout: Duration) {
        self.runtime.shutdown(timeout);
        if let Some(log) = &self.log {
            log.close();
        }
    }
}

/// Creates a runtime.
///
/// @param options      Never NULL; borrowed for the call.
/// @param on_events    Receives events. Never NULL.
/// @param on_log       Receives log records, or NULL for none.
/// @param out_runtime  Never NULL. Receives the runtime, on success only.
/// @return NULL on success, otherwise an error that the caller releases: kind
///         Configuration when an argument is NULL or the ABI versions do not
///         match (the message names both), Permanent when the library was
///         linked without its engine nodes.
///
/// Threading: any thread. May block briefly: it starts the reaper and the telemetry thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_runtime_create(
    options: *const otapb_runtime_options,
    on_events: otapb_events_fn,
    on_log: otapb_log_fn,
    out_runtime: Option<&mut MaybeUninit<Box<otapb_runtime>>>,
) -> *mut otapb_error {
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let options = unsafe { read_sized(options, "options") }?;
        check_version(options.abi_version)?;
        let on_events = on_events.ok_or_else(|| wrong("on_events", "must not be NULL"))?;
        let out_runtime = not_null(out_runtime, "out_runtime")?;
        let (log_level, deliver) = log_level(options.log_level)?;
        log_panics();
        catalogue::install(library::node_types);
        let log = on_log
            .filter(|_| deliver)
            .map(|on_log| Arc::new(HostLog::new(on_log, options.host_data)));
        let runtime = Runtime::create(RuntimeOptions {
            events: Arc::new(HostEvents {
                on_events,
                host_data: options.host_data,
            }),
            log: log.clone().map(|log| log as Arc<dyn LogSink>),
            log_level,
        })?;
        let _ = out_runtime.write(Box::new(otapb_runtime { runtime, log }));
        Ok(())
    })
}

fn check_version(host: u32) -> Result<(), Errors> {
    let parts = |version: u32| (version >> 16, version & 0xffff);
    let (major, minor) = parts(OTAPB_ABI_VERSION);
    let (host_major, host_minor) = parts(host);
    if host_major == major && host_minor <= minor {
        return Ok(());
    }
    let message = format!(
        "the host was compiled for ABI version {host_major}.{host_minor}, this library has \
         {major}.{minor}: use the header that came with the library"
    );
    Err(wrong("options.abi_version", message).into())
}

/// The least level to deliver, and whether to deliver anything.
fn log_level(level: u32) -> Result<(LogLevel, bool), Errors> {
    Ok(match level {
        OTAPB_LOG_LEVEL_TRACE => (LogLevel::Trace, true),
        OTAPB_LOG_LEVEL_DEBUG => (LogLevel::Debug, true),
        0 | OTAPB_LOG_LEVEL_INFO => (LogLevel::Info, true),
        OTAPB_LOG_LEVEL_WARN => (LogLevel::Warn, true),
        OTAPB_LOG_LEVEL_ERROR => (LogLevel::Error, true),
        OTAPB_LOG_LEVEL_OFF => (LogLevel::Error, false),
        other => return Err(wrong("options.log_level", format!("{other} is no log level")).into()),
    })
}

/// Shuts down every component of a runtime, then the runtime. After it returns,
/// no callback of this runtime will ever come. A second call does nothing.
///
/// @param runtime     Never NULL.
/// @param timeout_ns  How long work in flight may take to finish, in
///                    nanoseconds. What is left then ends with a retryable error.
/// @return NULL on success, otherwise an error that the caller releases.
///
/// Threading: any thread, but not from inside a callback. Blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_runtime_shutdown(
    runtime: *mut otapb_runtime,
    timeout_ns: u64,
) -> *mut otapb_error {
    guarded(|| {
        // SAFETY: NULL or valid, by the function's contract.
        let handle = not_null(unsafe { runtime.as_ref() }, "runtime")?;
        handle.shutdown(Duration::from_nanos(timeout_ns));
        Ok(())
    })
}

/// Frees a runtime; shuts it down first, without waiting for work in flight,
/// if that was not done. Its components must have been destroyed before.
///
/// @param runtime  NULL is fine. Not to be used afterwards.
///
/// Threading: any thread, but not from inside a callback. May block.
#[unsafe(no_mangle)]
pub extern "C" fn otapb_runtime_destroy(runtime: Option<Box<otapb_runtime>>) {
    guarded_or((), || {
        if let Some(runtime) = runtime {
            runtime.shutdown(Duration::ZERO);
        }
    });
}

/// Reads a runtime's counters. Each is exact; together they are no snapshot.
///
/// @param runtime    Never NULL.
/// @param out_stats  Never NULL; `size` set by the caller. Fields that `size`
///                   covers are written, on success only.
/// @return NULL on success, otherwise an error that the caller releases.
///
/// Threading: any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otapb_runtime_stats(
    runtime: Option<&otapb_runtime>,
    out_stats: *mut otapb_stats,
) -> *mut otapb_error {
    guarded(|| {
        let handle = not_null(runtime, "runtime")?;
        // SAFETY: NULL or valid, by the function's contract.
        let size = not_null(unsafe { out_stats.as_ref() }, "out_stats")?.size;
        if size < 8 {
            let message = format!("is {size}: set it to the struct's size");
            return Err(wrong("out_stats.size", message).into());
        }
        let stats = handle.runtime.stats();
        let stats = otapb_stats {
            size,
            components: u32::try_from(stats.components).unwrap_or(u32::MAX),
            calls_in_flight: stats.calls_in_flight,
            payloads_unreleased: stats.payloads_unreleased,
            payload_bytes_unreleased: stats.payload_bytes_unreleased,
            emissions_in_flight: stats.emissions_in_flight,
            buffers_unreleased: events::UNRELEASED.load(Ordering::Relaxed),
            errors_unreleased: error::UNRELEASED.load(Ordering::Relaxed),
            contexts_alive: stats.contexts_alive,
            pipelines: stats.pipelines,
            calls_total: stats.calls_total,
            late_completions_total: stats.late_completions_total,
            panics_total: stats.panics_total,
            restarts_total: stats.restarts_total,
            errors_carried: stats.errors_carried,
        };
        // SAFETY: the host says that `size` bytes are its; no more are written.
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(&stats).cast::<u8>(),
                out_stats.cast::<u8>(),
                (size as usize).min(size_of::<otapb_stats>()),
            );
        }
        Ok(())
    })
}
