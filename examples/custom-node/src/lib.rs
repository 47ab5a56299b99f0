// SPDX-License-Identifier: Apache-2.0

//! A library of otapbridge with one more node: [`TenantQuota`].
#![forbid(unsafe_code)]

use otapbridge::concurrent_processor_factory;

mod tenant_quota;

pub use tenant_quota::TenantQuota;

otapbridge_capi::library!(concurrent_processor_factory::<TenantQuota>());
