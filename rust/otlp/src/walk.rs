// SPDX-License-Identifier: Apache-2.0

//! Takes items, and what contains none, out of an OTLP export request without decoding it.

use otapbridge_context::ProcessingError;

use crate::edit::Edits;
use crate::schema::MessageType;
use crate::wire::{Malformed, Reader};

/// What a walk through a request comes to, from outside inwards.
/// An error ends the walk.
pub trait Visitor {
    /// A `ResourceSpans`, or its like, before its items.
    fn resource(&mut self, resource: Reader<'_>) -> Result<(), ProcessingError>;

    /// A span, metric or log record. Returns whether it stays.
    fn item(&mut self, item: Reader<'_>) -> Result<bool, ProcessingError>;
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything stays.
    Unchanged,
    /// This stays.
    Changed(Vec<u8>),
    /// No item stays.
    Nothing,
}

/// Takes out of an export request what does not stay, and the scopes and resources that
/// contain nothing any more; those that contained nothing before stay.
///
/// # Errors
/// The visitor's, and what is malformed down to the items.
pub fn walk(request: &[u8], visitor: &mut impl Visitor) -> Result<Outcome, ProcessingError> {
    let mut edits = Edits::new(request);
    let mut items_left = 0;
    let mut resources = Reader::new(request);
    while let Some(resource) = resources.next_of(MessageType::RESOURCE_DATA)? {
        let resource = edits.open(&resource)?;
        visitor.resource(resource.body.clone())?;
        let mut scopes_left = 0;
        let mut scopes = resource.body.clone();
        while let Some(scope) = scopes.next_of(MessageType::SCOPE_DATA)? {
            let scope = edits.open(&scope)?;
            let mut left = 0;
            let mut items = scope.body.clone();
            while let Some(item) = items.next_of(MessageType::ITEMS)? {
                if visitor.item(item.message()?)? {
                    left += 1;
                } else {
                    edits.replace(item.place(), &[]);
                }
            }
            items_left += left;
            if left > 0 || !edits.has_changed(&scope) {
                scopes_left += 1;
                edits.close(scope);
            } else {
                edits.remove(scope);
            }
        }
        if scopes_left > 0 || !edits.has_changed(&resource) {
            edits.close(resource);
        } else {
            edits.remove(resource);
        }
    }
    Ok(if edits.is_empty() {
        Outcome::Unchanged
    } else if items_left == 0 {
        Outcome::Nothing
    } else {
        Outcome::Changed(edits.write())
    })
}

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
                edits.replace(scope.place(), &[]);
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
