// SPDX-License-Identifier: Apache-2.0

//! What is true of whatever bytes arrive as a context block.

use std::collections::HashSet;

use otapbridge_context::block::{HEAD_SIZE, TOTAL_SIZE_OFFSET};
use otapbridge_context::{
    CancelReason, ContextBlock, ErrorKind, ProcessingError, RequestContext, SpanContext,
};

use crate::content::{AuthContent, Content};

/// Gives the bytes to the decoder, as they are and with their size corrected, which random
/// bytes rarely get right.
///
/// # Panics
/// If something is not so: a refusal names no field, accessors contradict each other,
/// or what was written again differs.
pub fn check(bytes: &[u8]) {
    check_block(bytes);
    if bytes.len() >= HEAD_SIZE {
        let mut corrected = bytes.to_vec();
        let size = corrected.len() as u32;
        corrected[TOTAL_SIZE_OFFSET..][..4].copy_from_slice(&size.to_ne_bytes());
        check_block(&corrected);
    }
}

fn check_block(bytes: &[u8]) {
    let block = match ContextBlock::copy_from(bytes) {
        Ok(block) => block,
        Err(error) => return check_refusal(&error, "context."),
    };
    assert!(bytes.starts_with(block.as_bytes()));
    let context = RequestContext::new(block);
    let content = Content::read(&context);
    check_metadata(&context, &content);
    check_auth(&context, &content);
    check_address(&context, &content);
    check_span(&context, &content);
    check_time(&context, &content);

    match content.write() {
        Ok(again) => {
            let again = RequestContext::new(again);
            assert_eq!(Content::read(&again), content);
            check_merged(&context, &again, &content);
        }
        Err(error) => check_refusal(&error, "context."),
    }
}

fn check_refusal(error: &ProcessingError, field: &str) {
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.field().is_some_and(|name| name.starts_with(field)));
    assert!(!error.message().is_empty());
}

fn check_metadata(context: &RequestContext, content: &Content<'_>) {
    let metadata = context.metadata();
    assert_eq!(metadata.is_empty(), content.metadata.is_empty());
    for (key, values) in &content.metadata {
        let key = std::str::from_utf8(key).expect("stored keys are text");
        if key.contains(char::REPLACEMENT_CHARACTER) {
            continue;
        }
        for key in [key, &key.to_ascii_uppercase()] {
            assert!(metadata.contains_key(key));
            let found = metadata.get(key).map(|value| value.as_bytes());
            assert!(found.eq(values.iter().copied()), "{key:?}");
            let first = metadata.first(key).map(|value| value.as_bytes());
            assert_eq!(first, values.first().copied());
        }
    }
    let first = |name: &str| {
        let (_, values) = content
            .metadata
            .iter()
            .find(|(key, _)| **key == *name.as_bytes())?;
        values.first().copied()
    };
    let host = metadata.host().map(|value| value.as_bytes());
    assert_eq!(host, first("host").or_else(|| first(":authority")));
    let authorization = metadata.authorization().map(|value| value.as_bytes());
    assert_eq!(authorization, first("authorization"));
    let user_agent = metadata.user_agent().map(|value| value.as_bytes());
    assert_eq!(user_agent, first("user-agent"));
}

fn check_auth(context: &RequestContext, content: &Content<'_>) {
    let auth = context.auth();
    assert_eq!(auth.is_empty(), content.auth.is_empty());
    assert_eq!(auth.names().count(), content.auth.len());
    for (name, _) in &content.auth {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let (_, first) = content
            .auth
            .iter()
            .find(|(other, _)| *other == name.as_bytes())
            .expect("it is there");
        let found = auth.get(name).expect("found by its name");
        assert_eq!(AuthContent::read(found), *first);
    }
}

fn check_address(context: &RequestContext, content: &Content<'_>) {
    let Some(address) = context.address() else {
        // Only what is not text stays unread.
        let text = |bytes| std::str::from_utf8(bytes).is_ok();
        let readable = content
            .address
            .is_some_and(|(network, address)| text(network) && text(address));
        assert!(!readable);
        return;
    };
    let bytes = (address.network.as_bytes(), address.text.as_bytes());
    assert_eq!(Some(bytes), content.address);
    assert_eq!(address.ip(), address.socket_addr().map(|a| a.ip()));
}

fn check_span(context: &RequestContext, content: &Content<'_>) {
    let text = |bytes: Option<&[u8]>| Some(std::str::from_utf8(bytes?).ok()?.to_owned());
    let unless_empty = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    assert_eq!(
        unless_empty(context.trace_state()),
        text(content.trace_state)
    );
    assert_eq!(unless_empty(context.baggage()), text(content.baggage));
    for span in content.span.iter().chain(&content.links) {
        match span.to_string().parse::<SpanContext>() {
            Ok(parsed) => {
                let expected = SpanContext {
                    remote: true,
                    ..*span
                };
                assert!(span.is_valid() && parsed == expected);
            }
            Err(error) => {
                assert!(!span.is_valid());
                check_refusal(&error, "traceparent");
            }
        }
    }
}

fn check_time(context: &RequestContext, content: &Content<'_>) {
    assert_eq!(context.deadline().is_some(), content.deadline.is_some());
    assert_eq!(context.deadline_unix_nanos(), content.deadline.map(|d| d.1));
    let Some((written, _)) = content.deadline else {
        assert!(!context.is_done() && context.remaining().is_none());
        return;
    };
    let left = context.to_block().deadline_remaining_ns();
    assert!(left.is_some_and(|left| left <= written.max(0)));
    assert!(written > 0 || context.is_done());
}

/// Two requests with the same content: what they have alike is everything but the span.
fn check_merged(a: &RequestContext, b: &RequestContext, content: &Content<'_>) {
    let merged = RequestContext::merged(&[a.clone(), b.clone()], &[]);
    let found = Content::read(&merged);
    assert_eq!(found.span, None);
    assert_eq!(found.address, content.address);
    assert_eq!(found.baggage, content.baggage);
    assert_eq!(sorted(found.metadata), sorted(content.metadata.clone()));
    assert_eq!(found.auth.len(), content.auth.len());
    assert_eq!(merged.deadline(), a.deadline().max(b.deadline()));

    let mut seen = HashSet::new();
    let links: Vec<_> = content.span.iter().chain(&content.links).collect();
    let links = links.into_iter().filter(|span| span.is_valid());
    let expected: Vec<_> = links
        .map(SpanContext::to_link)
        .filter(|l| seen.insert(*l))
        .collect();
    let links: Vec<_> = found.links.iter().map(SpanContext::to_link).collect();
    assert_eq!(links, expected);

    a.cancel(CancelReason::Cancelled, "a");
    assert!(!merged.is_cancelled());
    b.cancel(CancelReason::Cancelled, "b");
    assert!(merged.is_cancelled());
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}
