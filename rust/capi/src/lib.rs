//! The C ABI of otapbridge: `extern "C"` functions and `repr(C)` types only.
//!
//! All unsafe Rust of the project lives in this crate. `include/otapbridge.h`
//! is generated from it; the contract that both sides keep stands at the top
//! of that header.

pub mod abi;
pub mod call;
pub mod component;
mod panic;
pub mod runtime;
pub mod version;
