// SPDX-License-Identifier: Apache-2.0

//! Attributes: what they are, and writing those of resources.

use crate::edit::Edits;
use crate::schema::MessageType;
use crate::wire::{Malformed, Reader, VARINT, push_len_field, push_varint};

/// An `AnyValue`, as far as it is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// None at all, or one that is not looked at: a list, a map, bytes.
    #[default]
    Other,
    /// Need not be UTF-8: such an item is one like others.
    Text(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
}

impl<'a> Value<'a> {
    /// Reads an `AnyValue`. Protobuf merges the occurrences of one value, so what is
    /// found replaces what an earlier one said. Lists and maps are not looked into, so
    /// their depth does not matter.
    pub fn merge(&mut self, mut any_value: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = any_value.next_field()? {
            *self = match field.number {
                MessageType::TEXT => Self::Text(field.bytes()?),
                MessageType::BOOL => Self::Bool(field.varint()? != 0),
                MessageType::INT => Self::Int(field.varint()? as i64),
                MessageType::DOUBLE => Self::Double(field.double()?),
                number if MessageType::AnyValue.field(number).is_some() => {
                    let _ = field.message()?;
                    Self::Other
                }
                _ => continue,
            };
        }
        Ok(())
    }

    /// The value of a `KeyValue`.
    pub fn of(mut key_value: Reader<'a>) -> Result<Self, Malformed> {
        let mut value = Self::default();
        while let Some(field) = key_value.next_of(MessageType::VALUE)? {
            value.merge(field.message()?)?;
        }
        Ok(value)
    }
}

/// The key of a `KeyValue`, or empty. The last one counts, as everywhere in protobuf.
pub fn key(mut key_value: Reader<'_>) -> Result<&[u8], Malformed> {
    let mut key = &[][..];
    while let Some(field) = key_value.next_of(MessageType::KEY)? {
        key = field.bytes()?;
    }
    Ok(key)
}

/// What an attribute is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A string.
    Text(String),
    /// A 64-bit integer.
    Int(i64),
}

/// Attributes to write, ready in their wire form.
#[derive(Debug, Default)]
pub struct ResourceAttributes {
    attributes: Vec<Attribute>,
}

#[derive(Debug)]
struct Attribute {
    key: String,
    /// The whole field of the resource: tag, length, KeyValue.
    field: Vec<u8>,
}

impl ResourceAttributes {
    /// Adds an attribute, in place of an earlier one of the same key.
    pub fn set(&mut self, key: &str, value: &AttributeValue) {
        let mut any_value = Vec::new();
        match value {
            AttributeValue::Text(text) => {
                push_len_field(&mut any_value, MessageType::TEXT, text.as_bytes());
            }
            AttributeValue::Int(number) => {
                push_varint(&mut any_value, u64::from(MessageType::INT << 3 | VARINT));
                // int64 is the two's complement, not zigzag.
                push_varint(&mut any_value, *number as u64);
            }
        }
        let mut key_value = Vec::new();
        push_len_field(&mut key_value, MessageType::KEY, key.as_bytes());
        push_len_field(&mut key_value, MessageType::VALUE, &any_value);
        let mut field = Vec::new();
        push_len_field(&mut field, MessageType::RESOURCE_ATTRIBUTES, &key_value);

        self.attributes.retain(|attribute| attribute.key != key);
        self.attributes.push(Attribute {
            key: key.to_owned(),
            field,
        });
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Returns the export request with the attributes set on every resource. An
    /// existing attribute of the key is replaced in its place, further ones of the
    /// same key (which OTLP forbids) are removed; a resource that is not there is made.
    pub fn write_to(&self, request: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut edits = Edits::new(request);
        // Which attributes are in place.
        let mut written = vec![false; self.attributes.len()];
        let mut containers = Reader::new(request);
        while let Some(container) = containers.next_of(MessageType::RESOURCE_DATA)? {
            let container = edits.open(&container)?;
            written.fill(false);
            let mut last = None;
            let mut resources = container.body.clone();
            while let Some(resource) = resources.next_of(MessageType::RESOURCE)? {
                if let Some(earlier) = last.take() {
                    edits.close(earlier);
                }
                let resource = edits.open(&resource)?;
                self.replace(resource.body.clone(), &mut written, &mut edits)?;
                last = Some(resource);
            }
            // Protobuf merges the occurrences of a single message: what is missing
            // goes into the last one.
            if let Some(resource) = last {
                self.add_missing(resource.body.place().end, &written, &mut edits);
                edits.close(resource);
            } else {
                let at = container.body.place().start;
                let len = self.attributes.iter().map(|a| a.field.len()).sum();
                edits.insert_head(at, MessageType::RESOURCE, len);
                self.add_missing(at, &written, &mut edits);
            }
            edits.close(container);
        }
        Ok(edits.write())
    }

    /// Replaces the attributes of known keys.
    fn replace<'a>(
        &'a self,
        mut resource: Reader<'a>,
        written: &mut [bool],
        edits: &mut Edits<'a>,
    ) -> Result<(), Malformed> {
        while let Some(field) = resource.next_of(MessageType::RESOURCE_ATTRIBUTES)? {
            let key = key(field.message()?)?;
            let Some(index) = self.attributes.iter().position(|a| a.key.as_bytes() == key) else {
                continue;
            };
            let is_further = std::mem::replace(&mut written[index], true);
            let new = &self.attributes[index].field;
            edits.replace(field.place(), if is_further { &[] } else { new });
        }
        Ok(())
    }

    fn add_missing<'a>(&'a self, at: usize, written: &[bool], edits: &mut Edits<'a>) {
        for (attribute, written) in self.attributes.iter().zip(written) {
            if !written {
                edits.replace(at..at, &attribute.field);
            }
        }
    }
}

#[cfg(test)]
mod tests;
