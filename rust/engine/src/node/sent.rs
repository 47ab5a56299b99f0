// SPDX-License-Identifier: Apache-2.0

//! Messages that a node's tasks have sent, and whose acks they await.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_engine::control::{CallData, Context8u8, NodeControlMsg};
use otel_arrow_dfe_engine::error::TypedError;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use tokio::sync::{Notify, oneshot};

use crate::base::sending::{ACK_TURNS, turns};
use crate::node::own_request::OwnRequest;
use crate::request::nack;
use crate::request::state::PipelineState;

/// The tag of acks and nacks that tasks await: the node's own have none, or another.
const AWAITED_BY_TASK: u64 = 0x6f74_6170_625f_7461;

type Acked = Result<(), ProcessingError>;
type Awaiting = RefCell<HashMap<u64, oneshot::Sender<Acked>>>;

/// What a node's tasks have sent and not finished.
#[derive(Default)]
pub(crate) struct Sent {
    last: Cell<u64>,
    /// By the number that comes back with the ack or nack.
    awaiting: Rc<Awaiting>,
    busy: Cell<usize>,
    idle: Notify,
}

/// An ack or nack that is awaited until this is dropped.
pub(crate) struct Awaited {
    key: u64,
    awaiting: Rc<Awaiting>,
    acked: oneshot::Receiver<Acked>,
}

impl Awaited {
    /// What the message is to be subscribed with.
    pub(crate) fn calldata(&self) -> CallData {
        CallData::from_iter([AWAITED_BY_TASK, self.key].map(Context8u8::from))
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let _ = self.awaiting.borrow_mut().remove(&self.key);
    }
}

/// Counts as work that a drain waits for.
pub(crate) struct Busy(Rc<Sent>);

impl Drop for Busy {
    fn drop(&mut self) {
        let busy = self.0.busy.get() - 1;
        self.0.busy.set(busy);
        if busy == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Sent {
    pub(crate) fn busy(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        Busy(Rc::clone(self))
    }

    /// Waits until nothing is sent any more, at most until `deadline`.
    pub(crate) async fn idle(&self, deadline: Instant) {
        let idle = async {
            while self.busy.get() > 0 {
                self.idle.notified().await;
            }
        };
        let _ = tokio::time::timeout_at(deadline.into(), idle).await;
    }

    pub(crate) fn expect(&self) -> Awaited {
        let key = self.last.get() + 1;
        self.last.set(key);
        let (sender, acked) = oneshot::channel();
        let _ = self.awaiting.borrow_mut().insert(key, sender);
        Awaited {
            key,
            awaiting: Rc::clone(&self.awaiting),
            acked,
        }
    }

    /// Gives an ack or nack to the task that awaits it; any other message comes back.
    pub(crate) fn resolve(
        &self,
        pipeline: &PipelineState,
        control: NodeControlMsg<OtapPdata>,
    ) -> Option<NodeControlMsg<OtapPdata>> {
        let calldata = match &control {
            NodeControlMsg::Ack(ack) => &ack.unwind.route.calldata,
            NodeControlMsg::Nack(nack) => &nack.unwind.route.calldata,
            _ => return Some(control),
        };
        let &[tag, key] = calldata.as_slice() else {
            return Some(control);
        };
        if u64::from(tag) != AWAITED_BY_TASK {
            return Some(control);
        }
        if let Some(awaiting) = self.awaiting.borrow_mut().remove(&u64::from(key)) {
            let acked = match &control {
                NodeControlMsg::Nack(nack) => Err(nack::error_of(&pipeline.errors, nack)),
                _ => Ok(()),
            };
            // The task may have ended at this very moment.
            let _ = awaiting.send(acked);
        }
        None
    }

    /// Awaits the end of `send`, and then the ack of what it sent: as long as the
    /// request lives, and beyond that only for an answer that the host owes. While the caller
    /// has `Some(Busy)` a drain waits for it; it is given back during the wait for the ack.
    pub(crate) async fn send_and_wait(
        self: &Rc<Self>,
        request: &OwnRequest,
        mut awaited: Awaited,
        busy: &mut Option<Busy>,
        send: impl Future<Output = Result<(), TypedError<OtapPdata>>>,
    ) -> Result<(), ProcessingError> {
        let context = request.context();
        // Before the wait, which may end in several ways. An ack takes it back.
        let _ = request.not_acked.fetch_add(1, Ordering::Relaxed);
        {
            let _sending = self.busy();
            tokio::select! {
                biased;
                sent = send => sent.map_err(nack::send_error)?,
                error = context.done() => return Err(error),
            }
        }
        // The task does not count as busy while it waits: the ack may come only after the drain
        // has flushed the next node.
        let was_busy = busy.take().is_some();
        let came = tokio::select! {
            biased;
            acked = &mut awaited.acked => acked,
            error = context.done() => {
                let ack_lost = async {
                    request.request.left_host().await;
                    turns(ACK_TURNS).await;
                };
                tokio::select! {
                    biased;
                    acked = &mut awaited.acked => acked,
                    () = ack_lost => return Err(error),
                }
            }
        };
        if was_busy {
            *busy = Some(self.busy());
        }
        let acked =
            came.unwrap_or_else(|_| Err(ProcessingError::retryable("the pipeline is ending")));
        if acked.is_ok() {
            let _ = request.not_acked.fetch_sub(1, Ordering::Relaxed);
        }
        acked
    }
}
