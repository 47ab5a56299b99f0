// SPDX-License-Identifier: Apache-2.0

//! What decides about requests and events, run in the orders in which threads can meet.
//!
//! The sources are the engine's own. Only what stands in `base/sync.rs`, the context's time, the
//! reaper's thread and two types of otap-dataflow is something else here, so that `loom` sees
//! where threads can meet and nothing of otap-dataflow is compiled.
//!
//! Usage: `otapbridge-engine-loom [part of a model's name]`; with it, each model says how many
//! orders it has. `LOOM_MAX_PREEMPTIONS` overrules the models' bounds, `LOOM_LOG=trace` shows each step.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "models use a part of what the engine does")]

// The sources name these crates; they find what they need of them here.
extern crate self as otapbridge_context;
extern crate self as otel_arrow_dfe_engine;
extern crate self as otel_arrow_dfe_otap;

pub use context::{
    CancelReason, ContextBlock, ErrorKind, ErrorTable, HostErrorReleased, ProcessingError, Signal,
    error_table,
};
pub use stand_ins::{RequestContext, control, pdata};

mod base {
    #[path = "../../../src/base/counters.rs"]
    pub(crate) mod counters;
    #[path = "../../../src/base/event.rs"]
    pub(crate) mod event;
    #[path = "../../../src/base/outbox.rs"]
    pub(crate) mod outbox;
    pub(crate) mod sync;
}
mod request {
    #[path = "../../../src/request/emissions.rs"]
    pub(crate) mod emissions;
    // Formatting would look for its unit tests, which are not where this path leads.
    #[rustfmt::skip]
    #[path = "../../../src/request/errors.rs"]
    pub(crate) mod errors;
    #[path = "../../../src/request/due.rs"]
    pub(crate) mod due;
    #[path = "../../../src/request/pace.rs"]
    pub(crate) mod pace;
    pub(crate) mod reaper;
    #[expect(clippy::module_inception, reason = "as in the engine")]
    #[path = "../../../src/request/request.rs"]
    pub(crate) mod request;
    #[path = "../../../src/request/state.rs"]
    pub(crate) mod state;
    #[path = "../../../src/request/table.rs"]
    pub(crate) mod table;
}
mod models {
    pub(crate) mod calls;
    pub(crate) mod ending;
    pub(crate) mod explore;
    pub(crate) mod outbox;
    pub(crate) mod own_request;
    pub(crate) mod table;
    pub(crate) mod waiting;
    pub(crate) mod world;
}
mod stand_ins;

use models::explore::Models;

fn main() -> std::process::ExitCode {
    let mut models = Models::default();
    // Those that take long come first.
    models::outbox::add(&mut models);
    models::own_request::add(&mut models);
    models::waiting::add(&mut models);
    models::table::add(&mut models);
    models::ending::add(&mut models);
    models::calls::add(&mut models);
    models.run(std::env::args().nth(1).as_deref())
}
