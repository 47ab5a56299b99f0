// SPDX-License-Identifier: Apache-2.0

//! The attributes processor that decodes everything.

use otapbridge_test_support::protocol::{Item, KeyValue, Metric, Request};
use otapbridge_test_support::schema::Type;
use serde_json::Value;

use super::conditions::{ON_SCOPES, SECTIONS, Written};
use super::{Around, NaiveContext, Patterns, Rule, Telemetry, actions};

pub(crate) struct NaiveAttributes<'a> {
    config: &'a Value,
    rule: Rule<'a>,
    context: &'a NaiveContext,
    patterns: &'a Patterns,
    /// Whether an action has written anything.
    pub(crate) has_written: bool,
}

/// Whether attributes of these are changed.
fn applies_to(config: &Value, of: Type) -> bool {
    let names = config["apply_to"].as_array().map_or(&[][..], Vec::as_slice);
    let name = match of {
        Type::Resource => "resource",
        Type::Scope => "scope",
        Type::Span => "span",
        Type::Event => "spanevent",
        Type::Link => "spanlink",
        Type::Metric => "metric",
        Type::Exemplar => "exemplar",
        Type::LogRecord => "log",
        of if of.is_data_point() => "datapoint",
        _ => return false,
    };
    let is_signal = !matches!(of, Type::Resource | Type::Scope);
    (names.is_empty() && is_signal)
        || names
            .iter()
            .any(|named| named == name || named == "signal" && is_signal)
}

/// Whether a configuration is refused: conditions are on what is in a message whose own attributes are to be changed, on
/// nothing that is to be changed, or there are none.
pub(crate) fn is_refused(config: &Value, patterns: &Patterns) -> bool {
    let around = [Type::Resource, Type::Scope];
    let is_reached = |types: &[Type]| {
        let mut types = around.iter().chain(types);
        types.any(|of| applies_to(config, *of))
    };
    let points = [Type::Metric, Type::NumberDataPoint, Type::Exemplar];
    let spans = [Type::Span, Type::Event, Type::Link];
    let sections = [
        ("traces", is_reached(&spans)),
        ("metrics", is_reached(&points)),
        ("logs", is_reached(&[Type::LogRecord])),
    ];
    ["include", "exclude"].iter().any(|name| {
        config.get(name).is_some_and(|conditions| {
            let written = Written::new(conditions, patterns);
            let on_scopes = ON_SCOPES.iter().any(|field| written.asks_for(field));
            let on_items = SECTIONS.iter().any(|(field, _)| written.asks_for(field));
            let mut reached = sections.iter().filter(|(_, is_reached)| *is_reached);
            !written.asks()
                || !reached.any(|(section, _)| written.is_of(section))
                || applies_to(config, Type::Resource) && (on_scopes || on_items)
                || applies_to(config, Type::Scope) && on_items
        })
    })
}

impl<'a> NaiveAttributes<'a> {
    pub(crate) fn new(
        config: &'a Value,
        context: &'a NaiveContext,
        patterns: &'a Patterns,
    ) -> Self {
        Self {
            config,
            rule: Rule::of(config, patterns),
            context,
            patterns,
            has_written: false,
        }
    }

    /// Whether an attribute of what is changed can be another afterwards.
    pub(crate) fn may_change(&self, of: Type, key: &[u8]) -> bool {
        let mut actions = self.config["actions"].as_array().into_iter().flatten();
        applies_to(self.config, of)
            && actions.any(|action| actions::may_change(action, key, self.patterns))
    }

    pub(crate) fn apply<I: Telemetry>(&mut self, request: &mut Request<I>) {
        let section = I::SIGNAL.as_str();
        for data in &mut request.resources {
            let resource = data.resource.clone();
            let around = Around {
                context: self.context,
                resource: resource.as_ref(),
                scope: None,
            };
            if applies_to(self.config, Type::Resource) && self.selects(section, around, |_| true) {
                let mut new = data.resource.take().unwrap_or_default();
                self.act(&mut new.attributes);
                let stays = resource.is_some() || !new.attributes.is_empty();
                data.resource = stays.then_some(new);
            }
            for data in &mut data.scopes {
                let scope = data.scope.clone();
                let around = Around {
                    scope: scope.as_ref(),
                    ..around
                };
                if applies_to(self.config, Type::Scope) && self.selects(section, around, |_| true) {
                    let mut new = data.scope.take().unwrap_or_default();
                    self.act(&mut new.attributes);
                    let stays = scope.is_some() || !new.attributes.is_empty();
                    data.scope = stays.then_some(new);
                }
                for item in &mut data.items {
                    item.change(self, around);
                }
            }
        }
    }

    pub(super) fn selects(
        &self,
        section: &str,
        around: Around<'_>,
        holds: impl Fn(&Written<'a>) -> bool,
    ) -> bool {
        (self.rule)
            .selects(|written| written.is_of(section) && written.around(around) && holds(written))
    }

    /// Of a message that is selected, with all that is in it.
    pub(super) fn change_lists(&mut self, item: &mut impl Item) {
        item.each_list(&mut |of, attributes| self.change_list(of, attributes));
    }

    fn change_list(&mut self, of: Type, attributes: &mut Vec<KeyValue>) {
        if applies_to(self.config, of) {
            self.act(attributes);
        }
    }

    fn act(&mut self, attributes: &mut Vec<KeyValue>) {
        for action in self.config["actions"].as_array().expect("actions") {
            self.has_written |= actions::act(action, attributes, self.context, self.patterns);
        }
    }

    pub(super) fn change_metric(&mut self, metric: &mut Metric, around: Around<'_>) {
        let before = metric.clone();
        // The metric itself has not what is asked of data points.
        let own = |written: &Written<'_>| written.metric(&before) && !written.asks_points();
        if self.selects("metrics", around, own) {
            self.change_list(Type::Metric, &mut metric.metadata);
        }
        metric.retain_points(|point| {
            let attributes = point.attributes().clone();
            let holds =
                |written: &Written<'_>| written.metric(&before) && written.point(&attributes);
            if self.selects("metrics", around, holds) {
                self.change_list(Type::NumberDataPoint, point.attributes());
                for exemplar in point.exemplars() {
                    self.change_list(Type::Exemplar, &mut exemplar.filtered_attributes);
                }
            }
            true
        });
    }
}
