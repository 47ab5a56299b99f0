// SPDX-License-Identifier: Apache-2.0

//! Hosts real pipelines and watches them from outside.

mod batch;
mod calls;
mod cancellation;
mod child_work;
mod comparison;
mod concurrency;
mod control_messages;
mod durable_buffer;
mod ended_calls;
mod engine_nodes;
mod error_classes;
mod failures;
mod fidelity;
mod harness;
mod kept;
mod large;
mod nodes;
mod otlp;
mod own_nodes;
mod own_nodes_among_others;
mod pipelines;
mod receivers;
mod retry;
mod rich_request;
mod shutdown;
mod validation;
mod values;
