// SPDX-License-Identifier: Apache-2.0

//! Waiting for room in the next node's queue, for others' turns, and for a time.
//!
//! The engine's queue wakes one waiting sender when it ceases to be full, and none as
//! it empties further (`otel-arrow-dfe-channel` 0.62, `mpsc::Receiver::try_recv`): of
//! several that wait, others may never hear of the room. A send looks for room whenever
//! it is polled, so polling it now and then makes a missing wake a short delay.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::poll;
use tokio::task::yield_now;

/// How long a sender that nobody woke waits before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Polls `work` also when nobody wakes it. Most work is done at once, and needs no timer.
pub(crate) async fn looking_again<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    if let std::task::Poll::Ready(done) = poll!(work.as_mut()) {
        return done;
    }
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// So many turns of the thread's tasks that an ack or nack, also one that is the host's answer, has
/// certainly reached its node.
pub(crate) const ACK_TURNS: usize = 64;

/// Lets all tasks of the pipeline's thread have so many turns.
pub(crate) async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Waits until then, or for ever.
pub(crate) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
