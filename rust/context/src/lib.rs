// SPDX-License-Identifier: Apache-2.0

//! Request context, cancellation and structured errors.
//!
//! A request context arrives as one contiguous block (see [`block`]), is copied
//! once, and is read in place: a field is decoded when it is asked for. This
//! crate knows neither the engine nor the C ABI, and has no unsafe code.
#![forbid(unsafe_code)]

mod arena;

mod address;
mod auth;
pub mod block;
mod encode;
mod error;
pub mod error_table;
pub mod metadata;
mod request;
mod signal;
mod span;

pub use address::Address;
pub use auth::{Auth, AuthValue};
pub use block::ContextBlock;
pub use encode::BlockBuilder;
pub use error::{ErrorDetails, ErrorKind, HostErrorReleased, ProcessingError};
pub use error_table::ErrorTable;
pub use metadata::{Metadata, Value};
pub use request::{CancelReason, RequestContext};
pub use signal::Signal;
pub use span::SpanContext;
