// SPDX-License-Identifier: Apache-2.0

//! The protobuf wire format: just enough to find and write fields.

use std::fmt;
use std::ops::Range;

use otapbridge_context::ProcessingError;

pub(crate) const VARINT: u32 = 0;
pub(crate) const FIXED64: u32 = 1;
pub(crate) const LEN: u32 = 2;
const GROUP_START: u32 = 3;
const GROUP_END: u32 = 4;
pub(crate) const FIXED32: u32 = 5;

/// Groups inside groups that are followed.
const MAX_GROUP_DEPTH: usize = 100;

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
    /// Its value, up to the field's end.
    content: Reader<'a>,
}

impl<'a> Field<'a> {
    /// The value of a message field, for its fields.
    pub fn message(&self) -> Result<Reader<'a>, Malformed> {
        self.value_of(LEN)
    }

    /// The value of a message, string or bytes field.
    pub fn bytes(&self) -> Result<&'a [u8], Malformed> {
        Ok(self.value_of(LEN)?.rest())
    }

    /// The value of an int64, int32, bool or enum field.
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
    #[must_use]
    pub fn place(&self) -> Range<usize> {
        self.start..self.content.end
    }

    pub(crate) const fn is_group(&self) -> bool {
        self.wire_type == GROUP_START
    }

    /// What the field is if its wire type is not that of its number.
    pub(crate) fn wrong_type(&self) -> Malformed {
        Malformed {
            offset: self.start,
            what: "a field has the wrong wire type",
        }
    }

    fn value_of(&self, wire_type: u32) -> Result<Reader<'a>, Malformed> {
        if self.wire_type == wire_type {
            return Ok(self.content.clone());
        }
        Err(self.wrong_type())
    }
}

/// Reads the fields of one message in the input, which may be the input itself. Until
/// the first is read it stands for the message.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// A reader of the message that the whole input is.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            position: 0,
            end: input.len(),
        }
    }

    /// Where what was not read is in the input.
    #[must_use]
    pub const fn place(&self) -> Range<usize> {
        self.position..self.end
    }

    /// What was not read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.input[self.place()]
    }

    /// The next field of this number; `None` at the message's end.
    pub fn next_of(&mut self, number: u32) -> Result<Option<Field<'a>>, Malformed> {
        while let Some(field) = self.next_field()? {
            if field.number == number {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }

    /// The value of a string or bytes field, or empty. The last one counts, as
    /// everywhere in protobuf.
    pub fn last_of(mut self, number: u32) -> Result<&'a [u8], Malformed> {
        let mut value = &[][..];
        while let Some(field) = self.next_of(number)? {
            value = field.bytes()?;
        }
        Ok(value)
    }

    /// The next field, groups as a whole; `None` at the message's end.
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.position == self.end {
            return Ok(None);
        }
        let start = self.position;
        let (number, wire_type) = self.tag()?;
        let content = match wire_type {
            GROUP_START => self.skip_group(number)?,
            _ => self.skip_value(start, wire_type)?,
        };
        Ok(Some(Field {
            number,
            start,
            wire_type,
            content: Self {
                input: self.input,
                position: content,
                end: self.position,
            },
        }))
    }

    /// Returns where the value begins.
    fn skip_group(&mut self, number: u32) -> Result<usize, Malformed> {
        let content = self.position;
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let start = self.position;
            let (number, wire_type) = self.tag()?;
            match wire_type {
                GROUP_START if open.len() == MAX_GROUP_DEPTH => {
                    return Err(self.malformed(start, "groups are nested too deeply"));
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
        let mut content = self.position;
        match wire_type {
            VARINT => {
                let _ = self.varint()?;
            }
            FIXED64 => self.skip(8)?,
            FIXED32 => self.skip(4)?,
            LEN => {
                let len = self.len()?;
                content = self.position;
                self.position += len;
            }
            GROUP_END => return Err(self.malformed(start, "a group ends that did not begin")),
            _ => return Err(self.malformed(content, "unknown wire type")),
        }
        Ok(content)
    }

    fn tag(&mut self) -> Result<(u32, u32), Malformed> {
        let start = self.position;
        let tag = self.varint()?;
        let tag =
            u32::try_from(tag).map_err(|_| self.malformed(start, "field number too large"))?;
        match tag >> 3 {
            0 => Err(self.malformed(start, "field number 0")),
            number => Ok((number, tag & 7)),
        }
    }

    /// A length that fits into the message.
    fn len(&mut self) -> Result<usize, Malformed> {
        let start = self.position;
        let len = self.varint()?;
        usize::try_from(len)
            .ok()
            .filter(|len| *len <= self.end - self.position)
            .ok_or_else(|| self.malformed(start, "length exceeds the message"))
    }

    fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        if count > self.end - self.position {
            return Err(self.malformed(self.position, "message is cut off"));
        }
        self.position += count;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let start = self.position;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            if self.position == self.end {
                return Err(self.malformed(start, "message is cut off"));
            }
            let byte = self.input[self.position];
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
        Err(self.malformed(start, "number has more than 64 bits"))
    }

    fn malformed(&self, offset: usize, what: &'static str) -> Malformed {
        Malformed { offset, what }
    }
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
pub fn push_len_field_head(out: &mut Vec<u8>, number: u32, len: usize) {
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
