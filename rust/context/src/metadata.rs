// SPDX-License-Identifier: Apache-2.0

//! Request metadata: what the collector calls `client.Metadata`.

use std::borrow::Cow;
use std::fmt;

use crate::block::{ContextBlock, ENTRY_METADATA, ENTRY_METADATA_EMPTY, Entry};

/// A value's bytes; usually text, but nothing guarantees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes as they came.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn to_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }

    /// The text, with U+FFFD in place of what is not UTF-8.
    #[must_use]
    pub fn to_str_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Value<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// View of the metadata in a block. Reads when asked; a lookup passes over the
/// entries and allocates nothing.
///
/// ```
/// use otapbridge_context::{BlockBuilder, RequestContext};
///
/// let mut block = BlockBuilder::new();
/// block
///     .metadata("X-Tenant", ["acme", "umbrella"])
///     .metadata("x-trace-bin", [b"\xff\x00"])
///     .metadata("x-flag", [""; 0]);
/// let context = RequestContext::new(block.build()?);
/// let metadata = context.metadata();
///
/// // Letter case does not matter, and the order of the values is kept.
/// let tenants: Vec<_> = metadata.get("x-TENANT").filter_map(|value| value.to_str()).collect();
/// assert_eq!(tenants, ["acme", "umbrella"]);
/// assert_eq!(metadata.first("x-tenant").expect("a tenant"), "acme");
/// // A value need not be text.
/// assert_eq!(metadata.first("x-trace-bin").expect("bytes").as_bytes(), b"\xff\x00");
/// // A key without a value is there.
/// assert!(metadata.contains_key("x-flag") && metadata.first("x-flag").is_none());
/// # Ok::<(), otapbridge_context::ProcessingError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    block: &'a ContextBlock,
}

impl<'a> Metadata<'a> {
    pub(crate) const fn new(block: &'a ContextBlock) -> Self {
        Self { block }
    }

    /// All values of a key, in order. Letter case of the key does not matter.
    pub fn get<'k>(&self, key: &'k str) -> impl Iterator<Item = Value<'a>> + use<'a, 'k> {
        self.block
            .entries()
            .filter(move |entry| {
                entry.kind == ENTRY_METADATA && same_key(entry.key, key.as_bytes())
            })
            .map(|entry| Value::new(entry.value))
    }

    /// The first value of a key. Letter case of the key does not matter.
    #[must_use]
    pub fn first(&self, key: &str) -> Option<Value<'a>> {
        self.get(key).next()
    }

    /// Whether the key is there, be it without a value.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.entries()
            .any(|entry| same_key(entry.key, key.as_bytes()))
    }

    /// All keys in order, lower-case as they came; one with several values once.
    pub fn keys(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let mut previous = None;
        // A key's entries are adjacent.
        self.entries()
            .filter(move |entry| previous.replace(entry.key) != Some(entry.key))
            .map(|entry| Value::new(entry.key))
    }

    /// All (key, value) pairs in order. A key without a value is not among them.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        self.block
            .entries()
            .filter(|entry| entry.kind == ENTRY_METADATA)
            .map(|entry| (Value::new(entry.key), Value::new(entry.value)))
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// The host that was asked for: `host`, or else `:authority`, as HTTP/2 and gRPC
    /// call it.
    ///
    /// ```
    /// # use otapbridge_context::{BlockBuilder, RequestContext};
    /// let mut block = BlockBuilder::new();
    /// block.metadata(":authority", ["collector:4317"]);
    /// let grpc = RequestContext::new(block.build()?);
    /// assert_eq!(grpc.metadata().host().expect("a host"), "collector:4317");
    ///
    /// block.metadata("host", ["otlp.example"]);
    /// let both = RequestContext::new(block.build()?);
    /// assert_eq!(both.metadata().host().expect("a host"), "otlp.example");
    /// # Ok::<(), otapbridge_context::ProcessingError>(())
    /// ```
    #[must_use]
    pub fn host(&self) -> Option<Value<'a>> {
        self.first("host").or_else(|| self.first(":authority"))
    }

    /// The first `authorization` header. Whether its bearer was let in is for the host to
    /// say: see [`RequestContext::auth`](crate::RequestContext::auth).
    ///
    /// ```
    /// # use otapbridge_context::{BlockBuilder, RequestContext};
    /// let mut block = BlockBuilder::new();
    /// block.metadata("Authorization", ["Bearer abc"]);
    /// let context = RequestContext::new(block.build()?);
    /// let header = context.metadata().authorization().and_then(|value| value.to_str());
    /// assert_eq!(header.and_then(|header| header.strip_prefix("Bearer ")), Some("abc"));
    /// # Ok::<(), otapbridge_context::ProcessingError>(())
    /// ```
    #[must_use]
    pub fn authorization(&self) -> Option<Value<'a>> {
        self.first("authorization")
    }

    /// The first `user-agent` header.
    ///
    /// ```
    /// # use otapbridge_context::{BlockBuilder, RequestContext};
    /// let mut block = BlockBuilder::new();
    /// block.metadata("user-agent", ["OTel-OTLP-Exporter-Python/1.30"]);
    /// let context = RequestContext::new(block.build()?);
    /// let agent = context.metadata().user_agent().expect("an agent");
    /// assert!(agent.to_str_lossy().starts_with("OTel-OTLP-Exporter"));
    /// # Ok::<(), otapbridge_context::ProcessingError>(())
    /// ```
    #[must_use]
    pub fn user_agent(&self) -> Option<Value<'a>> {
        self.first("user-agent")
    }

    /// The entries of all keys, also of those without a value.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.block
            .entries()
            .filter(|entry| matches!(entry.kind, ENTRY_METADATA | ENTRY_METADATA_EMPTY))
    }
}

/// A key as a block has it: in lower case, as Go's `strings.ToLower` writes it, with
/// U+FFFD in place of each byte that is not UTF-8.
#[must_use]
pub fn lower_key(key: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(key) {
        Ok(text) if text.chars().all(|letter| lower(letter) == letter) => Cow::Borrowed(key),
        _ => {
            let mut text = String::with_capacity(key.len());
            for chunk in key.utf8_chunks() {
                text.extend(chunk.valid().chars().map(lower));
                text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            Cow::Owned(text.into_bytes())
        }
    }
}

/// Compares as the collector does: by lower-case forms, also beyond ASCII.
pub(crate) fn same_key(stored: &[u8], key: &[u8]) -> bool {
    if stored.eq_ignore_ascii_case(key) {
        return true;
    }
    if key.is_ascii() && stored.is_ascii() {
        return false;
    }
    match (std::str::from_utf8(stored), std::str::from_utf8(key)) {
        (Ok(stored), Ok(key)) => stored.chars().map(lower).eq(key.chars().map(lower)),
        _ => false,
    }
}

/// One letter for one, as Go maps them: a final sigma is no special case.
fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::BlockBuilder;

    fn block() -> ContextBlock {
        let mut builder = BlockBuilder::new();
        builder.metadata("X-Tenant", ["a", "b", "a"]);
        builder.metadata("empty", [""; 0]);
        builder.metadata("blob", [&[0xff, 0x00, 0xfe][..]]);
        builder.metadata("größe", ["L"]);
        builder.metadata(":authority", ["h:1"]);
        builder.metadata("Authorization", ["Bearer x", "y"]);
        builder.metadata("user-agent", ["ua"]);
        builder.build().expect("valid block")
    }

    #[test]
    fn lookups_ignore_case_and_keep_order() {
        let block = block();
        let metadata = Metadata::new(&block);
        let values: Vec<_> = metadata
            .get("x-TENANT")
            .filter_map(|v| v.to_str())
            .collect();
        assert_eq!(values, ["a", "b", "a"]);
        assert!(metadata.first("GRÖSSE").is_none());
        assert_eq!(metadata.first("GRÖßE").expect("found"), "L");
        assert!(metadata.first("x-tenan").is_none());
        assert!(metadata.first("x-tenants").is_none());
    }

    #[test]
    fn values_are_binary_safe() {
        let block = block();
        let value = Metadata::new(&block).first("blob").expect("found");
        assert_eq!(value.as_bytes(), [0xff, 0x00, 0xfe]);
        assert_eq!(value.to_str(), None);
        assert_eq!(value.to_str_lossy(), "\u{fffd}\0\u{fffd}");
    }

    #[test]
    fn a_key_without_value_is_a_key() {
        let block = block();
        let metadata = Metadata::new(&block);
        assert!(metadata.contains_key("EMPTY"));
        assert!(metadata.first("empty").is_none());
        assert!(metadata.iter().all(|(key, _)| key != "empty"));
        let keys: Vec<_> = metadata.keys().filter_map(|k| k.to_str()).collect();
        assert_eq!(
            keys,
            [
                "x-tenant",
                "empty",
                "blob",
                "größe",
                ":authority",
                "authorization",
                "user-agent"
            ]
        );
        assert!(!metadata.is_empty());
        assert!(Metadata::new(&ContextBlock::empty()).is_empty());
    }

    #[test]
    fn keys_are_lower_case_letter_by_letter() {
        let mut builder = BlockBuilder::new();
        builder.metadata("ΑΣ", ["sigma"]);
        let block = builder.build().expect("valid block");
        let metadata = Metadata::new(&block);
        assert_eq!(metadata.keys().next().expect("key"), "ασ");
        for key in ["ΑΣ", "ασ", "Ας".to_uppercase().as_str()] {
            assert_eq!(metadata.first(key).expect(key), "sigma");
        }
        assert_eq!(&*lower_key("İK\u{212a}".as_bytes()), b"ikk");
        assert_eq!(
            &*lower_key(b"A\xff\xe2\x82"),
            "a\u{fffd}\u{fffd}\u{fffd}".as_bytes()
        );
    }

    #[test]
    fn conventions() {
        let block = block();
        let metadata = Metadata::new(&block);
        assert_eq!(metadata.host().expect("host"), "h:1");
        assert_eq!(metadata.authorization().expect("authorization"), "Bearer x");
        assert_eq!(metadata.user_agent().expect("user agent"), "ua");

        let mut builder = BlockBuilder::new();
        builder.metadata(":authority", ["second"]);
        builder.metadata("host", ["first"]);
        let block = builder.build().expect("valid block");
        assert_eq!(Metadata::new(&block).host().expect("host"), "first");
    }
}
