// SPDX-License-Identifier: Apache-2.0

//! What node types the static library has that this crate is linked into.

use otapbridge_engine::NodeFactory;

unsafe extern "Rust" {
    /// Defined by [`library!`](crate::library), once in a static library.
    fn otapbridge_library_node_types() -> Vec<NodeFactory>;
}

/// The node types of otapbridge and of the library's author. The engine's come by themselves.
pub(crate) fn node_types() -> Vec<NodeFactory> {
    let mut node_types = otapbridge_nodes::factories();
    // SAFETY: only `library!` defines it, as a safe function of this type.
    node_types.extend(unsafe { otapbridge_library_node_types() });
    node_types
}

/// Makes the crate that calls it a library of otapbridge: the C ABI, the engine's
/// node types, those of otapbridge, and the ones given here, each by its
/// [`NodeFactory`](crate::NodeFactory). To be called once, at the top
/// of a crate with `crate-type = ["staticlib"]`.
///
/// Such a library is prelinked into one object, as otapbridge's own is: see
/// `docs/node-authors.md`.
#[macro_export]
macro_rules! library {
    ($($node_type:expr),* $(,)?) => {
        #[unsafe(no_mangle)]
        fn otapbridge_library_node_types() -> ::std::vec::Vec<$crate::NodeFactory> {
            ::std::vec![$($node_type),*]
        }
    };
}
