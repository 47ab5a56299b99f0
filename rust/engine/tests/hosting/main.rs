//! Hosts real pipelines and watches them from outside.

mod calls;
mod cancellation;
mod engine_nodes;
mod failures;
mod harness;
mod nodes;
mod shutdown;
mod validation;
