// SPDX-License-Identifier: Apache-2.0

//! Any bytes as a context block.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| otapbridge_context_check::check(bytes));
