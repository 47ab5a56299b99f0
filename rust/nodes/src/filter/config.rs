// SPDX-License-Identifier: Apache-2.0

//! The filter processor's configuration.
//!
//! `metrics`, `logs` and `traces`, and what is required of them, are those of `processor:filter` in the
//! engine's `otel-arrow-dfe-core-nodes` v0.62.0, except that unknown names are refused. `span_events` and `span_links` are
//! our own; conditions have their names in `conditions/config.rs`.

use otapbridge::ProcessingError;
use serde::Deserialize;

use super::rules::Rules;
use crate::conditions::{ConditionsConfig, Of, Selection};

/// What is written in the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    metrics: RulesConfig,
    logs: RulesConfig,
    traces: RulesConfig,
    span_events: RulesConfig,
    span_links: RulesConfig,
}

/// What happens to some of the data.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RulesConfig {
    include: Option<ConditionsConfig>,
    exclude: Option<ConditionsConfig>,
}

impl Config {
    /// The rules, with all patterns compiled.
    ///
    /// # Errors
    /// Configuration, with the path of a pattern that is none, or of a condition that the data cannot fulfil.
    pub(super) fn rules(&self) -> Result<Rules, ProcessingError> {
        Ok(Rules {
            metrics: self.metrics.selection(Of::Metrics)?,
            logs: self.logs.selection(Of::Logs)?,
            traces: self.traces.selection(Of::Traces)?,
            span_events: self.span_events.selection(Of::SpanEvents)?,
            span_links: self.span_links.selection(Of::SpanLinks)?,
        })
    }
}

impl RulesConfig {
    fn selection(&self, of: Of) -> Result<Selection, ProcessingError> {
        let conditions = |written: &Option<ConditionsConfig>, name: &str| match written {
            Some(written) => written.of(of, &format!("{}.{name}", of.name())),
            None => Ok(None),
        };
        Ok(Selection {
            include: conditions(&self.include, "include")?,
            exclude: conditions(&self.exclude, "exclude")?,
        })
    }
}
