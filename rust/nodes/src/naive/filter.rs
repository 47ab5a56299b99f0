// SPDX-License-Identifier: Apache-2.0

//! The filter that decodes everything.

use std::collections::{BTreeMap, VecDeque};

use otapbridge_test_support::protocol::{Metric, Request, Span};
pub(crate) use otapbridge_test_support::raw::Stays;
use serde_json::Value;

use super::conditions::Written;
use super::{Around, NaiveContext, Patterns, Rule, Telemetry};

/// How much was taken out, by section and rule.
pub(crate) type Dropped = BTreeMap<(&'static str, &'static str), u64>;

pub(crate) struct NaiveFilter<'a> {
    config: &'a Value,
    context: &'a NaiveContext,
    patterns: &'a Patterns,
    pub(crate) dropped: Dropped,
}

impl<'a> NaiveFilter<'a> {
    pub(crate) fn new(
        config: &'a Value,
        context: &'a NaiveContext,
        patterns: &'a Patterns,
    ) -> Self {
        Self {
            config,
            context,
            patterns,
            dropped: Dropped::new(),
        }
    }

    /// Takes out of a request what does not stay, and says what stays of each item.
    pub(crate) fn apply<I: Telemetry>(&mut self, request: &mut Request<I>) -> VecDeque<Stays> {
        let mut all = VecDeque::new();
        request.resources.retain_mut(|data| {
            let had_scopes = !data.scopes.is_empty();
            data.scopes.retain_mut(|scope| {
                let around = Around {
                    context: self.context,
                    resource: data.resource.as_ref(),
                    scope: scope.scope.as_ref(),
                };
                let had_items = !scope.items.is_empty();
                scope.items.retain_mut(|item| {
                    let stays = item.filter(self, around);
                    let is_left = !matches!(stays, Stays::No);
                    all.push_back(stays);
                    is_left
                });
                !had_items || !scope.items.is_empty()
            });
            !had_scopes || !data.scopes.is_empty()
        });
        all
    }

    /// Whether something stays; if not, it is counted.
    fn stays(
        &mut self,
        section: &'static str,
        around: Around<'_>,
        count: usize,
        holds: impl Fn(&Written<'a>) -> bool,
    ) -> bool {
        let rule = Rule::of(&self.config[section], self.patterns);
        let why = rule.unselected(|written| written.around(around) && holds(written));
        if let Some(why) = why {
            *self.dropped.entry((section, why)).or_default() += count as u64;
        }
        why.is_none()
    }

    pub(super) fn item(
        &mut self,
        section: &'static str,
        around: Around<'_>,
        holds: impl Fn(&Written<'a>) -> bool,
    ) -> Stays {
        match self.stays(section, around, 1, holds) {
            true => Stays::Whole,
            false => Stays::No,
        }
    }

    pub(super) fn span(&mut self, span: &mut Span, around: Around<'_>) -> Stays {
        if !self.stays("traces", around, 1, |written| written.span(span)) {
            return Stays::No;
        }
        let mut events = VecDeque::new();
        span.events.retain(|event| {
            let stays = self.stays("span_events", around, 1, |written| written.part(event));
            events.push_back(stays);
            stays
        });
        let mut links = VecDeque::new();
        span.links.retain(|link| {
            let stays = self.stays("span_links", around, 1, |written| written.part(link));
            links.push_back(stays);
            stays
        });
        Stays::Parts { events, links }
    }

    pub(super) fn metric(&mut self, metric: &mut Metric, around: Around<'_>) -> Stays {
        let before = metric.clone();
        let mut count = 0;
        metric.retain_points(|_| {
            count += 1;
            true
        });
        let asks_points = Rule::of(&self.config["metrics"], self.patterns).asks_points();
        if count == 0 || !asks_points {
            // One without data points has none that is as it should be.
            let own = |written: &Written<'_>| {
                written.metric(&before) && !(asks_points && written.asks_points())
            };
            return match self.stays("metrics", around, count, own) {
                true => Stays::Whole,
                false => Stays::No,
            };
        }
        let mut points = VecDeque::new();
        metric.retain_points(|point| {
            let attributes = point.attributes();
            let stays = self.stays("metrics", around, 1, |written| {
                written.metric(&before) && written.point(attributes)
            });
            points.push_back(stays);
            stays
        });
        match points.contains(&true) {
            true => Stays::Points(points),
            false => Stays::No,
        }
    }
}
