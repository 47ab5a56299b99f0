// SPDX-License-Identifier: Apache-2.0

//! The batch processor. `processor` sends and answers; in the other files is what
//! is joined with what, and when it has to go: synchronous, and told the time.

mod config;
mod join;
mod outgoing;
mod partition;
mod partition_key;
mod pending;
mod processor;
mod shape;
mod size;
mod split;

#[cfg(test)]
mod test_otlp;

pub use processor::Batch;
#[cfg(test)]
pub(crate) use size::Size;
