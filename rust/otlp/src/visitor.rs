// SPDX-License-Identifier: Apache-2.0

//! What somebody implements who has a request walked.

use otapbridge_context::ProcessingError;

use crate::attributes::{Attributes, KeyLengths};
use crate::messages::Messages;
use crate::schema::MessageType;
use crate::wire::Reader;

/// What a visitor has to see of a request. What it does not name, and what contains nothing that it names, is passed
/// over unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The messages of which it is asked whether they stay: by [`Visitor::resource`], [`Visitor::scope`],
    /// [`Visitor::item`] and [`Visitor::part`].
    pub messages: Messages,
    /// The messages whose attributes it is given, by [`Visitor::attributes`].
    pub attributes: Messages,
    /// The attributes of these that it has to see: by default all. Others may be missing in what it is given, and stay.
    pub keys: KeyLengths,
}

/// What a walk does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// It stays, unless nothing is left in it; the walk goes on with its attributes and with what is in it.
    Inside,
    /// It stays as it is, with all that is in it.
    Keep,
    /// It is taken out, with all that is in it.
    Remove,
}

/// What a walk through a request comes to, from outside inwards: a resource, its attributes, then each of its
/// scopes, its attributes, then each item, its attributes, then what is in it. An error ends the walk.
///
/// A reader that it gets stands for a whole message, which is as it was in the request; changes do not show
/// in it.
///
/// ```
/// use otapbridge_context::{ProcessingError, Signal};
/// // In a node: otapbridge::otlp.
/// use otapbridge_otlp::wire::Reader;
/// use otapbridge_otlp::{
///     Attributes, Interest, MessageType, Messages, Outcome, Visit, Visitor, walk,
/// };
///
/// /// Takes out spans without attributes, and of the others an attribute.
/// struct Tidy;
///
/// impl Visitor for Tidy {
///     fn interest(&self) -> Interest {
///         Interest { messages: Messages::SPAN, attributes: Messages::SPAN, ..Interest::default() }
///     }
///
///     fn item(&mut self, r#type: MessageType, mut span: Reader<'_>) -> Result<Visit, ProcessingError> {
///         let attributes = r#type.attributes().expect("spans have some");
///         let any = span.next_of(attributes)?.is_some();
///         Ok(if any { Visit::Inside } else { Visit::Remove })
///     }
///
///     fn attributes(&mut self, _: MessageType, attributes: &mut Attributes<'_, '_>) -> Result<(), ProcessingError> {
///         attributes.remove(b"password");
///         Ok(())
///     }
/// }
///
/// // Fields of protobuf: number, length, content.
/// let field = |number: u8, content: &[u8]| [&[number << 3 | 2, content.len() as u8], content].concat();
/// let key_value = |key: &[u8]| field(9, &field(1, key)); // of a span
/// let request = |spans: &[Vec<u8>]| field(1, &field(2, &spans.concat()));
///
/// let user = field(2, &key_value(b"user"));
/// let both = field(2, &[key_value(b"password"), key_value(b"user")].concat());
/// let bare = field(2, &field(5, b"a name"));
/// let mut tidied = |spans: &[Vec<u8>]| walk(Signal::Traces, &request(spans), &mut Tidy);
/// assert_eq!(tidied(&[both, bare.clone()])?, Outcome::Changed(request(&[user.clone()])));
/// assert_eq!(tidied(&[user])?, Outcome::Unchanged);
/// assert_eq!(tidied(&[bare])?, Outcome::Nothing);
/// # Ok::<(), ProcessingError>(())
/// ```
pub trait Visitor {
    /// What it has to see. It is asked once, before the walk.
    fn interest(&self) -> Interest;

    /// A `ResourceSpans`, or its like: with the resource, before its items. Asked for
    /// [`Messages::RESOURCE`].
    ///
    /// # Errors
    /// End the walk.
    fn resource(&mut self, resource_data: Reader<'_>) -> Result<Visit, ProcessingError> {
        let _ = resource_data;
        Ok(Visit::Inside)
    }

    /// A `ScopeSpans`, or its like: with the scope, before its items. Asked for [`Messages::SCOPE`].
    ///
    /// # Errors
    /// End the walk.
    fn scope(&mut self, scope_data: Reader<'_>) -> Result<Visit, ProcessingError> {
        let _ = scope_data;
        Ok(Visit::Inside)
    }

    /// A span, metric or log record. Asked for [`Messages::SPAN`], [`Messages::METRIC`],
    /// [`Messages::LOG_RECORD`].
    ///
    /// # Errors
    /// End the walk.
    fn item(&mut self, r#type: MessageType, item: Reader<'_>) -> Result<Visit, ProcessingError> {
        let _ = (r#type, item);
        Ok(Visit::Inside)
    }

    /// An event or link of a span, a data point of a metric, or an exemplar of a data point. Asked for
    /// [`Messages::SPAN_EVENT`], [`Messages::SPAN_LINK`], [`Messages::DATA_POINT`], [`Messages::EXEMPLAR`].
    ///
    /// # Errors
    /// End the walk.
    fn part(&mut self, r#type: MessageType, part: Reader<'_>) -> Result<Visit, ProcessingError> {
        let _ = (r#type, part);
        Ok(Visit::Inside)
    }

    /// The attributes of a message that stays, to be changed. A resource or scope that is not there is
    /// an empty one, and is made if an attribute is added.
    ///
    /// # Errors
    /// End the walk.
    fn attributes(
        &mut self,
        of: MessageType,
        attributes: &mut Attributes<'_, '_>,
    ) -> Result<(), ProcessingError> {
        let _ = (of, attributes);
        Ok(())
    }
}
