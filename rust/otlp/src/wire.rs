// SPDX-License-Identifier: Apache-2.0

//! The protobuf wire format: just enough to find and write fields.

use std::fmt;
use std::ops::Range;

use otapbridge_context::ProcessingError;

use crate::value::usual_places;

pub(crate) const VARINT: u32 = 0;
pub(crate) const FIXED64: u32 = 1;
pub(crate) const LEN: u32 = 2;
const GROUP_START: u32 = 3;
const GROUP_END: u32 = 4;
pub(crate) const FIXED32: u32 = 5;

// In a tag of one byte.
const VARINT_TAG: u8 = VARINT as u8;
const FIXED64_TAG: u8 = FIXED64 as u8;
const LEN_TAG: u8 = LEN as u8;

/// Groups inside groups that are followed.
const MAX_GROUP_DEPTH: usize = 100;

const CUT_OFF: &str = "message is cut off";

/// The bytes are not an OTLP export request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    offset: usize,
    what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed OTLP at byte {}: {}", self.offset, self.what)
    }
}

impl From<Malformed> for ProcessingError {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}

/// One field, by offsets into the whole input.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// First byte of the tag.
    pub start: usize,
    pub(crate) wire_type: u32,
    /// Where its value begins, and the field ends. Most fields are skipped, so that no reader of
    /// the value is made before it is asked for.
    content: usize,
    end: usize,
    /// The input, at least up to the field's end.
    input: &'a [u8],
}

impl<'a> Field<'a> {
    /// The value of a message field, for its fields.
    #[inline]
    pub fn message(&self) -> Result<Reader<'a>, Malformed> {
        self.value_of(LEN)
    }

    /// The value of a message, string or bytes field.
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8], Malformed> {
        Ok(self.value_of(LEN)?.rest())
    }

    /// The key of a field that is a `KeyValue`, or empty: as [`key`](crate::key) of its value.
    ///
    /// # Errors
    /// The field is none, or malformed.
    #[inline(always)]
    pub fn key(&self) -> Result<&'a [u8], Malformed> {
        let input = self.input;
        match self.usual_key_place() {
            Some((start, end)) => Ok(&input[start..end]),
            None => crate::key(self.message()?),
        }
    }

    /// Where the key of a `KeyValue` is in the input, if it is written as nearly all are.
    // There are very many keys. An option of numbers stays in registers, which a result or a reader does not.
    #[inline(always)]
    pub(crate) fn usual_key_place(&self) -> Option<(usize, usize)> {
        if self.wire_type != LEN {
            return None;
        }
        usual_places(self.input, self.content, self.end).map(|places| places.key)
    }

    /// Where the value of a length-delimited field begins.
    pub(crate) const fn content(&self) -> usize {
        self.content
    }

    /// Where the field ends.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    /// The value of an int64, int32, bool or enum field.
    #[inline]
    pub fn varint(&self) -> Result<u64, Malformed> {
        self.value_of(VARINT)?.varint()
    }

    /// The value of a double field.
    pub fn double(&self) -> Result<f64, Malformed> {
        let digits = self.value_of(FIXED64)?.rest().iter().rev();
        let bits = digits.fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        Ok(f64::from_bits(bits))
    }

    /// Where the field is in the input, tag and all.
    #[inline]
    pub fn place(&self) -> Range<usize> {
        self.start..self.end
    }

    pub(crate) const fn is_group(&self) -> bool {
        self.wire_type == GROUP_START
    }

    /// What the field is if the pieces of its value are too long together.
    pub(crate) fn too_long(&self) -> Malformed {
        malformed(self.start, "a value in pieces has more than 1 MiB")
    }

    /// What the field is if its wire type is not that of its number.
    pub(crate) fn wrong_type(&self) -> Malformed {
        malformed(self.start, "a field has the wrong wire type")
    }

    #[inline]
    fn value_of(&self, wire_type: u32) -> Result<Reader<'a>, Malformed> {
        if self.wire_type == wire_type {
            return Ok(Reader {
                input: &self.input[..self.end],
                position: self.content,
            });
        }
        Err(self.wrong_type())
    }
}

/// What is found of a field at its begin.
struct Head {
    /// Number and wire type.
    tag: u32,
    content: usize,
    end: usize,
}

/// Reads the fields of one message in the input, which may be the input itself. Until
/// the first is read it stands for the message.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// Up to the message's end.
    input: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader of the message that the whole input is.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    /// A reader of the message in this place.
    pub(crate) fn of(input: &'a [u8], place: Range<usize>) -> Self {
        Self {
            input: &input[..place.end],
            position: place.start,
        }
    }

    /// The rest of the message from a field on.
    pub(crate) const fn starting_at(&self, position: usize) -> Self {
        Self {
            input: self.input,
            position,
        }
    }

    /// The input, at least up to the message's end.
    pub(crate) const fn input(&self) -> &'a [u8] {
        self.input
    }

    /// Where what was not read is in the input.
    #[inline]
    pub const fn place(&self) -> Range<usize> {
        self.position..self.input.len()
    }

    /// What was not read.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.input[self.position..]
    }

    /// Goes on behind the message, up to the end of the one around it.
    pub(crate) fn leave(&mut self, input: &'a [u8], end: usize) {
        self.position = self.input.len();
        self.input = &input[..end];
    }

    /// The next field of this number; `None` at the message's end.
    #[inline]
    pub fn next_of(&mut self, number: u32) -> Result<Option<Field<'a>>, Malformed> {
        while let Some(field) = self.next_field()? {
            if field.number == number {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }

    /// The next field, groups as a whole; `None` at the message's end.
    // Where it is called, most of what it returns is not looked at: inlined, that is not made.
    #[inline(always)]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        let Self {
            input,
            position: start,
        } = *self;
        let Some(first) = input.get(start).copied() else {
            return Ok(None);
        };
        // Nearly all have a tag of one byte, and neither a long text nor a large number.
        let (content, end) = match (first & 7, input.get(start + 1).copied()) {
            (LEN_TAG, Some(len @ ..0x80)) => (start + 2, start + 2 + usize::from(len)),
            (VARINT_TAG, Some(..0x80)) => (start + 1, start + 2),
            (FIXED64_TAG, _) => (start + 1, start + 9),
            _ => (0, usize::MAX),
        };
        let head = if (8..0x80).contains(&first) && end <= input.len() {
            Head {
                tag: u32::from(first),
                content,
                end,
            }
        } else {
            self.clone().head()?
        };
        self.position = head.end;
        Ok(Some(Field {
            number: head.tag >> 3,
            start,
            wire_type: head.tag & 7,
            content: head.content,
            end: head.end,
            input,
        }))
    }

    /// The head of the next field, which there is, however it is written.
    // By value: what is passed by reference would be in memory, where this is not called, too.
    #[inline(never)]
    fn head(mut self) -> Result<Head, Malformed> {
        let start = self.position;
        let (number, wire_type) = self.tag()?;
        let content = match wire_type {
            GROUP_START => self.skip_group(number)?,
            _ => self.skip_value(start, wire_type)?,
        };
        Ok(Head {
            tag: number << 3 | wire_type,
            content,
            end: self.position,
        })
    }

    /// Returns where the value begins.
    #[cold]
    #[inline(never)]
    fn skip_group(&mut self, number: u32) -> Result<usize, Malformed> {
        let content = self.position;
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let start = self.position;
            let (number, wire_type) = self.tag()?;
            match wire_type {
                GROUP_START if open.len() == MAX_GROUP_DEPTH => {
                    return Err(malformed(start, "groups are nested too deeply"));
                }
                GROUP_START => open.push(number),
                GROUP_END if number == innermost => {
                    let _ = open.pop();
                }
                _ => {
                    let _ = self.skip_value(start, wire_type)?;
                }
            }
        }
        Ok(content)
    }

    /// Returns where the value begins, behind the length if there is one. `start` is
    /// that of the field.
    fn skip_value(&mut self, start: usize, wire_type: u32) -> Result<usize, Malformed> {
        let content = self.position;
        // Most fields.
        if wire_type == LEN {
            let len = self.varint()?;
            let start = self.position;
            self.skip(len, content, "length exceeds the message")?;
            return Ok(start);
        }
        match wire_type {
            VARINT => {
                let _ = self.varint()?;
            }
            FIXED64 => self.skip(8, content, CUT_OFF)?,
            FIXED32 => self.skip(4, content, CUT_OFF)?,
            GROUP_END => return Err(malformed(start, "a group ends that did not begin")),
            _ => return Err(malformed(content, "unknown wire type")),
        }
        Ok(content)
    }

    fn tag(&mut self) -> Result<(u32, u32), Malformed> {
        let start = self.position;
        let tag = self.varint()?;
        let tag = u32::try_from(tag).map_err(|_| malformed(start, "field number too large"))?;
        match tag >> 3 {
            0 => Err(malformed(start, "field number 0")),
            number => Ok((number, tag & 7)),
        }
    }

    fn skip(&mut self, count: u64, offset: usize, what: &'static str) -> Result<(), Malformed> {
        match usize::try_from(count) {
            Ok(count) if count <= self.input.len() - self.position => {
                self.position += count;
                Ok(())
            }
            _ => Err(malformed(offset, what)),
        }
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Malformed> {
        // Most numbers have one byte.
        match self.input.get(self.position) {
            Some(byte) if *byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    #[cold]
    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let start = self.position;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.input.get(self.position).copied() else {
                return Err(malformed(start, CUT_OFF));
            };
            self.position += 1;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed(start, "number has more than 64 bits"))
    }
}

#[cold]
fn malformed(offset: usize, what: &'static str) -> Malformed {
    Malformed { offset, what }
}

/// Appends a length-delimited field.
pub fn push_len_field(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    push_len_field_head(out, number, content.len());
    out.extend_from_slice(content);
}

/// Bytes that tag and length of a length-delimited field take.
pub(crate) const fn len_field_head_len(number: u32, len: usize) -> usize {
    varint_len((number << 3) as usize) + varint_len(len)
}

/// Appends tag and length of a length-delimited field.
#[inline]
pub fn push_len_field_head(out: &mut Vec<u8>, number: u32, len: usize) {
    // Most tags and lengths have one byte.
    if let (..16, ..0x80) = (number, len) {
        out.extend_from_slice(&[(number << 3 | LEN) as u8, len as u8]);
        return;
    }
    push_varint(out, u64::from(number << 3 | LEN));
    push_varint(out, len as u64);
}

/// Bytes that a base-128 number takes.
const fn varint_len(value: usize) -> usize {
    // One byte for each seven bits begun; zero takes one as well.
    (usize::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends a base-128 number.
pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_number_is_what_writing_it_takes() {
        for bits in 0..usize::BITS {
            let power = 1_usize << bits;
            for value in [power - 1, power, power | 1] {
                let mut written = Vec::new();
                push_varint(&mut written, value as u64);
                assert_eq!(varint_len(value), written.len(), "{value}");
            }
        }
    }
}
