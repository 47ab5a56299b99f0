// SPDX-License-Identifier: Apache-2.0

use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::address::Address;
use crate::block::{MAX_BLOCK_SIZE, MAX_ENTRY_COUNT};
use crate::error::ErrorKind;
use crate::span::SpanContext;

const HOUR: Duration = Duration::from_secs(3600);

fn request(write: impl FnOnce(&mut BlockBuilder)) -> RequestContext {
    let mut builder = BlockBuilder::new();
    write(&mut builder);
    RequestContext::new(builder.build().expect("valid block"))
}

fn plain() -> RequestContext {
    request(|_| {})
}

fn span(number: u8) -> SpanContext {
    SpanContext {
        trace_id: [number; 16],
        span_id: [number; 8],
        trace_flags: 1,
        remote: true,
    }
}

fn values(context: &RequestContext, key: &str) -> Vec<String> {
    context
        .metadata()
        .get(key)
        .map(|value| value.to_str_lossy().into_owned())
        .collect()
}

fn keys(context: &RequestContext) -> Vec<String> {
    context
        .metadata()
        .keys()
        .map(|key| key.to_str_lossy().into_owned())
        .collect()
}

#[test]
fn one_request_keeps_its_context() {
    let only = request(|b| {
        b.span_context(span(1)).metadata("k", ["v"]);
    });
    assert!(RequestContext::merged(std::slice::from_ref(&only), &[]).same(&only));
    assert!(RequestContext::merged(&[only.clone(), only.clone()], &["k"]).same(&only));
    assert!(RequestContext::merged(&[], &["k"]).same(&RequestContext::empty()));
}

#[test]
fn the_deadline_is_the_latest_if_all_have_one() {
    let early = request(|b| {
        b.deadline(HOUR, 1);
    });
    let late = request(|b| {
        b.deadline(2 * HOUR, 2);
    });
    let merged = RequestContext::merged(&[early.clone(), late.clone(), early.clone()], &[]);
    assert_eq!(merged.deadline(), late.deadline());
    assert_eq!(merged.deadline_unix_nanos(), Some(2));
    let remaining = merged.block().deadline_remaining_ns().expect("deadline");
    assert!(remaining > HOUR.as_nanos() as i64 && remaining <= 2 * HOUR.as_nanos() as i64);

    for without in [plain(), RequestContext::empty()] {
        let merged = RequestContext::merged(&[early.clone(), without, late.clone()], &[]);
        assert_eq!(merged.deadline(), None);
        assert_eq!(merged.block().deadline_remaining_ns(), None);
    }
}

#[test]
fn a_passed_deadline_ends_the_batch_only_if_it_is_the_latest() {
    let past = request(|b| {
        b.deadline_nanos(-1, 0);
    });
    let future = request(|b| {
        b.deadline(HOUR, 0);
    });
    assert!(
        RequestContext::merged(&[past.clone(), future], &[])
            .error()
            .is_none()
    );
    let other = request(|b| {
        b.deadline_nanos(-2, 0);
    });
    let merged = RequestContext::merged(&[past, other], &[]);
    assert_eq!(merged.error().expect("done").kind(), ErrorKind::Timeout);
    assert!(!merged.is_cancelled());
}

#[test]
fn a_pause_of_an_input_puts_its_timeout_off() {
    let timeout = |after| {
        request(|b| {
            b.timeout(after).deadline_is_a_timeout();
        })
    };
    let (early, late) = (timeout(HOUR), timeout(2 * HOUR));
    let merged = RequestContext::merged(&[early.clone(), late.clone()], &[]);
    let nested = RequestContext::merged(&[merged.clone(), early.clone()], &[]);
    assert_eq!(nested.deadline(), late.deadline());
    late.pause();
    let before = merged.deadline();
    while merged.deadline() == before {}
    merged.pause();
    late.resume();
    assert_eq!(merged.deadline(), late.deadline());
    assert_eq!(nested.deadline(), late.deadline());
}

#[test]
fn it_is_cancelled_with_the_last_input() {
    let inputs = [plain(), plain(), plain()];
    // Before the merge, and after it.
    inputs[1].cancel(CancelReason::Cancelled, "early");
    let merged = RequestContext::merged(&inputs, &[]);
    assert!(!merged.is_cancelled());
    inputs[0].cancel(CancelReason::Deadline, "too late");
    inputs[0].cancel(CancelReason::Deadline, "a second time");
    assert!(!merged.is_cancelled());
    inputs[2].cancel(CancelReason::Deadline, "the last");
    assert_eq!(
        merged.cancellation(),
        Some((CancelReason::Cancelled, "the last"))
    );
}

#[test]
fn inputs_that_were_cancelled_before_count() {
    let inputs = [plain(), plain()];
    inputs[0].cancel(CancelReason::Deadline, "a");
    inputs[1].cancel(CancelReason::Deadline, "b");
    let merged = RequestContext::merged(&inputs, &[]);
    assert_eq!(merged.cancellation(), Some((CancelReason::Deadline, "b")));
    assert_eq!(merged.error().expect("done").kind(), ErrorKind::Timeout);
}

#[test]
fn an_input_that_was_completed_keeps_the_batch_alive() {
    let (completed, cancelled) = (plain(), plain());
    let merged = RequestContext::merged(&[completed.clone(), cancelled.clone()], &[]);
    drop(completed);
    cancelled.cancel(CancelReason::Cancelled, "");
    assert!(!merged.is_cancelled());

    let cancelled = plain();
    let merged = RequestContext::merged(&[RequestContext::empty(), cancelled.clone()], &[]);
    cancelled.cancel(CancelReason::Cancelled, "");
    assert!(!merged.is_cancelled());
}

#[test]
fn a_request_in_a_batch_twice_counts_for_both() {
    let (twice, once) = (plain(), plain());
    let merged = RequestContext::merged(&[twice.clone(), once.clone(), twice.clone()], &[]);
    twice.cancel(CancelReason::Cancelled, "");
    assert!(!merged.is_cancelled());
    once.cancel(CancelReason::Cancelled, "");
    assert!(merged.is_cancelled());
}

#[test]
fn batches_of_batches() {
    let inputs = [plain(), plain(), plain(), plain()];
    let [a, b, c, d] = &inputs;
    let merged = RequestContext::merged(
        &[
            RequestContext::merged(&[a.clone(), b.clone()], &[]),
            RequestContext::merged(&[c.clone(), d.clone()], &[]),
        ],
        &[],
    );
    for input in &inputs {
        assert!(!merged.is_cancelled());
        input.cancel(CancelReason::Cancelled, "");
    }
    assert!(merged.is_cancelled());

    let inputs = [plain(), plain(), plain()];
    let [a, b, c] = &inputs;
    let inner = RequestContext::merged(&[a.clone(), b.clone()], &[]);
    let outer = RequestContext::merged(&[inner.clone(), c.clone()], &[]);
    a.cancel(CancelReason::Cancelled, "");
    c.cancel(CancelReason::Cancelled, "");
    assert!(!outer.is_cancelled());
    b.cancel(CancelReason::Cancelled, "b left");
    assert_eq!(inner.cancellation(), outer.cancellation());
    assert_eq!(
        outer.cancellation(),
        Some((CancelReason::Cancelled, "b left"))
    );
}

#[test]
fn cancelling_a_batch_leaves_its_inputs() {
    let inputs = [plain(), plain()];
    let merged = RequestContext::merged(&inputs, &[]);
    assert!(merged.cancel(CancelReason::Cancelled, "of its own"));
    assert!(inputs.iter().all(|input| !input.is_cancelled()));
    for input in &inputs {
        input.cancel(CancelReason::Deadline, "");
    }
    assert_eq!(
        merged.cancellation(),
        Some((CancelReason::Cancelled, "of its own"))
    );
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_waits_is_woken_once_by_the_last_input_alone() {
    let inputs = [plain(), plain()];
    let merged = RequestContext::merged(&inputs, &[]);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut task = Context::from_waker(&waker);
    // No runtime and no timer is involved.
    let mut done = pin!(merged.done());
    assert!(done.as_mut().poll(&mut task).is_pending());
    inputs[0].cancel(CancelReason::Cancelled, "");
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
    inputs[1].cancel(CancelReason::Cancelled, "gone");
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    match done.as_mut().poll(&mut task) {
        Poll::Ready(error) => assert_eq!(error.message(), "gone"),
        Poll::Pending => panic!("not done"),
    }
}

#[test]
fn cancels_from_many_threads_during_the_merge_are_counted_once() {
    const INPUTS: usize = 4;
    for _ in 0..500 {
        let inputs: Vec<_> = (0..INPUTS).map(|_| plain()).collect();
        let barrier = Barrier::new(INPUTS + 1);
        let merged = thread::scope(|scope| {
            for input in &inputs[1..] {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    input.cancel(CancelReason::Cancelled, "");
                });
            }
            let merging = scope.spawn(|| {
                barrier.wait();
                RequestContext::merged(&inputs, &[])
            });
            barrier.wait();
            merging.join().expect("merge")
        });
        assert!(!merged.is_cancelled());
        inputs[0].cancel(CancelReason::Cancelled, "");
        assert!(merged.is_cancelled());
    }
}

#[test]
fn a_request_in_many_batches_forgets_those_that_are_gone() {
    let (input, other) = (plain(), plain());
    for _ in 0..10_000 {
        drop(RequestContext::merged(&[input.clone(), other.clone()], &[]));
    }
    let known =
        |context: &RequestContext| context.state.as_ref().map(|s| s.merged_into.lock().len());
    assert!(known(&input) <= Some(4), "{:?}", known(&input));
    input.cancel(CancelReason::Cancelled, "");
    assert_eq!(known(&input), Some(0));
}

#[test]
fn metadata_are_what_all_have_alike_and_the_named_keys() {
    let a = request(|b| {
        b.metadata("tenant", ["acme"])
            .metadata("list", ["1", "2", "1"])
            .metadata("order", ["1", "2"])
            .metadata("none", [""; 0])
            .metadata("some-none", [""; 0])
            .metadata("mine", ["a"])
            .metadata("region", ["eu", "us"]);
    });
    let b = request(|b| {
        b.metadata("region", ["us", "ap"])
            .metadata("list", ["1", "2", "1"])
            .metadata("order", ["2", "1"])
            .metadata("none", [""; 0])
            .metadata("some-none", ["x"])
            .metadata("Tenant", ["acme"])
            .metadata("theirs", ["b"]);
    });
    let merged = RequestContext::merged(&[a.clone(), b.clone(), a.clone()], &["Region", "absent"]);
    let mut all = keys(&merged);
    all.sort();
    assert_eq!(all, ["list", "none", "region", "tenant"]);
    assert_eq!(values(&merged, "tenant"), ["acme"]);
    assert_eq!(values(&merged, "list"), ["1", "2", "1"]);
    assert_eq!(values(&merged, "region"), ["eu", "us", "ap"]);
    assert_eq!(values(&merged, "none"), [""; 0]);

    // A named key that all have alike stays as it is.
    let merged = RequestContext::merged(&[a, b], &["LIST"]);
    assert_eq!(values(&merged, "list"), ["1", "2", "1"]);
}

#[test]
fn a_prefix_of_the_values_is_not_the_same() {
    let short = request(|b| {
        b.metadata("k", ["1"]);
    });
    let long = request(|b| {
        b.metadata("k", ["1", "2"]);
    });
    let none = request(|b| {
        b.metadata("k", [""; 0]);
    });
    for (a, b) in [
        (&short, &long),
        (&long, &short),
        (&none, &short),
        (&short, &none),
    ] {
        assert!(
            RequestContext::merged(&[a.clone(), b.clone()], &[])
                .metadata()
                .is_empty()
        );
    }
}

#[test]
fn address_and_baggage_stay_if_they_are_the_same() {
    let one = |port: u16, baggage: &str| {
        request(|b| {
            b.address("tcp", &format!("192.0.2.1:{port}"))
                .baggage(baggage)
                .trace_state("a=1");
        })
    };
    let merged = RequestContext::merged(&[one(1, "k=v"), one(1, "k=v")], &[]);
    let address = Address {
        network: "tcp",
        text: "192.0.2.1:1",
    };
    assert_eq!(merged.address(), Some(address));
    assert_eq!(merged.baggage(), Some("k=v"));
    assert_eq!(merged.trace_state(), None);
    let merged = RequestContext::merged(&[one(1, "k=v"), one(2, "k=w")], &[]);
    assert_eq!((merged.address(), merged.baggage()), (None, None));
    let merged = RequestContext::merged(&[one(1, "k=v"), plain()], &[]);
    assert_eq!((merged.address(), merged.baggage()), (None, None));
}

#[test]
fn authentication_stays_whole_or_goes() {
    let one = |subject: &str, groups: &[&str], reverse: bool| {
        request(|b| {
            if reverse {
                b.auth_opaque("claims")
                    .auth_list("groups", groups)
                    .auth("subject", subject);
            } else {
                b.auth("subject", subject)
                    .auth_list("groups", groups)
                    .auth_opaque("claims");
            }
        })
    };
    let names = |context: &RequestContext| context.auth().names().count();
    let me = one("me", &["a", "b"], false);
    let merged = RequestContext::merged(&[me.clone(), one("me", &["a", "b"], true)], &[]);
    assert_eq!(names(&merged), 3);
    assert!(matches!(merged.auth().get("subject"), Some(AuthValue::Text(v)) if v == "me"));
    assert!(
        matches!(merged.auth().get("groups"), Some(AuthValue::List(l)) if l.clone().count() == 2)
    );
    assert!(matches!(
        merged.auth().get("claims"),
        Some(AuthValue::Opaque)
    ));

    let less = request(|b| {
        b.auth("subject", "me");
    });
    let others = [
        one("you", &["a", "b"], false),
        one("me", &["a"], false),
        one("me", &["b", "a"], false),
        less,
        plain(),
    ];
    for other in others {
        assert_eq!(
            names(&RequestContext::merged(&[me.clone(), other.clone()], &[])),
            0
        );
        assert_eq!(names(&RequestContext::merged(&[other, me.clone()], &[])), 0);
    }
}

#[test]
fn there_is_no_span_but_a_link_to_each() {
    let with = |number| {
        request(|b| {
            b.span_context(span(number));
        })
    };
    let inner = RequestContext::merged(&[with(4), with(5)], &[]);
    let merged = RequestContext::merged(&[with(2), plain(), with(1), with(2), inner], &[]);
    assert_eq!(merged.span_context(), None);
    let links: Vec<_> = merged.links().collect();
    assert_eq!(links, [span(2), span(1), span(4), span(5)]);
}

#[test]
fn what_exceeds_the_block_is_left_out() {
    let many: Vec<_> = (0..=MAX_ENTRY_COUNT as u32)
        .map(|n| {
            let mut span = span(1);
            span.trace_id[..4].copy_from_slice(&n.to_ne_bytes());
            request(|b| {
                b.span_context(span).metadata("k", ["v"]);
            })
        })
        .collect();
    let merged = RequestContext::merged(&many, &[]);
    assert_eq!(merged.links().count(), MAX_ENTRY_COUNT - 1);
    assert_eq!(values(&merged, "k"), ["v"]);

    let large = |letter: u8| {
        request(|b| {
            b.metadata("large", [vec![letter; MAX_BLOCK_SIZE / 2]])
                .metadata("k", ["v"]);
        })
    };
    let merged = RequestContext::merged(&[large(b'a'), large(b'b')], &["large"]);
    assert_eq!(keys(&merged), ["k"]);
}

#[test]
fn a_block_that_leaves_says_the_time_that_is_left_then() {
    let context = request(|b| {
        b.deadline(HOUR, 7).metadata("k", ["v"]);
    });
    let written = context.block().deadline_remaining_ns().expect("deadline");
    let before = Instant::now();
    while before.elapsed() < Duration::from_micros(10) {
        std::hint::spin_loop();
    }
    let block = context.to_block();
    let left = block.deadline_remaining_ns().expect("deadline");
    assert!(left < written && left > written - Duration::from_secs(60).as_nanos() as i64);
    assert_eq!(block.deadline_unix_ns(), Some(7));
    assert!(block.entries().eq(context.block().entries()));
    assert!(RequestContext::empty().to_block().is_empty());

    let past = request(|b| {
        b.deadline_nanos(-5, 0);
    });
    assert!(past.to_block().deadline_remaining_ns() <= Some(-5));
}
