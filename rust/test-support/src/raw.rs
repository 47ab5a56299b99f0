// SPDX-License-Identifier: Apache-2.0

//! Requests byte by byte: what of one has to be the same in another. It divides messages into their fields, and knows nothing
//! else of protobuf.

use std::collections::VecDeque;

use crate::schema::{Kind, Type};

/// A field as it stands.
pub struct RawField<'a> {
    pub number: u32,
    /// With its tag.
    pub whole: &'a [u8],
    /// Without tag and length; empty of a group.
    pub content: &'a [u8],
}

/// The fields of a message, which is well-formed.
pub fn fields(message: &[u8]) -> Vec<RawField<'_>> {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        fields.push(field(&mut rest));
    }
    fields
}

fn field<'a>(rest: &mut &'a [u8]) -> RawField<'a> {
    let start = *rest;
    let key = varint(rest);
    let number = (key >> 3) as u32;
    let mut content = &rest[..0];
    match key & 7 {
        0 => {
            let before = *rest;
            let _ = varint(rest);
            content = &before[..before.len() - rest.len()];
        }
        1 => (content, *rest) = rest.split_at(8),
        5 => (content, *rest) = rest.split_at(4),
        2 => {
            let len = varint(rest) as usize;
            (content, *rest) = rest.split_at(len);
        }
        3 => loop {
            let before = *rest;
            if varint(rest) == u64::from(number << 3 | 4) {
                break;
            }
            *rest = before;
            let _ = field(rest);
        },
        other => panic!("wire type {other}"),
    }
    RawField {
        number,
        whole: &start[..start.len() - rest.len()],
        content,
    }
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (byte, others) = rest.split_first().expect("well-formed");
        *rest = others;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if *byte < 0x80 {
            break;
        }
    }
    value
}

/// Appends what is the same after attributes were changed: all bytes but tags and lengths of messages that can contain some, and but
/// the attributes of which `may_change` is true; it gets what has them and their key.
pub fn unchanged(
    of: Type,
    message: &[u8],
    may_change: &dyn Fn(Type, &[u8]) -> bool,
    out: &mut Vec<u8>,
) {
    for field in fields(message) {
        match of.field(field.number).map(|field| field.kind) {
            Some(Kind::Message(Type::KeyValue)) => {
                if !may_change(of, key(field.content)) {
                    out.extend_from_slice(field.whole);
                }
            }
            Some(Kind::Message(inner)) if inner.has_attributes() => {
                let mut content = Vec::new();
                unchanged(inner, field.content, may_change, &mut content);
                // One that was not there can be made.
                if !content.is_empty() || !matches!(inner, Type::Resource | Type::Scope) {
                    out.extend(field.number.to_le_bytes());
                    out.push(b'(');
                    out.extend(content);
                    out.push(b')');
                }
            }
            _ => out.extend_from_slice(field.whole),
        }
    }
}

/// The key of a `KeyValue`.
pub fn key(key_value: &[u8]) -> &[u8] {
    let fields = fields(key_value).into_iter();
    let mut keys = fields.rev().filter(|field| field.number == 1);
    keys.next().map_or(&[], |field| field.content)
}

/// Whether a request has metrics with data of several kinds, of which only the last count.
pub fn has_several_data(of: Type, message: &[u8]) -> bool {
    fields(message).iter().any(
        |field| match of.field(field.number).map(|field| field.kind) {
            Some(Kind::Message(Type::Metric)) => data_kinds(field.content) > 1,
            Some(Kind::Message(inner)) if inner.is_container() => {
                has_several_data(inner, field.content)
            }
            _ => false,
        },
    )
}

/// What stays of an item, by its place among those of its message.
#[derive(Clone, Debug)]
pub enum Stays {
    /// Nothing.
    No,
    /// All of it.
    Whole,
    /// Of a metric, some data points of those that count.
    Points(VecDeque<bool>),
    /// Of a span, some events and links.
    Parts {
        events: VecDeque<bool>,
        links: VecDeque<bool>,
    },
}

/// What is to be left of a request after a filter.
pub struct Left {
    pub bytes: Vec<u8>,
    /// Whether anything was taken out.
    pub has_lost: bool,
    stays: VecDeque<Stays>,
}

/// Writes what stays of the items of a request, which are given in their order. If metrics lose data points, none has data of
/// several kinds.
pub fn left(of: Type, request: &[u8], stays: VecDeque<Stays>) -> Left {
    let mut left = Left {
        bytes: Vec::new(),
        has_lost: false,
        stays,
    };
    left.bytes = left.message(of, request).unwrap_or_default();
    left
}

impl Left {
    /// What is left of a message in which are containers or items; `None` if it loses the last.
    fn message(&mut self, of: Type, message: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let (mut kept, mut lost) = (0, 0);
        for field in fields(message) {
            let kind = of.field(field.number).map(|field| field.kind);
            let inner = match kind {
                Some(Kind::Message(inner)) if inner.is_container() => {
                    self.message(inner, field.content)
                }
                Some(Kind::Message(inner)) if inner.is_item() => {
                    match self.stays.pop_front().expect("as many items") {
                        Stays::No => None,
                        Stays::Whole => Some(field.content.to_vec()),
                        Stays::Points(points) => self.metric(field.content, points),
                        Stays::Parts { events, links } => {
                            Some(self.span(field.content, events, links))
                        }
                    }
                }
                _ => {
                    out.extend_from_slice(field.whole);
                    continue;
                }
            };
            match inner {
                Some(inner) => {
                    kept += 1;
                    write(&field, &inner, &mut out);
                }
                None => {
                    self.has_lost = true;
                    lost += 1;
                }
            }
        }
        let is_container = of.is_container();
        (!is_container || lost == 0 || kept > 0).then_some(out)
    }

    fn span(
        &mut self,
        span: &[u8],
        mut events: VecDeque<bool>,
        mut links: VecDeque<bool>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        for field in fields(span) {
            let stays = match field.number {
                11 => events.pop_front().expect("as many events"),
                13 => links.pop_front().expect("as many links"),
                _ => true,
            };
            if stays {
                out.extend_from_slice(field.whole);
            } else {
                self.has_lost = true;
            }
        }
        out
    }

    fn metric(&mut self, metric: &[u8], mut points: VecDeque<bool>) -> Option<Vec<u8>> {
        let (mut kept, mut lost) = (0, 0);
        let mut out = Vec::new();
        for field in &fields(metric) {
            if !is_data(field) {
                out.extend_from_slice(field.whole);
                continue;
            }
            let mut content = Vec::new();
            let (mut kept_here, mut lost_here) = (0, 0);
            for point in self::fields(field.content) {
                if point.number != 1 {
                    content.extend_from_slice(point.whole);
                } else if points.pop_front().expect("as many points") {
                    kept_here += 1;
                    content.extend_from_slice(point.whole);
                } else {
                    self.has_lost = true;
                    lost_here += 1;
                }
            }
            if kept_here == 0 && lost_here > 0 {
                lost += 1;
            } else {
                kept += 1;
            }
            write(field, &content, &mut out);
        }
        (lost == 0 || kept > 0).then_some(out)
    }
}

fn is_data(field: &RawField<'_>) -> bool {
    let kind = Type::Metric.field(field.number).map(|field| field.kind);
    matches!(kind, Some(Kind::Message(of)) if of.is_metric_data())
}

/// How often the kind of a metric's data changes, and one more.
fn data_kinds(metric: &[u8]) -> usize {
    let data = fields(metric).into_iter().filter(is_data);
    let mut numbers: Vec<u32> = data.map(|field| field.number).collect();
    numbers.dedup();
    numbers.len()
}

/// A field with this content: as it stands, if it has it.
fn write(field: &RawField<'_>, content: &[u8], out: &mut Vec<u8>) {
    if content == field.content {
        out.extend_from_slice(field.whole);
    } else {
        out.extend(crate::otlp::field(field.number, content));
    }
}
