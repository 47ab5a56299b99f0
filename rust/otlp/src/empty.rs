// SPDX-License-Identifier: Apache-2.0

//! Takes out of an OTLP export request what contains no telemetry.

use crate::edit::Edits;
use crate::schema::MessageType;
use crate::wire::{Malformed, Reader};

/// A request without the resources and scopes that have no items. What has some is copied as it stands.
///
/// # Errors
/// The request is malformed down to its scopes.
pub fn without_empty(request: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut edits = Edits::new(request);
    let mut resources = Reader::new(request);
    while let Some(resource) = resources.next_of(MessageType::RESOURCE_DATA)? {
        let resource = edits.open(&resource)?;
        let mut any = false;
        let mut scopes = resource.body.clone();
        while let Some(scope) = scopes.next_of(MessageType::SCOPE_DATA)? {
            if scope.message()?.next_of(MessageType::ITEMS)?.is_some() {
                any = true;
            } else {
                edits.cut(scope.place());
            }
        }
        if any {
            edits.close(resource);
        } else {
            edits.remove(resource);
        }
    }
    Ok(edits.write())
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
        let request = [whole.clone(), nothing.clone(), mixed.clone()].concat();
        let expected = [whole.clone(), whole.clone()].concat();
        assert_eq!(without_empty(&request), Ok(expected));
        assert_eq!(without_empty(&whole), Ok(whole.clone()));
        assert_eq!(without_empty(&nothing), Ok(Vec::new()));
    }
}
