// SPDX-License-Identifier: Apache-2.0

//! A filter that decodes everything, and reads the configuration as it is written.

use otapbridge::Signal;
use prost::{DecodeError, Message};
use regex::Regex;
use serde_json::Value;

use super::test_otlp::*;

/// The conditions of one `include` or `exclude`, as they are written.
struct Written<'a>(&'a Value);

impl Written<'_> {
    /// The entries of a list; `None` if there are none.
    fn list(&self, field: &str) -> Option<&Vec<Value>> {
        self.0[field].as_array().filter(|list| !list.is_empty())
    }

    fn text(&self, wanted: &Value, text: &str) -> bool {
        let wanted = wanted.as_str().expect("a text");
        match self.0["match_type"].as_str() {
            Some("regexp") => Regex::new(wanted).expect("a pattern").is_match(text),
            _ => wanted == text,
        }
    }

    fn texts(&self, field: &str, text: &str) -> bool {
        let list = self.list(field);
        list.is_none_or(|list| list.iter().any(|wanted| self.text(wanted, text)))
    }

    fn value(&self, wanted: &Value, value: &Option<AnyValue>) -> bool {
        match value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(OneOf::Text(text)) => wanted.is_string() && self.text(wanted, text),
            Some(OneOf::Int(number)) => wanted.is_i64() && wanted.as_i64() == Some(*number),
            Some(OneOf::Double(number)) => wanted.is_f64() && wanted.as_f64() == Some(*number),
            Some(OneOf::Bool(value)) => wanted.as_bool() == Some(*value),
            _ => false,
        }
    }

    fn attribute(&self, wanted: &Value, attributes: &[KeyValue]) -> bool {
        let mut of_key = attributes.iter().filter(|has| wanted["key"] == has.key);
        of_key.any(|has| self.value(&wanted["value"], &has.value))
    }

    fn attributes(&self, field: &str, attributes: &[KeyValue]) -> bool {
        let list = self.list(field);
        list.is_none_or(|list| list.iter().any(|wanted| self.attribute(wanted, attributes)))
    }

    fn resource(&self, resource: &Resource) -> bool {
        let mut wanted = self.list("resource_attributes").into_iter().flatten();
        wanted.all(|wanted| self.attribute(wanted, &resource.attributes))
    }

    fn item(&self, signal: Signal, item: &[u8]) -> Result<bool, DecodeError> {
        Ok(match signal {
            Signal::Metrics => self.texts("metric_names", &Metric::decode(item)?.name),
            Signal::Logs => {
                let record = LogRecord::decode(item)?;
                let text = &record.severity_text;
                let bodies = self.list("bodies");
                let severity = &self.0["severity_number"];
                self.attributes("record_attributes", &record.attributes)
                    && self.texts("severity_texts", text)
                    && (self.list("severity_texts").is_none() || !text.is_empty())
                    && bodies.is_none_or(|list| list.iter().any(|b| self.value(b, &record.body)))
                    && match record.severity_number {
                        _ if severity.is_null() => true,
                        0 => severity["match_undefined"] == true,
                        number => i64::from(number) >= severity["min"].as_i64().expect("min"),
                    }
            }
            Signal::Traces => {
                let span = Span::decode(item)?;
                let event = self.list("event_names").or(self.list("event_attributes"));
                let link = self.list("link_attributes");
                self.texts("span_names", &span.name)
                    && self.attributes("span_attributes", &span.attributes)
                    && (event.is_none()
                        || span.events.iter().any(|event| {
                            self.texts("event_names", &event.name)
                                && self.attributes("event_attributes", &event.attributes)
                        }))
                    && (link.is_none()
                        || span
                            .links
                            .iter()
                            .any(|link| self.attributes("link_attributes", &link.attributes)))
            }
        })
    }

    /// Whether an item matches; `None` if nothing is asked for.
    fn matches(
        &self,
        signal: Signal,
        resource: &Resource,
        item: &[u8],
    ) -> Result<Option<bool>, DecodeError> {
        let matches = self.resource(resource) && self.item(signal, item)?;
        let fields = self.0.as_object().into_iter().flatten();
        let asks = |(field, value): (&String, &Value)| match value {
            Value::Array(list) => !list.is_empty(),
            _ => field == "severity_number",
        };
        Ok(fields.into_iter().any(asks).then_some(matches))
    }
}

/// What is left, by decoding everything; and how many items before and after.
pub(super) fn reference(
    signal: Signal,
    config: &Value,
    mut request: Request,
) -> Result<(Request, usize, usize), DecodeError> {
    let rules = &config[signal.as_str()];
    let (mut before, mut after) = (0, 0);
    let mut containers = Vec::new();
    for mut container in request.containers {
        let mut resource = Resource::default();
        for occurrence in &container.resources {
            resource.merge(&occurrence[..])?;
        }
        let mut scopes = Vec::new();
        let had_scopes = !container.scopes.is_empty();
        for mut scope in container.scopes {
            let mut items = Vec::new();
            for item in &scope.items {
                let matches = |rule: &str| Written(&rules[rule]).matches(signal, &resource, item);
                if matches("include")? != Some(false) && matches("exclude")? != Some(true) {
                    items.push(item.clone());
                }
            }
            before += scope.items.len();
            after += items.len();
            if scope.items.is_empty() || !items.is_empty() {
                scope.items = items;
                scopes.push(scope);
            }
        }
        if !had_scopes || !scopes.is_empty() {
            container.scopes = scopes;
            containers.push(container);
        }
    }
    request.containers = containers;
    Ok((request, before, after))
}
