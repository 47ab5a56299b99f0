// SPDX-License-Identifier: Apache-2.0

//! Errors on their way through the engine, and how they are forgotten.
//!
//! The engine's nack has room for a text only: the error waits in the pipeline's
//! table. An error that was made for one request is forgotten when that ends.
//! One that was made for output of no request cannot be tied to calls; it is forgotten
//! when nothing is in flight, or when 1,024 of its kind are newer.

use otapbridge_context::{ProcessingError, error_table};

use crate::request::state::PipelineState;
use crate::request::table::RequestId;

/// How many errors of a request are kept. A request that is retried makes one each time, of which only
/// the last are needed; but of one that was divided into many parts the first is reported.
const MAX_PER_REQUEST: usize = 64;
/// When there are too many, so many of the first stay, and the oldest of the others goes.
const FIRST_OF_REQUEST: usize = 16;

/// So many errors of output of no request are kept: more than output of the kind may wait for
/// the host. With each the host may keep a whole batch.
const MAX_UNOWNED: usize = 1024;

impl PipelineState {
    /// Keeps an error and returns the text that stands for it in a nack which is
    /// sent as `permanent`. `request` is the one whose message is refused, if it
    /// is exactly one. Where nobody waits any more only the text is left.
    pub(crate) fn carry(
        &self,
        request: Option<RequestId>,
        error: ProcessingError,
        permanent: bool,
    ) -> String {
        let text = |error: ProcessingError| error_table::strip(&error.to_string()).into_owned();
        let Some(request) = request else {
            // The durable buffer reads the error behind a nack also if no call waits.
            if self.is_idle() && !self.has_stores() {
                return text(error);
            }
            let carried = self.errors.insert(error, permanent);
            let mut unowned = self.unowned_errors.lock();
            unowned.extend(self.errors.id(&carried));
            if unowned.len() > MAX_UNOWNED
                && let Some(oldest) = unowned.pop_front()
            {
                let _ = self.errors.forget(oldest);
            }
            return carried;
        };
        let Some(request) = self.shared.requests.in_flight(request) else {
            return text(error);
        };
        let mut error = Some(error);
        // The id is noted in the same step, so that an end meanwhile forgets it.
        let carried = request.change_errors(|ids| {
            let carried = self.errors.insert(error.take()?, permanent);
            if ids.len() >= MAX_PER_REQUEST {
                let _ = self.errors.forget(ids.remove(FIRST_OF_REQUEST));
            }
            ids.extend(self.errors.id(&carried));
            Some(carried)
        });
        carried
            .flatten()
            .unwrap_or_else(|| error.map(text).unwrap_or_default())
    }

    /// Forgets an error that nobody will hear of.
    pub(crate) fn forget_spent(&self, request: Option<RequestId>, id: u64) {
        let request = request.and_then(|request| self.shared.requests.in_flight(request));
        let Some(request) = request else { return };
        let noted = request.change_errors(|ids| {
            let at = ids.iter().position(|known| *known == id);
            at.map(|at| ids.remove(at))
        });
        if let Some(Some(id)) = noted {
            let _ = self.errors.forget(id);
        }
    }

    /// Forgets what was carried for a request that has ended.
    pub(crate) fn forget_errors(&self, errors: &[u64]) {
        for id in errors {
            let _ = self.errors.forget(*id);
        }
        if self.errors.is_empty() {
            return;
        }
        // Read before `is_idle`: a later error may belong to a request that begins after that check.
        let last = self.errors.last_id();
        if self.is_idle() {
            self.errors.forget_until(last);
            self.unowned_errors.lock().retain(|id| *id > last);
        }
    }
}

#[cfg(test)]
mod tests;
