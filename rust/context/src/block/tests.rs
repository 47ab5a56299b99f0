// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::encode::BlockBuilder;
use crate::request::RequestContext;
use otapbridge_test_support::Random;

/// A block with every kind of entry.
fn full() -> ContextBlock {
    let span = SpanContext {
        trace_id: [0xa1; 16],
        span_id: [0xb2; 8],
        trace_flags: 1,
        remote: true,
    };
    let mut builder = BlockBuilder::new();
    builder
        .deadline_nanos(5_000_000_000, 1_700_000_000_000_000_000)
        .span_context(span)
        .trace_state("vendor=1")
        .baggage("user=7")
        .address("tcp", "192.0.2.1:4317")
        .metadata("x-tenant", ["a", "b"])
        .metadata("no-value", [""; 0])
        .auth("subject", "me")
        .auth_list("groups", ["g1", "g2"])
        .auth_opaque("claims")
        .link(span);
    builder.build().expect("valid block")
}

fn write_u32(bytes: &mut [u8], offset: usize, number: u32) {
    bytes[offset..offset + 4].copy_from_slice(&number.to_ne_bytes());
}

fn refused_field(bytes: &[u8]) -> String {
    let error = ContextBlock::copy_from(bytes).expect_err("must be refused");
    assert_eq!(error.kind(), crate::ErrorKind::Configuration);
    error.field().expect("field").to_owned()
}

/// Reads everything that can be read.
fn read_all(block: ContextBlock) -> usize {
    let context = RequestContext::new(block);
    let mut seen = context.block().entries().count();
    seen += context.metadata().iter().count() + context.metadata().keys().count();
    seen += usize::from(context.metadata().host().is_some());
    for (_, value) in context.auth().iter() {
        if let crate::AuthValue::List(items) = value {
            seen += items.count();
        }
    }
    seen += context.links().count();
    seen += usize::from(context.address().is_some_and(|a| a.ip().is_some()));
    seen += usize::from(context.span_context().is_some());
    seen += usize::from(context.trace_state().is_some() || context.baggage().is_some());
    seen += usize::from(context.is_done());
    seen
}

#[test]
fn the_empty_block_allocates_nothing() {
    let block = ContextBlock::empty();
    assert_eq!(block.bytes.capacity(), 0);
    assert!(block.is_empty() && block.as_bytes().is_empty());
    assert_eq!(block.entries().count(), 0);
    assert_eq!(block.flags(), 0);
    assert!(ContextBlock::copy_from(&[]).expect("empty").is_empty());
}

#[test]
fn a_copy_is_the_same_block() {
    let block = full();
    let copy = ContextBlock::copy_from(block.as_bytes()).expect("valid block");
    assert_eq!(copy.as_bytes(), block.as_bytes());
    assert!(copy.entries().eq(block.entries()));
    assert_eq!(copy.entries().count(), 12);
}

#[test]
fn bytes_after_the_block_are_ignored() {
    let block = full();
    let mut longer = block.as_bytes().to_vec();
    longer.extend_from_slice(b"something else");
    let copy = ContextBlock::copy_from(&longer).expect("valid block");
    assert_eq!(copy.as_bytes(), block.as_bytes());
}

#[test]
fn every_truncation_is_refused() {
    let block = full();
    for len in 1..block.as_bytes().len() {
        let field = refused_field(&block.as_bytes()[..len]);
        let expected = if len < HEAD_SIZE {
            "context.size"
        } else {
            "context.total_size"
        };
        assert_eq!(field, expected, "{len} bytes");
    }
}

#[test]
fn wrong_fields_are_named() {
    let whole = full().as_bytes().len() as u32;
    let first = HEAD_SIZE;
    for (offset, number, field) in [
        (SIZE_OFFSET, 63, "context.size"),
        (SIZE_OFFSET, whole + 1, "context.size"),
        (SIZE_OFFSET, u32::MAX, "context.size"),
        (TRACE_FLAGS_OFFSET, 256, "context.trace_flags"),
        (ENTRY_COUNT_OFFSET, 65_537, "context.entry_count"),
        (ENTRY_COUNT_OFFSET, u32::MAX, "context.entry_count"),
        (ENTRY_COUNT_OFFSET, 65_536, "context.entry_offset"),
        (ENTRY_OFFSET_OFFSET, 60, "context.entry_offset"),
        (ENTRY_OFFSET_OFFSET, 66, "context.entry_offset"),
        (ENTRY_OFFSET_OFFSET, whole & !3, "context.entry_offset"),
        (ENTRY_OFFSET_OFFSET, !3, "context.entry_offset"),
        (TOTAL_SIZE_OFFSET, 0, "context.total_size"),
        (TOTAL_SIZE_OFFSET, 63, "context.total_size"),
        (TOTAL_SIZE_OFFSET, whole + 1, "context.total_size"),
        (TOTAL_SIZE_OFFSET, u32::MAX, "context.total_size"),
        (first + 12, whole, "context.entries[0].value_offset"),
        (first + 16, u32::MAX, "context.entries[0].value_offset"),
        (first + 20 + 8, whole, "context.entries[1].key_offset"),
        (first + 20, ENTRY_TRACE_STATE, "context.entries[1].kind"),
        (first, ENTRY_LINK, "context.entries[0].value_len"),
        (first, ENTRY_AUTH_ITEM, "context.entries[0].kind"),
        // The list before two items becomes a string, and so does the list of others.
        (first + 7 * 20, ENTRY_AUTH, "context.entries[8].kind"),
        (first + 8 * 20 + 8, 5, "context.entries[8].kind"),
        // Something stands between the list and its second item.
        (first + 8 * 20, ENTRY_METADATA, "context.entries[9].kind"),
    ] {
        let mut bytes = full().as_bytes().to_vec();
        write_u32(&mut bytes, offset, number);
        assert_eq!(refused_field(&bytes), field, "{number} at {offset}");
    }
}

#[test]
fn a_larger_head_is_accepted() {
    // A later version adds 8 bytes to the head.
    let block = full();
    let bytes = block.as_bytes();
    let mut larger = bytes[..HEAD_SIZE].to_vec();
    larger.extend_from_slice(&[0xee; 8]);
    larger.extend_from_slice(&bytes[HEAD_SIZE..]);
    write_u32(&mut larger, SIZE_OFFSET, HEAD_SIZE as u32 + 8);
    write_u32(&mut larger, ENTRY_OFFSET_OFFSET, HEAD_SIZE as u32 + 8);
    write_u32(&mut larger, TOTAL_SIZE_OFFSET, bytes.len() as u32 + 8);
    for entry in 0..block.entries().count() {
        for field in [ENTRY_KEY_OFFSET_OFFSET, ENTRY_VALUE_OFFSET_OFFSET] {
            let at = HEAD_SIZE + 8 + entry * ENTRY_SIZE + field;
            let offset = read_u32(&larger, at);
            write_u32(&mut larger, at, offset + 8);
        }
    }
    let larger = ContextBlock::copy_from(&larger).expect("valid block");
    assert!(larger.entries().eq(block.entries()));
    assert_eq!(larger.span_context(), block.span_context());
}

#[test]
fn unknown_kinds_and_flags_are_skipped() {
    let mut bytes = full().as_bytes().to_vec();
    write_u32(&mut bytes, HEAD_SIZE, 4711);
    let flags = read_u32(&bytes, FLAGS_OFFSET);
    write_u32(&mut bytes, FLAGS_OFFSET, flags | 0x8000_0000);
    let context = RequestContext::new(ContextBlock::copy_from(&bytes).expect("valid block"));
    assert_eq!(context.trace_state(), None);
    assert_eq!(context.baggage(), Some("user=7"));
}

#[test]
fn an_empty_slice_may_have_any_offset() {
    let mut builder = BlockBuilder::new();
    builder.auth_opaque("claims");
    let mut bytes = builder.build().expect("valid block").as_bytes().to_vec();
    write_u32(&mut bytes, HEAD_SIZE + ENTRY_VALUE_OFFSET_OFFSET, u32::MAX);
    let block = ContextBlock::copy_from(&bytes).expect("valid block");
    assert_eq!(block.first(ENTRY_AUTH_OPAQUE).expect("entry").value, b"");
}

#[test]
fn ten_thousand_entries_work_and_more_are_refused() {
    let mut builder = BlockBuilder::new();
    for n in 0..10_000 {
        builder.metadata(&format!("key-{n}"), [format!("value-{n}")]);
    }
    let block = builder.build().expect("valid block");
    let context = RequestContext::new(ContextBlock::copy_from(block.as_bytes()).expect("valid"));
    assert_eq!(context.metadata().keys().count(), 10_000);
    assert_eq!(
        context.metadata().first("key-9999").expect("last"),
        "value-9999"
    );

    let mut builder = BlockBuilder::new();
    builder.metadata("key", vec!["v"; MAX_ENTRY_COUNT]);
    assert_eq!(
        builder.build().expect("at the limit").entries().count(),
        MAX_ENTRY_COUNT
    );
    builder.metadata("one more", ["v"]);
    let error = builder.build().expect_err("beyond the limit");
    assert_eq!(error.field(), Some("context.entry_count"));

    let mut builder = BlockBuilder::new();
    let room = MAX_BLOCK_SIZE - HEAD_SIZE - ENTRY_SIZE - "k".len();
    builder.metadata("k", [vec![b'x'; room]]);
    let block = builder.build().expect("at the limit");
    assert_eq!(block.as_bytes().len(), MAX_BLOCK_SIZE);
    assert!(ContextBlock::copy_from(block.as_bytes()).is_ok());
    builder.auth_opaque("");
    let error = builder.build().expect_err("beyond the limit");
    assert_eq!(error.field(), Some("context.total_size"));
}

/// What a generated block must give back.
#[derive(Debug, Default, PartialEq)]
struct Content {
    deadline: Option<(i64, i64)>,
    span: Option<SpanContext>,
    trace_state: Option<String>,
    baggage: Option<String>,
    address: Option<(String, String)>,
    metadata: Vec<(String, Vec<Vec<u8>>)>,
    auth: Vec<(String, AuthContent)>,
    links: Vec<SpanContext>,
}

#[derive(Debug, PartialEq)]
enum AuthContent {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Opaque,
}

fn some<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    random.chance(2).then(|| make(random))
}

fn many<T>(random: &mut Random, max: usize, make: impl Fn(&mut Random) -> T) -> Vec<T> {
    (0..random.below(max + 1)).map(|_| make(random)).collect()
}

fn random_span(random: &mut Random, remote: bool) -> SpanContext {
    SpanContext {
        trace_id: random.array(),
        span_id: random.array(),
        trace_flags: random.next() as u8,
        remote,
    }
}

fn random_content(random: &mut Random) -> Content {
    let metadata = (0..random.below(6))
        // Numbered, so that keys differ.
        .map(|n| {
            (
                format!("{n}{}", random.text(5)),
                many(random, 3, |r| r.bytes(9)),
            )
        })
        .collect();
    let auth = many(random, 4, |random| {
        let value = match random.below(3) {
            0 => AuthContent::Text(random.bytes(9)),
            1 => AuthContent::List(many(random, 3, |r| r.bytes(5))),
            _ => AuthContent::Opaque,
        };
        (random.text(5), value)
    });
    Content {
        deadline: some(random, |r| (r.next() as i64, r.next() as i64)),
        span: some(random, |r| {
            let remote = r.chance(2);
            random_span(r, remote)
        }),
        trace_state: some(random, |r| format!("t{}", r.text(20))),
        baggage: some(random, |r| format!("b{}", r.text(20))),
        address: some(random, |r| (r.text(4), r.text(30))),
        metadata,
        auth,
        links: many(random, 3, |r| random_span(r, true)),
    }
}

fn encode(content: &Content) -> ContextBlock {
    let mut builder = BlockBuilder::new();
    if let Some((remaining, unix)) = content.deadline {
        builder.deadline_nanos(remaining, unix);
    }
    if let Some(span) = content.span {
        builder.span_context(span);
    }
    builder.trace_state(content.trace_state.as_deref().unwrap_or_default());
    builder.baggage(content.baggage.as_deref().unwrap_or_default());
    if let Some((network, text)) = &content.address {
        builder.address(network, text);
    }
    for (key, values) in &content.metadata {
        builder.metadata(key, values);
    }
    for (name, value) in &content.auth {
        match value {
            AuthContent::Text(text) => builder.auth(name, text),
            AuthContent::List(items) => builder.auth_list(name, items),
            AuthContent::Opaque => builder.auth_opaque(name),
        };
    }
    for link in &content.links {
        builder.link(*link);
    }
    builder.build().expect("valid block")
}

fn decode(context: &RequestContext) -> Content {
    let block = context.block();
    let metadata = context.metadata();
    Content {
        deadline: block.deadline_remaining_ns().zip(block.deadline_unix_ns()),
        span: context.span_context(),
        trace_state: context.trace_state().map(str::to_owned),
        baggage: context.baggage().map(str::to_owned),
        address: context
            .address()
            .map(|a| (a.network.to_owned(), a.text.to_owned())),
        metadata: metadata
            .keys()
            .map(|key| {
                let key = key.to_str().expect("text").to_owned();
                let values = metadata.get(&key).map(|v| v.as_bytes().to_vec()).collect();
                (key, values)
            })
            .collect(),
        auth: context
            .auth()
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    crate::AuthValue::Text(text) => AuthContent::Text(text.as_bytes().to_vec()),
                    crate::AuthValue::List(items) => {
                        AuthContent::List(items.map(|item| item.as_bytes().to_vec()).collect())
                    }
                    crate::AuthValue::Opaque => AuthContent::Opaque,
                };
                (name.to_str().expect("text").to_owned(), value)
            })
            .collect(),
        links: context.links().collect(),
    }
}

#[test]
fn any_content_round_trips() {
    let mut random = Random::new(1);
    for _ in 0..5_000 {
        let content = random_content(&mut random);
        let block = encode(&content);
        let copy = ContextBlock::copy_from(block.as_bytes()).expect("valid block");
        assert_eq!(decode(&RequestContext::new(copy)), content);
    }
}

#[test]
fn damaged_blocks_are_refused_or_readable() {
    let mut random = Random::new(2);
    let (mut refused, mut readable) = (0, 0);
    for _ in 0..30_000 {
        let content = random_content(&mut random);
        let mut bytes = encode(&content).as_bytes().to_vec();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = match random.below(3) {
                0 => random.next() as u8,
                1 => bytes[at] ^ (1 << random.below(8)),
                _ => 0xff,
            };
        }
        if random.chance(4) {
            bytes.truncate(random.below(bytes.len()));
        }
        match ContextBlock::copy_from(&bytes) {
            Ok(block) => {
                let _ = read_all(block);
                readable += 1;
            }
            Err(error) => {
                assert!(error.field().expect("field").starts_with("context."));
                refused += 1;
            }
        }
    }
    // Both ways are taken often, or the test shows nothing.
    assert!(refused > 1_000 && readable > 1_000, "{refused} {readable}");
}

#[test]
fn noise_is_refused_or_readable() {
    let mut random = Random::new(3);
    for _ in 0..20_000 {
        let mut bytes = random.bytes(400);
        if bytes.len() >= HEAD_SIZE {
            let len = bytes.len() as u32;
            write_u32(&mut bytes, TOTAL_SIZE_OFFSET, len);
            write_u32(&mut bytes, SIZE_OFFSET, HEAD_SIZE as u32);
            write_u32(&mut bytes, ENTRY_OFFSET_OFFSET, HEAD_SIZE as u32);
            write_u32(&mut bytes, ENTRY_COUNT_OFFSET, random.below(20) as u32);
        }
        if let Ok(block) = ContextBlock::copy_from(&bytes) {
            let _ = read_all(block);
        }
    }
}
