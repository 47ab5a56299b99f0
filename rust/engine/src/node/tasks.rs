// SPDX-License-Identifier: Apache-2.0

//! Work that a context-aware node has under way beside the message or control
//! message it is handling: all of it on the pipeline's thread.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use otel_arrow_dfe_engine::local::processor::EffectHandler;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::guard::drain;
use crate::node::sent::Sent;

/// A node's tasks.
pub(crate) struct Tasks {
    set: RefCell<JoinSet<()>>,
    pub(crate) sent: Rc<Sent>,
    /// Taken by the one that waits for room in a next node's queue; the others queue for it.
    pub(crate) sending: tokio::sync::Mutex<()>,
    /// Messages that were held back and dropped without an ack or nack.
    pub(crate) dropped: mpsc::UnboundedSender<OtapPdata>,
}

impl Tasks {
    pub(crate) fn new(dropped: mpsc::UnboundedSender<OtapPdata>) -> Rc<Self> {
        Rc::new(Self {
            set: RefCell::default(),
            sent: Rc::default(),
            sending: tokio::sync::Mutex::new(()),
            dropped,
        })
    }

    /// Runs `work` until it ends or the node is dropped.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let mut set = self.set.borrow_mut();
        while set.try_join_next().is_some() {}
        let _ = set.spawn_local(work);
    }

    pub(crate) fn abort(&self) {
        self.set.borrow_mut().abort_all();
    }

    /// Forwards the drain marker when nothing can come before it any more.
    pub(crate) fn forward_marker(
        &self,
        effect_handler: EffectHandler<OtapPdata>,
        deadline: Instant,
    ) {
        let sent = Rc::clone(&self.sent);
        self.spawn(async move {
            sent.idle(deadline).await;
            drain::forward_marker(&effect_handler).await;
        });
    }
}
