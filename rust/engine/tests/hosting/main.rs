// SPDX-License-Identifier: Apache-2.0

//! Hosts real pipelines and watches them from outside.

mod batch;
mod calls;
mod cancellation;
mod child_work;
mod concurrency;
mod control_messages;
mod ended_calls;
mod engine_nodes;
mod failures;
mod harness;
mod kept;
mod nodes;
mod receivers;
mod retry;
mod shutdown;
mod validation;
