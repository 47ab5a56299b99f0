// SPDX-License-Identifier: Apache-2.0

//! The places in a request's context that `from_context` can name.

use otapbridge::{AuthValue, RequestContext, Value};
use serde::Deserialize;

use otapbridge_otlp::{EncodedValue, Value as AttributeValue};

/// What stands between several values, as in Go's attributes processor.
const SEPARATOR: &str = ";";

/// A place in a request's context.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum ContextSource {
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

/// What a context has in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContextValue {
    Text(String),
    Int(i64),
}

impl ContextValue {
    /// As the value of an attribute that is compared.
    pub(crate) fn as_value(&self) -> AttributeValue<'_> {
        match self {
            Self::Text(text) => AttributeValue::Text(text.as_bytes()),
            Self::Int(number) => AttributeValue::Int(*number),
        }
    }
}

impl From<ContextValue> for EncodedValue {
    fn from(value: ContextValue) -> Self {
        match value {
            ContextValue::Text(text) => Self::from(text.as_str()),
            ContextValue::Int(number) => Self::from(number),
        }
    }
}

impl ContextSource {
    /// The value, several ones joined; `None` if the context has none.
    pub(crate) fn read(&self, context: &RequestContext) -> Option<ContextValue> {
        let mut values = self.values(context).into_iter();
        let mut text = match values.next()? {
            ContextValue::Text(text) => text,
            number => return Some(number),
        };
        for value in values {
            text.push_str(SEPARATOR);
            if let ContextValue::Text(value) = value {
                text.push_str(&value);
            }
        }
        Some(ContextValue::Text(text))
    }

    /// All values that the context has.
    pub(crate) fn values(&self, context: &RequestContext) -> Vec<ContextValue> {
        let texts = |values: &mut dyn Iterator<Item = Value<'_>>| {
            let text = |value: Value<'_>| ContextValue::Text(value.to_str_lossy().into_owned());
            values.map(text).collect()
        };
        let value = match self {
            Self::Metadata(key) => return texts(&mut context.metadata().get(key)),
            Self::Auth(name) => match context.auth().get(name) {
                Some(AuthValue::Text(text)) => {
                    Some(ContextValue::Text(text.to_str_lossy().into_owned()))
                }
                Some(AuthValue::List(mut items)) => return texts(&mut items),
                // Only its name crossed from the host.
                Some(AuthValue::Opaque) | None => None,
            },
            Self::ClientAddress => (context.address())
                .and_then(|address| address.ip())
                .map(|ip| ContextValue::Text(ip.to_string())),
            Self::TraceId => {
                (context.span_context()).map(|span| ContextValue::Text(span.trace_id_hex()))
            }
            Self::SpanId => {
                (context.span_context()).map(|span| ContextValue::Text(span.span_id_hex()))
            }
            Self::TraceFlags => {
                (context.span_context()).map(|span| ContextValue::Int(span.trace_flags.into()))
            }
            Self::TraceState => {
                (context.trace_state()).map(|state| ContextValue::Text(state.to_owned()))
            }
            Self::DeadlineRemaining => context
                .remaining()
                .map(|left| ContextValue::Int(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))),
        };
        value.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
