// SPDX-License-Identifier: Apache-2.0

//! The attributes of one message: read where they stand, and changed by noting what is to be written
//! instead. What nobody changes keeps its bytes.

use std::ops::Range;

use otapbridge_context::ProcessingError;

use crate::edit::Edits;
use crate::schema::MessageType;
use crate::value::{AnyValue, EncodedValue, push_key_value};
use crate::wire::{Field, Malformed, push_len_field};

/// Attributes of one message that are looked at. It bounds the memory that a request of tiny attributes takes.
pub(crate) const MAX_ATTRIBUTES: usize = 16_384;

/// The attributes of a message, in their order, to be read and changed.
///
/// A list can have a key several times, although OTLP forbids it. [`get`](Self::get) finds the first;
/// all changes concern all of them.
pub struct Attributes<'w, 'a> {
    entries: &'w mut Entries<'a>,
    /// Its first entry: those before belong to messages around it.
    first: usize,
    has_changed: bool,
}

/// One attribute: a `KeyValue`.
pub struct Attribute<'w, 'a> {
    entry: &'w Entry<'a>,
    made: &'w [u8],
}

/// Attributes of messages inside each other, those of the innermost last.
#[derive(Default)]
pub(crate) struct Entries<'a> {
    entries: Vec<Entry<'a>>,
    /// The bytes of new keys and values.
    made: Vec<u8>,
}

struct Entry<'a> {
    /// Where it stands; `None` if it is new.
    field: Option<Field<'a>>,
    key: Key<'a>,
    /// In the bytes that were made; `None` if it is the value that stands there.
    value: Option<Range<usize>>,
    is_removed: bool,
}

enum Key<'a> {
    Same(&'a [u8]),
    Made(Range<usize>),
}

impl<'a> Entry<'a> {
    fn key<'w>(&'w self, made: &'w [u8]) -> &'w [u8] {
        match &self.key {
            Key::Same(key) => key,
            Key::Made(place) => &made[place.clone()],
        }
    }

    fn value<'w>(&'w self, made: &'w [u8]) -> Result<AnyValue<'w>, Malformed>
    where
        'a: 'w,
    {
        match (&self.value, &self.field) {
            (Some(place), _) => Ok(AnyValue::encoded(&made[place.clone()])),
            (None, Some(field)) => AnyValue::of(field.message()?),
            (None, None) => Ok(AnyValue::absent()),
        }
    }

    const fn has_changed(&self) -> bool {
        self.is_removed || self.value.is_some() || matches!(self.key, Key::Made(_))
    }

    /// Notes what changes where it stands.
    fn write(
        &self,
        field: &Field<'a>,
        made: &[u8],
        edits: &mut Edits<'a>,
    ) -> Result<(), Malformed> {
        if self.is_removed {
            edits.cut(field.place());
            return Ok(());
        }
        let new_key = match &self.key {
            Key::Same(_) => None,
            Key::Made(place) => Some((MessageType::KEY, &made[place.clone()])),
        };
        let new_value = (self.value.clone()).map(|place| (MessageType::VALUE, &made[place]));
        let key_value = edits.open(field)?;
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

/// Where the lists of messages end that are around the current one.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    entries: usize,
    made: usize,
}

impl<'a> Entries<'a> {
    pub(crate) const fn mark(&self) -> Mark {
        Mark {
            entries: self.entries.len(),
            made: self.made.len(),
        }
    }

    /// Forgets the attributes that were added since.
    pub(crate) fn forget(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        self.made.truncate(mark.made);
    }

    /// Adds an attribute of the current message.
    ///
    /// # Errors
    /// It is malformed, or there are too many.
    #[inline]
    pub(crate) fn push(&mut self, mark: Mark, field: Field<'a>) -> Result<(), ProcessingError> {
        if self.entries.len() - mark.entries == MAX_ATTRIBUTES {
            return Err(ProcessingError::invalid_argument(format!(
                "a message at byte {} has more than {MAX_ATTRIBUTES} attributes",
                field.start
            )));
        }
        let key = Key::Same(crate::value::key(field.message()?)?);
        self.entries.push(Entry {
            field: Some(field),
            key,
            value: None,
            is_removed: false,
        });
        Ok(())
    }

    /// The attributes of the current message.
    pub(crate) const fn since<'w>(&'w mut self, mark: Mark) -> Attributes<'w, 'a> {
        Attributes {
            entries: self,
            first: mark.entries,
            has_changed: false,
        }
    }

    /// Writes the changes of the attributes from number `next` on that stand before a place. Returns the next one.
    pub(crate) fn write_before(
        &self,
        next: usize,
        place: usize,
        edits: &mut Edits<'a>,
    ) -> Result<usize, Malformed> {
        for (index, entry) in self.entries.iter().enumerate().skip(next) {
            let Some(field) = entry.field.as_ref().filter(|field| field.start < place) else {
                return Ok(index);
            };
            if entry.has_changed() {
                entry.write(field, &self.made, edits)?;
            }
        }
        Ok(self.entries.len())
    }

    /// The fields of the attributes from number `next` on, which are new.
    pub(crate) fn new_fields(&self, next: usize, number: u32) -> Vec<u8> {
        let mut fields = Vec::new();
        let mut content = Vec::new();
        for entry in &self.entries[next..] {
            if entry.is_removed {
                continue;
            }
            content.clear();
            let value = (entry.value.clone()).map(|place| &self.made[place]);
            push_key_value(&mut content, entry.key(&self.made), value);
            push_len_field(&mut fields, number, &content);
        }
        fields
    }
}

impl Mark {
    /// The number of the first attribute of the current message.
    pub(crate) const fn first(self) -> usize {
        self.entries
    }
}

impl<'w, 'a> Attribute<'w, 'a> {
    /// Need not be UTF-8.
    #[must_use]
    pub fn key(&self) -> &'w [u8] {
        self.entry.key(self.made)
    }

    /// Its value.
    ///
    /// # Errors
    /// The `KeyValue` is malformed.
    pub fn value(&self) -> Result<AnyValue<'w>, Malformed> {
        self.entry.value(self.made)
    }
}

impl<'a> Attributes<'_, 'a> {
    /// Whether anything was changed.
    #[must_use]
    pub(crate) const fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// All attributes.
    pub fn iter(&self) -> impl Iterator<Item = Attribute<'_, 'a>> {
        let Entries { entries, made } = &*self.entries;
        let entries = entries[self.first..].iter();
        (entries.filter(|entry| !entry.is_removed)).map(|entry| Attribute { entry, made })
    }

    /// Whether there is an attribute of this key.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.iter().any(|attribute| attribute.key() == key)
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
        let made = &mut self.entries.made;
        let mut new = None;
        for entry in &mut self.entries.entries[self.first..] {
            if entry.is_removed || entry.key(made) != key {
                continue;
            }
            if new.is_some() {
                entry.is_removed = true;
            } else {
                new = Some(append(made, value.as_bytes()));
                entry.value.clone_from(&new);
            }
        }
        self.has_changed |= new.is_some();
        new.is_some()
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
            key: Key::Made(append(made, key)),
            value: Some(append(made, value.as_bytes())),
            is_removed: false,
        });
        self.has_changed = true;
    }

    /// Removes the attributes of a key. Returns whether there were any.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Entries { entries, made } = &mut *self.entries;
        let mut found = false;
        for entry in &mut entries[self.first..] {
            if !entry.is_removed && entry.key(made) == key {
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
        mut stays: impl FnMut(&Attribute<'_, 'a>) -> Result<bool, ProcessingError>,
    ) -> Result<(), ProcessingError> {
        let Entries { entries, made } = &mut *self.entries;
        for entry in &mut entries[self.first..] {
            if !entry.is_removed && !stays(&Attribute { entry, made })? {
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
        mut value: impl FnMut(&Attribute<'_, 'a>) -> Result<Option<EncodedValue>, ProcessingError>,
    ) -> Result<(), ProcessingError> {
        let Entries { entries, made } = &mut *self.entries;
        for entry in &mut entries[self.first..] {
            if entry.is_removed {
                continue;
            }
            if let Some(new) = value(&Attribute { entry, made })? {
                entry.value = Some(append(made, new.as_bytes()));
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
        let Entries { entries, made } = &mut *self.entries;
        for entry in &mut entries[self.first..] {
            if !entry.is_removed && entry.key(made) == from {
                entry.key = Key::Made(append(made, to));
            }
        }
        self.has_changed = true;
        true
    }
}

/// Returns where the bytes are.
fn append(made: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = made.len();
    made.extend_from_slice(bytes);
    start..made.len()
}
