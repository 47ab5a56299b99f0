// SPDX-License-Identifier: Apache-2.0

//! A pipeline's end, with and without its component's, and submissions at that moment.

use std::sync::Arc;

use bytes::Bytes;
use context::{CancelReason, ProcessingError, Signal};
use parking_lot::Mutex;

use crate::base::sync::Instant;
use crate::models::explore::{Models, together};
use crate::models::world::{GRACE, World};
use crate::request::request::PayloadGuard;
use crate::request::state::Submission;
use crate::stand_ins::RequestContext;

const CALL: u64 = 1;
const DEADLINE: std::time::Duration = std::time::Duration::from_nanos(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Cancel,
    Reap,
    Deadline,
    /// The host answers output that it has.
    HostAnswers,
}

use Happening::*;

/// What the pipeline's thread does at its end, and what its component does then.
fn end_pipeline(world: &World, is_shutdown: bool) {
    if is_shutdown {
        world.pipeline.begin_drain(Instant::now());
    }
    world.pipeline.close();
    let error = ProcessingError::retryable("the pipeline ended");
    world.pipeline.complete_all(&error);
    world.pipeline.cancel_emissions();
    world.pipeline.outbox.deliver();
    if is_shutdown {
        world.pipeline.close_outbox();
        world.host.no_more();
    }
}

/// Who has output of the call, and how its answer goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    None,
    ThroughNodes,
    AtOnce,
}

fn end_with(models: &mut Models, is_shutdown: bool, output: Output, happenings: &[Happening]) {
    let names: Vec<_> = happenings.iter().map(|what| format!("{what:?}")).collect();
    let ends = if is_shutdown { "shutdown" } else { "death" };
    let name = format!("{ends}, output {output:?}: {}", names.join(" | "));
    let happenings = happenings.to_vec();
    models.add(name, 3, move || {
        let world = World::new();
        let deadline = happenings
            .contains(&Deadline)
            .then(|| Instant::now() + DEADLINE);
        let (call, payload) = world.begin_call(CALL, RequestContext::new(deadline, false));
        drop(payload);
        let emission = match output {
            Output::None => None,
            output => world.emit(&call, output == Output::AtOnce),
        };
        let mut threads: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for what in &happenings {
            let (world, call, what) = (world.clone(), Arc::clone(&call), *what);
            threads.push(Box::new(move || match what {
                Cancel => world.cancel(CALL),
                Reap => world.shared.reaper.reap(),
                Deadline => {
                    RequestContext::pass_until(Instant::now() + DEADLINE);
                    world.shared.reaper.reap();
                    RequestContext::pass_until(Instant::now() + GRACE);
                    world.shared.reaper.reap();
                }
                HostAnswers => {
                    let emission = emission.expect("there is output");
                    let _ = world.emission_done(&call, emission, None);
                }
            }));
        }
        let ending = world.clone();
        threads.push(Box::new(move || end_pipeline(&ending, is_shutdown)));
        together(threads);
        world.shared.reaper.finish();
        if let Some(emission) = emission {
            let _ = world.emission_done(&call, emission, None);
        }
        world.shared.reaper.finish();
        let outcome = world.host.check_call(CALL);
        world.check_ended(&call, &outcome, true);
        drop(call);
        world.check_idle();
        world.check_dropped();
    });
}

struct Payload(#[expect(dead_code, reason = "kept for its drop")] PayloadGuard);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &[]
    }
}

/// A submission while the pipeline ends. `happening` is what else comes.
fn submit_with(models: &mut Models, happening: Option<Happening>) {
    let name = format!("submission at a pipeline's end: {happening:?}");
    models.add(name, 3, move || {
        let world = World::new();
        let submitted = Arc::new(Mutex::new(None));
        let mut threads: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        {
            let (world, submitted) = (world.clone(), Arc::clone(&submitted));
            threads.push(Box::new(move || {
                let deadline = (happening == Some(Deadline)).then(|| Instant::now() + DEADLINE);
                let context = RequestContext::new(deadline, false);
                let submission = || {
                    let (call, payload) = world.begin_call(CALL, context);
                    let payload = Bytes::from_owner(Payload(payload));
                    Ok(Submission {
                        call,
                        signal: Signal::Logs,
                        payload,
                    })
                };
                let result = world.pipeline.submit(submission);
                *submitted.lock() = Some(result.unwrap_or(false));
            }));
        }
        if let Some(happening) = happening {
            let world = world.clone();
            threads.push(Box::new(move || {
                let Some(call) = world.shared.requests.call(CALL) else {
                    return;
                };
                match happening {
                    Cancel => drop(call.cancel(CancelReason::Cancelled, "gone")),
                    _ => {
                        RequestContext::pass_until(Instant::now() + DEADLINE);
                        world.shared.reaper.reap();
                    }
                }
                RequestContext::pass_until(Instant::now() + GRACE);
                world.shared.reaper.reap();
            }));
        }
        let ending = world.clone();
        threads.push(Box::new(move || {
            // The receiver is dropped with what is in its queue.
            ending.submissions.close();
            while let Some(submission) = ending.submissions.try_recv() {
                drop(submission.payload);
            }
            end_pipeline(&ending, false);
        }));
        together(threads);
        world.shared.reaper.finish();
        let accepted = submitted.lock().expect("it was submitted");
        if accepted {
            let _ = world.host.check_call(CALL);
        } else {
            assert_eq!(world.host.heard(), [], "of a call that was not accepted");
        }
        world.check_idle();
        world.check_dropped();
    });
}

pub(crate) fn add(models: &mut Models) {
    for is_shutdown in [false, true] {
        for output in [Output::None, Output::ThroughNodes, Output::AtOnce] {
            end_with(models, is_shutdown, output, &[Cancel]);
            end_with(models, is_shutdown, output, &[Cancel, Reap]);
            end_with(models, is_shutdown, output, &[Deadline]);
        }
        for output in [Output::ThroughNodes, Output::AtOnce] {
            end_with(models, is_shutdown, output, &[HostAnswers]);
            end_with(models, is_shutdown, output, &[HostAnswers, Cancel]);
            end_with(models, is_shutdown, output, &[HostAnswers, Deadline]);
        }
    }
    for happening in [None, Some(Cancel), Some(Deadline)] {
        submit_with(models, happening);
    }
}
