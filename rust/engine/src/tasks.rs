// SPDX-License-Identifier: Apache-2.0

//! Work that a context-aware node has under way beside the message or control
//! message it is handling: all of it on the pipeline's thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use otel_arrow_dfe_engine::local::processor::EffectHandler;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::answers::Answers;
use crate::drain;

/// A node's tasks, and what they wait for.
pub(crate) struct Tasks {
    set: RefCell<JoinSet<()>>,
    busy: Cell<usize>,
    idle: Notify,
    pub(crate) answers: Answers,
    /// Messages that were held back and dropped without an answer.
    pub(crate) unanswered: mpsc::UnboundedSender<OtapPdata>,
}

/// Counts as work that a drain waits for.
pub(crate) struct Busy(Rc<Tasks>);

impl Drop for Busy {
    fn drop(&mut self) {
        let busy = self.0.busy.get() - 1;
        self.0.busy.set(busy);
        if busy == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Tasks {
    pub(crate) fn new(unanswered: mpsc::UnboundedSender<OtapPdata>) -> Rc<Self> {
        Rc::new(Self {
            set: RefCell::default(),
            busy: Cell::new(0),
            idle: Notify::new(),
            answers: Answers::default(),
            unanswered,
        })
    }

    /// Runs `work` until it ends or the node is dropped.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let mut set = self.set.borrow_mut();
        while set.try_join_next().is_some() {}
        let _ = set.spawn_local(work);
    }

    pub(crate) fn busy(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        Busy(Rc::clone(self))
    }

    /// Sends the drain's mark on when nothing can come before it any more.
    pub(crate) fn pass_mark_on(
        self: &Rc<Self>,
        effect_handler: EffectHandler<OtapPdata>,
        deadline: Option<Instant>,
    ) {
        let tasks = Rc::clone(self);
        self.spawn(async move {
            let idle = async {
                while tasks.busy.get() > 0 {
                    tasks.idle.notified().await;
                }
            };
            match deadline {
                Some(deadline) => {
                    let _ = tokio::time::timeout_at(deadline.into(), idle).await;
                }
                None => idle.await,
            }
            drain::pass_on(&effect_handler).await;
        });
    }
}

/// Ends a node's tasks with the node. They hold their handler, so nothing else would.
pub(crate) struct TasksOwner(pub(crate) Rc<Tasks>);

impl Drop for TasksOwner {
    fn drop(&mut self) {
        self.0.set.borrow_mut().abort_all();
    }
}
