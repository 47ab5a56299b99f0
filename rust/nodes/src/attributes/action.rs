// SPDX-License-Identifier: Apache-2.0

//! The actions, one after the other on the attributes of one message.

use otapbridge::{ProcessingError, RequestContext, Secret};
use otapbridge_otlp::{AnyValue, Attribute, Attributes, EncodedValue, KeyLengths, Value};
use regex::bytes::Regex;

use super::convert::{self, ConvertedType};
use super::hash;
use crate::conditions::is_found;
use crate::context_source::ContextSource;

/// What is done to attributes.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Set(Set),
    Delete(Keys),
    Rename {
        from: Box<[u8]>,
        to: Box<[u8]>,
    },
    Hash {
        keys: Keys,
        salt: Option<Secret>,
    },
    Convert {
        key: Box<[u8]>,
        to: ConvertedType,
    },
    Extract {
        key: Box<[u8]>,
        pattern: Regex,
        /// The names of its groups.
        targets: Vec<Box<[u8]>>,
    },
}

/// Sets one attribute.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) how: SetHow,
    pub(super) key: Box<[u8]>,
    pub(super) source: Source,
    /// If the source has nothing.
    pub(super) default: Option<EncodedValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetHow {
    /// If there is none of this key.
    Insert,
    /// If there is one.
    Update,
    Upsert,
}

impl Action {
    /// The keys of the attributes that matter to it; `None` if any can.
    fn keys(&self) -> Option<Vec<&[u8]>> {
        Some(match self {
            Self::Set(Set { key, source, .. }) => match source {
                Source::Attribute(source) => vec![key, source],
                _ => vec![key],
            },
            Self::Delete(keys) | Self::Hash { keys, .. } => match keys {
                Keys {
                    key: Some(key),
                    pattern: None,
                } => vec![key],
                _ => return None,
            },
            Self::Rename { from, to } => vec![from, to],
            Self::Convert { key, .. } => vec![key],
            Self::Extract { key, targets, .. } => {
                let targets = targets.iter().map(AsRef::as_ref);
                targets.chain([key.as_ref()]).collect()
            }
        })
    }
}

/// The attributes that matter to actions.
pub(super) fn keys(actions: &[Action]) -> KeyLengths {
    let keys: Option<Vec<_>> = actions.iter().map(Action::keys).collect();
    keys.map_or(KeyLengths::ALL, |keys| {
        KeyLengths::of(keys.into_iter().flatten())
    })
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    None,
    Value(EncodedValue),
    Attribute(Box<[u8]>),
    Context(ContextSource),
}

/// Which attributes are meant: those of the key, and those in whose key the pattern is found.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) key: Option<Box<[u8]>>,
    pub(super) pattern: Option<Regex>,
}

impl Keys {
    #[inline]
    fn contain(&self, key: &[u8]) -> bool {
        self.key.as_deref() == Some(key)
            || (self.pattern.as_ref()).is_some_and(|pattern| is_found(pattern, key))
    }
}

/// Whether actions do nothing in a request of this context, whatever the attributes are.
pub(super) fn do_nothing(actions: &[Action], context: &RequestContext) -> bool {
    actions.iter().all(|action| {
        let Action::Set(set) = action else {
            return false;
        };
        let has_source = match &set.source {
            Source::Context(source) => source.read(context).is_some(),
            Source::None => false,
            Source::Value(_) | Source::Attribute(_) => true,
        };
        !has_source && set.default.is_none()
    })
}

/// The actions for one request.
pub(super) struct Actions<'a> {
    actions: &'a [Action],
    /// What the request's context has for each action.
    from_context: Vec<Option<EncodedValue>>,
}

impl<'a> Actions<'a> {
    pub(super) fn new(actions: &'a [Action], context: &RequestContext) -> Self {
        let from_context = |action: &Action| match action {
            Action::Set(Set {
                source: Source::Context(source),
                ..
            }) => source.read(context).map(EncodedValue::from),
            _ => None,
        };
        Self {
            actions,
            from_context: actions.iter().map(from_context).collect(),
        }
    }

    /// Does them.
    ///
    /// # Errors
    /// InvalidArgument, if an attribute is malformed where it is looked at, or a value too deep.
    pub(super) fn apply(&self, attributes: &mut Attributes<'_, '_>) -> Result<(), ProcessingError> {
        for (action, from_context) in self.actions.iter().zip(&self.from_context) {
            match action {
                Action::Set(set) => set.apply(from_context.as_ref(), attributes)?,
                Action::Delete(Keys {
                    key: Some(key),
                    pattern: None,
                }) => {
                    let _ = attributes.remove(key);
                }
                Action::Delete(keys) => {
                    attributes.retain(|attribute| Ok(!keys.contain(attribute.key())))?;
                }
                Action::Rename { from, to } => {
                    let _ = attributes.rename(from, to);
                }
                Action::Hash { keys, salt } => {
                    let salt = salt.as_ref().map_or("", Secret::expose);
                    change(
                        attributes,
                        |key| keys.contain(key),
                        |value| hash::hash(salt, value),
                    )?;
                }
                Action::Convert { key, to } => {
                    change(
                        attributes,
                        |of| **key == *of,
                        |value| convert::convert(value, *to),
                    )?;
                }
                Action::Extract {
                    key,
                    pattern,
                    targets,
                } => extract(attributes, key, pattern, targets)?,
            }
        }
        Ok(())
    }
}

impl Set {
    fn apply(
        &self,
        from_context: Option<&EncodedValue>,
        attributes: &mut Attributes<'_, '_>,
    ) -> Result<(), ProcessingError> {
        // Most attributes that are to be updated are not there, and most that are to be inserted are: so the value is read only
        // if it is needed.
        match self.how {
            SetHow::Insert if attributes.contains(&self.key) => return Ok(()),
            SetHow::Update if !attributes.contains(&self.key) => return Ok(()),
            _ => {}
        }
        let copied;
        let value = match &self.source {
            Source::None => None,
            Source::Value(value) => Some(value),
            Source::Context(_) => from_context,
            Source::Attribute(key) => {
                copied = attributes.get(key)?.map(|value| EncodedValue::copy(&value));
                copied.as_ref()
            }
        };
        if let Some(value) = value.or(self.default.as_ref()) {
            attributes.set(&self.key, value);
        }
        Ok(())
    }
}

/// Changes the values of some attributes.
fn change(
    attributes: &mut Attributes<'_, '_>,
    is_meant: impl Fn(&[u8]) -> bool,
    new: impl Fn(&AnyValue<'_>) -> Result<Option<EncodedValue>, ProcessingError>,
) -> Result<(), ProcessingError> {
    attributes.replace(|attribute: &Attribute<'_>| {
        if is_meant(attribute.key()) {
            new(&attribute.value()?)
        } else {
            Ok(None)
        }
    })
}

/// Sets an attribute for each group of the pattern, if it is found in the text of another.
fn extract(
    attributes: &mut Attributes<'_, '_>,
    key: &[u8],
    pattern: &Regex,
    targets: &[Box<[u8]>],
) -> Result<(), ProcessingError> {
    let mut found = Vec::new();
    if let Some(value) = attributes.get(key)?
        && let Value::Text(text) = value.value()?
        && let Some(groups) = pattern.captures(text)
    {
        for (index, target) in targets.iter().enumerate() {
            // A group that takes no part is an empty text, as in Go.
            let text = groups
                .get(index + 1)
                .map_or(&[][..], |group| group.as_bytes());
            found.push((target, EncodedValue::text(text)));
        }
    }
    for (target, value) in found {
        attributes.set(target, &value);
    }
    Ok(())
}
