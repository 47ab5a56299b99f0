// SPDX-License-Identifier: Apache-2.0

//! What a pipeline has given to its host, until the host has answered.

use std::mem::replace;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use otapbridge_context::ProcessingError;

use crate::base::counters::{decrement, increment};
use crate::base::event::{Emission, Event};
use crate::request::state::{Answer, Emitted, PipelineState, Request};

/// What became of the host's answer to an emission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmissionAnswer {
    /// The emission awaited its answer. If not, it was unknown or answered before, and
    /// nothing below is so.
    pub awaited: bool,
    /// The emission's call has ended with this answer: no `Done` follows.
    pub call_done: bool,
    /// And its payload was released: no `PayloadReleased` follows.
    pub payload_released: bool,
    /// The library keeps the host's error: a `HostErrorReleased` follows.
    pub keeps_error: bool,
}

/// A pipeline's emission ids have its index above this bit.
const INDEX_SHIFT: u32 = 48;

/// Which pipeline an emission comes from.
pub(crate) fn pipeline_of_emission(id: u64) -> usize {
    usize::try_from(id >> INDEX_SHIFT).unwrap_or(usize::MAX)
}

impl PipelineState {
    /// Hands output of a request to the host, which answers it under the id that is returned.
    ///
    /// # Errors
    /// Why nobody waits for it.
    pub(crate) fn emit(
        &self,
        request: Option<&Arc<Request>>,
        emitted: impl FnOnce() -> Emitted,
        emission: impl FnOnce(u64) -> Emission,
    ) -> Result<u64, ProcessingError> {
        let number = self.next_emission.fetch_add(1, Ordering::Relaxed);
        let id = ((self.index as u64) << INDEX_SHIFT) | number;
        let emission = emission(id);
        let hand_over = || {
            let _ = self.emissions.lock().insert(id, emitted());
            increment(&self.shared.counters.emissions_in_flight);
            self.push(Event::Emit(emission));
        };
        match request {
            Some(request) => request.emit(hand_over)?,
            None => hand_over(),
        }
        Ok(id)
    }

    /// Tells the host, once, that nobody waits for the answer to an emission any more.
    pub(crate) fn cancel_emission(&self, id: u64, error: ProcessingError) {
        // Pushed under the lock, so that it cannot come after the host's answer.
        let mut emissions = self.emissions.lock();
        if let Some(emitted) = emissions.get_mut(&id)
            && !replace(&mut emitted.cancelled, true)
        {
            self.push(Event::EmissionCancelled { id, error });
        }
    }

    /// For the reaper: tells the host of all emissions whose request began inside the pipeline
    /// and is cancelled. The pipeline's thread tells it sooner, unless a node blocks that.
    pub(crate) fn cancel_emissions_of_cancelled(&self) {
        let own = |emitted: &Emitted| emitted.request.as_ref().filter(|r| !r.is_call()).cloned();
        let own: Vec<_> = (self.emissions.lock().iter())
            .filter_map(|(id, emitted)| Some((*id, own(emitted)?)))
            .collect();
        for (id, request) in own {
            if request.context.is_cancelled()
                && let Some(error) = request.context.error()
            {
                self.cancel_emission(id, error);
            }
        }
    }

    /// Takes the host's answer to an emission.
    pub(crate) fn emission_done(
        &self,
        emission_id: u64,
        error: Option<ProcessingError>,
    ) -> EmissionAnswer {
        let Some(emitted) = self.emissions.lock().remove(&emission_id) else {
            return EmissionAnswer::default();
        };
        decrement(&self.shared.counters.emissions_in_flight);
        let Emitted {
            request, routing, ..
        } = emitted;
        let mut answer = EmissionAnswer {
            awaited: true,
            ..EmissionAnswer::default()
        };
        match routing {
            Some(routing) => {
                answer.keeps_error = error.as_ref().is_some_and(|e| e.host_error_id() != 0);
                let error = error.map(|error| error.reporting_release(&self.host_error_released));
                if let Some(ingress) = self.ingress.read().as_ref() {
                    // A closed queue means the pipeline ended, and with it the calls
                    // that this answer was for.
                    let _ = ingress.answers.send(Answer {
                        emission_id,
                        routing,
                        error,
                    });
                }
            }
            None => {
                let completed = request.as_ref().and_then(|call| call.complete_here(error));
                answer.call_done = completed.is_some();
                answer.payload_released = completed == Some(true);
            }
        }
        if let Some(request) = request {
            // Only after the answer was queued: if the reaper ends the call from now on, nodes get
            // the answer all the same.
            request.emission_answered();
        }
        answer
    }

    /// Forgets what a pipeline that ended was waiting for.
    pub(crate) fn cancel_emissions(&self) {
        // At a shutdown the host needs no notice: it has asked for it.
        let unexpected = self.drain_until().is_none();
        let emissions = {
            let mut emissions = self.emissions.lock();
            for (id, emitted) in &*emissions {
                let is_call = emitted.request.as_ref().is_some_and(|r| r.is_call());
                if unexpected && !is_call && !emitted.cancelled {
                    // Under the lock: nothing follows the host's answer.
                    let error = ProcessingError::retryable("the pipeline ended");
                    self.push(Event::EmissionCancelled { id: *id, error });
                }
            }
            std::mem::take(&mut *emissions)
        };
        for emitted in emissions.into_values() {
            decrement(&self.shared.counters.emissions_in_flight);
            if let Some(request) = emitted.request {
                request.emission_answered();
            }
        }
    }
}
