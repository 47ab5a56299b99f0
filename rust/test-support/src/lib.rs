// SPDX-License-Identifier: Apache-2.0

//! What the tests of several crates share: random data, and OTLP in an independent reading.
//!
//! It knows nothing of the engine, because crates below the engine test with it. What runs
//! nodes, for node authors as well, is `otapbridge-testing`.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "fields of OTLP, and what tests draw")]

pub mod otlp;
mod random;

pub use random::Random;
