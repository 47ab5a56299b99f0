// SPDX-License-Identifier: Apache-2.0

//! What is asked of items. The fields of one `include` or `exclude` must all match;
//! a field that is not named asks for nothing. The engine's `include` does that, too; its
//! `exclude` drops what matches the resource, the attributes or the other fields of a
//! record or span, whichever. Field numbers are those of opentelemetry-proto 1.x.

use std::ops::Range;

use otapbridge::ProcessingError;
use otapbridge_otlp::wire::{Reader, last_len_field};

use super::value::{AttributeCondition, Pattern, Value, ValueCondition};

/// What stays of a signal's items.
#[derive(Debug)]
pub(super) struct Rules {
    /// What does not match leaves.
    pub(super) include: Option<Conditions>,
    /// What matches leaves.
    pub(super) exclude: Option<Conditions>,
}

impl Rules {
    /// Whether everything stays.
    pub(super) fn is_empty(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// The rules for the items of one ResourceSpans, ResourceMetrics or ResourceLogs.
    pub(super) fn below(
        &self,
        request: &[u8],
        container: Range<usize>,
    ) -> Result<RulesBelow<'_>, ProcessingError> {
        let below = |conditions: &Option<Conditions>| {
            let container = container.clone();
            match conditions {
                Some(conditions) => conditions.resource_matches(request, container),
                None => Ok(false),
            }
        };
        Ok(RulesBelow {
            include: self.include.as_ref(),
            included: below(&self.include)?,
            exclude: self.exclude.as_ref(),
            excluded: below(&self.exclude)?,
        })
    }
}

/// The rules for the items of a resource that was looked at.
pub(super) struct RulesBelow<'a> {
    include: Option<&'a Conditions>,
    /// Whether the resource is as `include` asks.
    included: bool,
    exclude: Option<&'a Conditions>,
    /// Whether the resource is as `exclude` asks.
    excluded: bool,
}

impl RulesBelow<'_> {
    /// Whether the item stays.
    pub(super) fn keep(&self, request: &[u8], item: Range<usize>) -> Result<bool, ProcessingError> {
        if let Some(include) = self.include
            && !(self.included && include.item.matches(request, item.clone())?)
        {
            return Ok(false);
        }
        if let Some(exclude) = self.exclude
            && self.excluded
            && exclude.item.matches(request, item)?
        {
            return Ok(false);
        }
        Ok(true)
    }
}

/// An `include` or an `exclude` that asks for something.
#[derive(Debug)]
pub(super) struct Conditions {
    /// The resource has to have all of them.
    pub(super) resource_attributes: Vec<AttributeCondition>,
    pub(super) item: ItemConditions,
}

impl Conditions {
    fn resource_matches(
        &self,
        request: &[u8],
        container: Range<usize>,
    ) -> Result<bool, ProcessingError> {
        let wanted = &self.resource_attributes;
        if wanted.is_empty() {
            return Ok(true);
        }
        let mut fulfilled = vec![false; wanted.len()];
        // Protobuf merges the occurrences of the resource: the attributes of all count.
        let mut container = Reader::new(request, container);
        while let Some(field) = container.next_field()? {
            if field.number != 1 {
                continue;
            }
            let mut resource = Reader::new(request, field.message()?);
            while let Some(field) = resource.next_field()? {
                if field.number == 1 {
                    let attribute = field.message()?;
                    AttributeCondition::mark_fulfilled(wanted, request, attribute, &mut fulfilled)?;
                }
            }
        }
        Ok(!fulfilled.contains(&false))
    }
}

/// What is asked of the items of one signal.
#[derive(Debug)]
pub(super) enum ItemConditions {
    Metric(MetricConditions),
    Log(LogConditions),
    Span(SpanConditions),
}

impl ItemConditions {
    fn matches(&self, request: &[u8], item: Range<usize>) -> Result<bool, ProcessingError> {
        match self {
            Self::Metric(metric) => metric.matches(request, item),
            Self::Log(log) => log.matches(request, item),
            Self::Span(span) => span.matches(request, item),
        }
    }
}

/// What is asked of a metric. It stays or leaves with all its points.
#[derive(Debug)]
pub(super) struct MetricConditions {
    pub(super) names: Vec<Pattern>,
}

impl MetricConditions {
    fn matches(&self, request: &[u8], metric: Range<usize>) -> Result<bool, ProcessingError> {
        let name = last_len_field(request, metric, 1)?;
        Ok(Pattern::any_matches(&self.names, name))
    }
}

/// What is asked of a log record.
#[derive(Debug)]
pub(super) struct LogConditions {
    /// One of them is enough.
    pub(super) attributes: Vec<AttributeCondition>,
    pub(super) severity_texts: Vec<Pattern>,
    pub(super) severity_number: Option<Severity>,
    pub(super) bodies: Vec<ValueCondition>,
}

/// What is asked of a severity number.
#[derive(Debug)]
pub(super) struct Severity {
    pub(super) min: i32,
    /// Whether 0, which says that there is none, is right.
    pub(super) match_undefined: bool,
}

impl Severity {
    fn matches(&self, number: i32) -> bool {
        match number {
            0 => self.match_undefined,
            number => number >= self.min,
        }
    }
}

impl LogConditions {
    fn matches(&self, request: &[u8], record: Range<usize>) -> Result<bool, ProcessingError> {
        let mut attribute = self.attributes.is_empty();
        let mut severity_number = 0;
        let mut severity_text = &b""[..];
        let mut body = Value::default();
        let mut reader = Reader::new(request, record);
        while let Some(field) = reader.next_field()? {
            match field.number {
                // An int32 is what 64 bits are cut to.
                2 if self.severity_number.is_some() => {
                    severity_number = field.varint(request)? as i32;
                }
                3 if !self.severity_texts.is_empty() => {
                    severity_text = &request[field.message()?]
                }
                5 if !self.bodies.is_empty() => body.merge(request, field.message()?)?,
                6 if !attribute => {
                    let message = field.message()?;
                    attribute =
                        AttributeCondition::any_matches(&self.attributes, request, message)?;
                }
                _ => {}
            }
        }
        let number = &self.severity_number;
        let texts = &self.severity_texts;
        // An empty text is an absent one; otherwise a pattern could match what is not there.
        let has_text = !severity_text.is_empty() && Pattern::any_matches(texts, severity_text);
        Ok(attribute
            && (number.as_ref()).is_none_or(|number| number.matches(severity_number))
            && (texts.is_empty() || has_text)
            && (self.bodies.is_empty() || self.bodies.iter().any(|wanted| wanted.matches(body))))
    }
}

/// What is asked of a span. Of lists of attributes, one is enough.
#[derive(Debug)]
pub(super) struct SpanConditions {
    pub(super) attributes: Vec<AttributeCondition>,
    pub(super) names: Vec<Pattern>,
    /// One event has to be right in its name and in its attributes.
    pub(super) event_names: Vec<Pattern>,
    pub(super) event_attributes: Vec<AttributeCondition>,
    pub(super) link_attributes: Vec<AttributeCondition>,
}

impl SpanConditions {
    fn matches(&self, request: &[u8], span: Range<usize>) -> Result<bool, ProcessingError> {
        let mut name = &b""[..];
        let mut attribute = self.attributes.is_empty();
        let mut event = self.event_names.is_empty() && self.event_attributes.is_empty();
        let mut link = self.link_attributes.is_empty();
        let mut reader = Reader::new(request, span);
        while let Some(field) = reader.next_field()? {
            match field.number {
                5 if !self.names.is_empty() => name = &request[field.message()?],
                9 if !attribute => {
                    let message = field.message()?;
                    attribute =
                        AttributeCondition::any_matches(&self.attributes, request, message)?;
                }
                11 if !event => event = self.event_matches(request, field.message()?)?,
                13 if !link => link = self.link_matches(request, field.message()?)?,
                _ => {}
            }
        }
        let has_name = self.names.is_empty() || Pattern::any_matches(&self.names, name);
        Ok(attribute && event && link && has_name)
    }

    fn event_matches(&self, request: &[u8], event: Range<usize>) -> Result<bool, ProcessingError> {
        let mut name = &b""[..];
        let mut attribute = self.event_attributes.is_empty();
        let mut reader = Reader::new(request, event);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 if !self.event_names.is_empty() => name = &request[field.message()?],
                3 if !attribute => {
                    let message = field.message()?;
                    attribute =
                        AttributeCondition::any_matches(&self.event_attributes, request, message)?;
                }
                _ => {}
            }
        }
        let names = &self.event_names;
        Ok(attribute && (names.is_empty() || Pattern::any_matches(names, name)))
    }

    fn link_matches(&self, request: &[u8], link: Range<usize>) -> Result<bool, ProcessingError> {
        let mut reader = Reader::new(request, link);
        while let Some(field) = reader.next_field()? {
            if field.number == 4
                && AttributeCondition::any_matches(
                    &self.link_attributes,
                    request,
                    field.message()?,
                )?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
