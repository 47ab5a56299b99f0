// SPDX-License-Identifier: Apache-2.0

//! Any bytes as a request for the node.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| otapbridge_nodes_fuzz::attributes(bytes));
