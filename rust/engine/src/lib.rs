// SPDX-License-Identifier: Apache-2.0

//! Hosts otap-dataflow pipelines.
//!
//! This is the only crate that names `otel-arrow-dfe-*`. A [`Component`] is a
//! pipeline of engine nodes between a host receiver and a host exporter; calls
//! go in with [`Component::submit`], and what happens to them comes out as
//! [`Event`]s.
#![forbid(unsafe_code)]

mod abandoned;
mod adapter;
mod answers;
mod building;
mod carried;
pub mod catalogue;
mod component;
mod concurrent_adapter;
mod context_bindings;
mod context_headers;
mod core;
mod counters;
mod dead;
mod deliveries;
mod divider;
mod drain;
mod durable_buffer;
mod effect_handler;
mod engine_errors;
mod engine_nodes;
mod event;
mod expanded;
mod gate;
mod held;
mod host_exporter;
mod host_receiver;
mod logging;
mod nack;
pub mod node;
mod node_config;
mod node_values;
mod outbox;
mod payload;
mod pipeline;
pub mod receiver;
mod request;
mod retry_gate;
mod runtime;
mod secrets;
mod sending;
pub mod spec;
mod storage;
mod tasks;
mod telemetry;
mod trial;
mod validate;

pub use component::{Component, PayloadGuard};
pub use counters::Stats;
pub use effect_handler::{ContextAwareEffectHandler, TaskEffectHandler};
pub use event::{ComponentStatus, Emission, Event, EventSink, LogLevel, LogRecord, LogSink};
pub use held::Held;
pub use nack::error_of_engine;
pub use payload::{from_otlp_bytes, signal, with_otlp_bytes};
pub use request::Request;
pub use runtime::{Runtime, RuntimeOptions};
pub use secrets::{Secret, secrets};
pub use validate::{validate, warnings};

/// The engine's types that node authors meet.
pub mod engine {
    pub use otel_arrow_dfe_engine::control::NodeControlMsg;
    pub use otel_arrow_dfe_engine::message::Message;
    pub use otel_arrow_dfe_otap::pdata::OtapPdata;
}
