// SPDX-License-Identifier: Apache-2.0

//! Requests: the calls of the host, and those that begin inside a pipeline, such as
//! a merged batch or what a receiver makes.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use otapbridge_context::{CancelReason, RequestContext, Signal};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::carried::CallErrors;
use crate::context_headers::{RequestId, engine_context};
use crate::core::{Call, Core};
use crate::payload::otlp_payload;

/// Counts the emissions of a request that the host has not answered.
#[derive(Default)]
pub(crate) struct AtHost {
    state: Mutex<EmissionsAtHost>,
    left: Notify,
}

#[derive(Default)]
struct EmissionsAtHost {
    count: u32,
    /// When the last of them was answered.
    left: Option<Instant>,
}

/// An answer that has left the host is with its node this much later at most.
const ANSWER_RETURNS: Duration = Duration::from_millis(100);

impl AtHost {
    /// The time at the host does not count as time in this library.
    pub(crate) fn enter(&self, context: &RequestContext) {
        self.state.lock().count += 1;
        context.pause();
    }

    pub(crate) fn leave(&self, context: &RequestContext) {
        context.resume();
        let mut state = self.state.lock();
        state.count -= 1;
        if state.count == 0 {
            state.left = Some(Instant::now());
            drop(state);
            self.left.notify_waiters();
        }
    }

    pub(crate) fn any(&self) -> bool {
        self.state.lock().count > 0
    }

    /// Waits until the host holds none, and its last answer has had the time to return.
    pub(crate) async fn answers_returned(&self) {
        self.none().await;
        let left = self.state.lock().left;
        if let Some(left) = left {
            tokio::time::sleep_until((left + ANSWER_RETURNS).into()).await;
        }
    }

    async fn none(&self) {
        let mut left = pin!(self.left.notified());
        // Registered before the look, so that a change in between is not missed.
        let _ = left.as_mut().enable();
        while self.any() {
            left.as_mut().await;
            left.set(self.left.notified());
            let _ = left.as_mut().enable();
        }
    }
}

/// A request that began inside a pipeline and has not ended.
pub(crate) struct LocalRequest {
    pub(crate) context: RequestContext,
    pub(crate) errors: CallErrors,
    pub(crate) at_host: AtHost,
    pub(crate) origins: Origins,
}

/// What the data of a request stem from.
#[derive(Default)]
pub(crate) struct Origins {
    pub(crate) calls: Vec<Arc<Call>>,
    /// The requests of other nodes in this pipeline.
    requests: Vec<Arc<LocalRequest>>,
}

impl Origins {
    /// Adds a request, and what it stems from.
    pub(crate) fn add(&mut self, request: InFlight) {
        match request {
            InFlight::Call(call) => self.calls.push(call),
            InFlight::Local(local) => {
                self.calls.extend_from_slice(&local.origins.calls);
                self.requests.extend_from_slice(&local.origins.requests);
                self.requests.push(local);
            }
        }
    }

    /// Leaves each in it once, where it came first.
    pub(crate) fn distinct(mut self) -> Self {
        let mut calls = HashSet::with_capacity(self.calls.len());
        self.calls.retain(|call| calls.insert(Arc::as_ptr(call)));
        let mut requests = HashSet::with_capacity(self.requests.len());
        self.requests
            .retain(|request| requests.insert(Arc::as_ptr(request)));
        self
    }

    /// The one call that all of it is, if it is one.
    pub(crate) fn only_call(&self) -> Option<&Arc<Call>> {
        match (self.calls.as_slice(), self.requests.as_slice()) {
            ([only], []) => Some(only),
            _ => None,
        }
    }
}

/// A request that awaits its answer.
pub(crate) enum InFlight {
    Call(Arc<Call>),
    Local(Arc<LocalRequest>),
}

impl InFlight {
    pub(crate) fn context(&self) -> &RequestContext {
        match self {
            Self::Call(call) => &call.context,
            Self::Local(request) => &request.context,
        }
    }

    pub(crate) fn errors(&self) -> &CallErrors {
        match self {
            Self::Call(call) => &call.errors,
            Self::Local(request) => &request.errors,
        }
    }

    pub(crate) fn at_host(&self) -> &AtHost {
        match self {
            Self::Call(call) => &call.at_host,
            Self::Local(request) => &request.at_host,
        }
    }

    /// The calls whose data it carries.
    pub(crate) fn origins(&self) -> &[Arc<Call>] {
        match self {
            Self::Call(call) => std::slice::from_ref(call),
            Self::Local(request) => &request.origins.calls,
        }
    }

    pub(crate) fn enter_host(&self) {
        self.each_at_host(AtHost::enter);
    }

    pub(crate) fn leave_host(&self) {
        self.each_at_host(AtHost::leave);
    }

    /// Itself, and all that it stems from.
    fn each_at_host(&self, change: impl Fn(&AtHost, &RequestContext)) {
        for call in self.origins() {
            change(&call.at_host, &call.context);
        }
        if let Self::Local(request) = self {
            for origin in &request.origins.requests {
                change(&origin.at_host, &origin.context);
            }
            change(&request.at_host, &request.context);
        }
    }
}

/// A request under which a node sends messages of its own. One that began in this
/// pipeline ends when this is dropped: if something of it was refused, gates refuse the rest.
pub struct Request {
    core: Arc<Core>,
    id: RequestId,
    in_flight: InFlight,
    /// Something of it was not delivered.
    pub(crate) failed: AtomicBool,
    /// Its context is nobody else's.
    owns_context: bool,
}

impl Request {
    /// Begins a request with the data of these, as far as they are known.
    pub(crate) fn begin(
        core: &Arc<Core>,
        context: RequestContext,
        origins: Origins,
        owns_context: bool,
    ) -> Self {
        let local = Arc::new(LocalRequest {
            context,
            errors: CallErrors::default(),
            at_host: AtHost::default(),
            origins,
        });
        Self {
            core: Arc::clone(core),
            id: RequestId::Local(core.begin_request(Arc::clone(&local))),
            in_flight: InFlight::Local(local),
            failed: AtomicBool::new(false),
            owns_context,
        }
    }

    /// The request of a call: the host takes its output as that call's own.
    pub(crate) fn of(core: &Arc<Core>, call: Arc<Call>) -> Self {
        Self {
            core: Arc::clone(core),
            id: RequestId::Call(call.id),
            in_flight: InFlight::Call(call),
            failed: AtomicBool::new(false),
            owns_context: false,
        }
    }

    /// Its context.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        self.in_flight.context()
    }

    /// A message of this request, made of OTLP protobuf. Nothing is parsed.
    #[must_use]
    pub fn message(&self, signal: Signal, bytes: Bytes) -> OtapPdata {
        let context = engine_context(&self.core, self.id, self.context());
        OtapPdata::new(context, otlp_payload(signal, bytes))
    }

    pub(crate) fn at_host(&self) -> &AtHost {
        self.in_flight.at_host()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let InFlight::Local(request) = &self.in_flight else {
            return;
        };
        let failed = self.failed.load(Ordering::Relaxed);
        if let RequestId::Local(id) = self.id {
            self.core.end_request(id, failed);
        }
        // Who still works on it may stop.
        if failed && self.owns_context {
            let _ = request
                .context
                .cancel(CancelReason::Cancelled, "the request has ended");
        }
    }
}
