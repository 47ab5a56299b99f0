// SPDX-License-Identifier: Apache-2.0

//! How conditions are written.
//!
//! The names, defaults and requirements of `resource_attributes`, `record_attributes`, `severity_texts`, `severity_number`,
//! `bodies`, `span_attributes`, `span_names`, `event_names`, `event_attributes`, `link_attributes`, `metric_names` and
//! `match_type` are those of `processor:filter` in the engine's `otel-arrow-dfe-core-nodes` v0.62.0; `services`, `resources`, `libraries`,
//! `attributes`, `span_kinds`, `log_bodies`, `log_severity_texts` and `log_severity_number` are those of the attributes processor of
//! `opentelemetry-collector-contrib` v0.161.0. Unknown names are refused.

use otapbridge::ProcessingError;
use regex::bytes::Regex;
use serde::Deserialize;

use super::item::{
    ItemConditions, LogConditions, MetricConditions, MetricType, Named, Severity, SpanConditions,
};
use super::value::{AttributeCondition, AttributeConditions, Pattern, ValueCondition};
use super::{Conditions, ContextCondition, Library, ResourceConditions, ScopeConditions};
use crate::context_source::ContextSource;
use crate::wrong;

/// What an `include` or `exclude` can say, of whatever.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConditionsConfig {
    match_type: MatchType,
    context: Vec<ContextConfig>,
    resource_attributes: Vec<AttributeConfig>,
    /// Go's name.
    resources: Vec<AttributeConfig>,
    services: Vec<String>,
    scope_names: Vec<String>,
    scope_versions: Vec<String>,
    scope_attributes: Vec<AttributeConfig>,
    libraries: Vec<LibraryConfig>,
    /// All of them, of a span, log record or data point.
    attributes: Vec<AttributeConfig>,
    record_attributes: Vec<AttributeConfig>,
    severity_texts: Vec<String>,
    /// Go's name, and so on.
    log_severity_texts: Vec<String>,
    severity_number: Option<Severity>,
    log_severity_number: Option<Severity>,
    bodies: Vec<ValueConfig>,
    log_bodies: Vec<ValueConfig>,
    span_attributes: Vec<AttributeConfig>,
    span_names: Vec<String>,
    span_kinds: Vec<SpanKind>,
    span_status_codes: Vec<StatusCode>,
    event_names: Vec<String>,
    event_attributes: Vec<AttributeConfig>,
    link_attributes: Vec<AttributeConfig>,
    metric_names: Vec<String>,
    metric_types: Vec<MetricType>,
    datapoint_attributes: Vec<AttributeConfig>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MatchType {
    #[default]
    Strict,
    Regexp,
}

type ValueConfig = ValueCondition<String>;
type AttributeConfig = AttributeCondition<String>;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextConfig {
    from_context: ContextSource,
    value: Option<ValueConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LibraryConfig {
    name: String,
    version: Option<String>,
}

/// As in OTLP; the short names are also accepted.
#[derive(Clone, Copy, Debug, Deserialize)]
enum SpanKind {
    #[serde(rename = "SPAN_KIND_UNSPECIFIED", alias = "unspecified")]
    Unspecified = 0,
    #[serde(rename = "SPAN_KIND_INTERNAL", alias = "internal")]
    Internal = 1,
    #[serde(rename = "SPAN_KIND_SERVER", alias = "server")]
    Server = 2,
    #[serde(rename = "SPAN_KIND_CLIENT", alias = "client")]
    Client = 3,
    #[serde(rename = "SPAN_KIND_PRODUCER", alias = "producer")]
    Producer = 4,
    #[serde(rename = "SPAN_KIND_CONSUMER", alias = "consumer")]
    Consumer = 5,
}

/// As in OTLP; the short names are also accepted.
#[derive(Clone, Copy, Debug, Deserialize)]
enum StatusCode {
    #[serde(rename = "STATUS_CODE_UNSET", alias = "unset")]
    Unset = 0,
    #[serde(rename = "STATUS_CODE_OK", alias = "ok")]
    Ok = 1,
    #[serde(rename = "STATUS_CODE_ERROR", alias = "error")]
    Error = 2,
}

/// What conditions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Metrics,
    Logs,
    Traces,
    SpanEvents,
    SpanLinks,
}

impl Of {
    /// The name of its section in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::SpanEvents => "span_events",
            Self::SpanLinks => "span_links",
        }
    }
}

impl ConditionsConfig {
    /// What they ask of these, `None` if nothing.
    ///
    /// # Errors
    /// Configuration, with the path of a pattern that is none, or of a condition that these cannot fulfil.
    pub(crate) fn of(&self, of: Of, path: &str) -> Result<Option<Conditions>, ProcessingError> {
        if let Some(field) = self.foreign(of).next() {
            let message = format!("is no condition on {}", of.name().replace('_', " "));
            return Err(wrong(message, format!("{path}.{field}")));
        }
        let conditions = self.compile(of, path)?;
        Ok((!conditions.is_empty()).then_some(conditions))
    }

    /// What they ask of these: what says something of others, these cannot fulfil.
    ///
    /// # Errors
    /// Configuration, with the path of a pattern that is none.
    pub(crate) fn of_any(&self, of: Of, path: &str) -> Result<Conditions, ProcessingError> {
        let conditions = self.compile(of, path)?;
        Ok(Conditions {
            is_impossible: self.foreign(of).next().is_some(),
            ..conditions
        })
    }

    /// Conditions that say something of an item, or of what is in it.
    pub(crate) fn on_items(&self) -> impl Iterator<Item = &'static str> {
        let named = self.named().into_iter();
        named.filter_map(|(field, of, is_named)| (is_named && !of.is_empty()).then_some(field))
    }

    /// Conditions that say something of a scope.
    pub(crate) fn on_scopes(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("scope_names", self.scope_names.is_empty()),
            ("scope_versions", self.scope_versions.is_empty()),
            ("scope_attributes", self.scope_attributes.is_empty()),
            ("libraries", self.libraries.is_empty()),
        ];
        let fields = fields.into_iter();
        fields.filter_map(|(field, is_empty)| (!is_empty).then_some(field))
    }

    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.context.is_empty()
            && self.resource_attributes.is_empty()
            && self.resources.is_empty()
            && self.services.is_empty()
            && self.on_scopes().next().is_none()
            && self.on_items().next().is_none()
    }

    /// The conditions that are named, and cannot be asked of these.
    pub(crate) fn foreign(&self, of: Of) -> impl Iterator<Item = &'static str> {
        let named = self.named().into_iter();
        named.filter_map(move |(field, sections, is_named)| {
            (is_named && !sections.contains(&of)).then_some(field)
        })
    }

    /// The conditions on items, what they can be asked of, and whether they are named.
    fn named(&self) -> [(&'static str, &'static [Of], bool); 18] {
        use Of::{Logs, Metrics, SpanEvents, SpanLinks, Traces};
        [
            (
                "attributes",
                &[Metrics, Logs, Traces, SpanEvents, SpanLinks],
                !self.attributes.is_empty(),
            ),
            (
                "record_attributes",
                &[Logs],
                !self.record_attributes.is_empty(),
            ),
            ("severity_texts", &[Logs], !self.severity_texts.is_empty()),
            (
                "log_severity_texts",
                &[Logs],
                !self.log_severity_texts.is_empty(),
            ),
            ("severity_number", &[Logs], self.severity_number.is_some()),
            (
                "log_severity_number",
                &[Logs],
                self.log_severity_number.is_some(),
            ),
            ("bodies", &[Logs], !self.bodies.is_empty()),
            ("log_bodies", &[Logs], !self.log_bodies.is_empty()),
            (
                "span_attributes",
                &[Traces],
                !self.span_attributes.is_empty(),
            ),
            ("span_names", &[Traces], !self.span_names.is_empty()),
            ("span_kinds", &[Traces], !self.span_kinds.is_empty()),
            (
                "span_status_codes",
                &[Traces],
                !self.span_status_codes.is_empty(),
            ),
            (
                "event_names",
                &[Traces, SpanEvents],
                !self.event_names.is_empty(),
            ),
            (
                "event_attributes",
                &[Traces, SpanEvents],
                !self.event_attributes.is_empty(),
            ),
            (
                "link_attributes",
                &[Traces, SpanLinks],
                !self.link_attributes.is_empty(),
            ),
            ("metric_names", &[Metrics], !self.metric_names.is_empty()),
            ("metric_types", &[Metrics], !self.metric_types.is_empty()),
            (
                "datapoint_attributes",
                &[Metrics],
                !self.datapoint_attributes.is_empty(),
            ),
        ]
    }

    fn compile(&self, of: Of, path: &str) -> Result<Conditions, ProcessingError> {
        let how = self.match_type;
        let attributes = |any: &[AttributeConfig], field: &str| {
            Ok::<_, ProcessingError>(AttributeConditions {
                any: how.attributes(any, path, field)?,
                all: Vec::new(),
            })
        };
        // Those of an item, whatever it is.
        let all = |any: &[AttributeConfig], field: &str| {
            let all = how.attributes(&self.attributes, path, "attributes")?;
            at_most(all.len(), path, "attributes")?;
            Ok::<_, ProcessingError>(AttributeConditions {
                all,
                ..attributes(any, field)?
            })
        };
        let texts = |texts: &[String], field: &str| how.patterns(texts, path, field);
        // Those in a span, or, with all attributes that are asked for, by themselves.
        let event = || {
            Ok::<_, ProcessingError>(Named {
                names: texts(&self.event_names, "event_names")?,
                attributes: attributes(&self.event_attributes, "event_attributes")?,
            })
        };
        let link = || {
            Ok::<_, ProcessingError>(Named {
                names: Vec::new(),
                attributes: attributes(&self.link_attributes, "link_attributes")?,
            })
        };
        let item = match of {
            Of::Metrics => ItemConditions::Metric(MetricConditions {
                names: texts(&self.metric_names, "metric_names")?,
                types: self.metric_types.clone(),
                points: all(&self.datapoint_attributes, "datapoint_attributes")?,
            }),
            Of::Logs => ItemConditions::Log(LogConditions {
                attributes: all(&self.record_attributes, "record_attributes")?,
                severity_texts: [
                    texts(&self.severity_texts, "severity_texts")?,
                    texts(&self.log_severity_texts, "log_severity_texts")?,
                ]
                .concat(),
                severity_number: self.one_severity_number(path)?,
                bodies: [
                    how.values(&self.bodies, path, "bodies")?,
                    how.values(&self.log_bodies, path, "log_bodies")?,
                ]
                .concat(),
            }),
            Of::Traces => ItemConditions::Span(SpanConditions {
                own: Named {
                    names: texts(&self.span_names, "span_names")?,
                    attributes: all(&self.span_attributes, "span_attributes")?,
                },
                kinds: self.span_kinds.iter().map(|kind| *kind as i32).collect(),
                status_codes: (self.span_status_codes.iter())
                    .map(|code| *code as i32)
                    .collect(),
                event: event()?,
                link: link()?,
            }),
            Of::SpanEvents => ItemConditions::Part(Named {
                attributes: all(&self.event_attributes, "event_attributes")?,
                ..event()?
            }),
            Of::SpanLinks => ItemConditions::Part(Named {
                attributes: all(&self.link_attributes, "link_attributes")?,
                ..link()?
            }),
        };
        Ok(Conditions {
            context: each(&self.context, path, "context", |written, path| {
                let value = written.value.as_ref();
                Ok(ContextCondition {
                    source: written.from_context.clone(),
                    value: value
                        .map(|value| how.value(value, format!("{path}.value")))
                        .transpose()?,
                })
            })?,
            resource: self.resource(path)?,
            scope: ScopeConditions {
                own: Named {
                    names: texts(&self.scope_names, "scope_names")?,
                    attributes: attributes(&self.scope_attributes, "scope_attributes")?,
                },
                versions: texts(&self.scope_versions, "scope_versions")?,
                libraries: each(&self.libraries, path, "libraries", |library, path| {
                    let version = library.version.as_ref();
                    Ok(Library {
                        name: how.pattern(&library.name, format!("{path}.name"))?,
                        version: version
                            .map(|version| how.pattern(version, format!("{path}.version")))
                            .transpose()?,
                    })
                })?,
            },
            item,
            is_impossible: false,
        })
    }

    fn one_severity_number(&self, path: &str) -> Result<Option<Severity>, ProcessingError> {
        if self.severity_number.is_some() && self.log_severity_number.is_some() {
            let message = "is another name of severity_number, which is also written";
            return Err(wrong(message, format!("{path}.log_severity_number")));
        }
        let number = self.severity_number.as_ref();
        Ok(number.or(self.log_severity_number.as_ref()).cloned())
    }

    fn resource(&self, path: &str) -> Result<ResourceConditions, ProcessingError> {
        let how = self.match_type;
        let all = [
            how.attributes(&self.resource_attributes, path, "resource_attributes")?,
            how.attributes(&self.resources, path, "resources")?,
        ]
        .concat();
        at_most(all.len(), path, "resource_attributes")?;
        let any = each(&self.services, path, "services", |service, path| {
            Ok(AttributeCondition {
                key: "service.name".to_owned(),
                value: Some(ValueCondition::Text(how.pattern(service, path)?)),
            })
        })?;
        Ok(ResourceConditions {
            attributes: AttributeConditions { any, all },
        })
    }
}

/// Checks how many attributes are asked for that all have to be there.
fn at_most(count: usize, path: &str, field: &str) -> Result<(), ProcessingError> {
    let limit = AttributeConditions::MAX_ALL;
    if count <= limit {
        return Ok(());
    }
    let message = format!("has {count} attributes; at most {limit} can be asked for at once");
    Err(wrong(message, format!("{path}.{field}")))
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
            let value = attribute.value.as_ref();
            Ok(AttributeCondition {
                key: attribute.key.clone(),
                value: value
                    .map(|value| self.value(value, format!("{path}.value")))
                    .transpose()?,
            })
        })
    }

    fn values(
        self,
        written: &[ValueConfig],
        path: &str,
        field: &str,
    ) -> Result<Vec<ValueCondition>, ProcessingError> {
        each(written, path, field, |value, path| self.value(value, path))
    }

    fn value(self, written: &ValueConfig, path: String) -> Result<ValueCondition, ProcessingError> {
        Ok(match written {
            ValueCondition::Text(text) => ValueCondition::Text(self.pattern(text, path)?),
            ValueCondition::Int(number) => ValueCondition::Int(*number),
            ValueCondition::TooLarge(number) => {
                let message = format!("{number} does not fit into 64 bits with a sign");
                return Err(wrong(message, path));
            }
            ValueCondition::Double(number) => ValueCondition::Double(*number),
            ValueCondition::Bool(value) => ValueCondition::Bool(*value),
        })
    }

    fn pattern(self, text: &str, path: String) -> Result<Pattern, ProcessingError> {
        match self {
            Self::Strict => Ok(Pattern::Equal(text.to_owned())),
            Self::Regexp => regular_expression(text, path).map(Pattern::Regexp),
        }
    }
}

/// Compiles a regular expression. It takes time in proportion to the text that it is looked for in.
pub(crate) fn regular_expression(text: &str, path: String) -> Result<Regex, ProcessingError> {
    let wrong = |error| wrong(format!("is no regular expression: {error}"), path);
    Regex::new(text).map_err(wrong)
}
