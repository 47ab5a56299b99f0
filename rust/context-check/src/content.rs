// SPDX-License-Identifier: Apache-2.0

//! What a context says, whatever its block looks like.

use std::borrow::Cow;
use std::collections::HashMap;

use otapbridge_context::block::{
    ENTRY_ADDRESS, ENTRY_BAGGAGE, ENTRY_METADATA_EMPTY, ENTRY_TRACE_STATE,
};
use otapbridge_context::metadata::lower_key;
use otapbridge_context::{
    AuthValue, BlockBuilder, ContextBlock, ProcessingError, RequestContext, SpanContext,
};

/// A metadata key with all its values.
pub type Key<'a> = (Cow<'a, [u8]>, Vec<&'a [u8]>);

/// Everything in a context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content<'a> {
    /// Nanoseconds left when the block was written, and the wall clock.
    pub deadline: Option<(i64, i64)>,
    /// Whether the deadline only bounds the time in the library.
    pub is_deadline_a_timeout: bool,
    /// The caller's span.
    pub span: Option<SpanContext>,
    /// The tracestate header's bytes, unless empty.
    pub trace_state: Option<&'a [u8]>,
    /// The baggage header's bytes, unless empty.
    pub baggage: Option<&'a [u8]>,
    /// Network and text of the peer's address.
    pub address: Option<(&'a [u8], &'a [u8])>,
    /// Keys in the order of their first entry, with all values.
    pub metadata: Vec<Key<'a>>,
    /// Authentication attributes in order.
    pub auth: Vec<(&'a [u8], AuthContent<'a>)>,
    /// Linked spans in order.
    pub links: Vec<SpanContext>,
}

/// An authentication attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthContent<'a> {
    /// A string.
    Text(&'a [u8]),
    /// A list of strings.
    List(Vec<&'a [u8]>),
    /// Of another type.
    Opaque,
}

impl<'a> AuthContent<'a> {
    pub(crate) fn read(value: AuthValue<'a>) -> Self {
        match value {
            AuthValue::Text(text) => Self::Text(text.as_bytes()),
            AuthValue::List(items) => Self::List(items.map(|item| item.as_bytes()).collect()),
            AuthValue::Opaque => Self::Opaque,
        }
    }
}

impl<'a> Content<'a> {
    /// Reads a context. What need not be text is read as bytes.
    #[must_use]
    pub fn read(context: &'a RequestContext) -> Self {
        let block = context.block();
        let text = |kind| {
            let entry = block.first(kind)?;
            (!entry.value.is_empty()).then_some(entry.value)
        };
        Self {
            deadline: block.deadline_remaining_ns().zip(block.deadline_unix_ns()),
            is_deadline_a_timeout: context.is_deadline_a_timeout(),
            span: context.span_context(),
            trace_state: text(ENTRY_TRACE_STATE),
            baggage: text(ENTRY_BAGGAGE),
            address: block
                .first(ENTRY_ADDRESS)
                .map(|entry| (entry.key, entry.value)),
            metadata: metadata(context),
            auth: context
                .auth()
                .iter()
                .map(|(name, value)| (name.as_bytes(), AuthContent::read(value)))
                .collect(),
            links: context.links().collect(),
        }
    }

    /// Writes a block with this content.
    ///
    /// # Errors
    /// Configuration, if it exceeds a block's limits: entries of the block that was read
    /// may have shared bytes, those of the new one do not.
    pub fn write(&self) -> Result<ContextBlock, ProcessingError> {
        let mut block = BlockBuilder::new();
        if let Some((remaining, unix)) = self.deadline {
            block.deadline_nanos(remaining, unix);
            if self.is_deadline_a_timeout {
                block.deadline_is_a_timeout();
            }
        }
        if let Some(span) = self.span {
            block.span_context(span);
        }
        block.trace_state(self.trace_state.unwrap_or_default());
        block.baggage(self.baggage.unwrap_or_default());
        if let Some((network, text)) = self.address {
            block.address(network, text);
        }
        for (key, values) in &self.metadata {
            block.metadata(key, values);
        }
        for (name, value) in &self.auth {
            match value {
                AuthContent::Text(text) => block.auth(*name, text),
                AuthContent::List(items) => block.auth_list(*name, items),
                AuthContent::Opaque => block.auth_opaque(*name),
            };
        }
        for link in &self.links {
            block.link(*link);
        }
        block.build()
    }
}

fn metadata(context: &RequestContext) -> Vec<Key<'_>> {
    let mut keys: Vec<Key<'_>> = Vec::new();
    let mut at: HashMap<Cow<'_, [u8]>, usize> = HashMap::new();
    for key in context.metadata().keys() {
        let key = lower_key(key.as_bytes());
        at.entry(key.clone()).or_insert_with(|| {
            keys.push((key, Vec::new()));
            keys.len() - 1
        });
    }
    for (key, value) in context.metadata().iter() {
        let index = at[&lower_key(key.as_bytes())];
        keys[index].1.push(value.as_bytes());
    }
    let empty = context
        .block()
        .entries()
        .filter(|entry| entry.kind == ENTRY_METADATA_EMPTY);
    for entry in empty {
        assert!(at.contains_key(&lower_key(entry.key)), "a key is missing");
    }
    keys
}
