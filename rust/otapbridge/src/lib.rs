// SPDX-License-Identifier: Apache-2.0

//! What authors of otapbridge nodes depend on.
//!
//! A node implements [`ContextAwareProcessor`] and [`ProcessorNode`];
//! [`processor_factory`] turns it into a node type. The guide is `docs/node-authors.md`.
#![forbid(unsafe_code)]

pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use otapbridge_context::{
    Address, Auth, AuthValue, BlockBuilder, CancelReason, ContextBlock, ErrorDetails, ErrorKind,
    Metadata, ProcessingError, RequestContext, Signal, SpanContext, Value,
};
pub use otapbridge_engine::engine::{Message, NodeControlMsg, OtapPdata};
pub use otapbridge_engine::{
    ConcurrentContextAwareProcessor, ContextAwareProcessor, NodeFactory, ProcessorNode,
    concurrent_processor_factory, processor_factory,
};
pub use otapbridge_engine::{
    ContextAwareEffectHandler, DataSize, Held, OwnRequest, Secret, TaskEffectHandler,
};
pub use otapbridge_engine::{
    ContextAwareReceiver, ReceiverEffectHandler, ReceiverNode, receiver_factory,
};
pub use otapbridge_engine::{error_of_engine, from_otlp_bytes, signal, with_otlp_bytes};

pub mod otlp;

/// Everything a node file usually needs.
pub mod prelude {
    pub use crate::{
        Bytes, ConcurrentContextAwareProcessor, ContextAwareEffectHandler, ContextAwareProcessor,
        ContextAwareReceiver, Message, NodeControlMsg, NodeFactory, OtapPdata, ProcessingError,
        ProcessorNode, ReceiverEffectHandler, ReceiverNode, RequestContext, Signal,
        TaskEffectHandler, async_trait, concurrent_processor_factory, processor_factory,
        receiver_factory,
    };
}

/// Compiles the code of the guide, and runs what it says to run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/node-authors.md")]
mod guide {}
