// SPDX-License-Identifier: Apache-2.0

//! What the unit tests of several crates share.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "fields of OTLP, and what tests draw")]

pub mod otlp;
mod random;

pub use random::Random;
