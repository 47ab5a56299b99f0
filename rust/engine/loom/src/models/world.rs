// SPDX-License-Identifier: Apache-2.0

//! A pipeline without nodes, and a host that writes down what it hears.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use context::{CancelReason, ContextBlock, ProcessingError, Signal};
use parking_lot::Mutex;

use crate::base::counters::{Counters, increment};
use crate::base::event::{Emission, Event, EventSink};
use crate::base::outbox::Outbox;
use crate::base::sync::{self as atomic, Instant, UnboundedReceiver, unbounded_channel};
use crate::pdata::OtapPdata;
use crate::request::emissions::EmissionAnswer;
use crate::request::reaper::Reaper;
use crate::request::request::PayloadGuard;
use crate::request::state::{Answer, Emitted, Ingress, PipelineState, Request, Shared, Submission};
use crate::request::table::{Found, RequestTable};
use crate::stand_ins::RequestContext;

pub(crate) const GRACE: Duration = Duration::from_nanos(10);
pub(crate) const PAYLOAD: usize = 100;

/// What the host hears, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Done {
        call: u64,
        failed: bool,
        released: bool,
    },
    /// As `Done`, by an early answer.
    DoneAtOnce {
        call: u64,
        failed: bool,
        released: bool,
    },
    Emit {
        call: Option<u64>,
    },
    Released {
        call: u64,
    },
    /// The host has answered.
    Answered {
        emission: u64,
    },
    EmissionCancelled {
        emission: u64,
    },
}

#[derive(Default)]
pub(crate) struct Host {
    heard: Mutex<Vec<Heard>>,
    /// Output that it has not answered.
    emissions: Mutex<Vec<u64>>,
    /// Nothing may come any more.
    closed: AtomicBool,
}

impl EventSink for Host {
    fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
        assert!(!self.closed.load(Ordering::Relaxed), "after the end");
        for event in events.drain(..) {
            self.hear(match event {
                Event::Done {
                    call_id,
                    error,
                    payload_released,
                } => Heard::Done {
                    call: call_id,
                    failed: error.is_some(),
                    released: payload_released,
                },
                Event::Emit(emission) => {
                    self.emissions.lock().push(emission.id);
                    Heard::Emit {
                        call: emission.call_id,
                    }
                }
                Event::PayloadReleased { call_id } => Heard::Released { call: call_id },
                Event::EmissionCancelled { id, .. } => Heard::EmissionCancelled { emission: id },
                // Pushed by `World::emission_done` below.
                Event::HostErrorReleased { id } => Heard::Answered { emission: id },
                Event::Status { .. } => unreachable!("nobody pushes one"),
            });
        }
    }
}

impl Host {
    pub(crate) fn hear(&self, heard: Heard) {
        self.heard.lock().push(heard);
    }

    pub(crate) fn no_more(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_completed(&self, call: u64) -> bool {
        let is_done = |heard: &Heard| matches!(heard, Heard::Done { call: of, .. } if *of == call);
        self.heard.lock().iter().any(is_done)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().clone()
    }

    /// How the call was completed, checked: once, with its payload's release reported once and
    /// not before, and no output of it after.
    pub(crate) fn check_call(&self, call: u64) -> Outcome {
        let heard = self.heard();
        let results = positions(
            &heard,
            |heard| matches!(heard, Heard::Done { call: of, .. } | Heard::DoneAtOnce { call: of, .. } if *of == call),
        );
        assert_eq!(results.len(), 1, "one result: {heard:?}");
        let (failed, flag, by_event) = match heard[results[0]] {
            Heard::Done {
                failed, released, ..
            } => (failed, released, true),
            Heard::DoneAtOnce {
                failed, released, ..
            } => (failed, released, false),
            _ => unreachable!(),
        };
        let reports = positions(&heard, |heard| *heard == Heard::Released { call });
        assert_eq!(
            usize::from(flag) + reports.len(),
            1,
            "one report of the release: {heard:?}"
        );
        let output = positions(&heard, |heard| *heard == Heard::Emit { call: Some(call) });
        // A result without an event is not in the outbox's order.
        if by_event {
            assert!(
                reports.iter().all(|report| *report > results[0]),
                "a release before the result: {heard:?}"
            );
            assert!(
                output.iter().all(|output| *output < results[0]),
                "output after the result: {heard:?}"
            );
        }
        Outcome { failed, by_event }
    }

    /// No emission is cancelled that was answered before.
    pub(crate) fn check_emission(&self, emission: u64) {
        let heard = self.heard();
        let answers = positions(&heard, |heard| *heard == Heard::Answered { emission });
        let cancels = positions(&heard, |heard| {
            *heard == Heard::EmissionCancelled { emission }
        });
        assert!(cancels.len() <= 1, "cancelled twice: {heard:?}");
        for cancel in cancels {
            assert!(
                answers.iter().all(|answer| cancel < *answer),
                "cancelled after its answer: {heard:?}"
            );
        }
    }
}

pub(crate) struct Outcome {
    pub(crate) failed: bool,
    pub(crate) by_event: bool,
}

fn positions(heard: &[Heard], is: impl Fn(&Heard) -> bool) -> Vec<usize> {
    let indexed = heard.iter().enumerate();
    indexed
        .filter(|(_, heard)| is(heard))
        .map(|(index, _)| index)
        .collect()
}

/// A component with one pipeline that runs.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pipeline: Arc<PipelineState>,
    pub(crate) host: Arc<Host>,
    pub(crate) submissions: Arc<UnboundedReceiver<Submission>>,
    pub(crate) answers: Arc<UnboundedReceiver<Answer>>,
    answered_early: Arc<Mutex<Vec<u64>>>,
}

/// Whether it has ended: nodes get no such request.
pub(crate) fn has_ended(request: &Request) -> bool {
    !request.enter_nodes()
}

impl World {
    pub(crate) fn new() -> Self {
        Instant::reset();
        let host = Arc::new(Host::default());
        let shared = Arc::new(Shared {
            name: String::new(),
            counters: Arc::new(Counters::default()),
            requests: RequestTable::default(),
            reaper: Arc::new(Reaper::default()),
            grace: GRACE,
            has_engine_nodes: false,
            is_blind: false,
            early_answers: false,
            calls_stay: false,
            given_up: atomic::AtomicBool::new(false),
        });
        let outbox = Outbox::new(0, Arc::clone(&host) as Arc<dyn EventSink>);
        let pipeline = PipelineState::new(&shared, 0, outbox);
        let (submissions, submissions_end) = unbounded_channel();
        let (answers, answers_end) = unbounded_channel();
        pipeline.open(Ingress {
            submissions: Some(submissions),
            answers,
        });
        Self {
            shared,
            pipeline,
            host,
            submissions: Arc::new(submissions_end),
            answers: Arc::new(answers_end),
            answered_early: Arc::default(),
        }
    }

    /// What a component does for a submission.
    pub(crate) fn begin_call(
        &self,
        call_id: u64,
        context: RequestContext,
    ) -> (Arc<Request>, PayloadGuard) {
        let id = self.shared.requests.call_id(call_id);
        let call = Request::new(id, context, &self.pipeline, Vec::new(), None);
        self.pipeline.request_begun(true);
        assert!(self.shared.requests.insert(call.id, Arc::clone(&call)));
        call.watch_deadline();
        let payload = PayloadGuard::new(Arc::clone(&call), PAYLOAD);
        (call, payload)
    }

    /// The ack or nack of a call comes to the host receiver.
    pub(crate) fn complete(&self, call: &Request, error: Option<ProcessingError>) {
        match self.shared.requests.in_flight(call.id) {
            Some(call) => call.complete(error),
            None => increment(&self.shared.counters.late_completions_total),
        }
    }

    /// The host cancels a call.
    pub(crate) fn cancel(&self, call_id: u64) {
        if let Some(call) = self.shared.requests.call(call_id) {
            let _ = call.cancel(CancelReason::Cancelled, "gone");
        }
    }

    /// The host receiver completes what nobody waits for.
    pub(crate) fn complete_cancelled(&self) {
        let mut cancelled = poll_once(self.pipeline.cancelled_calls()).unwrap_or_default();
        cancelled.retain(|call| call.complete_cancelled(false));
        for call in cancelled {
            let _ = call.complete_cancelled(true);
        }
    }

    /// The host exporter hands output to the host, or refuses it. The id, if the host has it.
    pub(crate) fn emit(&self, request: &Arc<Request>, at_once: bool) -> Option<u64> {
        let call_id = request.id.call_id();
        let emitted = || {
            if let Some(call) = call_id {
                assert!(
                    !self.answered_early.lock().contains(&call),
                    "output after the result"
                );
            }
            Emitted {
                request: Some(Arc::clone(request)),
                routing: (!at_once).then_some(OtapPdata),
                cancelled: false,
            }
        };
        let emission = |id| Emission {
            id,
            call_id,
            signal: Signal::Logs,
            port: "default",
            payload: Bytes::new(),
            by_reference: false,
            context: ContextBlock::empty(),
            ends_call: at_once,
            origins: request.call_ids().collect(),
        };
        match self.pipeline.emit(Some(request), emitted, emission) {
            Ok(id) => Some(id),
            Err(error) => {
                // Its nack comes back.
                if call_id.is_some() {
                    self.complete(request, Some(error));
                }
                None
            }
        }
    }

    /// The host answers an emission.
    pub(crate) fn emission_done(
        &self,
        request: &Request,
        emission: u64,
        error: Option<ProcessingError>,
    ) -> EmissionAnswer {
        let failed = error.is_some();
        let answer = self.pipeline.emission_done(emission, error);
        if request.id.call_id().is_none() {
            // Shows where the answer stands among the events.
            let answered = Event::HostErrorReleased { id: emission };
            self.pipeline.push(answered);
        }
        if answer.call_done {
            let call = request.id.call_id().expect("it is a call");
            self.answered_early.lock().push(call);
            self.host.hear(Heard::DoneAtOnce {
                call,
                failed,
                released: answer.payload_released,
            });
        } else {
            assert!(!answer.payload_released);
        }
        answer
    }

    /// The host takes what is there for it, and answers output at once.
    pub(crate) fn answer(&self, request: &Request) {
        self.pipeline.outbox.deliver();
        loop {
            let emission = self.host.emissions.lock().pop();
            let Some(emission) = emission else { return };
            let _ = self.emission_done(request, emission, None);
        }
    }

    /// The host's answers come back through the nodes.
    pub(crate) fn take_answers(&self, call: &Request) {
        while let Some(answer) = self.answers.try_recv() {
            self.complete(call, answer.error);
        }
    }

    /// Checks that nothing is left.
    pub(crate) fn check_idle(&self) {
        let counters = &self.shared.counters;
        assert_eq!(self.pipeline.calls_in_flight(), 0);
        assert!(self.pipeline.is_idle());
        for counter in [
            &counters.calls_in_flight,
            &counters.payloads_unreleased,
            &counters.payload_bytes_unreleased,
            &counters.emissions_in_flight,
        ] {
            assert_eq!(counter.load(Ordering::Relaxed), 0);
        }
    }

    /// Checks that nothing keeps the pipeline once its owners are gone.
    pub(crate) fn check_dropped(self) {
        let pipeline = Arc::downgrade(&self.pipeline);
        drop(self);
        assert!(
            Weak::upgrade(&pipeline).is_none(),
            "a pipeline keeps itself"
        );
    }

    pub(crate) fn check_ended(&self, call: &Arc<Request>, outcome: &Outcome, tombstone: bool) {
        assert!(has_ended(call) && !call.is_at_host() && !call.context.is_paused());
        match self.shared.requests.find(call.id) {
            Found::Failed => assert!(outcome.failed),
            // Another call may have had the id since.
            Found::Gone => assert!(!outcome.failed || !tombstone),
            Found::InFlight(_) => panic!("still in flight"),
        }
    }
}

/// The result, if it is there without waiting.
pub(crate) fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
