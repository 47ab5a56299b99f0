// SPDX-License-Identifier: Apache-2.0

//! The static library that otapbridge ships: it adds no node types to those of
//! the engine and of otapbridge.
#![forbid(unsafe_code)]

otapbridge_capi::library!();
