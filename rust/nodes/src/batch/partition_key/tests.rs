// SPDX-License-Identifier: Apache-2.0

use std::collections::HashSet;

use otapbridge::{BlockBuilder, RequestContext};

use super::*;

fn context(metadata: &[(&str, &[&str])]) -> RequestContext {
    let mut builder = BlockBuilder::new();
    for (key, values) in metadata {
        builder.metadata(key, values.iter().copied());
    }
    RequestContext::new(builder.build().expect("valid block"))
}

fn key(metadata: &[(&str, &[&str])]) -> PartitionKey {
    PartitionKey::of(
        &["x-tenant".to_owned(), "scope".to_owned()],
        context(metadata).metadata(),
    )
}

#[test]
fn different_values_are_different_partitions() {
    let keys = [
        key(&[]),
        key(&[("x-tenant", &[""])]),
        key(&[("x-tenant", &["", ""])]),
        key(&[("x-tenant", &["a"])]),
        key(&[("x-tenant", &["A"])]),
        key(&[("x-tenant", &["a", ""])]),
        key(&[("x-tenant", &["", "a"])]),
        key(&[("x-tenant", &["a", "b"])]),
        key(&[("x-tenant", &["b", "a"])]),
        key(&[("x-tenant", &["ab"])]),
        key(&[("x-tenant", &["a\0b"])]),
        key(&[("scope", &["a"])]),
        key(&[("x-tenant", &["a"]), ("scope", &["b"])]),
        key(&[("x-tenant", &["a"]), ("scope", &[""])]),
        // A value that looks like the encoding of two.
        key(&[("x-tenant", &["a\u{1}\0\0\0\0\0\0\0b"])]),
    ];
    let distinct: HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn what_the_keys_do_not_name_does_not_count() {
    assert_eq!(
        key(&[("X-Tenant", &["a"]), ("user-agent", &["one"])]),
        key(&[("user-agent", &["two"]), ("x-tenant", &["a"])]),
    );
    // The collector cannot tell these apart.
    assert_eq!(key(&[("x-tenant", &[])]), key(&[]));
    let none = |metadata| PartitionKey::of(&[], context(metadata).metadata());
    assert_eq!(none(&[("x-tenant", &["a"])]), none(&[]));
}
