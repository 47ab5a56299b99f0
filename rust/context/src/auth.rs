// SPDX-License-Identifier: Apache-2.0

//! Authentication data: the attributes of what the collector calls `client.AuthData`.

use crate::block::{
    ContextBlock, ENTRY_AUTH, ENTRY_AUTH_ITEM, ENTRY_AUTH_LIST, ENTRY_AUTH_OPAQUE, Entries, Entry,
};
use crate::metadata::Value;

/// An attribute's value. Two are equal if they are as far as is known.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthValue<'a> {
    /// A string.
    Text(Value<'a>),
    /// A list of strings.
    List(AuthItems<'a>),
    /// Of another type; only its name crossed from the host.
    Opaque,
}

/// Items of a list, in order.
#[derive(Clone, Debug)]
pub struct AuthItems<'a> {
    key: &'a [u8],
    rest: Entries<'a>,
}

impl PartialEq for AuthItems<'_> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(self.clone(), other.clone())
    }
}

impl<'a> Iterator for AuthItems<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let entry = self.rest.next()?;
        if entry.kind == ENTRY_AUTH_ITEM && entry.key == self.key {
            return Some(Value::new(entry.value));
        }
        // The items follow their list without a gap.
        self.rest.end();
        None
    }
}

/// View of the authentication attributes in a block. Reads when asked.
///
/// ```
/// use otapbridge_context::{AuthValue, BlockBuilder, RequestContext};
///
/// let mut block = BlockBuilder::new();
/// block.auth("subject", "me").auth_list("groups", ["dev", "ops"]).auth_opaque("claims");
/// let context = RequestContext::new(block.build()?);
///
/// let is_member = |group: &str| match context.auth().get("groups") {
///     Some(AuthValue::List(mut groups)) => groups.any(|name| name == *group),
///     _ => false,
/// };
/// assert!(is_member("ops") && !is_member("root"));
/// assert!(matches!(context.auth().get("subject"), Some(AuthValue::Text(name)) if name == "me"));
/// // Of attributes of other types only the name crosses.
/// assert!(matches!(context.auth().get("claims"), Some(AuthValue::Opaque)));
/// # Ok::<(), otapbridge_context::ProcessingError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Auth<'a> {
    block: &'a ContextBlock,
}

impl<'a> Auth<'a> {
    pub(crate) const fn new(block: &'a ContextBlock) -> Self {
        Self { block }
    }

    /// The attribute of this name; its letter case matters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<AuthValue<'a>> {
        self.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        self.iter().map(|(name, _)| name)
    }

    /// All attributes in order.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'a>, AuthValue<'a>)> + use<'a> {
        let mut entries = self.block.entries();
        std::iter::from_fn(move || {
            loop {
                let entry = entries.next()?;
                if let Some(value) = decode(entry, &entries) {
                    return Some((Value::new(entry.key), value));
                }
            }
        })
    }

    /// Whether there is no attribute.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// Whether an entry of this kind is a part of authentication data.
pub(crate) const fn is_auth(kind: u32) -> bool {
    matches!(
        kind,
        ENTRY_AUTH | ENTRY_AUTH_LIST | ENTRY_AUTH_ITEM | ENTRY_AUTH_OPAQUE
    )
}

fn decode<'a>(entry: Entry<'a>, rest: &Entries<'a>) -> Option<AuthValue<'a>> {
    match entry.kind {
        ENTRY_AUTH => Some(AuthValue::Text(Value::new(entry.value))),
        ENTRY_AUTH_LIST => Some(AuthValue::List(AuthItems {
            key: entry.key,
            rest: rest.clone(),
        })),
        ENTRY_AUTH_OPAQUE => Some(AuthValue::Opaque),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::BlockBuilder;

    fn list(value: Option<AuthValue<'_>>) -> Vec<String> {
        match value {
            Some(AuthValue::List(items)) => {
                items.map(|item| item.to_str_lossy().into_owned()).collect()
            }
            other => panic!("not a list: {other:?}"),
        }
    }

    #[test]
    fn strings_lists_and_others() {
        let mut builder = BlockBuilder::new();
        builder.auth("subject", "me");
        builder.auth_list("groups", ["a", "b"]);
        builder.auth_list("none", [""; 0]);
        builder.auth_list("last", ["c"]);
        builder.auth_opaque("claims");
        let block = builder.build().expect("valid block");
        let auth = Auth::new(&block);

        let names: Vec<_> = auth.names().filter_map(|n| n.to_str()).collect();
        assert_eq!(names, ["subject", "groups", "none", "last", "claims"]);
        assert!(matches!(auth.get("subject"), Some(AuthValue::Text(v)) if v == "me"));
        assert_eq!(list(auth.get("groups")), ["a", "b"]);
        assert_eq!(list(auth.get("none")), [""; 0]);
        assert_eq!(list(auth.get("last")), ["c"]);
        assert!(matches!(auth.get("claims"), Some(AuthValue::Opaque)));
        assert!(auth.get("Subject").is_none());
        assert!(!auth.is_empty());
        assert!(Auth::new(&ContextBlock::empty()).is_empty());
    }

    #[test]
    fn two_lists_of_one_name_stay_apart() {
        let mut builder = BlockBuilder::new();
        builder.auth_list("groups", ["a"]);
        builder.auth_list("groups", ["b"]);
        let block = builder.build().expect("valid block");
        assert_eq!(list(Auth::new(&block).get("groups")), ["a"]);
    }
}
