// SPDX-License-Identifier: Apache-2.0

//! Writes resource attributes from the request's context.

use otapbridge::{
    ContextAwareEffectHandler, ContextAwareProcessor, Message, OtapPdata, ProcessingError,
    ProcessorNode, RequestContext, async_trait, signal, with_otlp_bytes,
};
use serde::Deserialize;

use otapbridge_otlp::ResourceAttributes;

mod source;

use crate::wrong;
use source::ContextSource;

/// Processor `urn:otapbridge:processor:context_attributes`: sets resource
/// attributes, on every resource of the message, from the context of its request.
///
/// Configuration: `actions`, a list of `{key, from_context}`. `key` is the
/// attribute; one that exists is replaced. `from_context` is one of
///
/// | name | value |
/// | --- | --- |
/// | `metadata.<key>` | all values of the request's metadata key, joined by `;` |
/// | `auth.<name>` | an authentication attribute; a list is joined by `;` |
/// | `client.address` | the peer's IP without port and zone; nothing for unix sockets |
/// | `trace_id`, `span_id` | lower-case hexadecimal |
/// | `trace_flags` | integer |
/// | `trace_state` | the W3C tracestate header's text |
/// | `deadline_remaining` | milliseconds until the deadline, integer |
///
/// The first three are named as in Go's attributes processor. What is absent
/// writes nothing; if several actions have the same key, the last one that is
/// present wins. Bytes that are not UTF-8 become U+FFFD.
#[derive(Debug)]
pub struct ContextAttributes {
    actions: Vec<Action>,
}

/// See [`ContextAttributes`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    key: String,
    from_context: ContextSource,
}

impl ContextAttributes {
    /// The attributes that the request's context has.
    fn attributes(&self, context: &RequestContext) -> ResourceAttributes {
        let mut attributes = ResourceAttributes::default();
        for action in &self.actions {
            if let Some(value) = action.from_context.read(context) {
                attributes.set(&action.key, &value);
            }
        }
        attributes
    }
}

impl ProcessorNode for ContextAttributes {
    const URN: &'static str = "urn:otapbridge:processor:context_attributes";

    type Config = Config;

    const AT_MOST_ONE_OUTPUT: bool = true;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        if config.actions.is_empty() {
            return Err(wrong("must have at least one action", "actions"));
        }
        if let Some(index) = config.actions.iter().position(|a| a.key.is_empty()) {
            return Err(wrong(
                "must not be empty: name the attribute to write",
                format!("actions[{index}].key"),
            ));
        }
        Ok(Self {
            actions: config.actions,
        })
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for ContextAttributes {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        let Message::PData(mut data) = msg else {
            return Ok(());
        };
        let attributes = self.attributes(effect_handler.context());
        if !attributes.is_empty() {
            let request = effect_handler.otlp_bytes(&mut data).await?;
            let rewritten = attributes.write_to(&request)?;
            let signal = signal(&data);
            data = with_otlp_bytes(data, signal, rewritten.into());
        }
        effect_handler.send_message(data).await
    }
}

#[cfg(test)]
mod tests;
