// SPDX-License-Identifier: Apache-2.0

//! Where the attributes of messages stand, and what is to be written instead.

use otapbridge_context::ProcessingError;

use crate::attributes::{Attributes, KeyLengths};
use crate::edit::Edits;
use crate::schema::MessageType;
use crate::value::{AnyValue, USUAL_HEAD, key_place, push_key_value, usual_places};
use crate::wire::{
    Field, Malformed, Reader, len_field_head_len, push_len_field, push_len_field_head,
};

/// Attributes of one message that are looked at. It bounds the memory that a request of tiny attributes takes.
pub(crate) const MAX_ATTRIBUTES: usize = 16_384;

/// Bytes of new keys and values of one message, and of what is around it.
const MAX_MADE: usize = 64 * 1024 * 1024;

/// Attributes of messages inside each other, those of the innermost last.
pub(crate) struct Entries<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) entries: Vec<Entry>,
    /// The bytes of new keys and values.
    pub(crate) made: Vec<u8>,
}

/// An attribute. There are very many, so that it is small: places are those in the input, which
/// [`MAX_INPUT`](crate::edit::MAX_INPUT) bounds.
pub(crate) struct Entry {
    /// The `KeyValue`'s field; `None` if the attribute is new.
    pub(crate) field: Option<Place>,
    pub(crate) key: Bytes,
    /// `None` if it is the value that stands there.
    pub(crate) value: Option<Made>,
    pub(crate) is_removed: bool,
}

/// Where a field is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    start: u32,
    content: u32,
    end: u32,
}

#[derive(Clone, Copy)]
pub(crate) enum Bytes {
    Input { start: u32, end: u32 },
    Made(Made),
}

/// Bytes that were made.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    start: u32,
    end: u32,
}

impl Made {
    fn of(self, made: &[u8]) -> &[u8] {
        &made[self.start as usize..self.end as usize]
    }
}

impl Entry {
    #[inline]
    pub(crate) fn key<'w>(&self, input: &'w [u8], made: &'w [u8]) -> &'w [u8] {
        match self.key {
            Bytes::Input { start, end } => &input[start as usize..end as usize],
            Bytes::Made(key) => key.of(made),
        }
    }

    /// Whether it stays and has this key.
    #[inline]
    pub(crate) fn has(&self, key: &[u8], input: &[u8], made: &[u8]) -> bool {
        // Most keys that differ do so in length.
        let len = match self.key {
            Bytes::Input { start, end } | Bytes::Made(Made { start, end }) => end - start,
        };
        len as usize == key.len() && !self.is_removed && self.key(input, made) == key
    }

    pub(crate) fn value<'w>(
        &self,
        input: &'w [u8],
        made: &'w [u8],
    ) -> Result<AnyValue<'w>, Malformed> {
        match (self.value, self.field) {
            (Some(value), _) => Ok(AnyValue::encoded(value.of(made))),
            (None, Some(field)) => AnyValue::of(field.message(input)),
            (None, None) => Ok(AnyValue::absent()),
        }
    }

    /// Whether it has this value, written in the same way.
    pub(crate) fn has_value(&self, encoded: &[u8], input: &[u8], made: &[u8]) -> bool {
        let value = self.value(input, made);
        value.is_ok_and(|value| value.is_encoded_as(encoded))
    }

    pub(crate) const fn has_changed(&self) -> bool {
        self.is_removed || self.value.is_some() || matches!(self.key, Bytes::Made(_))
    }

    /// Notes what changes where it stands.
    fn write<'a>(
        &self,
        place: Place,
        number: u32,
        made: &[u8],
        edits: &mut Edits<'a>,
    ) -> Result<(), Malformed> {
        if self.is_removed {
            edits.cut(place.start as usize..place.end as usize);
            return Ok(());
        }
        if let (Bytes::Input { .. }, Some(value)) = (self.key, self.value)
            && write_value(place, number, value.of(made), edits)
        {
            return Ok(());
        }
        let new_key = match self.key {
            Bytes::Input { .. } => None,
            Bytes::Made(key) => Some((MessageType::KEY, key.of(made))),
        };
        let new_value = self.value.map(|value| (MessageType::VALUE, value.of(made)));
        let body = place.message(edits.input());
        let key_value = edits.open_body(number, place.start as usize, body);
        // Each is written once, in place of the first; of several, protobuf would take the last or merge them.
        let mut missing = [new_key, new_value];
        let mut fields = key_value.body.clone();
        while let Some(field) = fields.next_field()? {
            let new = match field.number {
                MessageType::KEY if new_key.is_some() => missing[0].take(),
                MessageType::VALUE if new_value.is_some() => missing[1].take(),
                _ => continue,
            };
            match new {
                Some((number, content)) => edits.replace_by_field(field.place(), number, content),
                None => edits.cut(field.place()),
            }
        }
        let end = key_value.body.place().end;
        for (number, content) in missing.into_iter().flatten() {
            edits.replace_by_field(end..end, number, content);
        }
        edits.close(key_value);
        Ok(())
    }
}

/// Writes a new value of a `KeyValue` as one change, if it is written as nearly all are.
fn write_value(place: Place, number: u32, value: &[u8], edits: &mut Edits<'_>) -> bool {
    let (content, end) = (place.content as usize, place.end as usize);
    let input = edits.input();
    let Some(places) = usual_places(input, content, end) else {
        return false;
    };
    let before = &input[content..places.value.0 - USUAL_HEAD];
    let behind = &input[places.value.1..end];
    let value_len = len_field_head_len(MessageType::VALUE, value.len()) + value.len();
    edits.replace_by(place.start as usize..end, |out| {
        push_len_field_head(out, number, before.len() + value_len + behind.len());
        out.extend_from_slice(before);
        push_len_field(out, MessageType::VALUE, value);
        out.extend_from_slice(behind);
    });
    true
}

impl Place {
    fn message(self, input: &[u8]) -> Reader<'_> {
        Reader::of(input, self.content as usize..self.end as usize)
    }
}

/// Where the lists of messages end that are around the current one.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    entries: usize,
    made: usize,
}

impl<'a> Entries<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            entries: Vec::new(),
            made: Vec::new(),
        }
    }

    #[inline]
    pub(crate) const fn mark(&self) -> Mark {
        Mark {
            entries: self.entries.len(),
            made: self.made.len(),
        }
    }

    /// Forgets the attributes that were added since.
    #[inline]
    pub(crate) fn forget(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        self.made.truncate(mark.made);
    }

    /// Adds an attribute of the current message, if its key is of interest.
    ///
    /// # Errors
    /// It is malformed, or there are too many.
    #[inline(always)]
    pub(crate) fn push(
        &mut self,
        mark: Mark,
        field: &Field<'a>,
        keys: KeyLengths,
    ) -> Result<(), ProcessingError> {
        let (key_start, key_end) = match field.usual_key_place() {
            Some(place) => place,
            None => {
                let key = key_place(field.message()?)?;
                (key.start, key.end)
            }
        };
        if !keys.contain(key_end - key_start) {
            return Ok(());
        }
        if self.entries.len() - mark.entries == MAX_ATTRIBUTES {
            return Err(too_many(field.start));
        }
        self.entries.push(Entry {
            field: Some(Place {
                start: field.start as u32,
                content: field.content() as u32,
                end: field.end() as u32,
            }),
            key: Bytes::Input {
                start: key_start as u32,
                end: key_end as u32,
            },
            value: None,
            is_removed: false,
        });
        Ok(())
    }

    /// The attributes of the current message.
    #[inline]
    pub(crate) const fn since<'w>(&'w mut self, mark: Mark) -> Attributes<'w, 'a> {
        Attributes {
            entries: self,
            first: mark.entries,
            has_changed: false,
        }
    }

    /// Writes the changes of the attributes from the one of index `next` on that stand before a place; `number` is that of their
    /// field. Returns the next one.
    pub(crate) fn write_before(
        &self,
        next: usize,
        place: usize,
        number: u32,
        edits: &mut Edits<'a>,
    ) -> Result<usize, Malformed> {
        for (index, entry) in self.entries.iter().enumerate().skip(next) {
            let is_before = |field: &Place| (field.start as usize) < place;
            let Some(field) = entry.field.filter(is_before) else {
                return Ok(index);
            };
            if entry.has_changed() {
                entry.write(field, number, &self.made, edits)?;
            }
        }
        Ok(self.entries.len())
    }

    /// Appends the fields of the attributes from the one of index `next` on, which are new.
    pub(crate) fn push_new(&self, next: usize, number: u32, out: &mut Vec<u8>) {
        for entry in &self.entries[next..] {
            if !entry.is_removed {
                let value = entry.value.map(|value| value.of(&self.made));
                push_key_value(out, number, entry.key(self.input, &self.made), value);
            }
        }
    }

    /// Appends bytes that are made; nothing more when they are too many, which [`check`](Self::check) tells.
    pub(crate) fn make(made: &mut Vec<u8>, bytes: &[u8]) -> Made {
        let start = made.len();
        if start <= MAX_MADE {
            made.extend_from_slice(bytes);
        }
        Made {
            start: start as u32,
            end: made.len() as u32,
        }
    }

    /// Checks what a visitor has made of the attributes of the current message.
    ///
    /// # Errors
    /// It is too much.
    pub(crate) fn check(&self) -> Result<(), ProcessingError> {
        if self.made.len() <= MAX_MADE {
            return Ok(());
        }
        Err(ProcessingError::invalid_argument(format!(
            "new attributes of a message have more than {MAX_MADE} bytes"
        )))
    }
}

#[cold]
fn too_many(offset: usize) -> ProcessingError {
    ProcessingError::invalid_argument(format!(
        "a message has more than {MAX_ATTRIBUTES} attributes, at byte {offset}"
    ))
}

impl Mark {
    /// The index of the first attribute of the current message.
    pub(crate) const fn first(self) -> usize {
        self.entries
    }
}
