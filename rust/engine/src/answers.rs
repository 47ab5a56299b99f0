// SPDX-License-Identifier: Apache-2.0

//! What a context-aware node learns of the messages it sent on.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_engine::control::{CallData, Context8u8, NackMsg, NodeControlMsg};
use otel_arrow_dfe_engine::{Interests, ProducerEffectHandlerExtension};
use otel_arrow_dfe_otap::pdata::OtapPdata;
use tokio::sync::oneshot;

use crate::core::Core;
use crate::effect_handler::ContextAwareEffectHandler;
use crate::nack;

/// Tells answers that tasks await from those of the node itself.
const AWAITED_BY_TASK: u64 = 0x6f74_6170_625f_7461;

type Answer = Result<(), ProcessingError>;

/// Messages whose answers tasks await, by the number that comes back with the answer.
#[derive(Default)]
pub(crate) struct Answers {
    last: Cell<u64>,
    awaited: Rc<RefCell<HashMap<u64, oneshot::Sender<Answer>>>>,
}

/// An answer that is awaited until this is dropped.
pub(crate) struct Awaited {
    key: u64,
    awaited: Rc<RefCell<HashMap<u64, oneshot::Sender<Answer>>>>,
    pub(crate) answer: oneshot::Receiver<Answer>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let _ = self.awaited.borrow_mut().remove(&self.key);
    }
}

impl Answers {
    pub(crate) fn expect(&self) -> Awaited {
        let key = self.last.get() + 1;
        self.last.set(key);
        let (sender, answer) = oneshot::channel();
        let _ = self.awaited.borrow_mut().insert(key, sender);
        Awaited {
            key,
            awaited: Rc::clone(&self.awaited),
            answer,
        }
    }

    /// Hands an answer to the task that awaits it; any other message comes back.
    pub(crate) fn resolve(
        &self,
        core: &Core,
        control: NodeControlMsg<OtapPdata>,
    ) -> Option<NodeControlMsg<OtapPdata>> {
        let calldata = match &control {
            NodeControlMsg::Ack(ack) => &ack.unwind.route.calldata,
            NodeControlMsg::Nack(nack) => &nack.unwind.route.calldata,
            _ => return Some(control),
        };
        let &[mark, key] = calldata.as_slice() else {
            return Some(control);
        };
        if u64::from(mark) != AWAITED_BY_TASK {
            return Some(control);
        }
        if let Some(awaiting) = self.awaited.borrow_mut().remove(&u64::from(key)) {
            let answer = match &control {
                NodeControlMsg::Nack(nack) => Err(nack::error_of(&core.errors, nack)),
                _ => Ok(()),
            };
            // The task may have ended at this very moment.
            let _ = awaiting.send(answer);
        }
        None
    }
}

impl Awaited {
    pub(crate) fn calldata(&self) -> CallData {
        CallData::from_iter([AWAITED_BY_TASK, self.key].map(Context8u8::from))
    }
}

impl ContextAwareEffectHandler<OtapPdata> {
    /// Asks to be told how a message fares that this node is about to send: it
    /// comes back as a control message, `Ack` with its `accepted` or `Nack` with its
    /// `refused`, which this node must hand on with [`Self::ack`] or [`Self::nack`]:
    /// nobody before it hears of the message otherwise. The data comes back
    /// with a nack only if `return_data`.
    pub fn await_answer(&self, data: &mut OtapPdata, return_data: bool) {
        let mut interests = Interests::ACKS_OR_NACKS;
        if return_data {
            interests |= Interests::RETURN_DATA;
        }
        self.inner().subscribe_to(interests, CallData::new(), data);
    }

    /// Why a message was refused: the host's error or that of a node of ours with
    /// everything it had, otherwise what the engine's nack says.
    #[must_use]
    pub fn error_of(&self, nack: &NackMsg<OtapPdata>) -> ProcessingError {
        nack::error_of(&self.core.errors, nack)
    }
}
