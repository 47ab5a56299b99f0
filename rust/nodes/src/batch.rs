// SPDX-License-Identifier: Apache-2.0

//! The data half of the batch processor: what is joined with what, and when it
//! has to go. Everything here is synchronous and is told the time.

mod config;
mod join;
mod outgoing;
mod partition;
mod partition_key;
mod pending;
mod shape;
mod size;
mod split;

#[cfg(test)]
mod test_otlp;
