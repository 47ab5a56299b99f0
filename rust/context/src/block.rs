// SPDX-License-Identifier: Apache-2.0

//! The context block: a request context as contiguous bytes without pointers.
//!
//! Head of 64 bytes, then a table of 20-byte entries at `entry_offset`, then the
//! bytes that the entries refer to. Offsets count from the block's first byte,
//! integers are in native byte order. The C names of the same layout are
//! `otapb_context` and `otapb_context_entry`.

use crate::arena;
use crate::error::ProcessingError;
use crate::span::{SpanContext, SpanContextBytes};

/// Largest block in bytes.
pub(crate) const MAX_BLOCK_SIZE: usize = 16 * 1024 * 1024;
/// Largest number of entries.
pub(crate) const MAX_ENTRY_COUNT: usize = 65_536;

/// Size of the head.
pub const HEAD_SIZE: usize = 64;
/// Size of an entry.
pub const ENTRY_SIZE: usize = 20;

// Where the head's fields are, by their C names.
pub(crate) const SIZE_OFFSET: usize = 0;
pub(crate) const FLAGS_OFFSET: usize = 4;
pub(crate) const DEADLINE_REMAINING_NS_OFFSET: usize = 8;
pub(crate) const DEADLINE_UNIX_NS_OFFSET: usize = 16;
pub(crate) const TRACE_ID_OFFSET: usize = 24;
pub(crate) const SPAN_ID_OFFSET: usize = 40;
pub(crate) const TRACE_FLAGS_OFFSET: usize = 48;
pub(crate) const ENTRY_COUNT_OFFSET: usize = 52;
pub(crate) const ENTRY_OFFSET_OFFSET: usize = 56;
/// Offset of `total_size`.
pub const TOTAL_SIZE_OFFSET: usize = 60;

// Where an entry's fields are. Each length follows its offset.
pub(crate) const ENTRY_KIND_OFFSET: usize = 0;
pub(crate) const ENTRY_KEY_OFFSET_OFFSET: usize = 4;
pub(crate) const ENTRY_VALUE_OFFSET_OFFSET: usize = 12;
pub(crate) const ENTRY_VALUE_LEN_OFFSET: usize = 16;

/// The deadline fields are set.
pub const FLAG_DEADLINE: u32 = 1;
/// Trace id, span id and trace flags are set.
pub const FLAG_SPAN: u32 = 2;
/// The span context came from a remote parent.
pub const FLAG_SPAN_REMOTE: u32 = 4;
/// The deadline bounds the time in the library only; no caller has it.
pub const FLAG_TIMEOUT: u32 = 8;

/// One value of a metadata key.
pub const ENTRY_METADATA: u32 = 1;
/// A metadata key without a value.
pub const ENTRY_METADATA_EMPTY: u32 = 2;
/// The peer's address.
pub const ENTRY_ADDRESS: u32 = 3;
/// An authentication attribute that is a string.
pub const ENTRY_AUTH: u32 = 4;
/// Begins an authentication attribute that is a list of strings.
pub const ENTRY_AUTH_LIST: u32 = 5;
/// One item of such a list.
pub const ENTRY_AUTH_ITEM: u32 = 6;
/// An authentication attribute of another type, by name only.
pub const ENTRY_AUTH_OPAQUE: u32 = 7;
/// The W3C tracestate header's text.
pub const ENTRY_TRACE_STATE: u32 = 8;
/// The W3C baggage header's text.
pub const ENTRY_BAGGAGE: u32 = 9;
/// A linked span: trace id (16 bytes), span id (8), trace flags (1).
pub const ENTRY_LINK: u32 = 10;

/// Length of a link's value.
pub(crate) const LINK_SIZE: usize = 25;

/// A checked copy of a context block. Its buffer is recycled on drop.
#[derive(Debug, Default)]
pub struct ContextBlock {
    /// Either empty or a block whose offsets, lengths and counts are in bounds.
    bytes: Vec<u8>,
}

/// One entry of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// `ENTRY_*`; unknown kinds occur and are to be skipped.
    pub kind: u32,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl ContextBlock {
    /// A block without content. Allocates nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Copies and checks a block. Empty input gives an empty block; bytes after
    /// `total_size` are ignored.
    ///
    /// # Errors
    /// Configuration, naming the field of the block that is out of bounds.
    pub fn copy_from(bytes: &[u8]) -> Result<Self, ProcessingError> {
        if bytes.is_empty() {
            return Ok(Self::empty());
        }
        let given = bytes.len();
        require(given >= HEAD_SIZE, "context.size", || {
            format!("{given} bytes are fewer than the head's {HEAD_SIZE}")
        })?;
        let total_size = read_u32(bytes, TOTAL_SIZE_OFFSET) as usize;
        require(total_size <= MAX_BLOCK_SIZE, "context.total_size", || {
            format!("{total_size} bytes exceed the limit of {MAX_BLOCK_SIZE}")
        })?;
        require(total_size <= given, "context.total_size", || {
            format!("{total_size} bytes were announced, {given} given")
        })?;
        // The copy is what is checked: the host's memory could change meanwhile.
        let mut copy = arena::take(total_size);
        copy.extend_from_slice(&bytes[..total_size]);
        Self::from_vec(copy)
    }

    /// Checks a block that is already ours.
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Result<Self, ProcessingError> {
        // Built first, so that a refused block's buffer is recycled too.
        let block = Self { bytes };
        check(&block.bytes)?;
        Ok(block)
    }

    /// Whether there is no content at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The block as it was given, or nothing if it is empty.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The head's flags, `FLAG_*`.
    #[must_use]
    pub fn flags(&self) -> u32 {
        if self.bytes.is_empty() {
            0
        } else {
            read_u32(&self.bytes, FLAGS_OFFSET)
        }
    }

    /// Nanoseconds until the deadline when the block was written.
    #[must_use]
    pub fn deadline_remaining_ns(&self) -> Option<i64> {
        self.has(FLAG_DEADLINE)
            .then(|| read_i64(&self.bytes, DEADLINE_REMAINING_NS_OFFSET))
    }

    /// The deadline in nanoseconds since 1970.
    #[must_use]
    pub fn deadline_unix_ns(&self) -> Option<i64> {
        self.has(FLAG_DEADLINE)
            .then(|| read_i64(&self.bytes, DEADLINE_UNIX_NS_OFFSET))
    }

    /// The span context.
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        if !self.has(FLAG_SPAN) {
            return None;
        }
        Some(SpanContext {
            trace_id: read_array(&self.bytes, TRACE_ID_OFFSET),
            span_id: read_array(&self.bytes, SPAN_ID_OFFSET),
            // Checked to fit.
            trace_flags: read_u32(&self.bytes, TRACE_FLAGS_OFFSET) as u8,
            remote: self.has(FLAG_SPAN_REMOTE),
        })
    }

    /// Spans linked from a merged batch, in order.
    pub fn links(&self) -> impl Iterator<Item = SpanContext> + '_ {
        self.entries()
            .filter(|entry| entry.kind == ENTRY_LINK)
            .filter_map(|entry| {
                let bytes: &SpanContextBytes = entry.value.try_into().ok()?;
                Some(SpanContext::from_link(bytes))
            })
    }

    /// Restates the time left. Does nothing to a block without a deadline.
    pub(crate) fn set_deadline_remaining_ns(&mut self, remaining: i64) {
        if self.has(FLAG_DEADLINE) {
            self.bytes[DEADLINE_REMAINING_NS_OFFSET..][..8]
                .copy_from_slice(&remaining.to_ne_bytes());
        }
    }

    /// All entries in order, those of unknown kinds included.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        let table = if self.bytes.is_empty() {
            &[][..]
        } else {
            let start = read_u32(&self.bytes, ENTRY_OFFSET_OFFSET) as usize;
            let len = read_u32(&self.bytes, ENTRY_COUNT_OFFSET) as usize * ENTRY_SIZE;
            self.bytes.get(start..start + len).unwrap_or_default()
        };
        Entries {
            block: &self.bytes,
            table,
        }
    }

    /// The first entry of a kind.
    #[must_use]
    pub fn first(&self, kind: u32) -> Option<Entry<'_>> {
        self.entries().find(|entry| entry.kind == kind)
    }

    fn has(&self, flag: u32) -> bool {
        self.flags() & flag != 0
    }
}

impl Clone for ContextBlock {
    fn clone(&self) -> Self {
        if self.is_empty() {
            return Self::empty();
        }
        let mut bytes = arena::take(self.bytes.len());
        bytes.extend_from_slice(&self.bytes);
        Self { bytes }
    }
}

impl Drop for ContextBlock {
    fn drop(&mut self) {
        arena::give_back(std::mem::take(&mut self.bytes));
    }
}

/// Entries of a block, in order.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    block: &'a [u8],
    table: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (entry, rest) = self.table.split_at_checked(ENTRY_SIZE)?;
        self.table = rest;
        Some(Entry {
            kind: read_u32(entry, ENTRY_KIND_OFFSET),
            key: range(self.block, entry, ENTRY_KEY_OFFSET_OFFSET),
            value: range(self.block, entry, ENTRY_VALUE_OFFSET_OFFSET),
        })
    }
}

impl<'a> Entries<'a> {
    /// Skips what is left.
    pub(crate) fn end(&mut self) {
        self.table = &[];
    }
}

/// The bytes that an entry's (offset, length) pair refers to.
fn range<'a>(block: &'a [u8], entry: &[u8], offset_at: usize) -> &'a [u8] {
    let len = read_u32(entry, offset_at + 4) as usize;
    if len == 0 {
        return &[];
    }
    let offset = read_u32(entry, offset_at) as usize;
    // In bounds since `check_entries`.
    block.get(offset..offset + len).unwrap_or_default()
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> ProcessingError {
    ProcessingError::configuration(message, Some(field.into()))
}

/// An error about the field, unless the condition is true.
pub(crate) fn require(
    condition: bool,
    field: &str,
    otherwise: impl FnOnce() -> String,
) -> Result<(), ProcessingError> {
    match condition {
        true => Ok(()),
        false => Err(invalid(field, otherwise())),
    }
}

fn check(block: &[u8]) -> Result<(), ProcessingError> {
    let total_size = block.len();
    require(total_size >= HEAD_SIZE, "context.total_size", || {
        format!("{total_size} bytes are fewer than the head's {HEAD_SIZE}")
    })?;
    let announced = read_u32(block, TOTAL_SIZE_OFFSET) as usize;
    require(announced == total_size, "context.total_size", || {
        format!("{announced} bytes were announced, {total_size} given")
    })?;
    let head_size = read_u32(block, SIZE_OFFSET) as usize;
    require(head_size >= HEAD_SIZE, "context.size", || {
        format!("{head_size} is smaller than {HEAD_SIZE}, the head of this ABI version")
    })?;
    require(head_size <= total_size, "context.size", || {
        format!("{head_size} exceeds total_size {total_size}")
    })?;
    let has_span = read_u32(block, FLAGS_OFFSET) & FLAG_SPAN != 0;
    let trace_flags = read_u32(block, TRACE_FLAGS_OFFSET);
    let fits = !has_span || trace_flags <= u32::from(u8::MAX);
    require(fits, "context.trace_flags", || {
        format!("{trace_flags} does not fit into a byte")
    })?;
    check_entries(block, head_size)
}

fn check_entries(block: &[u8], head_size: usize) -> Result<(), ProcessingError> {
    let count = read_u32(block, ENTRY_COUNT_OFFSET) as usize;
    if count == 0 {
        return Ok(());
    }
    require(count <= MAX_ENTRY_COUNT, "context.entry_count", || {
        format!("{count} entries exceed the limit of {MAX_ENTRY_COUNT}")
    })?;
    let start = read_u32(block, ENTRY_OFFSET_OFFSET) as usize;
    let is_in_place = start >= head_size && start.is_multiple_of(4);
    require(is_in_place, "context.entry_offset", || {
        format!("{start} is not a multiple of 4 after the head of {head_size} bytes")
    })?;
    let table = start
        .checked_add(count * ENTRY_SIZE)
        .and_then(|end| block.get(start..end))
        .ok_or_else(|| {
            invalid(
                "context.entry_offset",
                format!(
                    "{count} entries at {start} do not fit into {} bytes",
                    block.len()
                ),
            )
        })?;

    let mut seen = [false; ENTRY_LINK as usize + 1];
    // The list that an item would belong to.
    let mut list = None;
    for (index, entry) in table.chunks_exact(ENTRY_SIZE).enumerate() {
        let wrong = |field: &str, message: String| {
            Err(invalid(
                format!("context.entries[{index}].{field}"),
                message,
            ))
        };
        for (field, offset_at) in [
            ("key_offset", ENTRY_KEY_OFFSET_OFFSET),
            ("value_offset", ENTRY_VALUE_OFFSET_OFFSET),
        ] {
            let (offset, len) = (read_u32(entry, offset_at), read_u32(entry, offset_at + 4));
            // The offset of an empty slice is not read.
            let (end, total) = (u64::from(offset) + u64::from(len), block.len());
            if len > 0 && end > total as u64 {
                let message = format!("{len} bytes at {offset} exceed total_size {total}");
                return wrong(field, message);
            }
        }
        let kind = read_u32(entry, ENTRY_KIND_OFFSET);
        let single = matches!(kind, ENTRY_ADDRESS | ENTRY_TRACE_STATE | ENTRY_BAGGAGE);
        if single && std::mem::replace(&mut seen[kind as usize], true) {
            return wrong("kind", format!("kind {kind} may occur only once"));
        }
        let key = range(block, entry, ENTRY_KEY_OFFSET_OFFSET);
        match kind {
            ENTRY_AUTH_LIST => list = Some(key),
            ENTRY_AUTH_ITEM if list == Some(key) => {}
            ENTRY_AUTH_ITEM => {
                return wrong("kind", "a list's item does not follow its list".to_owned());
            }
            _ => list = None,
        }
        let value_len = read_u32(entry, ENTRY_VALUE_LEN_OFFSET) as usize;
        if kind == ENTRY_LINK && value_len != LINK_SIZE {
            let message = format!("a link has {LINK_SIZE} bytes, not {value_len}");
            return wrong("value_len", message);
        }
    }
    Ok(())
}

pub(crate) fn read_array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes(read_array(bytes, offset))
}

fn read_i64(bytes: &[u8], offset: usize) -> i64 {
    i64::from_ne_bytes(read_array(bytes, offset))
}

#[cfg(test)]
mod tests;
