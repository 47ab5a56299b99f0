// SPDX-License-Identifier: Apache-2.0

use std::future::Future;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};
use std::thread;

use super::*;
use crate::encode::BlockBuilder;
use crate::error::ErrorKind;

fn with_deadline(remaining_ns: i64) -> RequestContext {
    let mut builder = BlockBuilder::new();
    builder.deadline_nanos(remaining_ns, 1_700_000_000_123_456_789);
    RequestContext::new(builder.build().expect("valid block"))
}

fn without_content() -> RequestContext {
    RequestContext::new(ContextBlock::empty())
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("runtime")
        .block_on(future)
}

const HOUR_NS: i64 = 3_600_000_000_000;

#[test]
fn the_empty_context_is_never_done() {
    let context = RequestContext::empty();
    assert!(!context.cancel(CancelReason::Cancelled, "x"));
    assert!(!context.is_done() && !context.is_cancelled());
    assert!(context.error().is_none() && context.deadline().is_none());
    assert!(context.block().is_empty() && context.metadata().is_empty());
    assert!(context.address().is_none() && context.span_context().is_none());
    let mut done = pin!(context.done());
    let mut task = Context::from_waker(Waker::noop());
    assert!(done.as_mut().poll(&mut task).is_pending());
}

#[test]
fn only_the_first_cancel_counts() {
    let context = without_content();
    let clone = context.clone();
    assert!(context.same(&clone) && !context.same(&without_content()));
    assert!(clone.cancel(CancelReason::Cancelled, "client went away"));
    assert!(!context.cancel(CancelReason::Deadline, "late"));
    assert_eq!(
        context.cancellation(),
        Some((CancelReason::Cancelled, "client went away"))
    );
    let error = context.error().expect("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.message(), "client went away");
}

#[test]
fn a_deadline_reason_is_a_timeout() {
    let context = with_deadline(HOUR_NS);
    assert!(context.cancel(CancelReason::Deadline, ""));
    match context.error().expect("done") {
        ProcessingError::Timeout { deadline, .. } => {
            assert_eq!(deadline, Some(1_700_000_000_123_456_789));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(block_on(context.done()).kind(), ErrorKind::Timeout);
}

#[test]
fn a_past_deadline_is_done_at_once() {
    for remaining in [0, -1, -HOUR_NS, i64::MIN] {
        let context = with_deadline(remaining);
        assert!(context.is_done() && !context.is_cancelled());
        assert_eq!(context.remaining(), Some(Duration::ZERO));
        // No runtime: a passed deadline needs no timer.
        let mut done = pin!(context.done());
        let mut task = Context::from_waker(Waker::noop());
        match done.as_mut().poll(&mut task) {
            Poll::Ready(error) => assert_eq!(error.kind(), ErrorKind::Timeout),
            Poll::Pending => panic!("deadline {remaining} ns is not done"),
        }
    }
}

#[test]
fn the_remaining_time_is_what_was_given() {
    let before = Instant::now();
    let context = with_deadline(HOUR_NS);
    let after = Instant::now();
    let deadline = context.deadline().expect("deadline");
    let hour = Duration::from_secs(3600);
    assert!(before + hour <= deadline && deadline <= after + hour);
    assert!(context.remaining().expect("deadline") <= hour);
    assert_eq!(
        context.deadline_unix_nanos(),
        Some(1_700_000_000_123_456_789)
    );
    assert!(!context.is_done());
    assert!(!with_deadline(i64::MAX).is_done());
}

#[test]
fn the_wall_clock_is_for_display() {
    // As if the clock had jumped between the host's writing and our reading.
    for unix in [i64::MIN, 0, 1, i64::MAX] {
        let with = |remaining| {
            let mut builder = BlockBuilder::new();
            builder.deadline_nanos(remaining, unix);
            RequestContext::new(builder.build().expect("valid block"))
        };
        let context = with(HOUR_NS);
        assert!(!context.is_done());
        assert!(context.remaining() > Some(Duration::from_secs(3000)));
        assert_eq!(context.deadline_unix_nanos(), Some(unix));
        assert_eq!(context.to_block().deadline_unix_ns(), Some(unix));

        let other = with(2 * HOUR_NS);
        let merged = RequestContext::merged(&[other.clone(), context], &[]);
        assert_eq!(merged.deadline(), other.deadline());
        assert_eq!(with(-1).error().expect("passed").kind(), ErrorKind::Timeout);
    }
}

#[test]
fn a_timeout_counts_from_now() {
    let before = Instant::now();
    let mut builder = BlockBuilder::new();
    builder.timeout(Duration::from_secs(3600));
    let context = RequestContext::new(builder.build().expect("valid block"));
    let deadline = context.deadline().expect("deadline");
    assert!(before + Duration::from_secs(3600) <= deadline);
    assert!(deadline <= Instant::now() + Duration::from_secs(3600));
    assert!(context.deadline_unix_nanos() > Some(0));
    builder.timeout(Duration::MAX);
    assert!(
        builder
            .build()
            .expect("valid block")
            .deadline_remaining_ns()
            == Some(i64::MAX)
    );
}

#[test]
fn a_pause_puts_a_timeout_off_and_no_deadline() {
    let mut builder = BlockBuilder::new();
    builder
        .timeout(Duration::from_nanos(1))
        .deadline_is_a_timeout();
    let timeout = RequestContext::new(builder.build().expect("a block"));
    let caller = with_deadline(HOUR_NS);
    let of_caller = caller.deadline();
    for context in [&timeout, &caller] {
        context.pause();
        context.pause();
        context.resume();
    }
    let paused = timeout.deadline().expect("deadline");
    while timeout.deadline().expect("deadline") <= paused {}
    timeout.resume();
    let resumed = timeout.deadline();
    assert!(resumed > Some(paused));
    assert_eq!(timeout.deadline(), resumed);
    assert_eq!(caller.deadline(), of_caller);
}

#[test]
fn a_cancel_between_creation_and_poll_is_seen() {
    let context = without_content();
    let done = context.done();
    context.cancel(CancelReason::Cancelled, "early");
    assert_eq!(block_on(done).message(), "early");
}

#[test]
fn every_waiter_wakes_whenever_the_cancel_comes() {
    const WAITERS: usize = 8;
    for round in 0..500 {
        let context = if round % 2 == 0 {
            without_content()
        } else {
            with_deadline(HOUR_NS)
        };
        let barrier = Barrier::new(3);
        let firsts = AtomicUsize::new(0);
        thread::scope(|scope| {
            for cause in ["a", "b"] {
                let (context, barrier, firsts) = (&context, &barrier, &firsts);
                scope.spawn(move || {
                    barrier.wait();
                    if context.cancel(CancelReason::Cancelled, cause) {
                        firsts.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            barrier.wait();
            block_on(async {
                let waiters: Vec<_> = (0..WAITERS)
                    .map(|_| {
                        let context = context.clone();
                        tokio::spawn(async move { context.done().await })
                    })
                    .collect();
                for waiter in waiters {
                    let error = waiter.await.expect("waiter");
                    assert_eq!(error.kind(), ErrorKind::Cancelled);
                }
            });
        });
        assert_eq!(firsts.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_dropped_wait_leaves_the_others() {
    let context = without_content();
    block_on(async {
        {
            let mut given_up = pin!(context.done());
            let mut task = Context::from_waker(Waker::noop());
            assert!(given_up.as_mut().poll(&mut task).is_pending());
        }
        let waiter = tokio::spawn({
            let context = context.clone();
            async move { context.done().await }
        });
        tokio::task::yield_now().await;
        context.cancel(CancelReason::Cancelled, "x");
        assert_eq!(waiter.await.expect("waiter").message(), "x");
    });
}

#[test]
fn everything_in_the_block_can_be_read() {
    let span = SpanContext {
        trace_id: [1; 16],
        span_id: [2; 8],
        trace_flags: 1,
        remote: true,
    };
    let mut builder = BlockBuilder::new();
    builder
        .span_context(span)
        .trace_state("a=b")
        .baggage("k=v")
        .address("tcp", "192.0.2.1:4317")
        .link(span)
        .metadata("k", ["v"])
        .auth("subject", "me");
    let context = RequestContext::new(builder.build().expect("valid block"));
    assert_eq!(context.span_context(), Some(span));
    assert_eq!(context.trace_state(), Some("a=b"));
    assert_eq!(context.baggage(), Some("k=v"));
    assert_eq!(context.address().expect("address").text, "192.0.2.1:4317");
    assert_eq!(context.links().collect::<Vec<_>>(), [span]);
    assert_eq!(context.metadata().first("K").expect("metadata"), "v");
    assert!(context.auth().get("subject").is_some());
    assert!(context.deadline().is_none() && context.deadline_unix_nanos().is_none());
}
