// SPDX-License-Identifier: Apache-2.0

//! Conditions, as they are written.

use otapbridge_test_support::protocol::{
    AnyValue, Data, Event, KeyValue, Link, LogRecord, Metric, OneOf, Span,
};
use serde_json::Value;

use super::{Around, Part, Patterns, value_of};

/// The conditions of one `include` or `exclude`, as they are written.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    json: &'a Value,
    patterns: &'a Patterns,
}

/// Names that say the same.
const ALIASES: [(&str, &str); 4] = [
    ("resource_attributes", "resources"),
    ("severity_texts", "log_severity_texts"),
    ("severity_number", "log_severity_number"),
    ("bodies", "log_bodies"),
];

/// What conditions on items can be asked of.
pub(super) const SECTIONS: [(&str, &[&str]); 15] = [
    (
        "attributes",
        &["metrics", "logs", "traces", "span_events", "span_links"],
    ),
    ("record_attributes", &["logs"]),
    ("severity_texts", &["logs"]),
    ("severity_number", &["logs"]),
    ("bodies", &["logs"]),
    ("span_attributes", &["traces"]),
    ("span_names", &["traces"]),
    ("span_kinds", &["traces"]),
    ("span_status_codes", &["traces"]),
    ("event_names", &["traces", "span_events"]),
    ("event_attributes", &["traces", "span_events"]),
    ("link_attributes", &["traces", "span_links"]),
    ("metric_names", &["metrics"]),
    ("metric_types", &["metrics"]),
    ("datapoint_attributes", &["metrics"]),
];

pub(super) const ON_SCOPES: [&str; 4] = [
    "scope_names",
    "scope_versions",
    "scope_attributes",
    "libraries",
];

impl<'a> Written<'a> {
    pub(super) const fn new(json: &'a Value, patterns: &'a Patterns) -> Self {
        Self { json, patterns }
    }

    fn get(&self, field: &str) -> &'a Value {
        let aliases = ALIASES.iter().filter(|(name, _)| *name == field);
        let names = aliases.map(|(_, alias)| *alias).chain([field]);
        let mut found = names.filter_map(|name| self.json.get(name));
        found.next().unwrap_or(&Value::Null)
    }

    /// The entries of a list; none if it is not there.
    fn list(&self, field: &str) -> &'a [Value] {
        self.get(field).as_array().map_or(&[], Vec::as_slice)
    }

    pub(super) fn asks_for(&self, field: &str) -> bool {
        !self.list(field).is_empty() || self.get(field).is_object()
    }

    /// Whether anything is asked for.
    pub(super) fn asks(&self) -> bool {
        let on_items = SECTIONS.iter().map(|(field, _)| *field);
        let others = ["context", "resource_attributes", "services"];
        let mut all = on_items.chain(ON_SCOPES).chain(others);
        all.any(|field| self.asks_for(field))
    }

    /// Whether these can have what is asked for.
    pub(super) fn is_of(&self, section: &str) -> bool {
        let mut asked = SECTIONS.iter().filter(|(field, _)| self.asks_for(field));
        asked.all(|(_, sections)| sections.contains(&section))
    }

    pub(super) fn asks_points(&self) -> bool {
        self.asks_for("attributes") || self.asks_for("datapoint_attributes")
    }

    fn text(&self, wanted: &Value, text: &[u8]) -> bool {
        let wanted = wanted.as_str().expect("a text");
        match self.json["match_type"].as_str() {
            Some("regexp") => self.patterns.is_found(wanted, text),
            _ => wanted.as_bytes() == text,
        }
    }

    fn texts(&self, field: &str, text: &[u8]) -> bool {
        let list = self.list(field);
        list.is_empty() || list.iter().any(|wanted| self.text(wanted, text))
    }

    fn value(&self, wanted: &Value, value: &AnyValue) -> bool {
        match &value.value {
            Some(OneOf::Text(text)) => wanted.is_string() && self.text(wanted, text),
            Some(OneOf::Int(number)) => wanted.is_i64() && wanted.as_i64() == Some(*number),
            Some(OneOf::Double(number)) => wanted.is_f64() && wanted.as_f64() == Some(*number),
            Some(OneOf::Bool(value)) => wanted.as_bool() == Some(*value),
            _ => false,
        }
    }

    fn attribute(&self, wanted: &Value, attributes: &[KeyValue]) -> bool {
        let key = wanted["key"].as_str().expect("a key").as_bytes();
        let mut of_key = attributes.iter().filter(|has| has.key == key);
        match wanted.get("value") {
            Some(value) => of_key.any(|has| self.value(value, &value_of(has))),
            None => of_key.next().is_some(),
        }
    }

    fn any(&self, field: &str, attributes: &[KeyValue]) -> bool {
        let list = self.list(field);
        list.is_empty() || (list.iter()).any(|wanted| self.attribute(wanted, attributes))
    }

    fn all(&self, field: &str, attributes: &[KeyValue]) -> bool {
        let mut list = self.list(field).iter();
        list.all(|wanted| self.attribute(wanted, attributes))
    }

    /// Whether what is around an item has what is asked of that.
    pub(super) fn around(&self, around: Around<'_>) -> bool {
        let context = self.list("context").iter().all(|wanted| {
            let source = wanted["from_context"].as_str().expect("a source");
            let mut values = around.context.values(source).into_iter();
            match wanted.get("value") {
                Some(value) => values.any(|has| self.value(value, &has.into())),
                None => values.next().is_some(),
            }
        });
        context && self.resource(around) && self.scope(around)
    }

    fn resource(&self, around: Around<'_>) -> bool {
        let attributes = around
            .resource
            .map_or(&[][..], |resource| &resource.attributes);
        let services = self.list("services");
        let names = attributes.iter().filter(|has| has.key == b"service.name");
        let is_service = |wanted: &Value| {
            (names.clone()).any(|has| match value_of(has).value {
                Some(OneOf::Text(name)) => self.text(wanted, &name),
                _ => false,
            })
        };
        self.all("resource_attributes", attributes)
            && (services.is_empty() || services.iter().any(is_service))
    }

    fn scope(&self, around: Around<'_>) -> bool {
        let scope = around.scope.cloned().unwrap_or_default();
        let libraries = self.list("libraries");
        let is_library = |wanted: &Value| {
            let version = wanted.get("version");
            self.text(&wanted["name"], &scope.name)
                && version.is_none_or(|version| self.text(version, &scope.version))
        };
        self.texts("scope_names", &scope.name)
            && self.texts("scope_versions", &scope.version)
            && self.any("scope_attributes", &scope.attributes)
            && (libraries.is_empty() || libraries.iter().any(is_library))
    }

    pub(super) fn log(&self, record: &LogRecord) -> bool {
        let text = &record.severity_text;
        let bodies = self.list("bodies");
        let severity = self.get("severity_number");
        let nothing = AnyValue::default();
        let body = record.body.as_ref().unwrap_or(&nothing);
        self.any("record_attributes", &record.attributes)
            && self.all("attributes", &record.attributes)
            && self.texts("severity_texts", text)
            && (self.list("severity_texts").is_empty() || !text.is_empty())
            && (bodies.is_empty() || bodies.iter().any(|wanted| self.value(wanted, body)))
            && match record.severity_number {
                _ if severity.is_null() => true,
                0 => severity["match_undefined"] == true,
                number => i64::from(number) >= severity["min"].as_i64().expect("a number"),
            }
    }

    pub(super) fn span(&self, span: &Span) -> bool {
        let status = span.status.clone().unwrap_or_default();
        let event = |event: &Event| self.named_event(event);
        let link = |link: &Link| self.any("link_attributes", &link.attributes);
        let asks_event = self.asks_for("event_names") || self.asks_for("event_attributes");
        self.texts("span_names", &span.name)
            && self.any("span_attributes", &span.attributes)
            && self.all("attributes", &span.attributes)
            && self.one_of("span_kinds", "SPAN_KIND_", &KINDS, span.kind)
            && self.one_of("span_status_codes", "STATUS_CODE_", &CODES, status.code)
            && (!asks_event || span.events.iter().any(event))
            && (!self.asks_for("link_attributes") || span.links.iter().any(link))
    }

    fn named_event(&self, event: &Event) -> bool {
        self.texts("event_names", &event.name) && self.any("event_attributes", &event.attributes)
    }

    /// Whether a number is one of those whose names are written.
    fn one_of(&self, field: &str, prefix: &str, names: &[&str], number: i32) -> bool {
        let list = self.list(field);
        let has = names.get(usize::try_from(number).unwrap_or(usize::MAX));
        list.is_empty()
            || list.iter().any(|wanted| {
                let wanted = wanted.as_str().expect("a name");
                let wanted = wanted.strip_prefix(prefix).unwrap_or(wanted);
                has.is_some_and(|has| wanted.eq_ignore_ascii_case(has))
            })
    }

    /// Of an event by itself, or of a link.
    pub(super) fn part(&self, part: &impl Part) -> bool {
        self.texts("event_names", part.name())
            && self.any("event_attributes", part.attributes())
            && self.any("link_attributes", part.attributes())
            && self.all("attributes", part.attributes())
    }

    /// Of a metric, without its data points.
    pub(super) fn metric(&self, metric: &Metric) -> bool {
        let kind = metric.data.as_ref().map(|data| match data {
            Data::Gauge(_) => "gauge",
            Data::Sum(_) => "sum",
            Data::Histogram(_) => "histogram",
            Data::ExponentialHistogram(_) => "exponential_histogram",
            Data::Summary(_) => "summary",
        });
        let types = self.list("metric_types");
        self.texts("metric_names", &metric.name)
            && (types.is_empty() || types.iter().any(|wanted| wanted.as_str() == kind))
    }

    pub(super) fn point(&self, attributes: &[KeyValue]) -> bool {
        self.any("datapoint_attributes", attributes) && self.all("attributes", attributes)
    }
}

pub(super) const KINDS: [&str; 6] = [
    "unspecified",
    "internal",
    "server",
    "client",
    "producer",
    "consumer",
];
pub(super) const CODES: [&str; 3] = ["unset", "ok", "error"];
