// SPDX-License-Identifier: Apache-2.0

//! Fails on purpose, for rehearsing outages.

use std::cell::Cell;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use otapbridge::{
    ConcurrentContextAwareProcessor, ContextAwareEffectHandler, ErrorKind, NodeControlMsg,
    OtapPdata, ProcessingError, ProcessorNode, RequestContext, TaskEffectHandler, async_trait,
};
use serde::Deserialize;

use crate::{duration, in_range};

/// Processor `urn:otapbridge:processor:fault`: delays, panics or refuses each Nth
/// message and forwards the others.
///
/// | setting | meaning | default |
/// | --- | --- | --- |
/// | `delay` | wait so long first; ends at once when the request does | `0s` |
/// | `block` | then keep the pipeline's thread so long, as a defect of a node would: nothing else in the pipeline runs | `0s` |
/// | `panic` | then panic with this text; empty: don't | `""` |
/// | `error` | else refuse with this error; absent: forward the data | |
/// | `every` | which messages are hit: each Nth of this node | 1 |
/// | `max_concurrency` | how many messages are delayed at a time; the others queue | 1000 |
/// | `log_refusals` | log why what was passed on is refused behind this node | false |
/// | `log_cancels` | log when work on a message is dropped because its request ended | false |
///
/// `error` has `kind` (`permanent`, `retryable`, `cancelled`, `timeout`,
/// `resource_exhausted` or `configuration`) and optionally `message`,
/// `grpc_code` (1 to 16), `http_status` (400 to 599), `retry_after` and `field`.
/// Durations are in Go's notation.
#[derive(Debug)]
pub struct Fault {
    config: Config,
    /// Made of `config.error` once.
    error: Option<ProcessingError>,
    messages: Cell<u64>,
}

/// See [`Fault`].
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    #[serde(deserialize_with = "duration::deserialize")]
    delay: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    block: Duration,
    panic: String,
    every: NonZeroU64,
    error: Option<ErrorConfig>,
    max_concurrency: NonZeroUsize,
    log_refusals: bool,
    log_cancels: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            block: Duration::ZERO,
            panic: String::new(),
            every: NonZeroU64::MIN,
            error: None,
            max_concurrency: NonZeroUsize::new(1000).expect("not zero"),
            log_refusals: false,
            log_cancels: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorConfig {
    kind: ErrorKind,
    #[serde(default = "default_message")]
    message: String,
    grpc_code: Option<i64>,
    http_status: Option<i64>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    retry_after: Option<Duration>,
    field: Option<String>,
}

fn default_message() -> String {
    "injected by the fault processor".to_owned()
}

impl ErrorConfig {
    fn error(&self) -> Result<ProcessingError, ProcessingError> {
        let mut error = ProcessingError::new(self.kind, self.message.as_str());
        if let Some(code) = self.grpc_code {
            error = error.with_grpc_code(in_range(code, 1..=16, "error.grpc_code")? as i32);
        }
        if let Some(status) = self.http_status {
            let status = in_range(status, 400..=599, "error.http_status")?;
            error = error.with_http_status(status as u16);
        }
        if let Some(delay) = self.retry_after {
            error = error.with_retry_after(delay);
        }
        if let Some(field) = &self.field {
            error = error.with_field(field.as_str());
        }
        Ok(error)
    }
}

impl Fault {
    /// Counts a message and says whether it is hit.
    fn hits(&self) -> bool {
        let message = self.messages.get().wrapping_add(1);
        self.messages.set(message);
        message.is_multiple_of(self.config.every.get())
    }

    /// What happens to a message that is hit.
    async fn strike(&self) -> Result<(), ProcessingError> {
        if !self.config.delay.is_zero() {
            tokio::time::sleep(self.config.delay).await;
        }
        if !self.config.block.is_zero() {
            std::thread::sleep(self.config.block);
        }
        if !self.config.panic.is_empty() {
            panic!("{}", self.config.panic);
        }
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

/// Logs when it is dropped, unless it was emptied before.
struct LogCancel(Option<RequestContext>);

impl Drop for LogCancel {
    fn drop(&mut self) {
        if let Some(error) = self.0.take().and_then(|context| context.error()) {
            tracing::info!(kind = %error.kind(), error = error.message(), "dropped");
        }
    }
}

/// `permanent` is what the nodes before this one go by.
fn log(refusal: &ProcessingError, permanent: bool) {
    tracing::info!(
        kind = %refusal.kind(),
        permanent,
        grpc_code = refusal.grpc_code(),
        http_status = refusal.http_status(),
        retry_after = refusal.retry_after().map(tracing::field::debug),
        field = refusal.field(),
        error = refusal.message(),
        "refused"
    );
}

impl ProcessorNode for Fault {
    const URN: &'static str = "urn:otapbridge:processor:fault";

    type Config = Config;

    const AT_MOST_ONE_OUTPUT: bool = true;

    fn is_blind(_config: &Config) -> bool {
        true
    }

    fn create(config: Config) -> Result<Self, ProcessingError> {
        let error = config.error.as_ref().map(ErrorConfig::error).transpose()?;
        Ok(Self {
            config,
            error,
            messages: Cell::new(0),
        })
    }
}

#[async_trait(?Send)]
impl ConcurrentContextAwareProcessor for Fault {
    fn max_concurrency(&self) -> NonZeroUsize {
        self.config.max_concurrency
    }

    async fn process_with_context(
        &self,
        mut data: OtapPdata,
        effect_handler: &mut TaskEffectHandler,
    ) -> Result<(), ProcessingError> {
        let log_cancel = self
            .config
            .log_cancels
            .then(|| LogCancel(Some(effect_handler.context().clone())));
        if self.hits() {
            self.strike().await?;
        }
        if self.config.log_refusals {
            effect_handler.subscribe(&mut data, false);
        }
        let sent = effect_handler.send_message(data).await;
        if let Some(mut finished) = log_cancel.filter(|_| sent.is_ok()) {
            finished.0 = None;
        }
        sent
    }

    /// The acks and nacks that `log_refusals` asks for.
    async fn control(
        &self,
        control: NodeControlMsg<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        match control {
            NodeControlMsg::Ack(ack) => effect_handler.ack(*ack.accepted).await,
            NodeControlMsg::Nack(nack) => {
                log(&effect_handler.error_of(&nack), nack.permanent);
                effect_handler.notify_nack(nack).await
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
