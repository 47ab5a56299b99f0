// SPDX-License-Identifier: Apache-2.0

//! Attributes and filter once more, as simply as can be: requests are decoded by prost, and configurations are read as they
//! are written, anew for each message. For tests, which give random requests and configurations to both.

mod actions;
mod attributes;
mod conditions;
mod configurations;
mod context;
mod filter;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;

use otapbridge::Signal;
use otapbridge_test_support::generate::{Style, message};
use otapbridge_test_support::protocol::{
    AnyValue, Event, InstrumentationScope, Item, KeyValue, Link, LogRecord, Metric, Request,
    Resource, Span,
};
use otapbridge_test_support::{Random, generate};
use prost::Message;
use regex::bytes::Regex;
use serde_json::Value;

pub(crate) use attributes::{NaiveAttributes, is_refused};
pub(crate) use configurations::{attributes_config, filter_config};
pub(crate) use context::NaiveContext;
pub(crate) use filter::{Dropped, NaiveFilter};

/// Patterns that were compiled: each is used very often.
#[derive(Default)]
pub(crate) struct Patterns(RefCell<HashMap<String, Regex>>);

impl Patterns {
    fn get(&self, pattern: &str) -> Regex {
        let mut known = self.0.borrow_mut();
        let compile = || Regex::new(pattern).expect("a pattern");
        known
            .entry(pattern.to_owned())
            .or_insert_with(compile)
            .clone()
    }

    fn is_found(&self, pattern: &str, text: &[u8]) -> bool {
        let pattern = self.get(pattern);
        // What is not UTF-8 stands for U+FFFD.
        pattern.is_match(text) || pattern.is_match(String::from_utf8_lossy(text).as_bytes())
    }
}

/// What surrounds a message.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    context: &'a NaiveContext,
    resource: Option<&'a Resource>,
    /// `None` for a resource itself.
    scope: Option<&'a InstrumentationScope>,
}

/// An `include` and an `exclude`, as they are written.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a> {
    include: Option<conditions::Written<'a>>,
    exclude: Option<conditions::Written<'a>>,
}

impl<'a> Rule<'a> {
    fn of(config: &'a Value, patterns: &'a Patterns) -> Self {
        let written = |name: &str| {
            let conditions = config.get(name)?;
            let written = conditions::Written::new(conditions, patterns);
            written.asks().then_some(written)
        };
        Self {
            include: written("include"),
            exclude: written("exclude"),
        }
    }

    /// Why something is not selected: by `include`, because it does not hold, or by `exclude`.
    fn unselected(&self, holds: impl Fn(&conditions::Written<'a>) -> bool) -> Option<&'static str> {
        if self.include.as_ref().is_some_and(|include| !holds(include)) {
            Some("include")
        } else if self.exclude.as_ref().is_some_and(&holds) {
            Some("exclude")
        } else {
            None
        }
    }

    fn selects(&self, holds: impl Fn(&conditions::Written<'a>) -> bool) -> bool {
        self.unselected(holds).is_none()
    }

    fn asks_points(&self) -> bool {
        let both = [self.include, self.exclude];
        both.iter().flatten().any(conditions::Written::asks_points)
    }
}

/// The items of a signal, as the naive nodes treat them.
pub(crate) trait Telemetry: Item {
    const SIGNAL: Signal;

    fn change(&mut self, naive: &mut NaiveAttributes<'_>, around: Around<'_>);

    fn filter(&mut self, naive: &mut NaiveFilter<'_>, around: Around<'_>) -> filter::Stays;
}

impl Telemetry for LogRecord {
    const SIGNAL: Signal = Signal::Logs;

    fn change(&mut self, naive: &mut NaiveAttributes<'_>, around: Around<'_>) {
        let before = self.clone();
        if naive.selects("logs", around, |written| written.log(&before)) {
            naive.change_lists(self);
        }
    }

    fn filter(&mut self, naive: &mut NaiveFilter<'_>, around: Around<'_>) -> filter::Stays {
        naive.item("logs", around, |written| written.log(self))
    }
}

impl Telemetry for Span {
    const SIGNAL: Signal = Signal::Traces;

    fn change(&mut self, naive: &mut NaiveAttributes<'_>, around: Around<'_>) {
        let before = self.clone();
        if naive.selects("traces", around, |written| written.span(&before)) {
            naive.change_lists(self);
        }
    }

    fn filter(&mut self, naive: &mut NaiveFilter<'_>, around: Around<'_>) -> filter::Stays {
        naive.span(self, around)
    }
}

impl Telemetry for Metric {
    const SIGNAL: Signal = Signal::Metrics;

    fn change(&mut self, naive: &mut NaiveAttributes<'_>, around: Around<'_>) {
        naive.change_metric(self, around);
    }

    fn filter(&mut self, naive: &mut NaiveFilter<'_>, around: Around<'_>) -> filter::Stays {
        naive.metric(self, around)
    }
}

/// A random request: of whatever fields, or damaged.
pub(crate) fn random_request<I: Item>(random: &mut Random, is_damaged: bool) -> Vec<u8> {
    let style = Style::random(random);
    let mut request = message(random, I::REQUEST, style);
    if is_damaged {
        random.damage(&mut request);
    }
    request
}

/// A key of those that random requests have, and that configurations can name.
fn random_key(random: &mut Random) -> String {
    loop {
        let key = random.one_of(&generate::KEYS);
        if let Ok(key) = std::str::from_utf8(key)
            && !key.is_empty()
        {
            return key.to_owned();
        }
    }
}

/// What a request says; it is the same for requests that differ in their encoding only.
pub(crate) fn content<I: Item>(request: &[u8]) -> Vec<u8> {
    let request = Request::<I>::decode(request).expect("a request");
    request.encode_to_vec()
}

/// The value of an attribute, or of nothing.
fn value_of(attribute: &KeyValue) -> AnyValue {
    attribute.any_value().expect("was checked")
}

/// The parts of spans have names and attributes.
trait Part {
    fn name(&self) -> &[u8];
    fn attributes(&self) -> &[KeyValue];
}

impl Part for Event {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
}

impl Part for Link {
    fn name(&self) -> &[u8] {
        &[]
    }

    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
}
