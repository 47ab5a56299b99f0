// SPDX-License-Identifier: Apache-2.0

//! The filter processor. `config` is what is written, `rules` what it does to a request; the conditions it
//! shares with the attributes processor.

use otapbridge::otlp::send_changed;
use otapbridge::{
    ContextAwareEffectHandler, ContextAwareProcessor, Message, NodeControlMsg, OtapPdata,
    ProcessingError, ProcessorNode, Signal, async_trait, signal,
};

mod config;
mod rules;

use config::Config;
use rules::{Counts, Rules};

/// The engine's name of a node with a part of this configuration.
pub(crate) const ENGINE_URN: &str = "urn:otel:processor:filter";

/// Processor `urn:otapbridge:processor:filter`: takes log records, spans, metrics, data points, and events and
/// links of spans out of requests. It takes the configuration of the engine's `urn:otel:processor:filter`, whose
/// name it has, too, and works on OTLP protobuf as it came: no item leaves for lack of attributes, and
/// what stays keeps its bytes.
///
/// `metrics`, `logs`, `traces`, `span_events` and `span_links` have `include` (what matches stays) and `exclude`
/// (what matches leaves); `include` comes first. Both have
///
/// | setting | of | what matches |
/// | --- | --- | --- |
/// | `match_type` | all | `strict` (the default): texts are equal; `regexp`: the pattern is found in the text |
/// | `context` | all | requests whose context has all of these `{from_context, value}`; see [`ContextAttributes`](crate::ContextAttributes) |
/// | `resource_attributes` or `resources` | all | resources with all of these `{key, value}` |
/// | `services` | all | resources with one of these as `service.name` |
/// | `scope_names`, `scope_versions`, `scope_attributes` | all | scopes with one of these each |
/// | `libraries` | all | scopes with one of these `{name, version}` |
/// | `attributes` | all | what has all of these `{key, value}`; of metrics, data points |
/// | `record_attributes` | logs | records with one of these |
/// | `severity_texts` | logs | records with one of these |
/// | `severity_number` | logs | records of `min` or more; `match_undefined` says whether those without |
/// | `bodies` | logs | records with one of these values |
/// | `span_attributes` | traces | spans with one of these |
/// | `span_names` | traces | spans with one of these |
/// | `span_kinds`, `span_status_codes` | traces | spans with one of these each: `server`, `error` and so on |
/// | `event_names`, `event_attributes` | traces, span_events | spans with an event that has one of these, if both are named, the same event; or events |
/// | `link_attributes` | traces, span_links | spans with a link that has one of these, or links |
/// | `metric_names` | metrics | metrics with one of these |
/// | `metric_types` | metrics | `gauge`, `sum`, `histogram`, `exponential_histogram`, `summary` |
/// | `datapoint_attributes` | metrics | data points with one of these |
///
/// Something matches when all settings that are named match (AND), in `exclude` as in
/// `include`. If none is, everything stays. Values are texts, integers, floating-point
/// numbers and booleans, and match only values of their type: 1 is neither "1" nor 1.0; an attribute without `value` has only to be
/// there. What something does not have matches nothing, except that a name that is absent is the
/// empty text.
///
/// A metric stays or leaves as a whole, unless a rule asks something of data points: then each is asked by itself, and the metric
/// leaves with the last. Spans stay without their events and links.
///
/// Scopes and resources leave with their last item; those that were empty stay. A
/// request that loses nothing goes on as it is, one that loses all items is
/// acknowledged. One that is malformed where it has to be looked at is refused with
/// InvalidArgument. When the pipeline ends, it logs how much each rule has taken out.
#[derive(Debug)]
pub struct Filter {
    rules: Rules,
    /// By signal, in the order of `Signal::ALL`.
    dropped: [Counts; Signal::ALL.len()],
}

impl Filter {
    fn count(&mut self, signal: Signal, counts: Counts) {
        let index = Signal::ALL.iter().position(|of| *of == signal);
        if let Some(sum) = index.and_then(|index| self.dropped.get_mut(index)) {
            *sum += counts;
        }
    }

    /// The name and the rule are part of the message: a collector's log leaves out messages that come often.
    fn log_dropped(&self, node: &str) {
        for (signal, counts) in Signal::ALL.into_iter().zip(&self.dropped) {
            for (section, rule, items) in counts.by_rule(signal) {
                if items > 0 {
                    tracing::info!(
                        node,
                        rule = format!("{section}.{rule}"),
                        items,
                        "dropped by the filter {node}, rule {section}.{rule}"
                    );
                }
            }
        }
    }
}

impl ProcessorNode for Filter {
    const URN: &'static str = "urn:otapbridge:processor:filter";

    type Config = Config;

    const AT_MOST_ONE_OUTPUT: bool = true;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        Ok(Self {
            rules: config.rules()?,
            dropped: Default::default(),
        })
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Filter {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        let data = match msg {
            Message::PData(data) => data,
            Message::Control(NodeControlMsg::Shutdown { .. }) => {
                self.log_dropped(&effect_handler.node_name());
                return Ok(());
            }
            Message::Control(_) => return Ok(()),
        };
        if self.rules.is_empty(signal(&data)) {
            return effect_handler.send_message(data).await;
        }
        send_changed(data, effect_handler, |signal, request, context| {
            let (outcome, counts) = self.rules.apply(signal, request, context)?;
            self.count(signal, counts);
            Ok(outcome)
        })
        .await
    }
}

#[cfg(test)]
mod conditions_tests;
#[cfg(test)]
mod config_tests;
#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod test_otlp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk_tests;
