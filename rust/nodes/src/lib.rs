// SPDX-License-Identifier: Apache-2.0

//! otapbridge's own nodes: [`ContextAttributes`] and [`Fault`].
//!
//! They use nothing but the `otapbridge` crate, as any author's nodes do.
#![forbid(unsafe_code)]

use otapbridge::{NodeFactory, concurrent_processor_factory, processor_factory};

#[allow(dead_code, reason = "the node itself is wired up next")]
mod batch;
mod context_attributes;
mod duration;
mod fault;
mod otlp_rewrite;
mod wire;

#[cfg(test)]
mod test_random;

pub use context_attributes::ContextAttributes;
pub use fault::Fault;

/// The node types of this crate.
#[must_use]
pub fn factories() -> Vec<NodeFactory> {
    vec![
        processor_factory::<ContextAttributes>(),
        concurrent_processor_factory::<Fault>(),
    ]
}
