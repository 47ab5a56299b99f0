// SPDX-License-Identifier: Apache-2.0

//! What a pipeline's nodes get from it while they are built.
//!
//! Engine factories are plain functions without captures, and a pipeline is
//! built on the thread that runs it: a thread-local is how they reach it.

use std::cell::RefCell;
use std::sync::Arc;

use otel_arrow_dfe_config::error::Error as ConfigError;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::base::spec::config_error;
use crate::base::storage::Storage;
use crate::request::state::{Answer, PipelineState, Submission};

pub(crate) struct Building {
    pub(crate) pipeline: Arc<PipelineState>,
    /// Where its nodes may keep what outlives them; none in a trial.
    pub(crate) storage: Option<Storage>,
    pub(crate) submissions: Option<UnboundedReceiver<Submission>>,
    pub(crate) answers: Option<UnboundedReceiver<Answer>>,
}

thread_local! {
    static BUILDING: RefCell<Option<Building>> = const { RefCell::new(None) };
}

/// Ends the building when it is dropped.
pub(crate) struct Scope(());

pub(crate) fn begin(building: Building) -> Scope {
    BUILDING.with_borrow_mut(|slot| *slot = Some(building));
    Scope(())
}

impl Drop for Scope {
    fn drop(&mut self) {
        BUILDING.with_borrow_mut(|slot| *slot = None);
    }
}

pub(crate) fn pipeline() -> Result<Arc<PipelineState>, ConfigError> {
    take(|building| Some(Arc::clone(&building.pipeline)))
}

pub(crate) fn storage() -> Result<Option<Storage>, ConfigError> {
    take(|building| Some(building.storage.clone()))
}

pub(crate) fn take_submissions() -> Result<UnboundedReceiver<Submission>, ConfigError> {
    take(|building| building.submissions.take())
}

pub(crate) fn take_answers() -> Result<UnboundedReceiver<Answer>, ConfigError> {
    take(|building| building.answers.take())
}

fn take<T>(get: impl FnOnce(&mut Building) -> Option<T>) -> Result<T, ConfigError> {
    BUILDING
        .with_borrow_mut(|slot| slot.as_mut().and_then(get))
        .ok_or_else(|| {
            config_error("this node can only be built once, inside a component's pipeline")
        })
}
