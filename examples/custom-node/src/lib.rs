// SPDX-License-Identifier: Apache-2.0

//! A library of otapbridge with two more nodes: [`Mask`] and [`TenantQuota`].
#![forbid(unsafe_code)]

use otapbridge::{concurrent_processor_factory, processor_factory};

mod mask;
mod tenant_quota;

pub use mask::Mask;
pub use tenant_quota::TenantQuota;

otapbridge_capi::library!(
    processor_factory::<Mask>(),
    concurrent_processor_factory::<TenantQuota>(),
);

/// The same for all tests: they share a process.
#[cfg(test)]
fn node_types() -> Vec<otapbridge::NodeFactory> {
    vec![
        processor_factory::<Mask>(),
        concurrent_processor_factory::<TenantQuota>(),
    ]
}
