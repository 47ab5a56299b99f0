// SPDX-License-Identifier: Apache-2.0

//! OTLP export requests out of nothing.

use std::time::{Duration, SystemTime};

use otapbridge::{Bytes, Signal, SpanContext};
use otapbridge_otlp::wire::push_len_field;

const SERVICE_NAME: &str = "otapbridge-generator";
const SCOPE_NAME: &str = "urn:otapbridge:receiver:generator";
const SPAN_DURATION: Duration = Duration::from_millis(1);

/// Makes requests that differ in ids, times and numbers.
pub(super) struct Payloads {
    signal: Signal,
    batch_size: u32,
    /// The span that all belongs to, if any.
    parent: Option<SpanContext>,
    /// Numbers the items.
    next: u64,
    /// Makes ids unlike those of other generators.
    seed: u64,
}

impl Payloads {
    pub(super) fn new(signal: Signal, batch_size: u32, parent: Option<SpanContext>) -> Self {
        Self {
            signal,
            batch_size,
            parent,
            next: 0,
            seed: unix_nanos(),
        }
    }

    /// The next request.
    pub(super) fn next(&mut self) -> Bytes {
        let items = match self.signal {
            Signal::Traces => self.items(2, Self::span),
            Signal::Logs => self.items(2, Self::log_record),
            Signal::Metrics => {
                let points = self.items(1, Self::point);
                let metric = [
                    text(1, "generated"),
                    text(2, "Number of the data point."),
                    text(3, "1"),
                    field(5, &points),
                ];
                field(2, &metric.concat())
            }
        };
        let service = [text(1, "service.name"), field(2, &text(1, SERVICE_NAME))];
        let resource = field(1, &service.concat());
        let scope = field(1, &text(1, SCOPE_NAME));
        let of_scope = field(2, &[scope, items].concat());
        field(1, &[field(1, &resource), of_scope].concat()).into()
    }

    /// As many items as a request has, each in the field of this number.
    fn items(&mut self, number: u32, item: impl Fn(&mut Self) -> Vec<u8>) -> Vec<u8> {
        let items = (0..self.batch_size).flat_map(|_| field(number, &item(self)));
        items.collect()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn span(&mut self) -> Vec<u8> {
        let number = self.number();
        let end = unix_nanos();
        let start = end.saturating_sub(SPAN_DURATION.as_nanos() as u64);
        let (trace_id, parent) = match self.parent {
            Some(parent) => (parent.trace_id, field(4, &parent.span_id)),
            None => (self.trace_id(number), Vec::new()),
        };
        [
            field(1, &trace_id),
            field(2, &self.span_id(number)),
            parent,
            text(5, &format!("generated {number}")),
            vec![6 << 3, 1],
            fixed64(7, start),
            fixed64(8, end),
        ]
        .concat()
    }

    fn log_record(&mut self) -> Vec<u8> {
        let number = self.number();
        let span = match self.parent {
            Some(parent) => [field(9, &parent.trace_id), field(10, &parent.span_id)].concat(),
            None => Vec::new(),
        };
        [
            fixed64(1, unix_nanos()),
            vec![2 << 3, 9],
            text(3, "INFO"),
            field(5, &text(1, &format!("generated {number}"))),
            span,
        ]
        .concat()
    }

    fn point(&mut self) -> Vec<u8> {
        let number = self.number();
        [fixed64(3, unix_nanos()), fixed64(6, number)].concat()
    }

    fn trace_id(&self, number: u64) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&mixed(self.seed).to_be_bytes());
        id[8..].copy_from_slice(&mixed(number).to_be_bytes());
        id
    }

    fn span_id(&self, number: u64) -> [u8; 8] {
        mixed(self.seed.wrapping_add(number)).max(1).to_be_bytes()
    }
}

fn unix_nanos() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Spreads consecutive numbers (the finaliser of SplitMix64, Steele et al. 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn fixed64(number: u8, value: u64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

fn text(number: u32, value: &str) -> Vec<u8> {
    field(number, value.as_bytes())
}

fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    push_len_field(&mut field, number, value);
    field
}
