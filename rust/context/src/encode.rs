// SPDX-License-Identifier: Apache-2.0

//! Writes context blocks, for requests that begin in Rust or merge several.

use std::time::{Duration, SystemTime};

use crate::arena;
use crate::block::{
    ContextBlock, ENTRY_ADDRESS, ENTRY_AUTH, ENTRY_AUTH_ITEM, ENTRY_AUTH_LIST, ENTRY_AUTH_OPAQUE,
    ENTRY_BAGGAGE, ENTRY_LINK, ENTRY_METADATA, ENTRY_METADATA_EMPTY, ENTRY_SIZE, ENTRY_TRACE_STATE,
    FLAG_DEADLINE, FLAG_SPAN, FLAG_SPAN_REMOTE, FLAG_TIMEOUT, HEAD_SIZE, MAX_BLOCK_SIZE,
    MAX_ENTRY_COUNT, require,
};
use crate::error::ProcessingError;
use crate::metadata::lower_key;
use crate::span::SpanContext;

/// Collects the content of a block; [`build`](Self::build) lays it out.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    deadline: Option<(i64, i64)>,
    timeout: bool,
    span: Option<SpanContext>,
    /// Offsets count from the first byte of `bytes`.
    entries: Vec<PendingEntry>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct PendingEntry {
    kind: u32,
    key_offset: usize,
    key_len: usize,
    value_offset: usize,
    value_len: usize,
}

impl BlockBuilder {
    /// A builder without content.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline: time left, and the wall clock in nanoseconds since 1970 for display.
    pub fn deadline(&mut self, remaining: Duration, unix_nanos: i64) -> &mut Self {
        let remaining = i64::try_from(remaining.as_nanos()).unwrap_or(i64::MAX);
        self.deadline_nanos(remaining, unix_nanos)
    }

    /// Sets the deadline by nanoseconds left, which are 0 or below if it has passed.
    pub fn deadline_nanos(&mut self, remaining: i64, unix_nanos: i64) -> &mut Self {
        self.deadline = Some((remaining, unix_nanos));
        self
    }

    /// Says that no caller has the deadline: it bounds the time in this library only.
    pub fn deadline_is_a_timeout(&mut self) -> &mut Self {
        self.timeout = true;
        self
    }

    /// Sets the deadline to `timeout` from now on.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let unix = since_1970.saturating_add(timeout).as_nanos();
        self.deadline(timeout, i64::try_from(unix).unwrap_or(i64::MAX))
    }

    /// Sets the span context.
    pub fn span_context(&mut self, span: SpanContext) -> &mut Self {
        self.span = Some(span);
        self
    }

    /// Sets the W3C tracestate header's text. Empty text is left out.
    pub fn trace_state(&mut self, text: &(impl AsRef<[u8]> + ?Sized)) -> &mut Self {
        self.single(ENTRY_TRACE_STATE, text.as_ref())
    }

    /// Sets the W3C baggage header's text. Empty text is left out.
    pub fn baggage(&mut self, text: &(impl AsRef<[u8]> + ?Sized)) -> &mut Self {
        self.single(ENTRY_BAGGAGE, text.as_ref())
    }

    /// Sets the peer's address, see [`Address`](crate::Address).
    pub fn address<N, T>(&mut self, network: &N, text: &T) -> &mut Self
    where
        N: AsRef<[u8]> + ?Sized,
        T: AsRef<[u8]> + ?Sized,
    {
        self.remove(ENTRY_ADDRESS);
        self.push(ENTRY_ADDRESS, network.as_ref(), text.as_ref());
        self
    }

    /// Adds a metadata key with all its values; call it once for a key. The key is
    /// written in lower case.
    pub fn metadata<V: AsRef<[u8]>>(
        &mut self,
        key: &(impl AsRef<[u8]> + ?Sized),
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        let key = lower_key(key.as_ref());
        let mut any = false;
        for value in values {
            self.push(ENTRY_METADATA, &key, value.as_ref());
            any = true;
        }
        if !any {
            self.push(ENTRY_METADATA_EMPTY, &key, &[]);
        }
        self
    }

    /// Adds an authentication attribute that is a string.
    pub fn auth(
        &mut self,
        name: &(impl AsRef<[u8]> + ?Sized),
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.push(ENTRY_AUTH, name.as_ref(), value.as_ref());
        self
    }

    /// Adds an authentication attribute that is a list of strings.
    pub fn auth_list<V: AsRef<[u8]>>(
        &mut self,
        name: &(impl AsRef<[u8]> + ?Sized),
        items: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        let name = name.as_ref();
        self.push(ENTRY_AUTH_LIST, name, &[]);
        for item in items {
            self.push(ENTRY_AUTH_ITEM, name, item.as_ref());
        }
        self
    }

    /// Adds the name of an authentication attribute of another type.
    pub fn auth_opaque(&mut self, name: &(impl AsRef<[u8]> + ?Sized)) -> &mut Self {
        self.push(ENTRY_AUTH_OPAQUE, name.as_ref(), &[]);
        self
    }

    /// Adds a linked span.
    pub fn link(&mut self, span: SpanContext) -> &mut Self {
        self.push(ENTRY_LINK, &[], &span.to_link());
        self
    }

    /// Whether that many more entries with that many more bytes are within the limits.
    pub(crate) fn has_room(&self, entries: usize, bytes: usize) -> bool {
        let entries = self.entries.len() + entries;
        entries <= MAX_ENTRY_COUNT
            && HEAD_SIZE + entries * ENTRY_SIZE + self.bytes.len() + bytes <= MAX_BLOCK_SIZE
    }

    /// Lays the block out.
    ///
    /// # Errors
    /// Configuration, if the block exceeds `MAX_BLOCK_SIZE` or `MAX_ENTRY_COUNT`.
    pub fn build(&self) -> Result<ContextBlock, ProcessingError> {
        let count = self.entries.len();
        require(count <= MAX_ENTRY_COUNT, "context.entry_count", || {
            format!("{count} entries exceed the limit of {MAX_ENTRY_COUNT}")
        })?;
        let data_offset = HEAD_SIZE + count * ENTRY_SIZE;
        let total_size = data_offset + self.bytes.len();
        require(total_size <= MAX_BLOCK_SIZE, "context.total_size", || {
            format!("{total_size} bytes exceed the limit of {MAX_BLOCK_SIZE}")
        })?;

        let mut block = arena::take(total_size);
        self.write_head(&mut block, total_size);
        for entry in &self.entries {
            put(&mut block, entry.kind);
            put_size(&mut block, data_offset + entry.key_offset);
            put_size(&mut block, entry.key_len);
            put_size(&mut block, data_offset + entry.value_offset);
            put_size(&mut block, entry.value_len);
        }
        block.extend_from_slice(&self.bytes);
        ContextBlock::from_vec(block)
    }

    /// Writes the fields in the order of their offsets.
    fn write_head(&self, block: &mut Vec<u8>, total_size: usize) {
        let mut flags = 0;
        if self.deadline.is_some() {
            flags |= FLAG_DEADLINE;
            if self.timeout {
                flags |= FLAG_TIMEOUT;
            }
        }
        if let Some(span) = self.span {
            flags |= FLAG_SPAN;
            if span.remote {
                flags |= FLAG_SPAN_REMOTE;
            }
        }
        let (remaining, unix) = self.deadline.unwrap_or_default();
        put_size(block, HEAD_SIZE);
        put(block, flags);
        block.extend_from_slice(&remaining.to_ne_bytes());
        block.extend_from_slice(&unix.to_ne_bytes());
        block.extend_from_slice(&self.span.map_or([0; 16], |span| span.trace_id));
        block.extend_from_slice(&self.span.map_or([0; 8], |span| span.span_id));
        put(block, self.span.map_or(0, |span| span.trace_flags.into()));
        put_size(block, self.entries.len());
        put_size(block, HEAD_SIZE);
        put_size(block, total_size);
    }

    fn single(&mut self, kind: u32, text: &[u8]) -> &mut Self {
        self.remove(kind);
        if !text.is_empty() {
            self.push(kind, &[], text);
        }
        self
    }

    fn remove(&mut self, kind: u32) {
        self.entries.retain(|entry| entry.kind != kind);
    }

    fn push(&mut self, kind: u32, key: &[u8], value: &[u8]) {
        let key_offset = match self.entries.last() {
            // The values of one key share its bytes.
            Some(last) if self.bytes[last.key_offset..][..last.key_len] == *key => last.key_offset,
            _ => self.append(key),
        };
        let value_offset = self.append(value);
        self.entries.push(PendingEntry {
            kind,
            key_offset,
            key_len: key.len(),
            value_offset,
            value_len: value.len(),
        });
    }

    fn append(&mut self, bytes: &[u8]) -> usize {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        offset
    }
}

fn put(block: &mut Vec<u8>, number: u32) {
    block.extend_from_slice(&number.to_ne_bytes());
}

/// Sizes fit, because a block is limited to [`MAX_BLOCK_SIZE`].
fn put_size(block: &mut Vec<u8>, size: usize) {
    put(block, size as u32);
}
