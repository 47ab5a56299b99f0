// SPDX-License-Identifier: Apache-2.0

//! What is asked of spans, metrics, log records, and of what is in them.

use otapbridge_otlp::wire::{Malformed, Reader};
use otapbridge_otlp::{FieldType, MessageType, Value};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

use super::value::{AttributeConditions, Pattern, ValueCondition};

/// What is asked of the items of one signal.
#[derive(Clone, Debug)]
pub(crate) enum ItemConditions {
    Metric(MetricConditions),
    Log(LogConditions),
    Span(SpanConditions),
    /// Of an event or a link.
    Part(Named),
}

impl ItemConditions {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Metric(metric) => metric.is_empty() && metric.points.is_empty(),
            Self::Log(log) => log.is_empty(),
            Self::Span(span) => span.is_empty(),
            Self::Part(part) => part.is_empty(),
        }
    }

    /// Of a metric, what is asked of its data points does not count.
    pub(super) fn matches(&self, r#type: MessageType, item: Reader<'_>) -> Result<bool, Malformed> {
        match self {
            Self::Metric(metric) => metric.matches(item),
            Self::Log(log) => log.matches(item),
            Self::Span(span) => span.matches(item),
            Self::Part(part) => part.matches(r#type, item),
        }
    }
}

/// What is asked of a message that has a name or attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// One of them is enough.
    pub(super) names: Vec<Pattern>,
    pub(super) attributes: AttributeConditions,
}

impl Named {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.attributes.is_empty()
    }

    pub(super) fn matches(
        &self,
        r#type: MessageType,
        mut message: Reader<'_>,
    ) -> Result<bool, Malformed> {
        let mut name = &b""[..];
        let mut seen = self.attributes.none_seen();
        let name_field = r#type.name().filter(|_| !self.names.is_empty());
        let attributes = r#type.attributes();
        while let Some(field) = message.next_field()? {
            let number = Some(field.number);
            if number == name_field {
                name = field.bytes()?;
            } else if number == attributes && !seen.is_enough() {
                seen.see(&field)?;
            }
        }
        Ok(seen.is_enough() && self.names_match(name))
    }

    fn names_match(&self, name: &[u8]) -> bool {
        self.names.is_empty() || Pattern::any_matches(&self.names, name)
    }
}

/// What is asked of a metric and of its data points.
#[derive(Clone, Debug)]
pub(crate) struct MetricConditions {
    /// One of them is enough.
    pub(super) names: Vec<Pattern>,
    /// One of them is enough.
    pub(super) types: Vec<MetricType>,
    /// If there are any, each data point is asked by itself.
    pub(super) points: AttributeConditions,
}

/// What kind of data a metric has, as in the metrics data model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MetricType {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl MetricType {
    /// The metric's field in which data of this kind are.
    const fn field(self) -> u32 {
        match self {
            Self::Gauge => MessageType::GAUGE,
            Self::Sum => MessageType::SUM,
            Self::Histogram => MessageType::HISTOGRAM,
            Self::ExponentialHistogram => MessageType::EXPONENTIAL_HISTOGRAM,
            Self::Summary => MessageType::SUMMARY,
        }
    }
}

impl MetricConditions {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.types.is_empty()
    }

    fn matches(&self, mut metric: Reader<'_>) -> Result<bool, Malformed> {
        if self.is_empty() {
            return Ok(true);
        }
        let mut name = &b""[..];
        let mut data = 0;
        while let Some(field) = metric.next_field()? {
            match MessageType::Metric.field(field.number) {
                Some(FieldType::Name) if !self.names.is_empty() => name = field.bytes()?,
                // The last one counts.
                Some(FieldType::Message(MessageType::MetricData(_))) => data = field.number,
                _ => {}
            }
        }
        let has_type =
            self.types.is_empty() || self.types.iter().any(|r#type| r#type.field() == data);
        Ok(has_type && (self.names.is_empty() || Pattern::any_matches(&self.names, name)))
    }

    /// Whether the conditions on data points hold.
    pub(super) fn point_matches(
        &self,
        r#type: MessageType,
        mut point: Reader<'_>,
    ) -> Result<bool, Malformed> {
        let mut seen = self.points.none_seen();
        let attributes = r#type.attributes();
        while let Some(field) = point.next_field()? {
            if seen.is_enough() {
                break;
            }
            if attributes == Some(field.number) {
                seen.see(&field)?;
            }
        }
        Ok(seen.is_enough())
    }
}

/// What is asked of a log record.
#[derive(Clone, Debug)]
pub(crate) struct LogConditions {
    pub(super) attributes: AttributeConditions,
    /// One of them is enough.
    pub(super) severity_texts: Vec<Pattern>,
    pub(super) severity_number: Option<Severity>,
    /// One of them is enough.
    pub(super) bodies: Vec<ValueCondition>,
}

/// What is asked of a severity number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Severity {
    #[serde(deserialize_with = "whole")]
    pub(super) min: i32,
    /// Whether 0, which says that there is none, is right.
    pub(super) match_undefined: bool,
}

/// Reads an integer that may be written as 13.0.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let number = f64::deserialize(deserializer)?;
    let fits =
        number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    if fits {
        return Ok(number as i32);
    }
    let expected = "a whole number of 32 bits";
    Err(D::Error::invalid_value(
        Unexpected::Float(number),
        &expected,
    ))
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
    fn is_empty(&self) -> bool {
        self.attributes.is_empty()
            && self.severity_texts.is_empty()
            && self.severity_number.is_none()
            && self.bodies.is_empty()
    }

    fn matches(&self, mut record: Reader<'_>) -> Result<bool, Malformed> {
        let mut seen = self.attributes.none_seen();
        let mut severity_number = 0;
        let mut severity_text = &b""[..];
        let mut body = Value::default();
        while let Some(field) = record.next_field()? {
            match field.number {
                // Protobuf writes an int32 as a varint of 64 bits, and a reader takes the lower 32.
                MessageType::SEVERITY_NUMBER if self.severity_number.is_some() => {
                    severity_number = field.varint()? as i32;
                }
                MessageType::SEVERITY_TEXT if !self.severity_texts.is_empty() => {
                    severity_text = field.bytes()?;
                }
                MessageType::BODY if !self.bodies.is_empty() => {
                    body.merge(field.message()?)?;
                }
                MessageType::RECORD_ATTRIBUTES if !seen.is_enough() => {
                    seen.see(&field)?;
                }
                _ => {}
            }
        }
        let number = &self.severity_number;
        let texts = &self.severity_texts;
        // An empty text is an absent one; otherwise a pattern could match what is not there.
        let has_text = !severity_text.is_empty() && Pattern::any_matches(texts, severity_text);
        Ok(seen.is_enough()
            && (number.as_ref()).is_none_or(|number| number.matches(severity_number))
            && (texts.is_empty() || has_text)
            && (self.bodies.is_empty() || self.bodies.iter().any(|wanted| wanted.matches(body))))
    }
}

/// What is asked of a span.
#[derive(Clone, Debug)]
pub(crate) struct SpanConditions {
    pub(super) own: Named,
    /// One of them is enough.
    pub(super) kinds: Vec<i32>,
    /// One of them is enough.
    pub(super) status_codes: Vec<i32>,
    /// One event has to be right in its name and in its attributes.
    pub(super) event: Named,
    /// One link has to be right.
    pub(super) link: Named,
}

impl SpanConditions {
    fn is_empty(&self) -> bool {
        self.own.is_empty()
            && self.kinds.is_empty()
            && self.status_codes.is_empty()
            && self.event.is_empty()
            && self.link.is_empty()
    }

    fn matches(&self, mut span: Reader<'_>) -> Result<bool, Malformed> {
        use MessageType::{Event, Link};
        let mut name = &b""[..];
        let mut seen = self.own.attributes.none_seen();
        let mut event = self.event.is_empty();
        let mut link = self.link.is_empty();
        // Absent, both are 0.
        let mut kind = 0;
        let mut status_code = 0;
        while let Some(field) = span.next_field()? {
            match field.number {
                MessageType::SPAN_NAME if !self.own.names.is_empty() => name = field.bytes()?,
                MessageType::SPAN_ATTRIBUTES if !seen.is_enough() => {
                    seen.see(&field)?;
                }
                MessageType::SPAN_EVENTS if !event => {
                    event = self.event.matches(Event, field.message()?)?;
                }
                MessageType::SPAN_LINKS if !link => {
                    link = self.link.matches(Link, field.message()?)?;
                }
                MessageType::SPAN_KIND if !self.kinds.is_empty() => {
                    kind = field.varint()? as i32;
                }
                MessageType::SPAN_STATUS if !self.status_codes.is_empty() => {
                    let mut status = field.message()?;
                    while let Some(code) = status.next_of(MessageType::STATUS_CODE)? {
                        status_code = code.varint()? as i32;
                    }
                }
                _ => {}
            }
        }
        let one_of = |numbers: &[i32], number| numbers.is_empty() || numbers.contains(&number);
        Ok(seen.is_enough()
            && event
            && link
            && one_of(&self.kinds, kind)
            && one_of(&self.status_codes, status_code)
            && self.own.names_match(name))
    }
}
