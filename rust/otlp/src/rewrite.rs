// SPDX-License-Identifier: Apache-2.0

//! Writes resource attributes into OTLP protobuf without decoding it.
//!
//! The export requests of all signals share the shape that matters here: field 1
//! is a repeated message per resource, its field 1 the resource, and that one's
//! field 1 its attributes. Everything else is copied as it is, unknown fields
//! included. Wire format: <https://protobuf.dev/programming-guides/encoding/>.

use std::ops::Range;

use crate::wire::{
    Field, Malformed, Reader, last_len_field, push_len_field, push_len_field_head, push_varint,
};

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

/// Field 1 on each of the levels.
const FIELD: u32 = 1;

impl ResourceAttributes {
    /// Adds an attribute, in place of an earlier one of the same key.
    pub fn set(&mut self, key: &str, value: &AttributeValue) {
        let mut any_value = Vec::new();
        match value {
            AttributeValue::Text(text) => {
                push_len_field(&mut any_value, 1, text.as_bytes());
            }
            AttributeValue::Int(number) => {
                push_varint(&mut any_value, 3 << 3);
                // int64 is the two's complement, not zigzag.
                push_varint(&mut any_value, *number as u64);
            }
        }
        let mut key_value = Vec::new();
        push_len_field(&mut key_value, 1, key.as_bytes());
        push_len_field(&mut key_value, 2, &any_value);
        let mut field = Vec::new();
        push_len_field(&mut field, FIELD, &key_value);

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
        let added: usize = self.attributes.iter().map(|a| a.field.len() + 8).sum();
        let mut out = Vec::with_capacity(request.len() + added * 2);
        let mut scratch = Scratch::default();
        let mut copied = 0;
        let mut reader = Reader::new(request, 0..request.len());
        while let Some(field) = reader.next_field()? {
            if field.number == FIELD {
                out.extend_from_slice(&request[copied..field.start]);
                self.write_container(request, field.message()?, &mut scratch, &mut out)?;
                copied = field.end;
            }
        }
        out.extend_from_slice(&request[copied..]);
        Ok(out)
    }

    /// One message per resource: ResourceSpans, ResourceMetrics or ResourceLogs.
    fn write_container(
        &self,
        request: &[u8],
        body: Range<usize>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        scratch.resources.clear();
        let mut reader = Reader::new(request, body.clone());
        while let Some(field) = reader.next_field()? {
            if field.number == FIELD {
                scratch.resources.push(field);
            }
        }

        // Protobuf merges the occurrences of a single message: what is missing
        // goes into the last one.
        scratch.bytes.clear();
        scratch.written.clear();
        scratch.written.resize(self.attributes.len(), false);
        scratch.ends.clear();
        for index in 0..scratch.resources.len() {
            let resource = scratch.resources[index].message()?;
            self.write_resource(request, resource, scratch)?;
            if index + 1 == scratch.resources.len() {
                self.write_missing(scratch);
            }
            scratch.ends.push(scratch.bytes.len());
        }
        if scratch.resources.is_empty() {
            self.write_missing(scratch);
            scratch.ends.push(scratch.bytes.len());
        }

        scratch.container.clear();
        let container = &mut scratch.container;
        let mut copied = body.start;
        let mut start = 0;
        for (index, end) in scratch.ends.iter().copied().enumerate() {
            if let Some(field) = scratch.resources.get(index) {
                container.extend_from_slice(&request[copied..field.start]);
                copied = field.end;
            }
            push_len_field(container, FIELD, &scratch.bytes[start..end]);
            start = end;
        }
        // The rest is by far the largest part: it goes straight to the output.
        let rest = &request[copied..body.end];
        push_len_field_head(out, FIELD, container.len() + rest.len());
        out.extend_from_slice(container);
        out.extend_from_slice(rest);
        Ok(())
    }

    /// Appends a resource's body to the scratch bytes, known keys replaced.
    fn write_resource(
        &self,
        request: &[u8],
        body: Range<usize>,
        scratch: &mut Scratch,
    ) -> Result<(), Malformed> {
        let mut copied = body.start;
        let mut reader = Reader::new(request, body.clone());
        while let Some(field) = reader.next_field()? {
            if field.number != FIELD {
                continue;
            }
            let key = last_len_field(request, field.message()?, 1)?;
            let Some(index) = self.attributes.iter().position(|a| a.key.as_bytes() == key) else {
                continue;
            };
            scratch
                .bytes
                .extend_from_slice(&request[copied..field.start]);
            copied = field.end;
            if !std::mem::replace(&mut scratch.written[index], true) {
                scratch
                    .bytes
                    .extend_from_slice(&self.attributes[index].field);
            }
        }
        scratch.bytes.extend_from_slice(&request[copied..body.end]);
        Ok(())
    }

    fn write_missing(&self, scratch: &mut Scratch) {
        for (attribute, written) in self.attributes.iter().zip(&scratch.written) {
            if !written {
                scratch.bytes.extend_from_slice(&attribute.field);
            }
        }
    }
}

/// Buffers that are used again for each resource.
#[derive(Default)]
struct Scratch {
    /// Where the resource occurs in the container, usually once.
    resources: Vec<Field>,
    /// Their new bodies, one after the other.
    bytes: Vec<u8>,
    /// End of each body in `bytes`.
    ends: Vec<usize>,
    /// Which attributes are in place.
    written: Vec<bool>,
    /// The new container up to the last resource.
    container: Vec<u8>,
}

#[cfg(test)]
mod tests;
