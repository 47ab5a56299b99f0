// SPDX-License-Identifier: Apache-2.0

//! otapbridge's own nodes: [`Attributes`], [`Batch`], [`ContextAttributes`], [`Fault`], [`Filter`] and [`Generator`].
//!
//! They use the `otapbridge` crate, as any author's nodes do, and `otapbridge-otlp`.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::ops::RangeInclusive;

use otapbridge::{
    NodeFactory, ProcessingError, concurrent_processor_factory, processor_factory, receiver_factory,
};

mod attributes;
mod batch;
mod conditions;
mod context_attributes;
mod context_source;
mod duration;
mod fault;
mod filter;
mod generator;
#[cfg(test)]
mod naive;

pub use attributes::Attributes;
pub use batch::Batch;
pub use context_attributes::ContextAttributes;
pub use fault::Fault;
pub use filter::Filter;
pub use generator::Generator;

/// The node types of this crate.
#[must_use]
pub fn factories() -> Vec<NodeFactory> {
    vec![
        processor_factory::<Attributes>(),
        processor_factory::<Batch>(),
        processor_factory::<ContextAttributes>(),
        concurrent_processor_factory::<Fault>(),
        processor_factory::<Filter>(),
        processor_factory::<Filter>().named(filter::ENGINE_URN),
        receiver_factory::<Generator>(),
    ]
}

/// What is wrong with a setting.
fn wrong(message: impl Into<String>, setting: impl Into<String>) -> ProcessingError {
    ProcessingError::configuration(message, Some(setting.into()))
}

/// Checks that a number of a configuration is in its range.
fn in_range<T: PartialOrd + Display>(
    value: T,
    range: RangeInclusive<T>,
    setting: &str,
) -> Result<T, ProcessingError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = range.into_inner();
    let message = format!("{value} is not between {least} and {most}");
    Err(wrong(message, setting))
}
