// SPDX-License-Identifier: Apache-2.0

//! The requests under which nodes send messages of their own.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use otapbridge_context::{CancelReason, RequestContext, Signal};
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::base::payload::otlp_payload;
use crate::request::header::engine_context;
use crate::request::state::PipelineState;
use crate::request::state::{DataSize, Request};

/// A request under which a node sends messages of its own. One that began in this
/// pipeline ends when this is dropped: if something of it was refused, gates refuse the rest.
pub struct OwnRequest {
    pub(crate) request: Arc<Request>,
    /// How many of its messages were not acked.
    pub(crate) not_acked: AtomicUsize,
    /// It may cancel its context: no other request shares it.
    owns_context: bool,
}

impl OwnRequest {
    /// Begins a request with the data of these.
    pub(crate) fn begin(
        pipeline: &Arc<PipelineState>,
        context: RequestContext,
        origins: Vec<Arc<Request>>,
        owns_context: bool,
    ) -> Self {
        let requests = &pipeline.shared.requests;
        let has_origins = !origins.is_empty();
        let reference = (has_origins && pipeline.shared.is_blind).then(|| total_size(&origins));
        let request = Request::new(requests.own_id(), context, pipeline, origins, reference);
        pipeline.request_begun(false);
        let _ = requests.insert(request.id, Arc::clone(&request));
        // One with origins is cancelled when they are, by their own deadlines.
        if !has_origins {
            request.watch_deadline();
        }
        Self {
            request,
            not_acked: AtomicUsize::new(0),
            owns_context,
        }
    }

    /// The request of a call: the host takes its output as that call's own.
    pub(crate) fn of(call: Arc<Request>) -> Self {
        Self {
            request: call,
            not_acked: AtomicUsize::new(0),
            owns_context: false,
        }
    }

    /// Its context.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        &self.request.context
    }

    /// A message of this request, made of OTLP protobuf. Nothing is parsed. One without any
    /// bytes stands for the joined data of its origins where these stay with the host.
    #[must_use]
    pub fn message(&self, signal: Signal, bytes: Bytes) -> OtapPdata {
        OtapPdata::new(engine_context(&self.request), otlp_payload(signal, bytes))
    }
}

impl Drop for OwnRequest {
    fn drop(&mut self) {
        if self.request.is_call() {
            return;
        }
        let failed = self.not_acked.load(Ordering::Relaxed) > 0;
        self.request.end(failed);
        // Nodes and the host may stop what they still do for it.
        if failed && self.owns_context {
            let _ = self
                .request
                .context
                .cancel(CancelReason::Cancelled, "the request has ended");
        }
    }
}

/// All that requests stem from, and they themselves: each once, where it came first.
pub(crate) fn all_origins(requests: impl IntoIterator<Item = Arc<Request>>) -> Vec<Arc<Request>> {
    let mut seen = HashSet::new();
    let mut origins = Vec::new();
    for request in requests {
        for origin in request.origins.iter().chain([&request]) {
            if seen.insert(Arc::as_ptr(origin)) {
                origins.push(Arc::clone(origin));
            }
        }
    }
    origins
}

fn total_size(origins: &[Arc<Request>]) -> DataSize {
    let mut total = DataSize::default();
    let calls = origins.iter().filter(|origin| origin.is_call());
    for size in calls.filter_map(|call| call.reference) {
        total.items += size.items;
        total.bytes += size.bytes;
    }
    total
}
