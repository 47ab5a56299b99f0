// SPDX-License-Identifier: Apache-2.0

//! Control messages reach nodes of both kinds.

use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::time::Duration;

use async_trait::async_trait;
use otapbridge_context::ProcessingError;
use otapbridge_engine::engine::{Message, NodeControlMsg, OtapPdata};
use otapbridge_engine::{ConcurrentContextAwareProcessor, ContextAwareProcessor, ProcessorNode};
use otapbridge_engine::{ContextAwareEffectHandler, TaskEffectHandler, error_of_engine};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Bridge, PATIENCE, logs};

const CLOCK_NODE: &str = "urn:test:processor:clock";
const CONCURRENT_CLOCK_NODE: &str = "urn:test:processor:concurrent_clock";

#[derive(Debug, PartialEq, Eq)]
enum Came {
    Tick,
    Shutdown,
}

/// What came to the one clock that runs.
static LISTENER: Mutex<Option<mpsc::Sender<Came>>> = Mutex::new(None);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoConfig {}

/// Starts a timer with its first message, and tells of what comes.
pub(crate) struct Clock;

impl Clock {
    async fn start(handler: &ContextAwareEffectHandler) -> Result<(), ProcessingError> {
        let timer = handler
            .inner()
            .start_periodic_timer(Duration::from_millis(1));
        timer.await.map(drop).map_err(error_of_engine)
    }

    fn control(control: &NodeControlMsg<OtapPdata>) {
        let came = match control {
            NodeControlMsg::TimerTick {} => Came::Tick,
            NodeControlMsg::Shutdown { .. } => Came::Shutdown,
            _ => return,
        };
        if let Some(listener) = &*LISTENER.lock() {
            let _ = listener.send(came);
        }
    }
}

impl ProcessorNode for Clock {
    const URN: &'static str = CLOCK_NODE;
    type Config = NoConfig;

    fn create(_config: NoConfig) -> Result<Self, ProcessingError> {
        Ok(Self)
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Clock {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        match msg {
            Message::PData(data) => {
                Self::start(effect_handler).await?;
                effect_handler.send_message(data).await
            }
            Message::Control(control) => {
                Self::control(&control);
                Ok(())
            }
        }
    }
}

pub(crate) struct ConcurrentClock;

impl ProcessorNode for ConcurrentClock {
    const URN: &'static str = CONCURRENT_CLOCK_NODE;
    type Config = NoConfig;

    fn create(_config: NoConfig) -> Result<Self, ProcessingError> {
        Ok(Self)
    }
}

#[async_trait(?Send)]
impl ConcurrentContextAwareProcessor for ConcurrentClock {
    fn max_concurrency(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    async fn process_with_context(
        &self,
        data: OtapPdata,
        effect_handler: &mut TaskEffectHandler,
    ) -> Result<(), ProcessingError> {
        Clock::start(effect_handler).await?;
        effect_handler.send_message(data).await
    }

    async fn control(
        &self,
        control: NodeControlMsg<OtapPdata>,
        _effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        Clock::control(&control);
        Ok(())
    }
}

fn ticks_and_shutdown(node: Value) {
    let (listener, came) = mpsc::channel();
    *LISTENER.lock() = Some(listener);
    let bridge = Bridge::accepting(node);
    bridge.submit(1, &logs(&["body"])).unwrap();
    bridge.host.done(1).unwrap();
    for _ in 0..3 {
        assert_eq!(came.recv_timeout(PATIENCE), Ok(Came::Tick));
    }
    let _ = bridge.finish();
    *LISTENER.lock() = None;
    let rest: Vec<Came> = came.into_iter().collect();
    let shutdowns = rest.iter().filter(|came| **came == Came::Shutdown).count();
    assert_eq!(shutdowns, 1);
    assert_eq!(rest.last(), Some(&Came::Shutdown));
}

#[test]
fn timers_and_the_shutdown_reach_nodes() {
    for node in [CLOCK_NODE, CONCURRENT_CLOCK_NODE] {
        ticks_and_shutdown(json!({"type": node}));
    }
}
