// SPDX-License-Identifier: Apache-2.0

//! The attributes of one message: read where they stand, and changed by noting what is to be written
//! instead. What nobody changes keeps its bytes.

use otapbridge_context::ProcessingError;

use crate::entries::{Bytes, Entries, Entry};
use crate::value::{AnyValue, EncodedValue};
use crate::wire::Malformed;

/// The attributes of a message, in their order, to be read and changed. What is read is what they are now, with the
/// changes that were made.
///
/// A list can have a key several times, although OTLP forbids it. [`get`](Self::get) finds the first;
/// all changes concern all of them.
pub struct Attributes<'w, 'a> {
    pub(crate) entries: &'w mut Entries<'a>,
    /// Its first entry: those before belong to messages around it.
    pub(crate) first: usize,
    pub(crate) has_changed: bool,
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
    pub(crate) const fn contain(self, len: usize) -> bool {
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
