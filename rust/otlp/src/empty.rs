// SPDX-License-Identifier: Apache-2.0

//! Leaves out what contains no items.

use otapbridge_context::Signal;

use crate::level::{Child, Level};
use crate::size::Size;
use crate::wire::{Malformed, Reader, push_len_field_head};

/// A request without the resources and scopes that have no items. What has some is copied as it stands.
///
/// # Errors
/// The request is malformed down to its items.
pub fn without_empty(signal: Signal, request: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(request.len());
    let mut kept = Vec::new();
    let mut resources = Reader::new(request, 0..request.len());
    while let Some(resource) = resources.next_field()? {
        if Level::Request.child(signal, resource.number) != Some(Child::Level(Level::Resource)) {
            out.extend_from_slice(&request[resource.start..resource.end]);
            continue;
        }
        kept.clear();
        let mut any = false;
        let mut scopes = Reader::new(request, resource.message()?);
        while let Some(scope) = scopes.next_field()? {
            if Level::Resource.child(signal, scope.number) == Some(Child::Level(Level::Scope)) {
                let inside = Size::inside(signal, request, Level::Scope, scope.message()?)?;
                if inside.entries == 0 {
                    continue;
                }
                any = true;
            }
            kept.extend_from_slice(&request[scope.start..scope.end]);
        }
        if any {
            push_len_field_head(&mut out, resource.number, kept.len());
            out.extend_from_slice(&kept);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use otapbridge_test_support::otlp::field;

    use super::*;

    #[test]
    fn what_has_items_stays_as_it_is() {
        let item = field(2, b"");
        let scope = field(2, &[field(1, b""), item].concat());
        let empty = field(2, &field(3, b"schema"));
        let whole = field(
            1,
            &[field(1, b""), scope.clone(), field(3, b"url")].concat(),
        );
        let mixed = field(
            1,
            &[field(1, b""), empty.clone(), scope, field(3, b"url")].concat(),
        );
        let nothing = field(1, &[field(1, b""), empty].concat());
        for signal in Signal::ALL {
            let request = [whole.clone(), nothing.clone(), mixed.clone()].concat();
            let expected = [whole.clone(), whole.clone()].concat();
            assert_eq!(without_empty(signal, &request), Ok(expected));
            assert_eq!(without_empty(signal, &whole), Ok(whole.clone()));
            assert_eq!(without_empty(signal, &nothing), Ok(Vec::new()));
        }
    }
}
