// SPDX-License-Identifier: Apache-2.0

//! Requests that ended with an error: what is left of them is stopped at the gates.
//!
//! A request that was accepted is another matter. A node may accept a message for all
//! its copies, as the engine's fanout does, and the rest of them still has to arrive.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::context_headers::RequestId;

/// Ended requests that are remembered. What an engine node still holds of an older one
/// would go on.
const MAX_DEAD: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Dead {
    /// How many there are, for a look without the lock.
    len: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ids: HashSet<RequestId>,
    /// The same, oldest first.
    order: VecDeque<RequestId>,
}

impl Dead {
    pub(crate) fn add(&self, id: RequestId) {
        let mut state = self.state.lock();
        if state.ids.insert(id) {
            state.order.push_back(id);
        }
        while state.order.len() > MAX_DEAD {
            if let Some(oldest) = state.order.pop_front() {
                let _ = state.ids.remove(&oldest);
            }
        }
        self.len.store(state.ids.len(), Ordering::Release);
    }

    pub(crate) fn contains(&self, id: RequestId) -> bool {
        self.len.load(Ordering::Acquire) > 0 && self.state.lock().ids.contains(&id)
    }

    /// A host may use an id again.
    pub(crate) fn forget(&self, id: RequestId) {
        if self.len.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut state = self.state.lock();
        if state.ids.remove(&id) {
            state.order.retain(|dead| *dead != id);
            self.len.store(state.ids.len(), Ordering::Release);
        }
    }
}
