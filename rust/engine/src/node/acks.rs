// SPDX-License-Identifier: Apache-2.0

//! What a context-aware node learns of the messages it sent.

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_engine::control::{CallData, NackMsg};
use otel_arrow_dfe_engine::{
    ConsumerEffectHandlerExtension, Interests, ProducerEffectHandlerExtension,
};
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::node::effect_handler::ContextAwareEffectHandler;
use crate::request::nack;

impl ContextAwareEffectHandler {
    /// Asks to be told how a message fares that this node is about to send: it
    /// comes back as a control message, `Ack` with its `accepted` or `Nack` with its
    /// `refused`, which this node must pass back with [`Self::ack`], [`Self::nack`] or
    /// [`Self::notify_nack`]: nobody before it hears of the message otherwise. The data comes back
    /// with a nack only if `return_data`.
    pub fn subscribe(&self, data: &mut OtapPdata, return_data: bool) {
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
        nack::error_of(&self.pipeline.errors, nack)
    }

    /// Passes a nack back as it came.
    ///
    /// # Errors
    /// Retryable when the pipeline is ending.
    pub async fn notify_nack(&self, nack: NackMsg<OtapPdata>) -> Result<(), ProcessingError> {
        let nacked = self.inner().notify_nack(nack).await;
        nacked.map_err(nack::error_of_engine)
    }
}
