// SPDX-License-Identifier: Apache-2.0

//! Counters of a runtime, shared by everything that lives in it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Live counts and totals of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) components: AtomicU64,
    pub(crate) calls_in_flight: AtomicU64,
    pub(crate) payloads_unreleased: AtomicU64,
    pub(crate) payload_bytes_unreleased: AtomicU64,
    pub(crate) emissions_in_flight: AtomicU64,
    pub(crate) pipelines: AtomicU64,
    pub(crate) calls_total: AtomicU64,
    pub(crate) late_completions_total: AtomicU64,
    pub(crate) panics_total: AtomicU64,
    pub(crate) restarts_total: AtomicU64,
}

/// Adds one.
pub(crate) fn increment(counter: &AtomicU64) {
    let _ = counter.fetch_add(1, Ordering::Relaxed);
}

/// Takes one away.
pub(crate) fn decrement(counter: &AtomicU64) {
    let _ = counter.fetch_sub(1, Ordering::Relaxed);
}

/// Counters as read at one time. All but the totals are 0 when idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Components created and not dropped.
    pub components: u64,
    /// Calls accepted and not yet completed.
    pub calls_in_flight: u64,
    /// Payloads of the host that the engine still reads.
    pub payloads_unreleased: u64,
    /// Bytes of those payloads.
    pub payload_bytes_unreleased: u64,
    /// Emissions that are not answered.
    pub emissions_in_flight: u64,
    /// Request contexts alive.
    pub contexts_alive: u64,
    /// Pipelines running.
    pub pipelines: u64,
    /// Total of calls accepted.
    pub calls_total: u64,
    /// Total of completions and answers that came too late or twice.
    pub late_completions_total: u64,
    /// Total of panics contained.
    pub panics_total: u64,
    /// Total of pipeline restarts.
    pub restarts_total: u64,
    /// Errors under way inside pipelines.
    pub errors_carried: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            components: get(&self.components),
            calls_in_flight: get(&self.calls_in_flight),
            payloads_unreleased: get(&self.payloads_unreleased),
            payload_bytes_unreleased: get(&self.payload_bytes_unreleased),
            emissions_in_flight: get(&self.emissions_in_flight),
            contexts_alive: otapbridge_context::RequestContext::live(),
            pipelines: get(&self.pipelines),
            calls_total: get(&self.calls_total),
            late_completions_total: get(&self.late_completions_total),
            panics_total: get(&self.panics_total),
            restarts_total: get(&self.restarts_total),
            errors_carried: 0,
        }
    }
}
