// SPDX-License-Identifier: Apache-2.0

//! A batch of two calls, as a node makes it: its output is both calls'.

use std::sync::Arc;

use context::ProcessingError;
use parking_lot::Mutex;

use crate::base::sync::Instant;
use crate::models::explore::{Models, together};
use crate::models::world::{GRACE, World, has_ended};
use crate::request::state::Request;
use crate::stand_ins::RequestContext;

const CALLS: [u64; 2] = [1, 2];
const TIMEOUT: std::time::Duration = std::time::Duration::from_nanos(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    /// The batch is output, which the host accepts or refuses.
    Emit,
    EmitRefused,
    /// The batch is output, which the host has for long.
    Hand,
    /// A call's own output in another branch.
    EmitFirst,
    /// The node has the host's answer.
    Answers,
    /// The host hears that nobody waits for the batch.
    Watch,
    /// The host cancels a call.
    CancelFirst,
    CancelSecond,
    /// The reaper does what is due.
    Reap,
    /// The pipeline completes what nobody waits for.
    Complete,
    /// The time of both calls is up, then the grace.
    Timeout,
    /// The pipeline dies, with the batch at the host.
    Die,
}

use Happening::*;

#[derive(Clone)]
struct Batch {
    world: World,
    calls: [Arc<Request>; 2],
    request: Arc<Request>,
    emission: Arc<Mutex<Option<u64>>>,
}

impl Batch {
    fn begin(has_timeout: bool) -> Self {
        let world = World::new();
        let calls = CALLS.map(|call_id| {
            let deadline = has_timeout.then(|| Instant::now() + TIMEOUT);
            let (call, payload) = world.begin_call(call_id, RequestContext::new(deadline, true));
            drop(payload);
            call
        });
        let contexts = calls.each_ref().map(|call| call.context.clone());
        let context = RequestContext::merged(&contexts);
        let requests = &world.shared.requests;
        let origins = calls.to_vec();
        let request = Request::new(requests.own_id(), context, &world.pipeline, origins, None);
        world.pipeline.request_begun(false);
        assert!(requests.insert(request.id, Arc::clone(&request)));
        Self {
            world,
            calls,
            request,
            emission: Arc::default(),
        }
    }

    /// The node acks or nacks the batch's messages, and lets it go.
    fn complete(&self, error: Option<&ProcessingError>) {
        for call in &self.calls {
            self.world.complete(call, error.cloned());
        }
        self.request.end(error.is_some());
    }

    fn happen(&self, what: Happening) {
        let Self {
            world,
            calls,
            request,
            ..
        } = self;
        match what {
            Emit | EmitRefused => {
                let error = (what == EmitRefused).then(|| ProcessingError::retryable("no room"));
                match world.emit(request, false) {
                    Some(emission) => {
                        *self.emission.lock() = Some(emission);
                        let _ = world.emission_done(request, emission, error);
                    }
                    None => self.complete(request.context.error().as_ref()),
                }
            }
            Hand => *self.emission.lock() = world.emit(request, false),
            EmitFirst => {
                if let Some(emission) = world.emit(&calls[0], false) {
                    let _ = world.emission_done(&calls[0], emission, None);
                }
            }
            Answers => {
                if let Some(answer) = world.answers.try_recv() {
                    self.complete(answer.error.as_ref());
                }
            }
            Watch => {
                if let Some(error) = request.context.error() {
                    let emission = *self.emission.lock();
                    if let Some(emission) = emission {
                        world.pipeline.cancel_emission(emission, error);
                    }
                }
            }
            CancelFirst => world.cancel(CALLS[0]),
            CancelSecond => world.cancel(CALLS[1]),
            Reap => world.shared.reaper.reap(),
            Complete => world.complete_cancelled(),
            Timeout => {
                RequestContext::pass_until(Instant::now() + TIMEOUT);
                world.shared.reaper.reap();
                world.shared.reaper.reap();
                RequestContext::pass_until(Instant::now() + GRACE);
                world.shared.reaper.reap();
            }
            Die => {
                let error = ProcessingError::retryable("the pipeline ended");
                world.pipeline.close();
                self.request.end(true);
                world.pipeline.complete_all(&error);
                world.pipeline.cancel_emissions();
            }
        }
    }

    fn end(self, has_timeout: bool) {
        let world = self.world.clone();
        world.shared.reaper.finish();
        for call in &self.calls {
            if has_timeout || call.context.is_cancelled() {
                assert!(has_ended(call), "nobody completes it");
            }
        }
        let emission = *self.emission.lock();
        if let Some(emission) = emission {
            // If it has not answered before.
            let _ = world.emission_done(&self.request, emission, None);
        }
        self.happen(Answers);
        world.complete_cancelled();
        self.complete(None);
        // The pipeline's thread may be busy: the reaper delivers.
        world.shared.reaper.finish();
        for call in &self.calls {
            let outcome = world.host.check_call(call.id.call_id().expect("a call"));
            world.check_ended(call, &outcome, true);
        }
        if let Some(emission) = *self.emission.lock() {
            world.host.check_emission(emission);
        }
        assert!(has_ended(&self.request) && !self.request.is_at_host());
        drop(self);
        world.check_idle();
        world.check_dropped();
    }
}

fn model(models: &mut Models, has_timeout: bool, threads: &[&[Happening]], preemptions: usize) {
    let names: Vec<_> = threads
        .iter()
        .map(|thread| {
            let names: Vec<_> = thread.iter().map(|what| format!("{what:?}")).collect();
            names.join(", ")
        })
        .collect();
    let limited = if has_timeout { " before a timeout" } else { "" };
    let name = format!("batch{limited}: {}", names.join(" | "));
    let threads: Vec<_> = threads.iter().map(|thread| thread.to_vec()).collect();
    models.add(name, preemptions, move || {
        let batch = Batch::begin(has_timeout);
        let threads = threads.iter().map(|thread| {
            let (batch, thread) = (batch.clone(), thread.clone());
            Box::new(move || thread.iter().for_each(|what| batch.happen(*what)))
                as Box<dyn FnOnce() + Send>
        });
        together(threads.collect());
        batch.end(has_timeout);
    });
}

pub(crate) fn add(models: &mut Models) {
    // With a third preemption, some would take as long as all others together.
    let cases: [(&[&[Happening]], usize); 9] = [
        (&[&[Emit], &[CancelFirst, Reap]], 3),
        (&[&[Emit], &[CancelFirst], &[Reap]], 3),
        (&[&[EmitRefused], &[Answers], &[CancelFirst, Reap]], 3),
        (&[&[Emit], &[CancelFirst, CancelSecond], &[Complete]], 3),
        (&[&[Emit], &[CancelFirst, CancelSecond], &[Watch]], 3),
        (&[&[Emit], &[EmitFirst], &[CancelFirst, Reap]], 3),
        (&[&[Hand, EmitFirst], &[CancelFirst, Reap]], 3),
        (&[&[Emit], &[Complete, Answers], &[CancelFirst, Reap]], 2),
        (&[&[Emit], &[Die], &[CancelFirst, Reap]], 2),
    ];
    for (case, preemptions) in cases {
        model(models, false, case, preemptions);
    }
    let cases: [(&[&[Happening]], usize); 4] = [
        (&[&[Emit], &[Timeout]], 3),
        (&[&[EmitRefused], &[Answers], &[Timeout]], 3),
        (&[&[Emit], &[EmitFirst], &[Timeout]], 2),
        (&[&[Emit], &[CancelFirst], &[Timeout]], 2),
    ];
    for (case, preemptions) in cases {
        model(models, true, case, preemptions);
    }
}
