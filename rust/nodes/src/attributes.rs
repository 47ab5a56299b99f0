// SPDX-License-Identifier: Apache-2.0

//! The attributes processor. `config` is what is written, `action` what is done to the attributes of one message, with `hash`
//! and `convert` for values, and `change` goes through a request; the conditions it shares with the filter.

use otapbridge::otlp::send_changed;
use otapbridge::{
    ContextAwareEffectHandler, ContextAwareProcessor, Message, OtapPdata, ProcessingError,
    ProcessorNode, RequestContext, Signal, async_trait,
};
use otapbridge_otlp::{KeyLengths, Messages, Outcome, walk};

mod action;
mod change;
mod config;
mod convert;
mod hash;

use action::{Action, Actions};
use change::Change;
pub(crate) use config::Config;

use crate::conditions::{Levels, Of, Selection};
use crate::wrong;

/// Processor `urn:otapbridge:processor:attributes`: changes attributes, of whatever has some, on OTLP
/// protobuf as it came: what is not changed keeps its bytes.
///
/// `actions` are done in their order. What they do concerns all attributes of a key, should a list have it several times.
///
/// | action | settings | what it does |
/// | --- | --- | --- |
/// | `insert` | `key`, a value | adds an attribute if there is none of this key |
/// | `update` | `key`, a value | sets the value of one that is there |
/// | `upsert` | `key`, a value | does either |
/// | `delete` | `key`, `pattern` | takes out the attribute of the key, and those in whose key the pattern is found |
/// | `rename` | `source_key`, `destination_key` | gives an attribute another key; one that has it already is replaced |
/// | `hash` | `key`, `pattern`, `algorithm: sha256`, `salt` | replaces values by the SHA-256 of salt and value, in hexadecimal digits |
/// | `convert` | `key`, `converted_type` | makes the value an `int`, `double` or `string`, if that is possible |
/// | `extract` | `key`, `pattern` | sets an attribute for each named group of a pattern that is found in a text |
///
/// A value is one of `value` (also a list or a map), `from_attribute` (another attribute of the same list) and `from_context` (see
/// [`ContextAttributes`](crate::ContextAttributes)); `default_value` is used if there is none.
///
/// `apply_to` says whose attributes: `resource`, `scope`, and `signal`, the default, for all of `span`, `spanevent`, `spanlink`,
/// `log`, `datapoint`, `exemplar` (the filtered attributes) and `metric` (its metadata).
///
/// `include` and `exclude` say in which resources, scopes, spans, log records and data points, with the conditions of
/// [`Filter`](crate::Filter); events, links and exemplars are treated like what they are in. A condition on another signal is one that
/// nothing fulfils.
///
/// A request in which nothing changes goes on as it is. One that is malformed where it has to be looked at is refused with InvalidArgument.
#[derive(Debug)]
pub struct Attributes {
    actions: Vec<Action>,
    apply_to: Messages,
    /// Those of the attributes that matter to the actions.
    keys: KeyLengths,
    traces: Selection,
    metrics: Selection,
    logs: Selection,
}

impl Attributes {
    const fn selection(&self, signal: Signal) -> &Selection {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// Whether nothing is changed, whatever the request is.
    pub(crate) fn does_nothing(&self, context: &RequestContext) -> bool {
        action::do_nothing(&self.actions, context)
    }

    /// Changes an export request.
    ///
    /// # Errors
    /// InvalidArgument, if the request is malformed where it is looked at.
    pub(crate) fn apply(
        &self,
        signal: Signal,
        request: &[u8],
        context: &RequestContext,
    ) -> Result<Outcome, ProcessingError> {
        let actions = Actions::new(&self.actions, context);
        let levels = Levels::new(self.selection(signal), context);
        let mut change = Change::new(actions, self.apply_to, self.keys, levels);
        walk(signal, request, &mut change)
    }
}

impl ProcessorNode for Attributes {
    const URN: &'static str = "urn:otapbridge:processor:attributes";

    type Config = Config;

    const AT_MOST_ONE_OUTPUT: bool = true;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        let actions = config.actions()?;
        if actions.is_empty() {
            return Err(wrong("must have at least one action", "actions"));
        }
        config.check_conditions()?;
        Ok(Self {
            keys: action::keys(&actions),
            actions,
            apply_to: config.apply_to(),
            traces: config.selection(Of::Traces)?,
            metrics: config.selection(Of::Metrics)?,
            logs: config.selection(Of::Logs)?,
        })
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Attributes {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        let Message::PData(data) = msg else {
            return Ok(());
        };
        if self.does_nothing(effect_handler.context()) {
            return effect_handler.send_message(data).await;
        }
        send_changed(data, effect_handler, |signal, request, context| {
            self.apply(signal, request, context)
        })
        .await
    }
}

#[cfg(test)]
mod conditions_tests;
#[cfg(test)]
mod config_tests;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod test_otlp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod value_tests;
