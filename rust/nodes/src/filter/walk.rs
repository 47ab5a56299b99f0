// SPDX-License-Identifier: Apache-2.0

//! Takes items out of an OTLP export request without decoding it.
//!
//! The requests of all signals share the shape that matters here: field 1 of the
//! request is a message per resource, its field 2 a message per scope, and that
//! one's field 2 an item. The walk notes what leaves; then the rest is copied once,
//! as it is but for the lengths of what contains less than before.

use std::ops::Range;

use otapbridge::ProcessingError;
use otapbridge_otlp::Level;
use otapbridge_otlp::wire::{Field, Reader, push_len_field_head, varint_len};

use super::conditions::{Rules, RulesBelow};

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Everything stays.
    Unchanged,
    /// This stays.
    Changed(Vec<u8>),
    /// No item stays.
    Nothing,
}

/// A place where the output is not the input. Places are in order and apart.
enum Edit {
    /// It leaves.
    Drop(Range<usize>),
    /// Tag and length of a message that is now so long.
    Head(Range<usize>, u32, usize),
}

/// What became of a message's children.
#[derive(Default)]
struct Children {
    left: usize,
    /// Bytes that the message has less.
    removed: usize,
}

struct Walk<'a> {
    request: &'a [u8],
    edits: Vec<Edit>,
    items_left: usize,
}

impl Rules {
    /// Takes out of an export request what does not stay, and the scopes and
    /// resources that contain nothing any more.
    ///
    /// # Errors
    /// InvalidArgument when what is looked at is malformed.
    pub(super) fn apply(&self, request: &[u8]) -> Result<Outcome, ProcessingError> {
        let mut walk = Walk {
            request,
            edits: Vec::new(),
            items_left: 0,
        };
        let mut reader = Reader::new(request, 0..request.len());
        let mut removed = 0;
        while let Some(field) = reader.next_field()? {
            if field.number == Level::RESOURCE {
                removed += walk.resource(self, &field)?.removed;
            }
        }
        Ok(if walk.edits.is_empty() {
            Outcome::Unchanged
        } else if walk.items_left == 0 {
            Outcome::Nothing
        } else {
            Outcome::Changed(walk.output(removed))
        })
    }
}

impl Walk<'_> {
    fn resource(&mut self, rules: &Rules, field: &Field) -> Result<Children, ProcessingError> {
        let content = field.message()?;
        let rules = rules.below(self.request, content.clone())?;
        let first_edit = self.begin();
        let mut scopes = Children::default();
        let mut reader = Reader::new(self.request, content.clone());
        while let Some(field) = reader.next_field()? {
            if field.number == Level::SCOPE {
                let scope = self.scope(&rules, &field)?;
                scopes.left += scope.left;
                scopes.removed += scope.removed;
            }
        }
        Ok(self.end(first_edit, field, content, &scopes))
    }

    fn scope(
        &mut self,
        rules: &RulesBelow<'_>,
        field: &Field,
    ) -> Result<Children, ProcessingError> {
        let content = field.message()?;
        let first_edit = self.begin();
        let mut items = Children::default();
        let mut reader = Reader::new(self.request, content.clone());
        while let Some(field) = reader.next_field()? {
            if field.number != Level::ITEM {
                continue;
            }
            if rules.keep(self.request, field.message()?)? {
                items.left += 1;
            } else {
                items.removed += field.end - field.start;
                self.edits.push(Edit::Drop(field.start..field.end));
            }
        }
        self.items_left += items.left;
        Ok(self.end(first_edit, field, content, &items))
    }

    /// Keeps a place for the message's head, which comes before what is in it.
    fn begin(&mut self) -> usize {
        self.edits.push(Edit::Drop(0..0));
        self.edits.len() - 1
    }

    /// Notes what becomes of a message, now that this is known of its children.
    /// Returns what that is for its parent.
    fn end(
        &mut self,
        first_edit: usize,
        field: &Field,
        content: Range<usize>,
        children: &Children,
    ) -> Children {
        if children.removed == 0 {
            // Also one that contains nothing: it did not before, either.
            self.edits.truncate(first_edit);
            return Children {
                left: 1,
                removed: 0,
            };
        }
        if children.left == 0 {
            self.edits.truncate(first_edit);
            self.edits.push(Edit::Drop(field.start..field.end));
            return Children {
                left: 0,
                removed: field.end - field.start,
            };
        }
        let len = content.len() - children.removed;
        let head = field.start..content.start;
        // The head can be written shorter than it was, but not longer.
        let shorter = head.len() - (1 + varint_len(len));
        self.edits[first_edit] = Edit::Head(head, field.number, len);
        Children {
            left: 1,
            removed: children.removed + shorter,
        }
    }

    fn output(&self, removed: usize) -> Vec<u8> {
        let mut output = Vec::with_capacity(self.request.len() - removed);
        let mut copied = 0;
        for edit in &self.edits {
            let (Edit::Drop(place) | Edit::Head(place, ..)) = edit;
            output.extend_from_slice(&self.request[copied..place.start]);
            copied = place.end;
            if let Edit::Head(_, number, len) = edit {
                push_len_field_head(&mut output, *number, *len);
            }
        }
        output.extend_from_slice(&self.request[copied..]);
        output
    }
}
