// SPDX-License-Identifier: Apache-2.0

//! The filter processor's configuration.
//!
//! Names, defaults and what is required are those of `processor:filter` in the
//! engine's `otel-arrow-dfe-core-nodes` v0.62.0, except that unknown names are refused.

use otapbridge::ProcessingError;
use regex::bytes::Regex;
use serde::Deserialize;

use super::conditions::{
    Conditions, ItemConditions, LogConditions, MetricConditions, Rules, Severity, SpanConditions,
};
use super::value::{AttributeCondition, Pattern, ValueCondition};

/// What is written in the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    metrics: RulesConfig<MetricConfig>,
    #[serde(default)]
    logs: RulesConfig<LogConfig>,
    #[serde(default)]
    traces: RulesConfig<SpanConfig>,
}

/// What happens to the items of a signal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesConfig<T> {
    include: Option<T>,
    exclude: Option<T>,
}

// Derived, it would ask for a default of the conditions, too.
impl<T> Default for RulesConfig<T> {
    fn default() -> Self {
        Self {
            include: None,
            exclude: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MatchType {
    #[default]
    Strict,
    Regexp,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricConfig {
    #[serde(default)]
    match_type: MatchType,
    #[serde(default)]
    metric_names: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogConfig {
    #[serde(default)]
    match_type: MatchType,
    #[serde(default)]
    resource_attributes: Vec<AttributeConfig>,
    #[serde(default)]
    record_attributes: Vec<AttributeConfig>,
    #[serde(default)]
    severity_texts: Vec<String>,
    severity_number: Option<SeverityConfig>,
    #[serde(default)]
    bodies: Vec<ValueConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeverityConfig {
    min: i32,
    match_undefined: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanConfig {
    #[serde(default)]
    match_type: MatchType,
    #[serde(default)]
    resource_attributes: Vec<AttributeConfig>,
    #[serde(default)]
    span_attributes: Vec<AttributeConfig>,
    #[serde(default)]
    span_names: Vec<String>,
    #[serde(default)]
    event_names: Vec<String>,
    #[serde(default)]
    event_attributes: Vec<AttributeConfig>,
    #[serde(default)]
    link_attributes: Vec<AttributeConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeConfig {
    key: String,
    value: ValueConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum ValueConfig {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
}

/// The rules of each signal.
#[derive(Debug)]
pub(super) struct Filters {
    pub(super) metrics: Rules,
    pub(super) logs: Rules,
    pub(super) traces: Rules,
}

impl Config {
    /// The rules, all patterns compiled.
    ///
    /// # Errors
    /// Configuration, with the path of a pattern that is none.
    pub(super) fn filters(&self) -> Result<Filters, ProcessingError> {
        Ok(Filters {
            metrics: self.metrics.rules("metrics")?,
            logs: self.logs.rules("logs")?,
            traces: self.traces.rules("traces")?,
        })
    }
}

impl<T: ConditionsConfig> RulesConfig<T> {
    fn rules(&self, signal: &str) -> Result<Rules, ProcessingError> {
        let conditions = |written: &Option<T>, name: &str| match written {
            Some(written) => written.conditions(&format!("{signal}.{name}")),
            None => Ok(None),
        };
        Ok(Rules {
            include: conditions(&self.include, "include")?,
            exclude: conditions(&self.exclude, "exclude")?,
        })
    }
}

/// What an `include` or `exclude` says of a signal's items.
trait ConditionsConfig {
    /// The conditions; `None` if it says nothing.
    fn conditions(&self, path: &str) -> Result<Option<Conditions>, ProcessingError>;
}

impl ConditionsConfig for MetricConfig {
    fn conditions(&self, path: &str) -> Result<Option<Conditions>, ProcessingError> {
        let names = self
            .match_type
            .patterns(&self.metric_names, path, "metric_names")?;
        let says_nothing = names.is_empty();
        Ok((!says_nothing).then_some(Conditions {
            resource_attributes: Vec::new(),
            item: ItemConditions::Metric(MetricConditions { names }),
        }))
    }
}

impl ConditionsConfig for LogConfig {
    fn conditions(&self, path: &str) -> Result<Option<Conditions>, ProcessingError> {
        let how = self.match_type;
        let resource_attributes =
            how.attributes(&self.resource_attributes, path, "resource_attributes")?;
        let item = LogConditions {
            attributes: how.attributes(&self.record_attributes, path, "record_attributes")?,
            severity_texts: how.patterns(&self.severity_texts, path, "severity_texts")?,
            severity_number: self.severity_number.as_ref().map(|severity| Severity {
                min: severity.min,
                match_undefined: severity.match_undefined,
            }),
            bodies: how.values(&self.bodies, path, "bodies")?,
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

impl ConditionsConfig for SpanConfig {
    fn conditions(&self, path: &str) -> Result<Option<Conditions>, ProcessingError> {
        let how = self.match_type;
        let resource_attributes =
            how.attributes(&self.resource_attributes, path, "resource_attributes")?;
        let item = SpanConditions {
            attributes: how.attributes(&self.span_attributes, path, "span_attributes")?,
            names: how.patterns(&self.span_names, path, "span_names")?,
            event_names: how.patterns(&self.event_names, path, "event_names")?,
            event_attributes: how.attributes(&self.event_attributes, path, "event_attributes")?,
            link_attributes: how.attributes(&self.link_attributes, path, "link_attributes")?,
        };
        let says_nothing = resource_attributes.is_empty()
            && item.attributes.is_empty()
            && item.names.is_empty()
            && item.event_names.is_empty()
            && item.event_attributes.is_empty()
            && item.link_attributes.is_empty();
        Ok((!says_nothing).then_some(Conditions {
            resource_attributes,
            item: ItemConditions::Span(item),
        }))
    }
}

impl MatchType {
    fn patterns(
        self,
        written: &[String],
        path: &str,
        field: &str,
    ) -> Result<Vec<Pattern>, ProcessingError> {
        let patterns = written.iter().enumerate();
        patterns
            .map(|(index, text)| self.pattern(text, || format!("{path}.{field}[{index}]")))
            .collect()
    }

    fn values(
        self,
        written: &[ValueConfig],
        path: &str,
        field: &str,
    ) -> Result<Vec<ValueCondition>, ProcessingError> {
        let values = written.iter().enumerate();
        values
            .map(|(index, value)| self.value(value, || format!("{path}.{field}[{index}]")))
            .collect()
    }

    fn attributes(
        self,
        written: &[AttributeConfig],
        path: &str,
        field: &str,
    ) -> Result<Vec<AttributeCondition>, ProcessingError> {
        let attributes = written.iter().enumerate();
        attributes
            .map(|(index, attribute)| {
                let path = || format!("{path}.{field}[{index}].value");
                Ok(AttributeCondition {
                    key: attribute.key.clone(),
                    value: self.value(&attribute.value, path)?,
                })
            })
            .collect()
    }

    fn value(
        self,
        written: &ValueConfig,
        path: impl Fn() -> String,
    ) -> Result<ValueCondition, ProcessingError> {
        Ok(match written {
            ValueConfig::Text(text) => ValueCondition::Text(self.pattern(text, path)?),
            ValueConfig::Int(number) => ValueCondition::Int(*number),
            ValueConfig::Double(number) => ValueCondition::Double(*number),
            ValueConfig::Bool(value) => ValueCondition::Bool(*value),
        })
    }

    fn pattern(self, text: &str, path: impl Fn() -> String) -> Result<Pattern, ProcessingError> {
        match self {
            Self::Strict => Ok(Pattern::Equal(text.to_owned())),
            Self::Regexp => Regex::new(text).map(Pattern::Regexp).map_err(|error| {
                let message = format!("is no regular expression: {error}");
                ProcessingError::configuration(message, Some(path()))
            }),
        }
    }
}
