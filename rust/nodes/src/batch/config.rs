// SPDX-License-Identifier: Apache-2.0

//! The batch processor's configuration.
//!
//! Names, defaults and rules are those of `batch` in the collector's
//! `exporterhelper` v0.161.0. `partition.cardinality_limit` is not among them:
//! it does what `metadata_cardinality_limit` of the stock batch processor does.

use std::num::NonZeroUsize;
use std::time::Duration;

use otapbridge::ProcessingError;
use otapbridge_otlp::Sizer;
use serde::{Deserialize, Deserializer};

use crate::{duration, wrong};

/// What is written in the configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The longest time that data waits for more. Not zero.
    #[serde(deserialize_with = "duration::deserialize")]
    pub(crate) flush_timeout: Duration,
    pub(crate) sizer: Sizer,
    /// From this size on a batch is sent at once. 0 sends every request at once.
    pub(crate) min_size: usize,
    /// At least `min_size`.
    #[serde(deserialize_with = "limit")]
    pub(crate) max_size: Option<NonZeroUsize>,
    pub(crate) partition: PartitionConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            flush_timeout: Duration::from_millis(200),
            sizer: Sizer::Items,
            min_size: 8192,
            max_size: None,
            partition: PartitionConfig::default(),
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PartitionConfig {
    /// Lower-case, each once, when they were checked.
    pub(crate) metadata_keys: Vec<String>,
    #[serde(deserialize_with = "limit")]
    pub(crate) cardinality_limit: Option<NonZeroUsize>,
}

impl Default for PartitionConfig {
    fn default() -> Self {
        Self {
            metadata_keys: Vec::new(),
            cardinality_limit: NonZeroUsize::new(1000),
        }
    }
}

/// 0 is no limit.
fn limit<'de, D: Deserializer<'de>>(input: D) -> Result<Option<NonZeroUsize>, D::Error> {
    usize::deserialize(input).map(NonZeroUsize::new)
}

impl Config {
    /// Whether no request is divided, which is all that needs the data.
    pub(crate) fn joins_only(&self) -> bool {
        self.max_size.is_none()
    }

    /// # Errors
    /// A configuration error that names the setting.
    pub(crate) fn checked(mut self) -> Result<Self, ProcessingError> {
        if self.flush_timeout.is_zero() {
            return Err(wrong(
                "must be positive: data waits for more so long at most; to send every request at once set min_size to 0",
                "flush_timeout",
            ));
        }
        if let Some(max_size) = self.max_size
            && max_size.get() < self.min_size
        {
            return Err(wrong(
                format!(
                    "{max_size} is less than min_size, which is {}: raise max_size, lower min_size, or set max_size to 0 for no limit",
                    self.min_size
                ),
                "max_size",
            ));
        }
        self.partition.metadata_keys = metadata_keys(&self.partition.metadata_keys)?;
        Ok(self)
    }
}

/// The keys in lower case, as the collector compares them.
fn metadata_keys(written: &[String]) -> Result<Vec<String>, ProcessingError> {
    let mut keys: Vec<String> = Vec::with_capacity(written.len());
    for (index, key) in written.iter().enumerate() {
        let field = || format!("partition.metadata_keys[{index}]");
        let key = key.to_lowercase();
        if key.is_empty() {
            return Err(wrong("must not be empty: name a metadata key", field()));
        }
        if let Some(first) = keys.iter().position(|earlier| *earlier == key) {
            return Err(wrong(
                format!(
                    "{key:?} is the same key as partition.metadata_keys[{first}] (letter case does not matter): remove one of them"
                ),
                field(),
            ));
        }
        keys.push(key);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
