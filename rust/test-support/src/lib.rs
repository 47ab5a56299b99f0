// SPDX-License-Identifier: Apache-2.0

//! What the tests of several crates share: random data, and OTLP in an independent reading.
//!
//! It knows nothing of the engine, because crates below the engine test with it. What runs
//! nodes, for node authors as well, is `otapbridge-testing`.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "fields of OTLP, and what tests draw")]

pub mod generate;
pub mod otlp;
pub mod protocol;
mod random;
pub mod raw;
pub mod schema;

pub use random::Random;

/// How many rounds a test of random data does: a number that is set from outside, as for a long run.
pub fn rounds(by_default: usize) -> usize {
    let cases = std::env::var("OTAPBRIDGE_CASES");
    cases.map_or(by_default, |cases| {
        cases.parse().expect("a number of rounds")
    })
}
