// SPDX-License-Identifier: Apache-2.0

//! A call with what can happen to it, in pairs and triples at the same time.

use std::sync::Arc;

use context::ProcessingError;
use parking_lot::Mutex;

use crate::base::sync::Instant;
use crate::models::explore::{Models, together};
use crate::models::world::{GRACE, World, has_ended};
use crate::request::request::PayloadGuard;
use crate::request::state::Request;
use crate::stand_ins::RequestContext;

const CALL: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    /// The pipeline acks it.
    Ack,
    Nack,
    /// The host cancels it.
    Cancel,
    /// The reaper does what is due.
    Reap,
    /// The pipeline completes what nobody waits for.
    Complete,
    /// Its time is up, then the grace.
    Deadline,
    /// It is output, which the host accepts; the answer goes through the nodes, or to the
    /// caller at once.
    Emit,
    EmitAtOnce,
    /// The host refuses the output.
    EmitRefused,
    EmitAtOnceRefused,
    /// It is output, and the host has not answered.
    Hand,
    HandAtOnce,
    /// The host takes what is there for it, and answers output.
    Host,
    /// As this, and it uses the call's id again when the call is completed.
    HostAgain,
    /// The pipeline has the host's answers.
    Answers,
    /// The payload's last view is dropped.
    Release,
}

use Happening::*;

/// More than there are places to stop.
const UNBOUNDED: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    None,
    Deadline,
    Timeout,
}

const DEADLINE: std::time::Duration = std::time::Duration::from_nanos(100);

struct Call {
    world: World,
    request: Arc<Request>,
    payload: Arc<Mutex<Option<PayloadGuard>>>,
}

impl Clone for Call {
    fn clone(&self) -> Self {
        Self {
            world: self.world.clone(),
            request: Arc::clone(&self.request),
            payload: Arc::clone(&self.payload),
        }
    }
}

impl Call {
    fn begin(limit: Limit) -> Self {
        let world = World::new();
        let deadline = (limit != Limit::None).then(|| Instant::now() + DEADLINE);
        let context = RequestContext::new(deadline, limit == Limit::Timeout);
        let (request, payload) = world.begin_call(CALL, context);
        Self {
            world,
            request,
            payload: Arc::new(Mutex::new(Some(payload))),
        }
    }

    fn release(&self) {
        let payload = self.payload.lock().take();
        drop(payload);
    }

    fn happen(&self, what: Happening) {
        let (world, request) = (&self.world, &self.request);
        match what {
            Ack => world.complete(request, None),
            Nack => world.complete(request, Some(ProcessingError::retryable("no"))),
            Cancel => world.cancel(CALL),
            Reap => world.shared.reaper.reap(),
            Complete => world.complete_cancelled(),
            Deadline => {
                RequestContext::pass_until(Instant::now() + DEADLINE);
                world.shared.reaper.reap();
                RequestContext::pass_until(Instant::now() + GRACE);
                world.shared.reaper.reap();
            }
            Emit | EmitAtOnce | EmitRefused | EmitAtOnceRefused => {
                let at_once = matches!(what, EmitAtOnce | EmitAtOnceRefused);
                let refused = matches!(what, EmitRefused | EmitAtOnceRefused);
                let error = refused.then(|| ProcessingError::retryable("no room"));
                if let Some(emission) = world.emit(request, at_once) {
                    let answer = world.emission_done(request, emission, error);
                    assert!(answer.awaited);
                }
            }
            Hand => drop(world.emit(request, false)),
            HandAtOnce => drop(world.emit(request, true)),
            Host => world.answer(request),
            HostAgain => {
                world.answer(request);
                if world.host.is_completed(CALL) {
                    let (again, payload) = world.begin_call(CALL, RequestContext::new(None, false));
                    drop(payload);
                    // It is not that call that is checked.
                    assert!(again.undo());
                }
            }
            Answers => world.take_answers(request),
            Release => self.release(),
        }
    }

    /// What comes in the end, and the checks.
    fn end(self, limited: bool, used_again: bool) {
        let Self {
            world,
            request,
            payload,
        } = self;
        world.answer(&request);
        // Nobody but the reaper may be left for a call whose caller has gone.
        world.shared.reaper.finish();
        if limited || request.context.is_cancelled() {
            assert!(has_ended(&request), "nobody completes it");
        }
        world.take_answers(&request);
        world.complete_cancelled();
        world.complete(&request, None);
        let payload = payload.lock().take();
        drop(payload);
        // The pipeline's thread may be busy: the reaper delivers.
        world.shared.reaper.finish();
        let outcome = world.host.check_call(CALL);
        world.check_ended(&request, &outcome, !used_again);
        drop(request);
        world.check_idle();
        world.check_dropped();
    }
}

fn model(models: &mut Models, limit: Limit, happenings: &[Happening], preemptions: usize) {
    let threads: Vec<_> = happenings.iter().map(std::slice::from_ref).collect();
    sequences(models, limit, &threads, preemptions);
}

/// As `model`, with several that come one after the other in a thread.
fn sequences(models: &mut Models, limit: Limit, threads: &[&[Happening]], preemptions: usize) {
    let names: Vec<_> = threads
        .iter()
        .map(|thread| {
            let names: Vec<_> = thread.iter().map(|what| format!("{what:?}")).collect();
            names.join(", ")
        })
        .collect();
    let limited = match limit {
        Limit::None => "",
        Limit::Deadline => " before a deadline",
        Limit::Timeout => " before a timeout",
    };
    let name = format!("call{limited}: {}", names.join(" | "));
    let threads: Vec<_> = threads.iter().map(|thread| thread.to_vec()).collect();
    let used_again = threads.iter().flatten().any(|what| *what == HostAgain);
    models.add(name, preemptions, move || {
        let call = Call::begin(limit);
        let threads = threads.iter().map(|thread| {
            let (call, thread) = (call.clone(), thread.clone());
            Box::new(move || thread.iter().for_each(|what| call.happen(*what)))
                as Box<dyn FnOnce() + Send>
        });
        together(threads.collect());
        call.end(limit != Limit::None, used_again);
    });
}

pub(crate) fn add(models: &mut Models) {
    // Some are no more than variants of another, which then stands for them.
    const ALL: [Happening; 11] = [
        Nack,
        Cancel,
        Reap,
        Complete,
        Emit,
        EmitAtOnceRefused,
        Answers,
        Release,
        Ack,
        EmitRefused,
        EmitAtOnce,
    ];
    let distinct = &ALL[..8];
    for (index, a) in ALL.iter().enumerate() {
        for b in &ALL[index..] {
            model(models, Limit::None, &[*a, *b], UNBOUNDED);
        }
    }
    for (index, a) in distinct.iter().enumerate() {
        for (next, b) in distinct.iter().enumerate().skip(index + 1) {
            for c in &distinct[next + 1..] {
                model(models, Limit::None, &[*a, *b, *c], 3);
            }
        }
    }
    let sequence: [&[&[Happening]]; 6] = [
        &[&[Hand], &[Host], &[Cancel, Reap]],
        &[&[HandAtOnce], &[Host], &[Cancel, Reap]],
        &[&[Hand, Answers, Complete], &[Host], &[Cancel], &[Release]],
        &[&[HandAtOnce, Complete], &[Host], &[Cancel], &[Release]],
        &[&[Ack], &[HostAgain], &[Release]],
        &[&[Nack], &[HostAgain], &[Release]],
    ];
    for threads in sequence {
        sequences(models, Limit::None, threads, 3);
    }
    for limit in [Limit::Deadline, Limit::Timeout] {
        sequences(models, limit, &[&[Hand], &[Host], &[Deadline]], 3);
        for (index, a) in distinct.iter().enumerate() {
            model(models, limit, &[Deadline, *a], UNBOUNDED);
            for b in &distinct[index + 1..] {
                model(models, limit, &[Deadline, *a, *b], 3);
            }
        }
    }
}
