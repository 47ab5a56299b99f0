// SPDX-License-Identifier: Apache-2.0

//! Takes items out of an OTLP export request without decoding it.

use crate::edit::Edits;
use crate::schema::MessageType;
use crate::wire::{Malformed, Reader};

/// What a walk through a request comes to, from outside inwards.
pub trait Visitor {
    /// What ends the walk.
    type Error: From<Malformed>;

    /// A `ResourceSpans`, or its like, before its items.
    ///
    /// # Errors
    /// End the walk.
    fn resource(&mut self, resource: Reader<'_>) -> Result<(), Self::Error>;

    /// A span, metric or log record. Returns whether it stays.
    ///
    /// # Errors
    /// End the walk.
    fn item(&mut self, item: Reader<'_>) -> Result<bool, Self::Error>;
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
pub fn walk<V: Visitor>(request: &[u8], visitor: &mut V) -> Result<Outcome, V::Error> {
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
