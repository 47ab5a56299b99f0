// SPDX-License-Identifier: Apache-2.0

//! The filter processor. `config` is what is written, `conditions` what it asks of
//! an item, and `value` compares what an item has.

mod conditions;
mod config;
mod processor;
mod value;

#[cfg(test)]
mod config_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod test_otlp;
#[cfg(test)]
mod test_reference;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk_tests;

pub use processor::Filter;
