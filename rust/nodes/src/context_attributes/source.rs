// SPDX-License-Identifier: Apache-2.0

//! The places in a request's context that `from_context` can name.

use otapbridge::{AuthValue, RequestContext, Value};
use serde::Deserialize;

use otapbridge_otlp::AttributeValue;

/// What stands between several values, as in Go's attributes processor.
const SEPARATOR: &str = ";";

/// A place in a request's context.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum ContextSource {
    Metadata(String),
    Auth(String),
    ClientAddress,
    TraceId,
    SpanId,
    TraceFlags,
    TraceState,
    DeadlineRemaining,
}

impl TryFrom<String> for ContextSource {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let named = |rest: &str| {
            if rest.is_empty() {
                Err(format!("{name:?} lacks a name after the dot"))
            } else {
                Ok(rest.to_owned())
            }
        };
        if let Some(key) = name.strip_prefix("metadata.") {
            return named(key).map(Self::Metadata);
        }
        if let Some(attribute) = name.strip_prefix("auth.") {
            return named(attribute).map(Self::Auth);
        }
        Ok(match name.as_str() {
            "client.address" => Self::ClientAddress,
            "trace_id" => Self::TraceId,
            "span_id" => Self::SpanId,
            "trace_flags" => Self::TraceFlags,
            "trace_state" => Self::TraceState,
            "deadline_remaining" => Self::DeadlineRemaining,
            _ => {
                return Err(format!(
                    "{name:?} is none of metadata.<key>, auth.<name>, client.address, trace_id, \
                     span_id, trace_flags, trace_state, deadline_remaining"
                ));
            }
        })
    }
}

impl ContextSource {
    /// The value, or `None` if the context does not have it.
    pub(super) fn read(&self, context: &RequestContext) -> Option<AttributeValue> {
        let text = match self {
            Self::Metadata(key) => join(context.metadata().get(key))?,
            Self::Auth(name) => match context.auth().get(name)? {
                AuthValue::Text(text) => text.to_str_lossy().into_owned(),
                AuthValue::List(items) => join(items)?,
                // Only its name crossed from the host.
                AuthValue::Opaque => return None,
            },
            Self::ClientAddress => context.address()?.ip()?.to_string(),
            Self::TraceId => context.span_context()?.trace_id_hex(),
            Self::SpanId => context.span_context()?.span_id_hex(),
            Self::TraceFlags => {
                let flags = context.span_context()?.trace_flags;
                return Some(AttributeValue::Int(flags.into()));
            }
            Self::TraceState => context.trace_state()?.to_owned(),
            Self::DeadlineRemaining => {
                let millis = context.remaining()?.as_millis();
                return Some(AttributeValue::Int(
                    i64::try_from(millis).unwrap_or(i64::MAX),
                ));
            }
        };
        Some(AttributeValue::Text(text))
    }
}

/// `None` if there is no value at all.
fn join<'a>(mut values: impl Iterator<Item = Value<'a>>) -> Option<String> {
    let mut text = values.next()?.to_str_lossy().into_owned();
    for value in values {
        text.push_str(SEPARATOR);
        text.push_str(&value.to_str_lossy());
    }
    Some(text)
}
