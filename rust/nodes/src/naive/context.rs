// SPDX-License-Identifier: Apache-2.0

//! Random contexts of requests, and what is in them.

use otapbridge::{BlockBuilder, RequestContext, SpanContext};
use otapbridge_test_support::Random;
use otapbridge_test_support::protocol::{AnyValue, OneOf};

/// What a context was made of.
pub(crate) struct NaiveContext {
    /// Places as configurations name them, and their values.
    values: Vec<(&'static str, Vec<Found>)>,
    pub(crate) context: RequestContext,
}

/// A value in a context.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Text(Vec<u8>),
    Int(i64),
}

/// Places that a configuration can name. Some are in no context.
pub(super) const SOURCES: [&str; 12] = [
    "metadata.tenant",
    "metadata.Tenant",
    "metadata.other",
    "auth.subject",
    "auth.groups",
    "auth.claims",
    "client.address",
    "trace_id",
    "span_id",
    "trace_flags",
    "trace_state",
    "deadline_remaining",
];

fn text(text: &str) -> Found {
    Found::Text(text.as_bytes().to_vec())
}

impl NaiveContext {
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut builder = BlockBuilder::new();
        let mut values = Vec::new();
        if random.chance(2) {
            let all: [&[u8]; 4] = [b"", b"x", b"xy", b"\xff"];
            let tenants = random.list(4, |random| random.one_of(&all).to_vec());
            let found = tenants.iter().map(|tenant| match &tenant[..] {
                b"\xff" => text("\u{fffd}"),
                tenant => Found::Text(tenant.to_vec()),
            });
            let found: Vec<_> = found.collect();
            values.push(("metadata.tenant", found.clone()));
            // Keys of metadata are the same in any letter case.
            values.push(("metadata.Tenant", found));
            let _ = builder.metadata("Tenant", &tenants);
        }
        if random.chance(2) {
            let _ = builder.auth("subject", "x");
            values.push(("auth.subject", vec![text("x")]));
        }
        if random.chance(2) {
            let groups = random.list(3, |random| random.one_of(&["x", "y"]));
            let _ = builder.auth_list("groups", &groups);
            let found = groups.iter().map(|group| text(group)).collect();
            values.push(("auth.groups", found));
        }
        if random.chance(4) {
            let _ = builder.auth_opaque("claims");
        }
        match random.below(4) {
            0 => {
                let _ = builder.address("tcp", "[2001:db8::1]:4317");
                values.push(("client.address", vec![text("2001:db8::1")]));
            }
            1 => drop(builder.address("unix", "/run/otlp.sock")),
            _ => {}
        }
        if random.chance(2) {
            let trace_flags = random.below(2) as u8;
            let _ = builder.span_context(SpanContext {
                trace_id: [0xab; 16],
                span_id: [0x01; 8],
                trace_flags,
                remote: true,
            });
            values.push(("trace_id", vec![text(&"ab".repeat(16))]));
            values.push(("span_id", vec![text(&"01".repeat(8))]));
            values.push(("trace_flags", vec![Found::Int(trace_flags.into())]));
        }
        if random.chance(3) {
            let _ = builder.trace_state("x=1,y=2");
            values.push(("trace_state", vec![text("x=1,y=2")]));
        }
        if random.chance(3) {
            // One that is over: what is left of it does not change any more.
            let _ = builder.deadline_nanos(-1, 0);
            values.push(("deadline_remaining", vec![Found::Int(0)]));
        }
        Self {
            values,
            context: RequestContext::new(builder.build().expect("a valid block")),
        }
    }

    pub(super) fn values(&self, source: &str) -> Vec<Found> {
        let mut values = self.values.iter();
        let found = values.find(|(place, _)| *place == source);
        found.map_or_else(Vec::new, |(_, values)| values.clone())
    }

    /// The value of an attribute that is made of the context's.
    pub(super) fn joined(&self, source: &str) -> Option<AnyValue> {
        let values = self.values(source);
        if let [Found::Int(number)] = &values[..] {
            return Some(OneOf::Int(*number).into());
        }
        let texts = values.into_iter().map(|value| match value {
            Found::Text(text) => text,
            Found::Int(number) => panic!("{number} and others"),
        });
        let texts: Vec<_> = texts.collect();
        (!texts.is_empty()).then(|| OneOf::Text(texts.join(&b";"[..])).into())
    }
}

impl From<Found> for AnyValue {
    fn from(found: Found) -> Self {
        match found {
            Found::Text(text) => OneOf::Text(text).into(),
            Found::Int(number) => OneOf::Int(number).into(),
        }
    }
}
