// SPDX-License-Identifier: Apache-2.0

//! A rate of requests for each tenant.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use otapbridge::prelude::*;
use serde::Deserialize;

/// Tenants that are remembered at a time. Clients choose their names.
const MAX_TENANTS: usize = 10_000;

/// The longest time between two requests of a tenant.
const MAX_INTERVAL: Duration = Duration::from_secs(50_000);

/// Processor `urn:example:processor:tenant_quota`: passes on what each tenant may
/// send, lets a request wait for its turn if its deadline leaves time for that, and
/// refuses it otherwise, with the time after which there is a turn for it.
pub struct TenantQuota {
    config: Config,
    /// The time between two requests of a tenant.
    interval: Duration,
    /// When the next turn of each tenant is.
    turns: RefCell<HashMap<String, Instant>>,
}

/// See [`TenantQuota`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The metadata key that names the tenant.
    metadata_key: String,
    /// Requests for each tenant, on average.
    requests_per_second: f64,
    /// How many of them may come at once.
    #[serde(default = "one")]
    burst: NonZeroU32,
    /// The longest that a request waits for its turn.
    #[serde(default)]
    max_wait_ms: u64,
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

impl TenantQuota {
    /// Takes a turn and says how long to wait for it. When that is longer than
    /// `patience`, no turn is taken, and the time is the error.
    fn take_turn(
        &self,
        tenant: &str,
        patience: Duration,
        now: Instant,
    ) -> Result<Duration, Duration> {
        let mut turns = self.turns.borrow_mut();
        if turns.len() >= MAX_TENANTS && !turns.contains_key(tenant) {
            turns.retain(|_, turn| *turn > now);
            if turns.len() >= MAX_TENANTS {
                return Err(self.interval);
            }
        }
        let turn = turns.get(tenant).map_or(now, |turn| now.max(*turn));
        let ahead = self.interval * (self.config.burst.get() - 1);
        let wait = (turn - now).saturating_sub(ahead);
        if wait > patience {
            return Err(wait);
        }
        match turns.get_mut(tenant) {
            Some(next) => *next = turn + self.interval,
            None => drop(turns.insert(tenant.to_owned(), turn + self.interval)),
        }
        Ok(wait)
    }

    /// How long the request has to wait, or why it is refused.
    fn admit(&self, context: &RequestContext) -> Result<Duration, ProcessingError> {
        let key = &self.config.metadata_key;
        let tenant = context
            .metadata()
            .first(key)
            .and_then(|value| value.to_str());
        let tenant = tenant.ok_or_else(|| {
            ProcessingError::permanent(format!("the request names no tenant: send {key}"))
                .with_grpc_code(16) // Unauthenticated
                .with_http_status(401)
        })?;
        let max_wait = Duration::from_millis(self.config.max_wait_ms);
        let patience = context
            .remaining()
            .map_or(max_wait, |left| left.min(max_wait));
        self.take_turn(tenant, patience, Instant::now())
            .map_err(|wait| {
                let trace = context
                    .span_context()
                    .map(|span| format!(" (trace {})", span.trace_id_hex()));
                let trace = trace.unwrap_or_default();
                let message = format!("tenant {tenant} is over its quota{trace}");
                ProcessingError::resource_exhausted(message, Some(wait))
            })
    }
}

impl ProcessorNode for TenantQuota {
    const URN: &'static str = "urn:example:processor:tenant_quota";
    const AT_MOST_ONE_OUTPUT: bool = true;
    type Config = Config;

    /// It goes by the context alone.
    fn is_blind(_config: &Config) -> bool {
        true
    }

    fn create(config: Config) -> Result<Self, ProcessingError> {
        let interval = Duration::try_from_secs_f64(1.0 / config.requests_per_second)
            .ok()
            .filter(|interval| *interval <= MAX_INTERVAL)
            .ok_or_else(|| {
                let field = Some("requests_per_second".to_owned());
                ProcessingError::configuration("must be at least 0.00002", field)
            })?;
        Ok(Self {
            config,
            interval,
            turns: RefCell::default(),
        })
    }
}

#[async_trait(?Send)]
impl ConcurrentContextAwareProcessor for TenantQuota {
    fn max_concurrency(&self) -> NonZeroUsize {
        NonZeroUsize::new(1000).expect("not zero")
    }

    async fn process_with_context(
        &self,
        data: OtapPdata,
        effect_handler: &mut TaskEffectHandler,
    ) -> Result<(), ProcessingError> {
        let wait = self.admit(effect_handler.context())?;
        // A request that ends while it waits is dropped here; it has used its turn.
        tokio::time::sleep(wait).await;
        effect_handler.send_message(data).await
    }
}

#[cfg(test)]
mod tests;
