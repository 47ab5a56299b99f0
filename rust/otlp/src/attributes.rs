// SPDX-License-Identifier: Apache-2.0

//! The attributes of one message: read where they stand, and changed by noting what is to be written
//! instead. What nobody changes keeps its bytes.

use otapbridge_context::ProcessingError;

use crate::edit::Edits;
use crate::schema::MessageType;
use crate::value::{AnyValue, EncodedValue, USUAL_HEAD, key_place, push_key_value, usual_places};
use crate::wire::{
    Field, Malformed, Reader, len_field_head_len, push_len_field, push_len_field_head,
};

/// Attributes of one message that are looked at. It bounds the memory that a request of tiny attributes takes.
pub(crate) const MAX_ATTRIBUTES: usize = 16_384;

/// The attributes of a message, in their order, to be read and changed. What is read is what they are now, with the
/// changes that were made.
///
/// A list can have a key several times, although OTLP forbids it. [`get`](Self::get) finds the first;
/// all changes concern all of them.
pub struct Attributes<'w, 'a> {
    entries: &'w mut Entries<'a>,
    /// Its first entry: those before belong to messages around it.
    first: usize,
    has_changed: bool,
}

/// One attribute: a `KeyValue`, as it is now.
pub struct Attribute<'w> {
    entry: &'w Entry,
    input: &'w [u8],
    made: &'w [u8],
}

/// Lengths that keys can have: which attributes somebody has to see at least. Most of a list are not of interest to
/// anybody, and the length of a key tells it soonest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLengths(u64);

impl KeyLengths {
    /// All keys.
    pub const ALL: Self = Self(u64::MAX);

    /// Those that are as long as one of these keys.
    #[must_use]
    pub fn of<'k>(keys: impl IntoIterator<Item = &'k [u8]>) -> Self {
        let bits = keys.into_iter().map(|key| Self::bit(key.len()));
        Self(bits.fold(0, |all, bit| all | bit))
    }

    #[inline]
    const fn contain(self, len: usize) -> bool {
        self.0 & Self::bit(len) != 0
    }

    /// Lengths that have the same bit are taken for the same.
    #[inline]
    const fn bit(len: usize) -> u64 {
        1 << (len % u64::BITS as usize)
    }
}

impl Default for KeyLengths {
    fn default() -> Self {
        Self::ALL
    }
}

/// Attributes of messages inside each other, those of the innermost last.
pub(crate) struct Entries<'a> {
    input: &'a [u8],
    entries: Vec<Entry>,
    /// The bytes of new keys and values.
    made: Vec<u8>,
}

/// An attribute. There are very many, so that it is small: places are those in the input, which [`MAX_INPUT`] bounds.
struct Entry {
    /// The `KeyValue`'s field; `None` if the attribute is new.
    field: Option<Place>,
    key: Bytes,
    /// `None` if it is the value that stands there.
    value: Option<Made>,
    is_removed: bool,
}

/// Larger inputs are refused.
pub(crate) const MAX_INPUT: usize = u32::MAX as usize;

/// Where a field is.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    content: u32,
    end: u32,
}

#[derive(Clone, Copy)]
enum Bytes {
    Input { start: u32, end: u32 },
    Made(Made),
}

/// Bytes that were made.
#[derive(Clone, Copy)]
struct Made {
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
    fn key<'w>(&self, input: &'w [u8], made: &'w [u8]) -> &'w [u8] {
        match self.key {
            Bytes::Input { start, end } => &input[start as usize..end as usize],
            Bytes::Made(key) => key.of(made),
        }
    }

    /// Whether it stays and has this key.
    #[inline]
    fn has(&self, key: &[u8], input: &[u8], made: &[u8]) -> bool {
        // Most keys that differ do so in length.
        let len = match self.key {
            Bytes::Input { start, end } | Bytes::Made(Made { start, end }) => end - start,
        };
        len as usize == key.len() && !self.is_removed && self.key(input, made) == key
    }

    fn value<'w>(&self, input: &'w [u8], made: &'w [u8]) -> Result<AnyValue<'w>, Malformed> {
        match (self.value, self.field) {
            (Some(value), _) => Ok(AnyValue::encoded(value.of(made))),
            (None, Some(field)) => AnyValue::of(field.message(input)),
            (None, None) => Ok(AnyValue::absent()),
        }
    }

    /// Whether it has this value, written in the same way.
    fn has_value(&self, encoded: &[u8], input: &[u8], made: &[u8]) -> bool {
        let value = self.value(input, made);
        value.is_ok_and(|value| value.is_encoded_as(encoded))
    }

    const fn has_changed(&self) -> bool {
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

    /// Appends bytes that are made.
    fn make(made: &mut Vec<u8>, bytes: &[u8]) -> Made {
        let start = made.len() as u32;
        made.extend_from_slice(bytes);
        let end = made.len() as u32;
        Made { start, end }
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

impl<'w> Attribute<'w> {
    /// Its key, empty if there is none. Need not be UTF-8.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &'w [u8] {
        self.entry.key(self.input, self.made)
    }

    /// Its value.
    ///
    /// # Errors
    /// The `KeyValue` is malformed.
    pub fn value(&self) -> Result<AnyValue<'w>, Malformed> {
        self.entry.value(self.input, self.made)
    }
}

impl Attributes<'_, '_> {
    /// Whether anything was changed.
    #[must_use]
    pub(crate) const fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// All attributes.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Attribute<'_>> {
        let Entries {
            input,
            entries,
            made,
        } = &*self.entries;
        let entries = entries[self.first..].iter();
        (entries.filter(|entry| !entry.is_removed)).map(move |entry| Attribute {
            entry,
            input,
            made,
        })
    }

    /// Whether there is an attribute of this key.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let Entries {
            input,
            entries,
            made,
        } = &*self.entries;
        let mut entries = entries[self.first..].iter();
        entries.any(|entry| entry.has(key, input, made))
    }

    /// The value of the first attribute of this key.
    ///
    /// # Errors
    /// The attribute is malformed.
    pub fn get(&self, key: &[u8]) -> Result<Option<AnyValue<'_>>, Malformed> {
        let found = self.iter().find(|attribute| attribute.key() == key);
        found.map(|attribute| attribute.value()).transpose()
    }

    /// Sets the value of an attribute: in place of the first of this key, so that it is the only
    /// one, or at the end.
    pub fn set(&mut self, key: &[u8], value: &EncodedValue) {
        if !self.update(key, value) {
            self.push(key, value);
        }
    }

    /// Sets the value of an attribute if it is there. Returns whether it was.
    pub fn update(&mut self, key: &[u8], value: &EncodedValue) -> bool {
        let mut found = false;
        let Entries {
            input,
            entries,
            made,
        } = &mut *self.entries;
        for entry in &mut entries[self.first..] {
            if !entry.has(key, input, made) {
                continue;
            }
            if found {
                entry.is_removed = true;
            } else if !entry.has_value(value.as_bytes(), input, made) {
                entry.value = Some(Entries::make(made, value.as_bytes()));
            }
            self.has_changed |= entry.has_changed();
            found = true;
        }
        found
    }

    /// Adds an attribute if there is none of this key. Returns whether it did.
    pub fn insert(&mut self, key: &[u8], value: &EncodedValue) -> bool {
        let is_new = !self.contains(key);
        if is_new {
            self.push(key, value);
        }
        is_new
    }

    fn push(&mut self, key: &[u8], value: &EncodedValue) {
        let made = &mut self.entries.made;
        self.entries.entries.push(Entry {
            field: None,
            key: Bytes::Made(Entries::make(made, key)),
            value: Some(Entries::make(made, value.as_bytes())),
            is_removed: false,
        });
        self.has_changed = true;
    }

    /// Removes the attributes of a key. Returns whether there were any.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Entries {
            input,
            entries,
            made,
        } = &mut *self.entries;
        let mut found = false;
        for entry in &mut entries[self.first..] {
            if entry.has(key, input, made) {
                entry.is_removed = true;
                found = true;
            }
        }
        self.has_changed |= found;
        found
    }

    /// Removes the attributes for which `stays` is false.
    ///
    /// # Errors
    /// That of `stays`.
    pub fn retain(
        &mut self,
        mut stays: impl FnMut(&Attribute<'_>) -> Result<bool, ProcessingError>,
    ) -> Result<(), ProcessingError> {
        let Entries {
            input,
            entries,
            made,
        } = &mut *self.entries;
        for entry in &mut entries[self.first..] {
            if !entry.is_removed && !stays(&Attribute { entry, input, made })? {
                entry.is_removed = true;
                self.has_changed = true;
            }
        }
        Ok(())
    }

    /// Sets the values of the attributes for which `value` has a new one.
    ///
    /// # Errors
    /// That of `value`.
    pub fn replace(
        &mut self,
        mut value: impl FnMut(&Attribute<'_>) -> Result<Option<EncodedValue>, ProcessingError>,
    ) -> Result<(), ProcessingError> {
        let Entries {
            input,
            entries,
            made,
        } = &mut *self.entries;
        for entry in &mut entries[self.first..] {
            if entry.is_removed {
                continue;
            }
            if let Some(new) = value(&Attribute { entry, input, made })? {
                entry.value = Some(Entries::make(made, new.as_bytes()));
                self.has_changed = true;
            }
        }
        Ok(())
    }

    /// Gives the attributes of one key another. Those that have it already are replaced. Returns whether there were any.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if from == to || !self.contains(from) {
            return false;
        }
        let _ = self.remove(to);
        let Entries {
            input,
            entries,
            made,
        } = &mut *self.entries;
        for entry in &mut entries[self.first..] {
            if entry.has(from, input, made) {
                entry.key = Bytes::Made(Entries::make(made, to));
            }
        }
        self.has_changed = true;
        true
    }
}

#[cfg(test)]
mod tests;
