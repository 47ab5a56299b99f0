// SPDX-License-Identifier: Apache-2.0

//! Changes OTLP without decoding it: what changes is noted, then the rest is copied
//! once, as it is but for the lengths of what contains more or less than before.

use std::ops::Range;

use crate::buffers;
use crate::wire::{
    Field, Malformed, Reader, len_field_head_len, push_len_field, push_len_field_head,
};

/// Changes of an input, noted from its begin to its end.
pub struct Edits<'a> {
    input: &'a [u8],
    /// In order and apart.
    edits: Vec<Edit>,
    /// What the noted changes put in, one behind the other.
    made: Vec<u8>,
    /// Bytes that all of them add, or take away.
    growth: isize,
    /// The changed input up to the last change that is not noted any more, and where in the input that
    /// is: changes are noted only while the message around them is open, so that many messages take little memory.
    output: Vec<u8>,
    written: usize,
    /// How many messages are open.
    open: usize,
}

/// A place where the output is not the input, and what is there instead. There can be two for each message, so that it is
/// small: [`MAX_INPUT`] bounds the numbers.
pub(crate) struct Edit {
    start: u32,
    end: u32,
    by: By,
}

enum By {
    /// These of the bytes that were made.
    Made { start: u32, end: u32 },
    /// Tag and length of a message.
    Head { number: u32, len: u32 },
}

impl Edit {
    const fn new(place: &Range<usize>, by: By) -> Self {
        Self {
            start: place.start as u32,
            end: place.end as u32,
            by,
        }
    }
}

/// Larger inputs cannot be changed. They may grow by as much.
pub(crate) const MAX_INPUT: usize = 1024 * 1024 * 1024;

/// A message in which changes are noted.
pub struct Opened<'a> {
    number: u32,
    /// From its tag on.
    start: usize,
    /// Its fields, to be read from a clone.
    pub body: Reader<'a>,
    /// Where its head is among the edits.
    edit: usize,
    /// As they were before.
    growth: isize,
    made: usize,
}

impl<'a> Edits<'a> {
    const NOTHING: By = By::Made { start: 0, end: 0 };

    /// No changes yet.
    pub const fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            edits: Vec::new(),
            made: Vec::new(),
            growth: 0,
            output: Vec::new(),
            written: 0,
            open: 0,
        }
    }

    /// Whether nothing has changed.
    pub const fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.written == 0
    }

    pub(crate) const fn input(&self) -> &'a [u8] {
        self.input
    }

    /// Bytes that the changes add so far.
    pub(crate) const fn growth(&self) -> isize {
        self.growth
    }

    /// Bytes that it takes to note the changes.
    pub(crate) const fn noted(&self) -> usize {
        self.edits.len() * size_of::<Edit>()
    }

    /// Takes out what is in a place.
    pub fn cut(&mut self, place: Range<usize>) {
        self.growth -= place.len() as isize;
        // What is removed behind something removed is one change.
        if let Some(Edit {
            end: last_end,
            by: By::Made { start, end },
            ..
        }) = self.edits.last_mut()
            && start == end
            && *last_end as usize == place.start
        {
            *last_end = place.end as u32;
            return;
        }
        self.edits.push(Edit::new(&place, Self::NOTHING));
    }

    /// Puts bytes into a place, instead of what is there.
    pub fn replace(&mut self, place: Range<usize>, bytes: &[u8]) {
        let start = self.made.len();
        self.made.extend_from_slice(bytes);
        self.note_made(place, start);
    }

    /// Puts into a place what is appended to the bytes of the changes.
    pub(crate) fn insert(&mut self, at: usize, append: impl FnOnce(&mut Vec<u8>)) {
        let start = self.made.len();
        append(&mut self.made);
        if self.made.len() > start {
            self.note_made(at..at, start);
        }
    }

    /// The same, instead of what is there.
    pub(crate) fn replace_by(&mut self, place: Range<usize>, append: impl FnOnce(&mut Vec<u8>)) {
        let start = self.made.len();
        append(&mut self.made);
        self.note_made(place, start);
    }

    /// Puts a length-delimited field into a place, instead of what is there.
    pub fn replace_by_field(&mut self, place: Range<usize>, number: u32, content: &[u8]) {
        let start = self.made.len();
        push_len_field(&mut self.made, number, content);
        self.note_made(place, start);
    }

    /// Notes a place for the bytes that were made from `start` on.
    fn note_made(&mut self, place: Range<usize>, start: usize) {
        let end = self.made.len();
        self.growth += (end - start) as isize - place.len() as isize;
        let by = By::Made {
            start: start as u32,
            end: end as u32,
        };
        self.edits.push(Edit::new(&place, by));
    }

    fn head(&mut self, place: Range<usize>, number: u32, len: usize) -> Edit {
        self.growth += len_field_head_len(number, len) as isize - place.len() as isize;
        let len = len as u32;
        Edit::new(&place, By::Head { number, len })
    }

    /// Opens a message, so that changes in it change its length.
    ///
    /// # Errors
    /// The field is no message.
    pub fn open(&mut self, message: &Field<'a>) -> Result<Opened<'a>, Malformed> {
        Ok(self.open_body(message.number, message.start, message.message()?))
    }

    /// Opens a message of which the field's number, its begin and the message's reader are known.
    pub(crate) fn open_body(&mut self, number: u32, start: usize, body: Reader<'a>) -> Opened<'a> {
        let opened = Opened {
            number,
            start,
            body,
            edit: self.edits.len(),
            growth: self.growth,
            made: self.made.len(),
        };
        self.open += 1;
        // Keeps a place for the head, which comes before what is in the message.
        self.edits.push(Edit::new(&(0..0), Self::NOTHING));
        opened
    }

    /// Whether anything has changed in a message that is open.
    pub const fn has_changed(&self, opened: &Opened<'_>) -> bool {
        self.edits.len() > opened.edit + 1
    }

    /// Closes the message that was opened last.
    pub fn close(&mut self, opened: Opened<'a>) {
        self.open -= 1;
        if !self.has_changed(&opened) {
            self.edits.truncate(opened.edit);
            return;
        }
        let body = opened.body.place();
        let len = body.len().wrapping_add_signed(self.growth - opened.growth);
        self.edits[opened.edit] = self.head(opened.start..body.start, opened.number, len);
        if self.open == 0 {
            self.write_noted();
        }
    }

    /// Removes the message that was opened last, with all changes in it.
    pub fn remove(&mut self, opened: Opened<'a>) {
        self.open -= 1;
        self.edits.truncate(opened.edit);
        self.growth = opened.growth;
        self.made.truncate(opened.made);
        self.cut(opened.start..opened.body.place().end);
        if self.open == 0 {
            self.write_noted();
        }
    }

    /// Writes what is noted, when no message is open.
    fn write_noted(&mut self) {
        // What is not changed further on is written, too.
        let len = self.input.len().saturating_add_signed(self.growth);
        if self.output.capacity() == 0 {
            self.output = buffers::take(len);
        }
        self.output.reserve(len.saturating_sub(self.output.len()));
        for Edit { start, end, by } in self.edits.drain(..) {
            let same = &self.input[self.written..start as usize];
            self.output.extend_from_slice(same);
            self.written = end as usize;
            match by {
                By::Made { start, end } => {
                    let made = &self.made[start as usize..end as usize];
                    self.output.extend_from_slice(made);
                }
                By::Head { number, len } => {
                    push_len_field_head(&mut self.output, number, len as usize);
                }
            }
        }
        self.made.clear();
    }

    /// The changed input.
    pub fn write(mut self) -> Vec<u8> {
        self.write_noted();
        self.output.extend_from_slice(&self.input[self.written..]);
        self.output
    }
}

#[cfg(test)]
mod tests;
