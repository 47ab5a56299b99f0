// SPDX-License-Identifier: Apache-2.0

//! Random requests with every field of OTLP, in canonical protobuf or in any other that says the same.

use crate::Random;
use crate::schema::{Field, Kind, Type};

/// Few, so that configurations of the same meet them.
pub const KEYS: [&[u8]; 8] = [
    b"a",
    b"b",
    b"c",
    b"ab",
    b"service.name",
    b"a",
    b"",
    b"\xffk",
];
const TEXTS: [&[u8]; 12] = [
    b"",
    b"x",
    b"y",
    b"xy",
    b"1",
    b"-7",
    b"2.5e3",
    b"inf",
    b"1e999",
    "größe".as_bytes(),
    b"\xff\x00x",
    b"9223372036854775808",
];
const NUMBERS: [i64; 8] = [0, 1, -1, 2, 9, 300, i64::MAX, i64::MIN];
const DOUBLES: [f64; 14] = [
    0.0,
    0.5,
    1.0,
    -0.0,
    -1.5,
    9.0,
    1e21,
    1.5e-7,
    123_456_789.25,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -9_223_372_036_854_775_808.0,
    9_223_372_036_854_775_808.0,
];
/// Numbers that no field has, of tags with two and three bytes.
const UNKNOWN: [u32; 2] = [100, 70_000];

/// How a request is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Fields out of order and several times, longer numbers than needed, lists in pieces.
    pub is_odd: bool,
    /// Fields of a later protocol.
    pub has_unknown: bool,
    /// Metrics with data of several kinds, of which the last count.
    pub has_several_data: bool,
}

impl Style {
    pub fn random(random: &mut Random) -> Self {
        Self {
            is_odd: random.chance(2),
            has_unknown: random.chance(2),
            has_several_data: random.chance(4),
        }
    }
}

/// A message of this type.
pub fn message(random: &mut Random, of: Type, style: Style) -> Vec<u8> {
    Writer { random, style }.message(of, 0)
}

struct Writer<'r> {
    random: &'r mut Random,
    style: Style,
}

impl Writer<'_> {
    /// `depth` is how many values it is in.
    fn message(&mut self, of: Type, depth: usize) -> Vec<u8> {
        let mut fields: Vec<Vec<u8>> = match of {
            Type::AnyValue => self.any_value(depth),
            Type::Metric => self.metric(),
            _ => {
                let mut fields = Vec::new();
                for field in of.fields() {
                    for _ in 0..self.how_many(of, field) {
                        self.field(of, field, depth, &mut fields);
                    }
                }
                fields
            }
        };
        if self.style.has_unknown && self.random.chance(6) {
            fields.push(self.unknown());
        }
        if self.style.is_odd && self.random.chance(2) {
            for index in (1..fields.len()).rev() {
                fields.swap(index, self.random.below(index + 1));
            }
        }
        fields.concat()
    }

    fn how_many(&mut self, of: Type, field: &Field) -> usize {
        use Kind::Message;
        use Type::{AnyValue, Exemplar, KeyValue};
        let random = &mut *self.random;
        match field.kind {
            Message(KeyValue) => {
                let most = random.one_of(&[2, 2, 4]);
                random.below(most + 1)
            }
            Message(Exemplar) => random.below(6) / 4,
            Message(inner) if field.is_repeated && (inner.is_container() || inner.is_item()) => {
                random.one_of(&[0, 1, 1, 2, 2, 3])
            }
            _ if field.is_repeated => random.below(3),
            Message(AnyValue) if of == KeyValue && self.style.is_odd => {
                random.one_of(&[0, 1, 1, 1, 1, 1, 1, 2])
            }
            Message(AnyValue) => usize::from(!random.chance(12)),
            // Most are asked for, or numbers that nobody looks at.
            Kind::Text if of == KeyValue => 1,
            Message(_) | Kind::Text | Kind::Varint if self.style.is_odd => {
                random.one_of(&[0, 1, 1, 2])
            }
            Message(_) | Kind::Text | Kind::Varint => usize::from(!random.chance(4)),
            _ => usize::from(random.chance(3)),
        }
    }

    fn metric(&mut self) -> Vec<Vec<u8>> {
        let is_data =
            |field: &Field| matches!(field.kind, Kind::Message(of) if of.is_metric_data());
        let mut fields = Vec::new();
        for field in Type::Metric.fields() {
            if !is_data(field) {
                for _ in 0..self.how_many(Type::Metric, field) {
                    self.field(Type::Metric, field, 0, &mut fields);
                }
            }
        }
        let kinds: Vec<_> = (Type::Metric.fields().iter())
            .filter(|field| is_data(field))
            .collect();
        let count = match self.random.below(8) {
            0 => 0,
            _ if self.style.has_several_data => 1 + self.random.below(3),
            _ => 1,
        };
        let kind = self.random.one_of(&kinds);
        for _ in 0..count {
            let kind = match self.random.chance(2) {
                true => self.random.one_of(&kinds),
                false => kind,
            };
            self.field(Type::Metric, kind, 0, &mut fields);
        }
        fields
    }

    fn any_value(&mut self, depth: usize) -> Vec<Vec<u8>> {
        let mut fields = Vec::new();
        let count = match self.random.below(16) {
            0 => 0,
            1 if self.style.is_odd => 2,
            _ => 1,
        };
        for _ in 0..count {
            let number = match self.random.below(14) {
                number @ 0..=6 if depth < 4 || !matches!(number, 4 | 5) => number + 1,
                7 | 8 => 3,
                _ => 1,
            };
            let field = Type::AnyValue.field(number as u32);
            self.field(
                Type::AnyValue,
                field.expect("one of seven"),
                depth + 1,
                &mut fields,
            );
        }
        fields
    }

    fn field(&mut self, of: Type, field: &Field, depth: usize, out: &mut Vec<Vec<u8>>) {
        let number = field.number;
        match field.kind {
            Kind::Message(inner) => {
                let content = self.message(inner, depth);
                out.push(self.len_field(number, &content));
            }
            Kind::Text => {
                let text = match of {
                    Type::KeyValue => self.random.one_of(&KEYS),
                    _ => self.random.one_of(&TEXTS),
                };
                out.push(self.len_field(number, text));
            }
            Kind::Bytes => {
                let bytes = self.random.bytes(8);
                out.push(self.len_field(number, &bytes));
            }
            Kind::Varint | Kind::Bool => {
                let value = self.varint_of(of, field);
                let mut bytes = self.tag(number, 0);
                self.varint(value, 10, &mut bytes);
                out.push(bytes);
            }
            Kind::Fixed32 => {
                let mut bytes = self.tag(number, 5);
                bytes.extend(self.random.array::<4>());
                out.push(bytes);
            }
            Kind::Fixed64 => {
                let mut bytes = self.tag(number, 1);
                bytes.extend(self.random.array::<8>());
                out.push(bytes);
            }
            Kind::Double => {
                let mut bytes = self.tag(number, 1);
                bytes.extend(self.random.one_of(&DOUBLES).to_le_bytes());
                out.push(bytes);
            }
            Kind::PackedFixed64 if self.style.is_odd && self.random.chance(2) => {
                for _ in 0..self.random.below(3) {
                    let mut bytes = self.tag(number, 1);
                    bytes.extend(self.random.array::<8>());
                    out.push(bytes);
                }
            }
            Kind::PackedFixed64 => {
                let count = self.random.below(4);
                let bytes: Vec<u8> = (0..count).flat_map(|_| self.random.array::<8>()).collect();
                out.push(self.len_field(number, &bytes));
            }
            Kind::PackedVarint => {
                let mut bytes = Vec::new();
                for _ in 0..self.random.below(4) {
                    let value = self.random.next() % 1000;
                    self.varint(value, 10, &mut bytes);
                }
                out.push(self.len_field(number, &bytes));
            }
        }
    }

    fn varint_of(&mut self, of: Type, field: &Field) -> u64 {
        let random = &mut *self.random;
        let signed = |number: i64| number as u64;
        match (of, field.number) {
            (Type::LogRecord, 2) => {
                signed(random.one_of(&[0, 0, 5, 9, 13, -1, 1 << 32, 1 << 32 | 9]))
            }
            (Type::Span, 6) => signed(random.one_of(&[0, 1, 2, 3, 4, 5, 6, -1, 1 << 32 | 2])),
            (Type::Status, 3) => signed(random.one_of(&[0, 1, 2, 2, 3, -1])),
            (Type::AnyValue, 3) => signed(random.one_of(&NUMBERS)),
            _ if field.kind == Kind::Bool => random.one_of(&[0, 1, 1, 2, 1 << 40]),
            _ => random.next() % 300,
        }
    }

    fn unknown(&mut self) -> Vec<u8> {
        let number = self.random.one_of(&UNKNOWN);
        match self.random.below(6) {
            0 => {
                let mut bytes = self.tag(number, 0);
                let value = self.random.next();
                self.varint(value, 10, &mut bytes);
                bytes
            }
            1 => [self.tag(number, 1), self.random.array::<8>().to_vec()].concat(),
            2 => [self.tag(number, 5), self.random.array::<4>().to_vec()].concat(),
            3 => {
                // A group, with another in it.
                let inner = match self.random.chance(2) {
                    true => self.unknown(),
                    false => Vec::new(),
                };
                [self.tag(number, 3), inner, self.tag(number, 4)].concat()
            }
            _ => {
                let bytes = self.random.bytes(5);
                self.len_field(number, &bytes)
            }
        }
    }

    fn len_field(&mut self, number: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = self.tag(number, 2);
        self.varint(content.len() as u64, 10, &mut bytes);
        bytes.extend_from_slice(content);
        bytes
    }

    fn tag(&mut self, number: u32, wire_type: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.varint(u64::from(number << 3 | wire_type), 5, &mut bytes);
        bytes
    }

    /// Writes a number, sometimes in more bytes than it needs.
    fn varint(&mut self, mut value: u64, max_len: usize, out: &mut Vec<u8>) {
        let start = out.len();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        if self.style.is_odd && self.random.chance(12) {
            let longer = 1 + self.random.below(2);
            for _ in 0..longer.min(max_len - (out.len() - start)) {
                *out.last_mut().expect("a byte") |= 0x80;
                out.push(0);
            }
        }
    }
}
