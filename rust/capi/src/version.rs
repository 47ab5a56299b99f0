// SPDX-License-Identifier: Apache-2.0

//! Version queries.

use std::ffi::c_char;

use crate::abi::OTAPB_ABI_VERSION;

/// The ABI version of the library, to compare with OTAPB_ABI_VERSION of the header.
///
/// @return the major version in the upper 16 bits, the minor version in the lower 16.
///
/// Threading: any thread. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn otapb_abi_version() -> u32 {
    OTAPB_ABI_VERSION
}

/// The library's release, such as "0.1.0".
///
/// @return static text with a terminating zero. Never NULL; not to be freed.
///
/// Threading: any thread. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn otapb_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
