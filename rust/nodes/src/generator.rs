// SPDX-License-Identifier: Apache-2.0

//! Telemetry out of nothing, for trials and load tests.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use otapbridge::{
    BlockBuilder, ContextAwareReceiver, ProcessingError, ReceiverEffectHandler, ReceiverNode,
    RequestContext, Signal, SpanContext, async_trait,
};
use serde::Deserialize;
use tokio::time::MissedTickBehavior;

use crate::{duration, in_range, wrong};

mod payload;

use payload::Payloads;

/// Requests that await their ack at most; beyond it the next one waits.
const MAX_UNDER_WAY: usize = 128;

/// Receiver `urn:otapbridge:receiver:generator`: makes telemetry, each request with
/// a context as if it had come from a client.
///
/// | setting | meaning | default |
/// | --- | --- | --- |
/// | `signal` | `traces`, `metrics` or `logs` | `traces` |
/// | `interval` | time between requests; `0s`: as fast as they are acked, 128 at a time | `1s` |
/// | `batch_size` | spans, data points or log records of a request | 1 |
/// | `count` | how many requests; 0: no end | 0 |
/// | `metadata` | the requests' metadata: a value or a list of values for each key | none |
/// | `timeout` | the requests' time; `0s`: no deadline | `0s` |
/// | `traceparent` | W3C traceparent of the span that all belongs to | none |
pub struct Generator {
    config: Config,
    span: Option<SpanContext>,
}

/// See [`Generator`].
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    signal: Signal,
    #[serde(deserialize_with = "duration::deserialize")]
    interval: Duration,
    batch_size: u32,
    count: u64,
    metadata: BTreeMap<String, Values>,
    #[serde(deserialize_with = "duration::deserialize")]
    timeout: Duration,
    traceparent: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            signal: Signal::Traces,
            interval: Duration::from_secs(1),
            batch_size: 1,
            count: 0,
            metadata: BTreeMap::new(),
            timeout: Duration::ZERO,
            traceparent: None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl Values {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl ReceiverNode for Generator {
    const URN: &'static str = "urn:otapbridge:receiver:generator";

    type Config = Config;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        let _ = in_range(config.batch_size, 1..=1_000_000, "batch_size")?;
        let span = config.traceparent.as_deref().map(str::parse).transpose()?;
        let generator = Self { config, span };
        // Metadata that no context can carry are found here, not at run time.
        let context = generator.context();
        let _ = context.map_err(|error| wrong(error.message(), "metadata"))?;
        Ok(generator)
    }
}

impl Generator {
    fn context(&self) -> Result<RequestContext, ProcessingError> {
        let mut block = BlockBuilder::new();
        if !self.config.timeout.is_zero() {
            let _ = block.timeout(self.config.timeout);
        }
        for (key, values) in &self.config.metadata {
            let _ = block.metadata(key, values.as_slice());
        }
        if let Some(span) = self.span {
            let _ = block.span_context(span);
        }
        Ok(RequestContext::new(block.build()?))
    }
}

#[async_trait(?Send)]
impl ContextAwareReceiver for Generator {
    async fn receive(
        &mut self,
        effect_handler: &ReceiverEffectHandler,
    ) -> Result<(), ProcessingError> {
        let signal = self.config.signal;
        let mut payloads = Payloads::new(signal, self.config.batch_size, self.span);
        let mut interval = (!self.config.interval.is_zero()).then(|| {
            let mut interval = tokio::time::interval(self.config.interval);
            // After a stall it goes on in step instead of in a burst.
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            interval
        });
        let mut left = match self.config.count {
            0 => u64::MAX,
            count => count,
        };
        let mut under_way = FuturesUnordered::new();
        let mut draining = false;
        loop {
            let may_send = left > 0 && !draining && under_way.len() < MAX_UNDER_WAY;
            if under_way.is_empty() && (left == 0 || draining) {
                return Ok(());
            }
            let tick = async {
                match &mut interval {
                    _ if !may_send => pending().await,
                    Some(interval) => {
                        let _ = interval.tick().await;
                    }
                    None => tokio::task::yield_now().await,
                }
            };
            tokio::select! {
                biased;
                () = effect_handler.draining(), if !draining => draining = true,
                Some(result) = under_way.next() => {
                    if let Err(error) = result {
                        let error: ProcessingError = error;
                        tracing::warn!(error = error.message(), "generated data was refused");
                    }
                }
                () = tick => {
                    left -= 1;
                    let request = effect_handler.begin_request(self.context()?);
                    let message = request.message(signal, payloads.next());
                    under_way.push(async move {
                        effect_handler.send_and_wait(&request, message).await
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
