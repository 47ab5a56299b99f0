// SPDX-License-Identifier: Apache-2.0

//! The engine's log records on their way to the host's callback.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use otapbridge_engine::{LogLevel, LogRecord, LogSink};

use crate::abi::{
    OTAPB_LOG_LEVEL_DEBUG, OTAPB_LOG_LEVEL_ERROR, OTAPB_LOG_LEVEL_INFO, OTAPB_LOG_LEVEL_TRACE,
    OTAPB_LOG_LEVEL_WARN, otapb_log_attribute, otapb_log_record, otapb_slice,
};

/// The host's log callback.
pub(crate) type LogFn = unsafe extern "C" fn(u64, *const otapb_log_record);

/// Hands records to the host's callback until it is closed.
pub(crate) struct HostLog {
    on_log: LogFn,
    host_data: u64,
    closed: AtomicBool,
    /// Callbacks under way. Entered before `closed` is looked at: a check first
    /// and a call afterwards would race with the shutdown.
    active: AtomicUsize,
}

impl HostLog {
    pub(crate) fn new(on_log: LogFn, host_data: u64) -> Self {
        Self {
            on_log,
            host_data,
            closed: AtomicBool::new(false),
            active: AtomicUsize::new(0),
        }
    }

    /// When it returns, no callback is under way and none will come.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        while self.active.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
    }
}

impl LogSink for HostLog {
    fn log(&self, component_data: u64, record: &LogRecord<'_>) {
        let _ = self.active.fetch_add(1, Ordering::SeqCst);
        if !self.closed.load(Ordering::SeqCst) {
            let attributes: Vec<otapb_log_attribute> = record
                .attributes
                .iter()
                .map(|(key, value)| otapb_log_attribute {
                    key: otapb_slice::of(key.as_bytes()),
                    value: otapb_slice::of(value.as_bytes()),
                })
                .collect();
            let given = otapb_log_record {
                size: size_of::<otapb_log_record>() as u32,
                level: match record.level {
                    LogLevel::Trace => OTAPB_LOG_LEVEL_TRACE,
                    LogLevel::Debug => OTAPB_LOG_LEVEL_DEBUG,
                    LogLevel::Info => OTAPB_LOG_LEVEL_INFO,
                    LogLevel::Warn => OTAPB_LOG_LEVEL_WARN,
                    LogLevel::Error => OTAPB_LOG_LEVEL_ERROR,
                },
                component_data,
                target: otapb_slice::of(record.target.as_bytes()),
                message: otapb_slice::of(record.message.as_bytes()),
                attributes: match attributes.is_empty() {
                    true => std::ptr::null(),
                    false => attributes.as_ptr(),
                },
                attribute_count: attributes.len(),
            };
            // SAFETY: the callback was given with the runtime; everything the
            // record points to outlives the call.
            unsafe { (self.on_log)(self.host_data, &raw const given) };
        }
        let _ = self.active.fetch_sub(1, Ordering::SeqCst);
    }
}
