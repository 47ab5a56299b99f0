// SPDX-License-Identifier: Apache-2.0

//! Writes resource attributes from the request's context: a short name for some of what the attributes processor does.

use otapbridge::{
    ContextAwareEffectHandler, ContextAwareProcessor, Message, OtapPdata, ProcessingError,
    ProcessorNode, async_trait,
};
use serde::Deserialize;

use crate::attributes::{self, Attributes};
use crate::context_source::ContextSource;
use crate::wrong;

/// Processor `urn:otapbridge:processor:context_attributes`: sets resource
/// attributes, on every resource of the message, from the context of its request. It is
/// [`Attributes`] with `apply_to: [resource]`, in which each action is an `upsert`.
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
pub struct ContextAttributes(Attributes);

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

impl ProcessorNode for ContextAttributes {
    const URN: &'static str = "urn:otapbridge:processor:context_attributes";

    type Config = Config;

    const AT_MOST_ONE_OUTPUT: bool = true;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        if config.actions.is_empty() {
            return Err(wrong("must have at least one action", "actions"));
        }
        let actions = config.actions.into_iter();
        let actions = actions.map(|action| (action.key, action.from_context));
        Attributes::create(attributes::Config::from_context(actions)).map(Self)
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for ContextAttributes {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        self.0.process_with_context(msg, effect_handler).await
    }
}

#[cfg(test)]
mod tests;
