// SPDX-License-Identifier: Apache-2.0

//! OTLP protobuf as bytes: found, counted, changed and divided without being decoded, so that
//! what is not understood is not changed either.
//!
//! [`walk`] goes through an export request with a [`Visitor`], and notes changes of [`Attributes`] and of what
//! stays as [`Edits`]; [`divide`] makes several requests of one; [`inspect`] checks one for the engine.
#![forbid(unsafe_code)]

mod attributes;
mod buffers;
mod content;
mod divide;
mod edit;
mod empty;
mod entries;
mod inspect;
mod messages;
mod schema;
mod size;
#[cfg(test)]
mod test_visitors;
mod value;
mod visitor;
mod walk;
pub mod wire;

pub use attributes::{Attribute, Attributes, KeyLengths};
pub use buffers::reusable;
pub use content::{Content, List, MAX_VALUE_DEPTH, Map};
pub use divide::{DivideError, Divided, Piece, divide};
pub use edit::{Edits, Opened};
pub use empty::without_empty;
pub use inspect::{Inspected, inspect};
pub use messages::Messages;
pub use schema::{FieldType, MessageType, PointType};
pub use size::{Size, Sizer, data_points};
pub use value::{AnyValue, EncodedValue, Value, key};
pub use visitor::{Interest, Visit, Visitor};
pub use walk::{Outcome, walk};
