// SPDX-License-Identifier: Apache-2.0

//! A Rust static library of someone else's, with its own copy of std: it has to
//! link and work beside otapbridge.

/// Panics inside and catches it, so that both copies of the unwinder are used.
#[unsafe(no_mangle)]
pub extern "C" fn second_library_answer() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| -> i32 { panic!("caught here") });
    if caught.is_err() { 42 } else { 0 }
}
