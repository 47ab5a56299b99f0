// SPDX-License-Identifier: Apache-2.0

//! Takes out of a request what the rules do not leave in it.

use std::ops::AddAssign;

use otapbridge::{ProcessingError, RequestContext, Signal};
use otapbridge_otlp::wire::Reader;
use otapbridge_otlp::{
    Interest, MessageType, Messages, Outcome, Visit, Visitor, data_points, walk,
};

use crate::conditions::{Conditions, Levels, Of, OfMetric, Selection, Unselected};

/// What stays.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) metrics: Selection,
    pub(super) logs: Selection,
    pub(super) traces: Selection,
    /// Of the spans that stay.
    pub(super) span_events: Selection,
    /// Of the spans that stay.
    pub(super) span_links: Selection,
}

/// What was taken out by the two rules of a section: log records, spans, data points, events or links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// What `include` did not match.
    pub(super) include: u64,
    /// What `exclude` matched.
    pub(super) exclude: u64,
}

/// What was taken out of a signal's data, by section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) items: Dropped,
    /// Of spans that stayed.
    pub(super) span_events: Dropped,
    /// Of spans that stayed.
    pub(super) span_links: Dropped,
}

impl Counts {
    /// Section, rule and number.
    pub(super) fn by_rule(
        self,
        signal: Signal,
    ) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let items = match signal {
            Signal::Traces => Of::Traces,
            Signal::Metrics => Of::Metrics,
            Signal::Logs => Of::Logs,
        };
        let sections = [
            (items, self.items),
            (Of::SpanEvents, self.span_events),
            (Of::SpanLinks, self.span_links),
        ];
        sections.into_iter().flat_map(|(of, dropped)| {
            [
                (of.name(), "include", dropped.include),
                (of.name(), "exclude", dropped.exclude),
            ]
        })
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.items += other.items;
        self.span_events += other.span_events;
        self.span_links += other.span_links;
    }
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, other: Self) {
        self.include += other.include;
        self.exclude += other.exclude;
    }
}

impl Dropped {
    const fn add(&mut self, why: Unselected, count: u64) {
        match why {
            Unselected::NotIncluded => self.include += count,
            Unselected::Excluded => self.exclude += count,
        }
    }
}

impl Rules {
    const fn items(&self, signal: Signal) -> &Selection {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// Whether everything of a signal stays.
    pub(super) fn is_empty(&self, signal: Signal) -> bool {
        let items = self.items(signal);
        let parts = [&self.span_events, &self.span_links];
        items.is_everything()
            && (signal != Signal::Traces || parts.iter().all(|rules| rules.is_everything()))
    }

    /// Takes out of an export request what does not stay, and says how much that was.
    ///
    /// # Errors
    /// InvalidArgument when what is looked at is malformed.
    pub(super) fn apply(
        &self,
        signal: Signal,
        request: &[u8],
        context: &RequestContext,
    ) -> Result<(Outcome, Counts), ProcessingError> {
        let of_parts = |selection| match signal {
            Signal::Traces => Levels::new(selection, context),
            _ => Levels::new(&Selection::EVERYTHING, context),
        };
        let mut visitor = Visiting {
            items: Levels::new(self.items(signal), context),
            events: of_parts(&self.span_events),
            links: of_parts(&self.span_links),
            counts: Counts::default(),
        };
        let outcome = walk(signal, request, &mut visitor)?;
        Ok((outcome, visitor.counts))
    }
}

struct Visiting<'a> {
    items: Levels<'a>,
    events: Levels<'a>,
    links: Levels<'a>,
    counts: Counts,
}

impl<'a> Visiting<'a> {
    fn levels(&mut self) -> [&mut Levels<'a>; 3] {
        [&mut self.items, &mut self.events, &mut self.links]
    }
}

impl Visitor for Visiting<'_> {
    fn interest(&self) -> Interest {
        let mut messages = Messages::RESOURCE | Messages::SCOPE;
        let items = self.items.selection;
        if !items.is_everything() {
            messages = messages | Messages::SPAN | Messages::LOG_RECORD | Messages::METRIC;
        }
        if items.asks(Conditions::asks_points) {
            messages = messages | Messages::DATA_POINT;
        }
        if !self.events.selection.is_everything() {
            messages = messages | Messages::SPAN_EVENT;
        }
        if !self.links.selection.is_everything() {
            messages = messages | Messages::SPAN_LINK;
        }
        Interest {
            messages,
            ..Interest::default()
        }
    }

    fn resource(&mut self, data: Reader<'_>) -> Result<Visit, ProcessingError> {
        let mut all_stay = true;
        for levels in self.levels() {
            levels.enter_resource(&data)?;
            let all = levels.all_in(levels.resource, Conditions::goes_below_resource);
            all_stay &= all == Some(true);
        }
        Ok(if all_stay { Visit::Keep } else { Visit::Inside })
    }

    fn scope(&mut self, data: Reader<'_>) -> Result<Visit, ProcessingError> {
        let mut all_stay = true;
        for levels in self.levels() {
            levels.enter_scope(&data)?;
            let all = levels.all_in(levels.scope, Conditions::goes_below_scope);
            all_stay &= all == Some(true);
        }
        Ok(if all_stay { Visit::Keep } else { Visit::Inside })
    }

    fn item(&mut self, r#type: MessageType, item: Reader<'_>) -> Result<Visit, ProcessingError> {
        if r#type != MessageType::Metric {
            let why = self.items.item(r#type, &item)?;
            if let Some(why) = why {
                self.counts.items.add(why, 1);
            }
            return Ok(match why {
                Some(_) => Visit::Remove,
                None => Visit::Inside,
            });
        }
        Ok(match self.items.metric(&item)? {
            OfMetric::Whole(None) => Visit::Keep,
            OfMetric::Whole(Some(why)) => {
                self.counts.items.add(why, data_points(item)? as u64);
                Visit::Remove
            }
            OfMetric::Points { by_include: true } if data_points(item)? == 0 => Visit::Remove,
            OfMetric::Points { .. } => Visit::Inside,
        })
    }

    fn part(&mut self, r#type: MessageType, part: Reader<'_>) -> Result<Visit, ProcessingError> {
        let (why, dropped) = match r#type {
            MessageType::Event => (
                self.events.item(r#type, &part)?,
                &mut self.counts.span_events,
            ),
            MessageType::Link => (self.links.item(r#type, &part)?, &mut self.counts.span_links),
            _ => (self.items.point(r#type, &part)?, &mut self.counts.items),
        };
        let Some(why) = why else {
            return Ok(Visit::Keep);
        };
        dropped.add(why, 1);
        Ok(Visit::Remove)
    }
}
