// SPDX-License-Identifier: Apache-2.0

//! The C ABI of otapbridge: `extern "C"` functions and `repr(C)` types only.
//!
//! All unsafe Rust of the project lives in this crate. `include/otapbridge.h`
//! is generated from it; the contract that both sides keep stands at the top
//! of that header. The static library itself is another crate, which says with
//! [`library!`] what nodes it adds.
#![allow(
    clippy::missing_safety_doc,
    reason = "the documentation is the C header's, which states what a caller must keep"
)]

pub mod abi;
mod borrow;
pub mod call;
pub mod component;
mod error;
mod events;
mod layout;
mod library;
mod log;
mod panic;
pub mod runtime;
pub mod version;

pub use otapbridge_engine::NodeFactory;

#[cfg(panic = "abort")]
compile_error!("a panic in a node must not end the host: compile with panic = \"unwind\"");

/// The flags of what is so, together.
fn flags<const N: usize>(flags: [(bool, u32); N]) -> u32 {
    let set = flags
        .iter()
        .filter_map(|(is_so, flag)| is_so.then_some(flag));
    set.sum()
}

#[cfg(test)]
library!();
