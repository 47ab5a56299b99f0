// SPDX-License-Identifier: Apache-2.0

//! What is asked of items. The fields of one `include` or `exclude` must all match;
//! a field that is not named asks for nothing. The engine's `include` does that, too; its
//! `exclude` drops what matches the resource, the attributes or the other fields of a
//! record or span, whichever.

use otapbridge::ProcessingError;
use otapbridge_otlp::wire::{Malformed, Reader};
use otapbridge_otlp::{FieldType, MessageType, Outcome, Value, Visitor, walk};
use serde::Deserialize;

use super::value::{AttributeCondition, Pattern, ValueCondition};

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

    /// Takes out of an export request what does not stay.
    ///
    /// # Errors
    /// InvalidArgument when what is looked at is malformed.
    pub(super) fn apply(&self, request: &[u8]) -> Result<Outcome, ProcessingError> {
        let mut visitor = RulesBelow {
            rules: self,
            included: false,
            excluded: false,
        };
        walk(request, &mut visitor)
    }
}

/// The rules for the items of the resource that was visited last.
struct RulesBelow<'a> {
    rules: &'a Rules,
    /// Whether the resource is as `include` asks.
    included: bool,
    /// Whether the resource is as `exclude` asks.
    excluded: bool,
}

impl Visitor for RulesBelow<'_> {
    fn resource(&mut self, resource: Reader<'_>) -> Result<(), ProcessingError> {
        let matches = |conditions: &Option<Conditions>| match conditions {
            Some(conditions) => conditions.resource_matches(resource.clone()),
            None => Ok(false),
        };
        self.included = matches(&self.rules.include)?;
        self.excluded = matches(&self.rules.exclude)?;
        Ok(())
    }

    fn item(&mut self, item: Reader<'_>) -> Result<bool, ProcessingError> {
        if let Some(include) = &self.rules.include
            && !(self.included && include.item.matches(item.clone())?)
        {
            return Ok(false);
        }
        if let Some(exclude) = &self.rules.exclude
            && self.excluded
            && exclude.item.matches(item)?
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
    fn resource_matches(&self, mut container: Reader<'_>) -> Result<bool, Malformed> {
        let wanted = &self.resource_attributes;
        if wanted.is_empty() {
            return Ok(true);
        }
        let mut fulfilled = vec![false; wanted.len()];
        // Protobuf merges the occurrences of the resource: the attributes of all count.
        while let Some(resource) = container.next_of(MessageType::RESOURCE)? {
            let mut resource = resource.message()?;
            while let Some(attribute) = resource.next_of(MessageType::RESOURCE_ATTRIBUTES)? {
                for index in AttributeCondition::matching(wanted, attribute.message()?)? {
                    fulfilled[index] = true;
                }
            }
        }
        Ok(!fulfilled.contains(&false))
    }
}

/// What is asked of the items of one signal.
#[derive(Debug)]
pub(super) enum ItemConditions {
    /// Of a metric only its name. It stays or leaves with all its points.
    Metric(Named),
    Log(LogConditions),
    Span(SpanConditions),
}

impl ItemConditions {
    fn matches(&self, item: Reader<'_>) -> Result<bool, Malformed> {
        match self {
            Self::Metric(metric) => metric.matches(MessageType::Metric, item),
            Self::Log(log) => log.matches(item),
            Self::Span(span) => span.matches(item),
        }
    }
}

/// What is asked of a message that has a name or attributes.
#[derive(Debug)]
pub(super) struct Named {
    /// One of them is enough.
    pub(super) names: Vec<Pattern>,
    /// One of them is enough.
    pub(super) attributes: Vec<AttributeCondition>,
}

impl Named {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.attributes.is_empty()
    }

    fn matches(&self, r#type: MessageType, mut message: Reader<'_>) -> Result<bool, Malformed> {
        let mut name = &b""[..];
        let mut attribute = self.attributes.is_empty();
        while let Some(field) = message.next_field()? {
            match r#type.field(field.number) {
                Some(FieldType::Name) if !self.names.is_empty() => name = field.bytes()?,
                Some(FieldType::Message(MessageType::KeyValue)) if !attribute => {
                    attribute =
                        AttributeCondition::any_matches(&self.attributes, field.message()?)?;
                }
                _ => {}
            }
        }
        Ok(attribute && self.names_match(name))
    }

    fn names_match(&self, name: &[u8]) -> bool {
        self.names.is_empty() || Pattern::any_matches(&self.names, name)
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
    fn matches(&self, mut record: Reader<'_>) -> Result<bool, Malformed> {
        let mut attribute = self.attributes.is_empty();
        let mut severity_number = 0;
        let mut severity_text = &b""[..];
        let mut body = Value::default();
        while let Some(field) = record.next_field()? {
            match (field.number, MessageType::LogRecord.field(field.number)) {
                // Protobuf writes an int32 as a varint of 64 bits, and a reader takes the lower 32.
                (MessageType::SEVERITY_NUMBER, _) if self.severity_number.is_some() => {
                    severity_number = field.varint()? as i32;
                }
                (MessageType::SEVERITY_TEXT, _) if !self.severity_texts.is_empty() => {
                    severity_text = field.bytes()?;
                }
                (_, Some(FieldType::Message(MessageType::AnyValue))) if !self.bodies.is_empty() => {
                    body.merge(field.message()?)?;
                }
                (_, Some(FieldType::Message(MessageType::KeyValue))) if !attribute => {
                    attribute =
                        AttributeCondition::any_matches(&self.attributes, field.message()?)?;
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
    pub(super) own: Named,
    /// One event has to be right in its name and in its attributes.
    pub(super) event: Named,
    /// One link has to be right.
    pub(super) link: Named,
}

impl SpanConditions {
    fn matches(&self, mut span: Reader<'_>) -> Result<bool, Malformed> {
        use MessageType::{Event, KeyValue, Link, Span};
        let mut name = &b""[..];
        let mut attribute = self.own.attributes.is_empty();
        let mut event = self.event.is_empty();
        let mut link = self.link.is_empty();
        while let Some(field) = span.next_field()? {
            match Span.field(field.number) {
                Some(FieldType::Name) if !self.own.names.is_empty() => name = field.bytes()?,
                Some(FieldType::Message(KeyValue)) if !attribute => {
                    let wanted = &self.own.attributes;
                    attribute = AttributeCondition::any_matches(wanted, field.message()?)?;
                }
                Some(FieldType::Message(Event)) if !event => {
                    event = self.event.matches(Event, field.message()?)?;
                }
                Some(FieldType::Message(Link)) if !link => {
                    link = self.link.matches(Link, field.message()?)?;
                }
                _ => {}
            }
        }
        Ok(attribute && event && link && self.own.names_match(name))
    }
}
