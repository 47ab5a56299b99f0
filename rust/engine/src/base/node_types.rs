// SPDX-License-Identifier: Apache-2.0

//! Names of the processors that get special treatment.

pub(crate) const ATTRIBUTE: &str = "urn:otel:processor:attribute";
/// Our own, which works on OTLP as it stands.
pub(crate) const ATTRIBUTES: &str = "urn:otapbridge:processor:attributes";
pub(crate) const BATCH: &str = "urn:otel:processor:batch";
/// Our own.
pub(crate) const CONTEXT_ATTRIBUTES: &str = "urn:otapbridge:processor:context_attributes";
pub(crate) const DEBUG: &str = "urn:otel:processor:debug";
/// Ours; no user can name it.
pub(crate) const DIVIDER: &str = "urn:otapbridge:processor:divider";
pub(crate) const DURABLE_BUFFER: &str = "urn:otel:processor:durable_buffer";
/// Our own node under the engine's name, with the same configuration: the engine's filter drops data
/// without attributes.
pub(crate) const FILTER: &str = "urn:otel:processor:filter";
/// Our own.
pub(crate) const OWN_BATCH: &str = "urn:otapbridge:processor:batch";
/// The same node under our own name.
pub(crate) const OWN_FILTER: &str = "urn:otapbridge:processor:filter";
pub(crate) const LOG_PARSER: &str = "urn:otel:processor:log_parser";
pub(crate) const LOG_SAMPLING: &str = "urn:otel:processor:log_sampling";
pub(crate) const PARTITION: &str = "urn:otel:processor:partition";
pub(crate) const RETRY: &str = "urn:otel:processor:retry";
pub(crate) const TEMPORAL_REAGGREGATION: &str = "urn:otel:processor:temporal_reaggregation";
pub(crate) const TRANSFORM: &str = "urn:otel:processor:transform";
pub(crate) const TYPE_ROUTER: &str = "urn:otel:processor:type_router";
