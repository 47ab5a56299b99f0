// SPDX-License-Identifier: Apache-2.0

//! OTLP protobuf as bytes: found, counted, changed and divided without being decoded, so that
//! what is not understood is not changed either.
#![forbid(unsafe_code)]

mod attributes;
mod divide;
mod edit;
mod inspect;
mod schema;
mod size;
mod walk;
pub mod wire;

pub use attributes::{AttributeValue, ResourceAttributes, Value, key};
pub use divide::{DivideError, Divided, Piece, divide};
pub use edit::{Edits, Opened};
pub use inspect::{Inspected, inspect};
pub use schema::{FieldType, MessageType, PointType};
pub use size::{Size, Sizer};
pub use walk::{Outcome, Visitor, walk, without_empty};
