// SPDX-License-Identifier: Apache-2.0

//! The batch processor. `processor` sends, acks and nacks; in the other files is what
//! is joined with what, and when it has to go: synchronous, and told the time.

mod config;
mod outgoing;
mod partition;
mod partition_key;
mod pending;
mod processor;

#[cfg(test)]
mod divide_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod test_otlp;

pub use processor::Batch;
