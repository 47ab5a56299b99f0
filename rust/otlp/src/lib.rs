// SPDX-License-Identifier: Apache-2.0

//! OTLP protobuf as bytes: found, counted and divided without being decoded, so that
//! what is not understood is not changed either.
#![forbid(unsafe_code)]

mod divide;
mod empty;
mod inspect;
mod level;
mod rewrite;
mod size;
pub mod wire;

pub use divide::{DivideError, Divided, Piece, divide};
pub use empty::without_empty;
pub use inspect::{Inspected, inspect};
pub use level::Level;
pub use rewrite::{AttributeValue, ResourceAttributes};
pub use size::{Size, Sizer};
