// SPDX-License-Identifier: Apache-2.0

//! Walks through an OTLP export request and changes it where a visitor says so, without decoding it.

use otapbridge_context::{ProcessingError, Signal};

use crate::edit::{Edits, MAX_INPUT, Opened};
use crate::entries::{Entries, Mark};
use crate::messages::Messages;
use crate::schema::MessageType;
use crate::visitor::{Interest, Visit, Visitor};
use crate::wire::{Field, Malformed, Reader};

/// By how many times its size a request may grow.
const MAX_GROWTH: usize = 16;
/// By how many bytes even a small one may.
const MIN_GROWTH_LIMIT: usize = 64 * 1024 * 1024;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as it was, byte by byte.
    Unchanged,
    /// The whole export request as it is now.
    Changed(Vec<u8>),
    /// Something was taken out, and no span, metric or log record is left.
    Nothing,
}

/// Changes an export request as a visitor says. Scopes and resources of which nothing is left are taken
/// out, and so are metrics without a data point left; those that contained nothing before stay. A span stays without its
/// events and links, a data point without its exemplars.
///
/// # Errors
/// The visitor's. InvalidArgument, if the request is malformed where it has to be looked at, a message in it has more
/// than 16,384 attributes that the visitor is given, or it would grow by more than 16 times its size and 64 MiB.
pub fn walk(
    signal: Signal,
    request: &[u8],
    visitor: &mut impl Visitor,
) -> Result<Outcome, ProcessingError> {
    if request.len() > MAX_INPUT {
        return Err(ProcessingError::invalid_argument(format!(
            "the request has more than {MAX_INPUT} bytes"
        )));
    }
    let interest = visitor.interest();
    let mut walk = Walk {
        visitor,
        interest,
        wanted: interest.messages.or(interest.attributes),
        edits: Edits::new(request),
        entries: Entries::new(request),
        items_left: 0,
        points: Remains::default(),
        has_lost: false,
        max_growth: (request.len() * MAX_GROWTH).clamp(MIN_GROWTH_LIMIT, MAX_INPUT),
    };
    let mut resources = Reader::new(request);
    while let Some(resource) = resources.next_of(MessageType::RESOURCE_DATA)? {
        let _ = walk.container(MessageType::ResourceData(signal), &resource)?;
    }
    Ok(if walk.edits.is_empty() {
        Outcome::Unchanged
    } else if walk.has_lost && walk.items_left == 0 {
        Outcome::Nothing
    } else {
        Outcome::Changed(walk.edits.write())
    })
}

/// Whether a message stays.
type Stays = bool;

struct Walk<'v, 'a, V> {
    visitor: &'v mut V,
    interest: Interest,
    wanted: Messages,
    edits: Edits<'a>,
    entries: Entries<'a>,
    /// Spans, metrics and log records that stay; those of a message that is not looked into count as one.
    items_left: usize,
    /// Of the last message of a metric's data.
    points: Remains,
    /// Whether anything was taken out.
    has_lost: bool,
    max_growth: usize,
}

/// What is left of the telemetry in a message; of a metric, its data points.
#[derive(Clone, Copy, Default)]
struct Remains {
    left: usize,
    lost: usize,
}

impl Remains {
    const fn count(&mut self, stays: Stays) {
        if stays {
            self.left += 1;
        } else {
            self.lost += 1;
        }
    }

    const fn add(&mut self, other: Self) {
        self.left += other.left;
        self.lost += other.lost;
    }

    const fn is_nothing(&self) -> bool {
        self.lost > 0 && self.left == 0
    }
}

impl<'a, V: Visitor> Walk<'_, 'a, V> {
    /// A `ResourceData` or `ScopeData`: something that is described by a message of which protobuf merges the
    /// occurrences, and contains others.
    fn container(
        &mut self,
        r#type: MessageType,
        field: &Field<'a>,
    ) -> Result<Stays, ProcessingError> {
        let is_resource = matches!(r#type, MessageType::ResourceData(_));
        let description = if is_resource {
            MessageType::Resource
        } else {
            MessageType::Scope
        };
        let opened = self.edits.open(field)?;
        let mut visit = Visit::Inside;
        if self.interest.messages.contains(description) {
            let message = opened.body.clone();
            visit = if is_resource {
                self.visitor.resource(message)?
            } else {
                self.visitor.scope(message)?
            };
        }
        match visit {
            Visit::Inside => {}
            Visit::Keep => {
                self.items_left += usize::from(has_items(r#type, opened.body.clone())?);
                self.edits.close(opened);
                return Ok(true);
            }
            Visit::Remove => {
                self.has_lost = true;
                self.edits.remove(opened);
                return Ok(false);
            }
        }
        let mark = self.entries.mark();
        let changes = if self.interest.attributes.contains(description) {
            self.description(description, mark, &opened)?
        } else {
            None
        };
        let remains = self.contents(r#type, mark, changes, &opened)?;
        self.entries.forget(mark);
        self.close(r#type, opened, &remains)
    }

    /// Gives the visitor the attributes of a container's description. Returns where it ends, if it has changed: the
    /// last occurrence's end, or `None` if there is none.
    fn description(
        &mut self,
        description: MessageType,
        mark: Mark,
        container: &Opened<'a>,
    ) -> Result<Option<Description>, ProcessingError> {
        let number = description.attributes().unwrap_or_default();
        let mut end = None;
        let mut fields = container.body.clone();
        while let Some(field) = fields.next_of(MessageType::DESCRIPTION)? {
            let mut message = field.message()?;
            end = Some(message.place().end);
            while let Some(attribute) = message.next_of(number)? {
                self.entries.push(mark, &attribute, self.interest.keys)?;
            }
        }
        let mut attributes = self.entries.since(mark);
        self.visitor.attributes(description, &mut attributes)?;
        let changed = attributes.has_changed();
        self.entries.check()?;
        Ok(changed.then_some(Description { number, end }))
    }

    /// Goes through what is in a container, and writes the changes of its description.
    fn contents(
        &mut self,
        r#type: MessageType,
        mark: Mark,
        changes: Option<Description>,
        container: &Opened<'a>,
    ) -> Result<Remains, ProcessingError> {
        let mut remains = Remains::default();
        let inner = r#type.part(MessageType::CONTENTS);
        let inner = inner.filter(|inner| self.wanted.reach(*inner));
        if inner.is_none() {
            let has_items = has_items(r#type, container.body.clone())?;
            self.items_left += usize::from(has_items);
            if changes.is_none() {
                return Ok(remains);
            }
        }
        let mut next = mark.first();
        if let Some(Description { number, end: None }) = changes {
            let start = container.body.place().start;
            let mut message = Vec::new();
            self.entries.push_new(next, number, &mut message);
            // What was added may have been taken out again.
            if !message.is_empty() {
                (self.edits).replace_by_field(start..start, MessageType::DESCRIPTION, &message);
            }
        }
        let mut body = container.body.clone();
        while let Some(field) = body.next_field()? {
            match (field.number, &changes, inner) {
                (MessageType::DESCRIPTION, Some(Description { number, end }), _) => {
                    let message = self.edits.open(&field)?;
                    let place = message.body.place();
                    next =
                        (self.entries).write_before(next, place.end, *number, &mut self.edits)?;
                    if *end == Some(place.end) {
                        let append = |out: &mut Vec<u8>| self.entries.push_new(next, *number, out);
                        self.edits.insert(place.end, append);
                    }
                    self.edits.close(message);
                }
                (MessageType::CONTENTS, _, Some(inner @ MessageType::ScopeData(_))) => {
                    remains.count(self.container(inner, &field)?);
                }
                (MessageType::CONTENTS, _, Some(item)) => {
                    let stays = self.message(item, &field)?;
                    self.items_left += usize::from(stays);
                    remains.count(stays);
                }
                _ => {}
            }
        }
        Ok(remains)
    }

    /// A message that is an item, in an item, or in a part of one.
    fn message(
        &mut self,
        r#type: MessageType,
        field: &Field<'a>,
    ) -> Result<Stays, ProcessingError> {
        if self.interest.messages.contains(r#type) {
            let message = field.message()?;
            let visit = match r#type {
                MessageType::Span | MessageType::LogRecord | MessageType::Metric => {
                    self.visitor.item(r#type, message)?
                }
                _ => self.visitor.part(r#type, message)?,
            };
            match visit {
                Visit::Inside => {}
                Visit::Keep => return Ok(true),
                Visit::Remove => {
                    self.has_lost = true;
                    self.edits.cut(field.place());
                    return Ok(false);
                }
            }
        }
        let has_attributes = self.interest.attributes.contains(r#type);
        if !has_attributes && !self.wanted.reach_below(r#type) {
            return Ok(true);
        }
        let opened = self.edits.open(field)?;
        let mark = self.entries.mark();
        let mut has_changed = false;
        // Where the parts begin that have to be looked at.
        let mut parts = Some(opened.body.clone());
        if has_attributes {
            parts = self.collect(r#type, mark, &opened)?;
            let mut attributes = self.entries.since(mark);
            self.visitor.attributes(r#type, &mut attributes)?;
            has_changed = attributes.has_changed();
            self.entries.check()?;
        }
        let mut next = mark.first();
        let mut remains = Remains::default();
        if let Some(parts) = parts {
            self.parts(
                r#type,
                parts,
                has_changed.then_some(&mut next),
                &mut remains,
            )?;
        }
        if has_changed {
            let end = opened.body.place().end;
            let number = r#type.attributes().unwrap_or_default();
            next = (self.entries).write_before(next, end, number, &mut self.edits)?;
            let append = |out: &mut Vec<u8>| self.entries.push_new(next, number, out);
            self.edits.insert(end, append);
        }
        self.entries.forget(mark);
        self.close(r#type, opened, &remains)
    }

    /// Collects a message's attributes. Returns where the first part is that has to be looked at.
    fn collect(
        &mut self,
        r#type: MessageType,
        mark: Mark,
        message: &Opened<'a>,
    ) -> Result<Option<Reader<'a>>, ProcessingError> {
        let number = r#type.attributes().unwrap_or_default();
        let has_parts = self.wanted.reach_below(r#type);
        let part_fields = r#type.parts();
        let mut parts = None;
        let mut body = message.body.clone();
        while let Some(field) = body.next_field()? {
            if field.number == number {
                self.entries.push(mark, &field, self.interest.keys)?;
            } else if part_fields.contain(field.number)
                && has_parts
                && parts.is_none()
                && (r#type.part(field.number)).is_some_and(|part| self.wanted.reach(part))
            {
                parts = Some(message.body.starting_at(field.start));
            }
        }
        Ok(parts)
    }

    /// Goes through the parts of a message. `next` is its next attribute, if attributes have changed: those before a part
    /// are written before it.
    fn parts(
        &mut self,
        r#type: MessageType,
        mut body: Reader<'a>,
        mut next: Option<&mut usize>,
        remains: &mut Remains,
    ) -> Result<(), ProcessingError> {
        let mut data = None;
        let part_fields = r#type.parts();
        while let Some(field) = body.next_field()? {
            if !part_fields.contain(field.number) {
                continue;
            }
            let Some(part) = r#type.part(field.number) else {
                continue;
            };
            if !self.wanted.reach(part) {
                continue;
            }
            if let Some(next) = next.as_deref_mut() {
                let number = r#type.attributes().unwrap_or_default();
                *next = (self.entries).write_before(*next, field.start, number, &mut self.edits)?;
            }
            // A metric has data of one kind: those that come last.
            if r#type == MessageType::Metric && data.replace(field.number) != Some(field.number) {
                *remains = Remains::default();
            }
            let stays = self.message(part, &field)?;
            match r#type {
                // Protobuf merges occurrences of data of one kind: the points of all are the metric's.
                MessageType::Metric => remains.add(self.points),
                MessageType::MetricData(_) => remains.count(stays),
                // A span stays without its events, a data point without its exemplars.
                _ => {}
            }
        }
        Ok(())
    }

    /// Closes a message, or removes one of which nothing is left.
    fn close(
        &mut self,
        r#type: MessageType,
        opened: Opened<'a>,
        remains: &Remains,
    ) -> Result<Stays, ProcessingError> {
        if matches!(r#type, MessageType::MetricData(_)) {
            self.points = *remains;
        }
        if remains.is_nothing() {
            match r#type {
                // Without it, data of another kind before it would be those of the metric.
                MessageType::MetricData(_) => self.edits.close(opened),
                _ => self.edits.remove(opened),
            }
            return Ok(false);
        }
        self.edits.close(opened);
        // Many small messages take more to note than they grow.
        let grown = usize::try_from(self.edits.growth()).unwrap_or_default();
        if grown.max(self.edits.noted() / 4) > self.max_growth {
            return Err(ProcessingError::invalid_argument(format!(
                "the request would grow by more than {} bytes, or has too many small messages to change",
                self.max_growth
            )));
        }
        Ok(true)
    }
}

/// Whether there is a span, metric or log record in a `ResourceData` or `ScopeData`.
fn has_items(r#type: MessageType, mut container: Reader<'_>) -> Result<bool, Malformed> {
    let is_resource = matches!(r#type, MessageType::ResourceData(_));
    while let Some(field) = container.next_of(MessageType::CONTENTS)? {
        if !is_resource || field.message()?.next_of(MessageType::ITEMS)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where attributes of a resource or scope are written.
struct Description {
    /// The field number of attributes.
    number: u32,
    /// Where its last occurrence ends; `None` if there is none.
    end: Option<usize>,
}

#[cfg(test)]
mod tests;
