// SPDX-License-Identifier: Apache-2.0

//! Errors on their way through the engine, and how they are forgotten.
//!
//! The engine's nack has room for a text only: the error waits in the component's
//! table. An error that was made for one call is forgotten when that call is
//! answered. One that was made for merged output concerns calls that nobody knows
//! any more; it is forgotten when nothing is in flight, or when 65,536 errors are newer.

use otapbridge_context::{ProcessingError, error_table};
use parking_lot::Mutex;

use crate::context_headers::RequestId;
use crate::core::Core;

/// A call that is retried makes an error each time. Of those only the last are needed;
/// but of a call that was split into many parts it is the first that is reported.
const MAX_PER_CALL: usize = 64;
/// So many of a call's first errors stay when there are too many.
const FIRST_OF_CALL: usize = 16;

/// The errors made for one call; `None` once it was answered.
pub(crate) struct CallErrors(Mutex<Option<Vec<u64>>>);

impl Default for CallErrors {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Core {
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
            // A node that keeps data for later asks for the error behind a nack.
            if self.is_idle() && !self.has_any_store() {
                return text(error);
            }
            return self.errors.insert_as(error, permanent);
        };
        let Some(request) = self.find(request) else {
            return text(error);
        };
        // Held until the id is noted, so that an answer meanwhile forgets it.
        let mut ids = request.errors().0.lock();
        let Some(ids) = ids.as_mut() else {
            return text(error);
        };
        let carried = self.errors.insert_as(error, permanent);
        if ids.len() >= MAX_PER_CALL {
            let _ = self.errors.forget(ids.remove(FIRST_OF_CALL));
        }
        ids.extend(self.errors.id(&carried));
        carried
    }

    /// Forgets an error that nobody will hear of.
    pub(crate) fn forget_spent(&self, request: Option<RequestId>, id: u64) {
        let Some(request) = request.and_then(|request| self.find(request)) else {
            return;
        };
        if let Some(ids) = request.errors().0.lock().as_mut()
            && let Some(at) = ids.iter().position(|known| *known == id)
        {
            let _ = ids.remove(at);
            let _ = self.errors.forget(id);
        }
    }

    /// Forgets what was carried for a request that is being answered.
    pub(crate) fn forget_errors(&self, errors: &CallErrors) {
        for id in errors.0.lock().take().into_iter().flatten() {
            let _ = self.errors.forget(id);
        }
        if self.errors.is_empty() {
            return;
        }
        // Read before the look at the calls: newer errors may concern newer calls.
        let last = self.errors.last_id();
        if self.is_idle() {
            self.errors.forget_until(last);
        }
    }
}

#[cfg(test)]
mod tests;
