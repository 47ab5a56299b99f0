// SPDX-License-Identifier: Apache-2.0

//! For tests: reads everything in a context block through what node authors use,
//! writes it again, and compares. Never part of the library.

#![forbid(unsafe_code)]

mod content;
mod oracle;

pub use content::{AuthContent, Content, Key};
pub use oracle::check;
