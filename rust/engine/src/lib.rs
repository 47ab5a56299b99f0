// SPDX-License-Identifier: Apache-2.0

//! Hosts otap-dataflow pipelines.
//!
//! This is the only crate that names `otel-arrow-dfe-*`. A [`Component`] is a
//! pipeline of nodes between a host receiver and a host exporter, or several that are
//! alike (shards); calls go in with [`Component::submit`], and what happens to them comes out
//! as [`Event`]s.
#![forbid(unsafe_code)]

mod base {
    //! What everything here stands on: events and their queue, payloads, counters, the
    //! configuration's shape.

    pub(crate) mod counters;
    pub(crate) mod event;
    pub(crate) mod logging;
    pub(crate) mod looking;
    pub(crate) mod node_types;
    pub(crate) mod outbox;
    pub(crate) mod payload;
    pub(crate) mod sending;
    pub(crate) mod spec;
    pub(crate) mod storage;
    pub(crate) mod sync;
}
mod component;
mod config {
    //! Checks of a component's configuration, before anything runs.

    pub(crate) mod expanded;
    pub(crate) mod node_config;
    pub(crate) mod secrets;
    pub(crate) mod trial;
    pub(crate) mod validate;
}
mod guard {
    //! What stands around nodes, so that nothing is lost, mixed or worked on in vain.

    pub(crate) mod admission;
    pub(crate) mod divider;
    pub(crate) mod drain;
    pub(crate) mod durable_buffer;
    pub(crate) mod engine_nodes;
    pub(crate) mod gate;
    pub(crate) mod joined_context;
    pub(crate) mod retry_gate;
}
mod host {
    //! The first and the last node of a pipeline: where the host's calls go in, and where
    //! output goes to the host.

    pub(crate) mod exporter;
    pub(crate) mod receiver;
}
mod node {
    //! Nodes written against the bridge, and what they work with.

    pub(crate) mod adapter;
    pub(crate) mod concurrent;
    pub(crate) mod effect_handler;
    pub(crate) mod factory;
    pub(crate) mod held;
    pub(crate) mod own_request;
    pub(crate) mod processor;
    pub(crate) mod receiver;
    pub(crate) mod sent;
    pub(crate) mod tasks;
}
mod pipeline {
    //! A pipeline's thread, and the node types that can be in it.

    pub(crate) mod build;
    pub mod catalogue;
    pub(crate) mod resources;
    pub(crate) mod telemetry;
    pub(crate) mod thread;
}
mod request {
    //! Requests: their table, their end, their time, their errors.

    pub(crate) mod building;
    pub(crate) mod due;
    pub(crate) mod emissions;
    pub(crate) mod engine_errors;
    pub(crate) mod errors;
    pub(crate) mod header;
    pub(crate) mod nack;
    pub(crate) mod pace;
    pub(crate) mod reaper;
    #[expect(clippy::module_inception, reason = "the request itself")]
    pub(crate) mod request;
    pub(crate) mod state;
    pub(crate) mod table;
}
mod runtime;

pub use base::counters::Stats;
pub use base::event::{ComponentStatus, Emission, Event, EventSink, LogLevel, LogRecord, LogSink};
pub use base::payload::{from_otlp_bytes, signal, with_otlp_bytes};
pub use base::spec::{ComponentKind, ComponentSpec, DEFAULT_CANCEL_GRACE};
pub use component::Component;
pub use config::secrets::{Secret, secrets};
pub use config::validate::{joins_references, validate, warnings};
pub use node::effect_handler::{ContextAwareEffectHandler, TaskEffectHandler};
pub use node::factory::{NodeFactory, concurrent_processor_factory, processor_factory};
pub use node::held::Held;
pub use node::own_request::OwnRequest;
pub use node::processor::{ConcurrentContextAwareProcessor, ContextAwareProcessor, ProcessorNode};
pub use node::receiver::{
    ContextAwareReceiver, ReceiverEffectHandler, ReceiverNode, receiver_factory,
};
pub use pipeline::catalogue;
pub use request::emissions::EmissionAnswer;
pub use request::engine_errors::error_of_engine;
pub use request::request::PayloadGuard;
pub use request::state::DataSize;
pub use runtime::{Runtime, RuntimeOptions};

/// The engine's types that node authors meet.
pub mod engine {
    pub use otel_arrow_dfe_engine::control::NodeControlMsg;
    pub use otel_arrow_dfe_engine::message::Message;
    pub use otel_arrow_dfe_otap::pdata::OtapPdata;
}
