// SPDX-License-Identifier: Apache-2.0

//! The filter processor's configuration.
//!
//! Names, defaults and what is required are those of `processor:filter` in the
//! engine's `otel-arrow-dfe-core-nodes` v0.62.0, except that unknown names are refused.

use otapbridge::ProcessingError;
use regex::bytes::Regex;
use serde::Deserialize;

use super::Filter;
use super::conditions::{
    Conditions, ItemConditions, LogConditions, Named, Rules, Severity, SpanConditions,
};
use super::value::{AttributeCondition, Pattern, ValueCondition};
use crate::wrong;

/// What is written in the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    metrics: RulesConfig<MetricConfig>,
    logs: RulesConfig<LogConfig>,
    traces: RulesConfig<SpanConfig>,
}

/// What happens to the items of a signal.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesConfig<T> {
    include: Option<T>,
    exclude: Option<T>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MatchType {
    #[default]
    Strict,
    Regexp,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MetricConfig {
    match_type: MatchType,
    metric_names: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogConfig {
    match_type: MatchType,
    resource_attributes: Vec<AttributeConfig>,
    record_attributes: Vec<AttributeConfig>,
    severity_texts: Vec<String>,
    severity_number: Option<Severity>,
    bodies: Vec<ValueConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SpanConfig {
    match_type: MatchType,
    resource_attributes: Vec<AttributeConfig>,
    span_attributes: Vec<AttributeConfig>,
    span_names: Vec<String>,
    event_names: Vec<String>,
    event_attributes: Vec<AttributeConfig>,
    link_attributes: Vec<AttributeConfig>,
}

type ValueConfig = ValueCondition<String>;
type AttributeConfig = AttributeCondition<String>;

impl Config {
    /// The node, with all patterns compiled.
    ///
    /// # Errors
    /// Configuration, with the path of a pattern that is none.
    pub(super) fn filter(&self) -> Result<Filter, ProcessingError> {
        Ok(Filter {
            metrics: self.metrics.rules("metrics", MetricConfig::conditions)?,
            logs: self.logs.rules("logs", LogConfig::conditions)?,
            traces: self.traces.rules("traces", SpanConfig::conditions)?,
        })
    }
}

impl<T> RulesConfig<T> {
    /// `conditions` makes them of what is written at a path; `None` if that says nothing.
    fn rules(
        &self,
        signal: &str,
        conditions: impl Fn(&T, &str) -> Result<Option<Conditions>, ProcessingError>,
    ) -> Result<Rules, ProcessingError> {
        let conditions = |written: &Option<T>, name: &str| match written {
            Some(written) => conditions(written, &format!("{signal}.{name}")),
            None => Ok(None),
        };
        Ok(Rules {
            include: conditions(&self.include, "include")?,
            exclude: conditions(&self.exclude, "exclude")?,
        })
    }
}

impl MetricConfig {
    fn conditions(&self, path: &str) -> Result<Option<Conditions>, ProcessingError> {
        let metric = Named {
            names: (self.match_type).patterns(&self.metric_names, path, "metric_names")?,
            attributes: Vec::new(),
        };
        let says_nothing = metric.is_empty();
        Ok((!says_nothing).then_some(Conditions {
            resource_attributes: Vec::new(),
            item: ItemConditions::Metric(metric),
        }))
    }
}

impl LogConfig {
    fn conditions(&self, path: &str) -> Result<Option<Conditions>, ProcessingError> {
        let how = self.match_type;
        let resource_attributes =
            how.attributes(&self.resource_attributes, path, "resource_attributes")?;
        let item = LogConditions {
            attributes: how.attributes(&self.record_attributes, path, "record_attributes")?,
            severity_texts: how.patterns(&self.severity_texts, path, "severity_texts")?,
            severity_number: self.severity_number.clone(),
            bodies: each(&self.bodies, path, "bodies", |value, path| {
                how.value(value, path)
            })?,
        };
        let says_nothing = resource_attributes.is_empty()
            && item.attributes.is_empty()
            && item.severity_texts.is_empty()
            && item.severity_number.is_none()
            && item.bodies.is_empty();
        Ok((!says_nothing).then_some(Conditions {
            resource_attributes,
            item: ItemConditions::Log(item),
        }))
    }
}

impl SpanConfig {
    fn conditions(&self, path: &str) -> Result<Option<Conditions>, ProcessingError> {
        let how = self.match_type;
        let resource_attributes =
            how.attributes(&self.resource_attributes, path, "resource_attributes")?;
        let item = SpanConditions {
            own: Named {
                attributes: how.attributes(&self.span_attributes, path, "span_attributes")?,
                names: how.patterns(&self.span_names, path, "span_names")?,
            },
            event: Named {
                names: how.patterns(&self.event_names, path, "event_names")?,
                attributes: how.attributes(&self.event_attributes, path, "event_attributes")?,
            },
            link: Named {
                names: Vec::new(),
                attributes: how.attributes(&self.link_attributes, path, "link_attributes")?,
            },
        };
        let says_nothing = resource_attributes.is_empty()
            && item.own.is_empty()
            && item.event.is_empty()
            && item.link.is_empty();
        Ok((!says_nothing).then_some(Conditions {
            resource_attributes,
            item: ItemConditions::Span(item),
        }))
    }
}

/// Makes something of each entry of a list; it gets the entry's path, for errors.
fn each<T, U>(
    written: &[T],
    path: &str,
    field: &str,
    make: impl Fn(&T, String) -> Result<U, ProcessingError>,
) -> Result<Vec<U>, ProcessingError> {
    let written = written.iter().enumerate();
    written
        .map(|(index, entry)| make(entry, format!("{path}.{field}[{index}]")))
        .collect()
}

impl MatchType {
    fn patterns(
        self,
        written: &[String],
        path: &str,
        field: &str,
    ) -> Result<Vec<Pattern>, ProcessingError> {
        each(written, path, field, |text, path| self.pattern(text, path))
    }

    fn attributes(
        self,
        written: &[AttributeConfig],
        path: &str,
        field: &str,
    ) -> Result<Vec<AttributeCondition>, ProcessingError> {
        each(written, path, field, |attribute, path| {
            Ok(AttributeCondition {
                key: attribute.key.clone(),
                value: self.value(&attribute.value, format!("{path}.value"))?,
            })
        })
    }

    fn value(self, written: &ValueConfig, path: String) -> Result<ValueCondition, ProcessingError> {
        Ok(match written {
            ValueCondition::Text(text) => ValueCondition::Text(self.pattern(text, path)?),
            ValueCondition::Int(number) => ValueCondition::Int(*number),
            ValueCondition::Double(number) => ValueCondition::Double(*number),
            ValueCondition::Bool(value) => ValueCondition::Bool(*value),
        })
    }

    fn pattern(self, text: &str, path: String) -> Result<Pattern, ProcessingError> {
        match self {
            Self::Strict => Ok(Pattern::Equal(text.to_owned())),
            Self::Regexp => Regex::new(text)
                .map(Pattern::Regexp)
                .map_err(|error| wrong(format!("is no regular expression: {error}"), path)),
        }
    }
}
