// SPDX-License-Identifier: Apache-2.0

//! The bridge of `otapbridge-testing` with the nodes of these tests, and what tests share.

use std::ops::Deref;
use std::time::{Duration, Instant};

use bytes::Bytes;
use otapbridge_context::{BlockBuilder, ContextBlock, ErrorKind, ProcessingError, Signal};
use otapbridge_engine::{ComponentKind, ComponentSpec, Emission};
use otapbridge_test_support::otlp::field;
use otapbridge_testing as testing;
pub(crate) use otapbridge_testing::{PATIENCE, Seen};
use serde_json::{Value, json};

use crate::nodes::{self, behave};

/// A runtime with one started component and its host.
pub(crate) struct Bridge(testing::Bridge);

impl Deref for Bridge {
    type Target = testing::Bridge;

    fn deref(&self) -> &testing::Bridge {
        &self.0
    }
}

impl Bridge {
    /// Emissions wait for the test to answer them.
    pub(crate) fn start(config: Value) -> Self {
        Self::start_with(config, |_| None)
    }

    /// Every emission is accepted at once.
    pub(crate) fn accepting(config: Value) -> Self {
        Self::start_with(config, |_| Some(Ok(())))
    }

    /// A component whose first node is a receiver; emissions wait for the test.
    pub(crate) fn receiver(config: Value) -> Self {
        let spec = ComponentSpec {
            kind: ComponentKind::Receiver,
            ..spec(config)
        };
        Self::start_spec(&spec, |_| None).unwrap()
    }

    pub(crate) fn start_with(
        config: Value,
        answer: impl Fn(&Emission) -> Option<Result<(), ProcessingError>> + Send + Sync + 'static,
    ) -> Self {
        Self::start_spec(&spec(config), answer).unwrap()
    }

    pub(crate) fn start_spec(
        spec: &ComponentSpec,
        answer: impl Fn(&Emission) -> Option<Result<(), ProcessingError>> + Send + Sync + 'static,
    ) -> Result<Self, Vec<ProcessingError>> {
        testing::Bridge::start(nodes::factories, spec, answer).map(Self)
    }

    pub(crate) fn submit(&self, call_id: u64, payload: &Bytes) -> Result<(), ProcessingError> {
        self.submit_with(call_id, payload, ContextBlock::empty())
    }

    pub(crate) fn submit_with(
        &self,
        call_id: u64,
        payload: &Bytes,
        context: ContextBlock,
    ) -> Result<(), ProcessingError> {
        self.submit_signal(call_id, Signal::Logs, payload, context)
    }

    /// Returns when a request of the same runtime has ended at its deadline, which is as far
    /// away: for tests of what the passing of time must not do.
    pub(crate) fn outlast(&self, period: Duration) {
        let forgets = behave(json!({"forget": {}}));
        let clock = self.runtime.create_component(&spec(forgets)).unwrap();
        clock.start(PATIENCE).unwrap();
        // No test has as many calls.
        let call = u64::MAX - self.runtime.stats().calls_total;
        clock
            .submit(call, Signal::Logs, deadline(period), 0, |_| Bytes::new())
            .unwrap();
        let error = self.host.done(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        clock.shutdown(PATIENCE);
    }

    pub(crate) fn finish(self) -> Seen {
        self.0.finish()
    }
}

/// Waits for what has no event, as counters of nodes that change after one: it looks again and again.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn spec(config: Value) -> ComponentSpec {
    ComponentSpec {
        signal: None,
        kind: ComponentKind::Processor,
        name: "processors::otap/test".to_owned(),
        component_data: 1,
        cancel_grace: otapbridge_engine::DEFAULT_CANCEL_GRACE,
        references: false,
        config: config.to_string().into_bytes(),
    }
}

/// A context with one metadata key.
pub(crate) fn metadata(key: &str, value: &str) -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block.metadata(key, [value]);
    block.build().unwrap()
}

/// A context whose deadline is `remaining` away.
pub(crate) fn deadline(remaining: Duration) -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block.deadline(remaining, 0);
    block.build().unwrap()
}

/// A timeout that is far more than messages take to the host on a busy machine, and what is longer.
pub(crate) const AMPLE: Duration = Duration::from_secs(1);
pub(crate) const LONGER_THAN_AMPLE: Duration = Duration::from_millis(1100);

/// A context without a caller's deadline, whose time in the library is bounded.
pub(crate) fn timeout(after: Duration) -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block.timeout(after).deadline_is_a_timeout();
    block.build().unwrap()
}

/// An OTLP logs request: one resource, and as many records as there are bodies.
pub(crate) fn logs(bodies: &[&str]) -> Bytes {
    let records: Vec<u8> = bodies
        .iter()
        .flat_map(|body| field(2, &field(5, &field(1, body.as_bytes()))))
        .collect();
    let scope_logs = field(2, &records);
    let resource_logs = [field(1, &[]), scope_logs].concat();
    field(1, &resource_logs).into()
}

/// An OTLP metrics request: a gauge with one point.
pub(crate) fn gauge(name: &str) -> Bytes {
    // time_unix_nano is a fixed64, as_int an sfixed64.
    let point = [vec![3 << 3 | 1], vec![1; 8], vec![6 << 3 | 1], vec![2; 8]].concat();
    let metric = [field(1, name.as_bytes()), field(5, &field(1, &point))].concat();
    let resource_metrics = [field(1, &[]), field(2, &field(2, &metric))].concat();
    field(1, &resource_metrics).into()
}

/// Whether an encoded request contains this text.
pub(crate) fn contains(payload: &[u8], text: &str) -> bool {
    payload
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// A directory that is removed at the end.
pub(crate) struct Directory(std::path::PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("otapbridge-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
