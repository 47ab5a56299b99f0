// SPDX-License-Identifier: Apache-2.0

//! What an author's processor implements.

use std::num::NonZeroUsize;
use std::time::Instant;

use async_trait::async_trait;
use otapbridge_context::ProcessingError;
use otel_arrow_dfe_engine::control::NodeControlMsg;
use otel_arrow_dfe_engine::message::Message;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use serde::de::DeserializeOwned;

use crate::node::effect_handler::{ContextAwareEffectHandler, TaskEffectHandler};

/// A processor that sees the request behind each message.
///
/// It handles one message at a time, control messages included.
///
/// ```no_run
/// use otapbridge::prelude::*;
///
/// /// Refuses requests that have no deadline.
/// struct RequireDeadline;
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Config {}
///
/// impl ProcessorNode for RequireDeadline {
///     const URN: &'static str = "urn:example:processor:require_deadline";
///     type Config = Config;
///
///     fn create(_config: Config) -> Result<Self, ProcessingError> {
///         Ok(Self)
///     }
/// }
///
/// #[async_trait(?Send)]
/// impl ContextAwareProcessor for RequireDeadline {
///     async fn process_with_context(
///         &mut self,
///         msg: Message<OtapPdata>,
///         effect_handler: &mut ContextAwareEffectHandler,
///     ) -> Result<(), ProcessingError> {
///         match msg {
///             Message::PData(_) if effect_handler.deadline().is_none() => {
///                 Err(ProcessingError::invalid_argument("set a deadline"))
///             }
///             Message::PData(data) => effect_handler.send_message(data).await,
///             Message::Control(_) => Ok(()),
///         }
///     }
/// }
///
/// let node_type: NodeFactory = processor_factory::<RequireDeadline>();
/// ```
#[async_trait(?Send)]
pub trait ContextAwareProcessor<PData = OtapPdata> {
    /// Handles a data or control message.
    ///
    /// For a data message, `effect_handler` carries the context of its request,
    /// and the returned future is dropped at the request's cancel or deadline:
    /// keep nothing across an await that must not be dropped. An error refuses
    /// the message: the caller gets it as it is.
    ///
    /// # Errors
    /// Any [`ProcessingError`]; one returned for a control message ends the
    /// pipeline, which is then restarted.
    async fn process_with_context(
        &mut self,
        msg: Message<PData>,
        effect_handler: &mut ContextAwareEffectHandler<PData>,
    ) -> Result<(), ProcessingError>;

    /// Forwards what the node keeps back, when the component is shut down: no data
    /// message comes after it, and what is sent by `deadline` may still be acked.
    ///
    /// # Errors
    /// Any [`ProcessingError`]; it ends the pipeline.
    async fn flush_all(
        &mut self,
        _effect_handler: &mut ContextAwareEffectHandler<PData>,
        _deadline: Instant,
    ) -> Result<(), ProcessingError> {
        Ok(())
    }
}

/// A processor that works on several requests at a time, for nodes that wait for something.
///
/// ```no_run
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
///
/// use otapbridge::prelude::*;
///
/// /// Forwards each message a second later.
/// struct Late;
///
/// #[async_trait(?Send)]
/// impl ConcurrentContextAwareProcessor for Late {
///     fn max_concurrency(&self) -> NonZeroUsize {
///         NonZeroUsize::new(100).expect("not zero")
///     }
///
///     async fn process_with_context(
///         &self,
///         data: OtapPdata,
///         effect_handler: &mut TaskEffectHandler,
///     ) -> Result<(), ProcessingError> {
///         tokio::time::sleep(Duration::from_secs(1)).await; // dropped when the request ends
///         effect_handler.send_message(data).await
///     }
/// }
/// ```
#[async_trait(?Send)]
pub trait ConcurrentContextAwareProcessor<PData = OtapPdata> {
    /// How many messages are processed at a time; the others wait in the node's queue.
    fn max_concurrency(&self) -> NonZeroUsize;

    /// Handles a data message; as [`ContextAwareProcessor::process_with_context`].
    /// All run on the pipeline's one thread, in turns, at their awaits.
    ///
    /// # Errors
    /// Any [`ProcessingError`]: it refuses the message.
    async fn process_with_context(
        &self,
        data: PData,
        effect_handler: &mut TaskEffectHandler<PData>,
    ) -> Result<(), ProcessingError>;

    /// Handles a control message, such as a timer's.
    ///
    /// # Errors
    /// Any [`ProcessingError`]; it ends the pipeline, which is then restarted.
    async fn control(
        &self,
        _control: NodeControlMsg<PData>,
        _effect_handler: &mut ContextAwareEffectHandler<PData>,
    ) -> Result<(), ProcessingError> {
        Ok(())
    }
}

/// A processor's name and configuration.
pub trait ProcessorNode: Sized + 'static {
    /// Node type, `urn:<namespace>:processor:<id>`.
    const URN: &'static str;

    /// The configuration. It should refuse unknown fields.
    type Config: DeserializeOwned;

    /// Whether the node makes one thing at most of each message: it forwards that once,
    /// changed or not, or accepts or refuses it. Where all nodes do, the host's answer
    /// reaches the caller without a way back through the pipeline. A node that says so
    /// and sends more has calls completed by the answer to the first of them.
    const AT_MOST_ONE_OUTPUT: bool = false;

    /// Whether the node never looks at the data of a message, nor makes other data of one,
    /// with this configuration: it refuses, delays, routes or joins requests by their context,
    /// signal and [size](ContextAwareEffectHandler::data_size), and sends each on once at most.
    /// Where all nodes are so, the host need not write its data for them: messages have none then.
    /// The host gives the data away with the first output of a request, and refuses further output.
    fn is_blind(_config: &Self::Config) -> bool {
        false
    }

    /// Makes the node. Also called, and the result dropped, to validate a
    /// configuration, so it must not start anything.
    ///
    /// # Errors
    /// [`ProcessingError::configuration`] with the path below `config` as its field.
    fn create(config: Self::Config) -> Result<Self, ProcessingError>;
}
