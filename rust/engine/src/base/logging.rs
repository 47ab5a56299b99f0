// SPDX-License-Identifier: Apache-2.0

//! Log records of the engine and its nodes on their way to the host.
//!
//! A subscriber is installed on a pipeline's thread only: the process's global
//! one belongs to the host.

use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::{Level, Metadata, Subscriber};

use crate::base::event::{LogLevel, LogRecord, LogSink};

/// Hands every event at or above a level to the host.
pub(crate) struct HostSubscriber {
    sink: Arc<dyn LogSink>,
    component_data: u64,
    least: LevelFilter,
}

impl HostSubscriber {
    pub(crate) fn dispatch(
        sink: Arc<dyn LogSink>,
        component_data: u64,
        least: LogLevel,
    ) -> tracing::Dispatch {
        tracing::Dispatch::new(Self {
            sink,
            component_data,
            least: match least {
                LogLevel::Trace => LevelFilter::TRACE,
                LogLevel::Debug => LevelFilter::DEBUG,
                LogLevel::Info => LevelFilter::INFO,
                LogLevel::Warn => LevelFilter::WARN,
                LogLevel::Error => LevelFilter::ERROR,
            },
        })
    }
}

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::TRACE => LogLevel::Trace,
        Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        Level::ERROR => LogLevel::Error,
    }
}

impl Subscriber for HostSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.least
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.least)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let message = match &fields.message {
            Some(message) => message,
            // The engine names its events and may leave the message out.
            None => metadata.name(),
        };
        self.sink.log(
            self.component_data,
            &LogRecord {
                level: level_of(*metadata.level()),
                target: metadata.target(),
                message: &otapbridge_context::error_table::strip(message),
                attributes: &fields.attributes,
            },
        );
    }

    // Spans are not followed: records say which component they belong to.
    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}
    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}
    fn enter(&self, _span: &span::Id) {}
    fn exit(&self, _span: &span::Id) {}
}

#[derive(Default)]
struct Fields {
    message: Option<String>,
    attributes: Vec<(&'static str, String)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        let value = match otapbridge_context::error_table::strip(&value) {
            std::borrow::Cow::Borrowed(_) => value,
            std::borrow::Cow::Owned(stripped) => stripped,
        };
        if field.name() == "message" {
            self.message = Some(value);
        } else {
            self.attributes.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}
