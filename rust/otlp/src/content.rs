// SPDX-License-Identifier: Apache-2.0

//! All that an `AnyValue` can be, lists and maps included.

use otapbridge_context::ProcessingError;

use crate::entries::MAX_ATTRIBUTES;
use crate::schema::MessageType;
use crate::value::{AnyValue, key};
use crate::wire::{LEN, Malformed, Reader};

/// Lists and maps inside each other that are followed; a value's own list or map is the first.
pub const MAX_VALUE_DEPTH: usize = 100;

/// What an `AnyValue` is.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Nothing, or something that is not known.
    None,
    /// Need not be UTF-8.
    Text(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// A list of values.
    List(List<'a>),
    /// Keys and values.
    Map(Map<'a>),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The values of a list.
#[derive(Clone, Debug)]
pub struct List<'a>(Reader<'a>);

/// The entries of a map.
#[derive(Clone, Debug)]
pub struct Map<'a>(Reader<'a>);

impl<'a> Content<'a> {
    /// Reads an `AnyValue`. It has one content, the last; lists that follow each other are one, and so are maps.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn of(any_value: Reader<'a>) -> Result<Self, Malformed> {
        const TEXT: u8 = (MessageType::TEXT << 3 | LEN) as u8;
        // Most are a text that is not long.
        if let [TEXT, len @ ..0x80, text @ ..] = any_value.rest()
            && usize::from(*len) == text.len()
        {
            return Ok(Self::Text(text));
        }
        let mut content = Self::None;
        let mut number = 0;
        let mut rest = any_value.clone();
        while let Some(field) = rest.next_field()? {
            let since = || any_value.starting_at(field.start);
            let is_next = std::mem::replace(&mut number, field.number) == field.number;
            content = match (field.number, content) {
                (MessageType::TEXT, _) => Self::Text(field.bytes()?),
                (MessageType::BOOL, _) => Self::Bool(field.varint()? != 0),
                (MessageType::INT, _) => Self::Int(field.varint()? as i64),
                (MessageType::DOUBLE, _) => Self::Double(field.double()?),
                (MessageType::BYTES, _) => Self::Bytes(field.bytes()?),
                (MessageType::LIST, list @ Self::List(_)) if is_next => list,
                (MessageType::MAP, map @ Self::Map(_)) if is_next => map,
                (MessageType::LIST, _) => Self::List(List(since())),
                (MessageType::MAP, _) => Self::Map(Map(since())),
                (_, content) => {
                    // What is not known says nothing of what is.
                    number = content.number();
                    content
                }
            };
        }
        Ok(content)
    }

    /// Checks how deep it is, if it is a list or a map: the outermost of them is at depth 1.
    ///
    /// # Errors
    /// InvalidArgument, if that is more than [`MAX_VALUE_DEPTH`].
    pub fn check_depth(&self, depth: usize) -> Result<(), ProcessingError> {
        if matches!(self, Self::List(_) | Self::Map(_)) && depth > MAX_VALUE_DEPTH {
            return Err(ProcessingError::invalid_argument(format!(
                "a value is nested deeper than {MAX_VALUE_DEPTH} levels"
            )));
        }
        Ok(())
    }

    const fn number(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::Text(_) => MessageType::TEXT,
            Self::Bool(_) => MessageType::BOOL,
            Self::Int(_) => MessageType::INT,
            Self::Double(_) => MessageType::DOUBLE,
            Self::List(_) => MessageType::LIST,
            Self::Map(_) => MessageType::MAP,
            Self::Bytes(_) => MessageType::BYTES,
        }
    }
}

impl<'a> List<'a> {
    /// Does something with each value.
    ///
    /// # Errors
    /// That of `each`, or the list is malformed.
    pub fn for_each(
        &self,
        mut each: impl FnMut(Reader<'a>) -> Result<(), ProcessingError>,
    ) -> Result<(), ProcessingError> {
        let mut lists = self.0.clone();
        while let Some(list) = lists.next_of(MessageType::LIST)? {
            let mut list = list.message()?;
            while let Some(value) = list.next_of(MessageType::LIST_VALUES)? {
                each(value.message()?)?;
            }
        }
        Ok(())
    }

    /// How many values there are.
    ///
    /// # Errors
    /// The list is malformed.
    pub fn count(&self) -> Result<u64, ProcessingError> {
        let mut count = 0;
        self.for_each(|_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }
}

impl<'a> Map<'a> {
    /// The entries.
    ///
    /// # Errors
    /// The map is malformed, or has more than 16,384 entries.
    pub fn entries(&self) -> Result<Vec<(&'a [u8], AnyValue<'a>)>, ProcessingError> {
        let mut entries = Vec::new();
        let mut maps = self.0.clone();
        while let Some(map) = maps.next_of(MessageType::MAP)? {
            let mut map = map.message()?;
            while let Some(entry) = map.next_of(MessageType::MAP_ENTRIES)? {
                if entries.len() == MAX_ATTRIBUTES {
                    return Err(ProcessingError::invalid_argument(format!(
                        "a map at byte {} has more than {MAX_ATTRIBUTES} entries",
                        entry.start
                    )));
                }
                let entry = entry.message()?;
                entries.push((key(entry.clone())?, AnyValue::of(entry)?));
            }
        }
        Ok(entries)
    }
}

impl AnyValue<'_> {
    /// What it is.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn content(&self) -> Result<Content<'_>, Malformed> {
        Content::of(self.reader())
    }
}

#[cfg(test)]
mod tests;
