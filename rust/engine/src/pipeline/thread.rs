// SPDX-License-Identifier: Apache-2.0

//! One pipeline and its thread: built, run, restarted when it dies, stopped.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use otapbridge_context::ProcessingError;
use otel_arrow_dfe_config::{DeployedPipelineKey, PipelineGroupId, PipelineId};
use otel_arrow_dfe_engine::context::ControllerContext;
use otel_arrow_dfe_engine::control::{
    PipelineAdminSender, RuntimeCtrlMsgSender, pipeline_completion_msg_channel,
    runtime_ctrl_msg_channel,
};
use otel_arrow_dfe_engine::entity_context::set_pipeline_entity_key;
use otel_arrow_dfe_engine::memory_limiter::MemoryPressureChanged;
use otel_arrow_dfe_otap::pdata::OtapPdata;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc as async_mpsc, watch};

use crate::base::counters::{decrement, increment};
use crate::base::event::{ComponentStatus, Event};
use crate::base::sending::at;
use crate::base::spec::{ComponentKind, Topology};
use crate::base::storage::Storage;
use crate::guard::admission::panic_text;
use crate::pipeline::build::build;
use crate::pipeline::telemetry::Reporters;
use crate::request::building::Building;
use crate::request::state::{Ingress, PipelineState};

const SHUTDOWN_REASON: &str = "shutdown requested";

/// Sizes of the engine's control channels, as its own controller has them.
const CONTROL_CAPACITY: usize = 256;
const COMPLETION_CAPACITY: usize = 512;

/// A pipeline that dies this often without having run well is given up.
const MAX_RESTARTS: u32 = 8;
/// Doubled each time: 12.8 s before the last restart.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// A pipeline that ran this long has recovered.
const RUNS_WELL: Duration = Duration::from_secs(60);

/// The engine converts nested values by recursion, up to the depth that `guard/divider.rs` allows. Memory is only
/// used as far as the stack grows.
const STACK_SIZE: usize = 16 * 1024 * 1024;

/// What a pipeline's thread is made from.
pub(crate) struct Launch {
    pub(crate) pipeline: Arc<PipelineState>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) storage: Storage,
    pub(crate) reporters: Reporters,
    pub(crate) log: Option<tracing::Dispatch>,
}

/// Hears once whether a pipeline came up.
type Ready = mpsc::Sender<Result<(), ProcessingError>>;

/// A running pipeline thread. Stop it before dropping it.
pub(crate) struct PipelineThread {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// How the owner reaches the thread.
#[derive(Default)]
struct Control {
    state: Mutex<State>,
    stop: Notify,
}

#[derive(Default)]
struct State {
    /// Set once: when work in flight must have ended.
    stop_at: Option<Instant>,
    /// The running pipeline's own control channel. It must be dropped for the
    /// pipeline to stop before the deadline.
    engine: Option<RuntimeCtrlMsgSender<OtapPdata>>,
}

impl PipelineThread {
    /// Starts a thread; `ready` hears once whether its pipeline came up.
    pub(crate) fn start(launch: Launch, ready: Ready) -> Result<Self, ProcessingError> {
        let control = Arc::new(Control::default());
        let thread_control = Arc::clone(&control);
        let thread = std::thread::Builder::new()
            .name(format!("otapb-{}", launch.pipeline.index))
            .stack_size(STACK_SIZE)
            .spawn(move || match launch.log.clone() {
                Some(log) => tracing::dispatcher::with_default(&log, || {
                    supervise(&launch, &thread_control, ready);
                }),
                None => supervise(&launch, &thread_control, ready),
            })
            .map_err(|error| ProcessingError::retryable(format!("pipeline thread: {error}")))?;
        Ok(Self { control, thread })
    }

    /// Asks the pipeline to end by `deadline`.
    pub(crate) fn stop(&self, deadline: Instant) {
        let engine = {
            let mut state = self.control.state.lock();
            state.stop_at = Some(deadline);
            state.engine.take()
        };
        self.control.stop.notify_one();
        let Some(engine) = engine else { return };
        // The engine says no when its control queue is full, which passes, and
        // when the pipeline is ending anyway, which the thread's end shows.
        while engine
            .try_send_shutdown(deadline, SHUTDOWN_REASON.to_owned())
            .is_err()
            && !self.thread.is_finished()
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the thread has ended.
    pub(crate) fn join(self) {
        // The thread contains its panics; there is nothing to learn from one.
        let _ = self.thread.join();
    }
}

fn supervise(launch: &Launch, control: &Control, ready: Ready) {
    let pipeline = &launch.pipeline;
    if launch.pipeline.index == 0 {
        for warning in &launch.topology.warnings {
            tracing::warn!(
                place = warning.field().unwrap_or_default(),
                "{}",
                warning.message()
            );
        }
    }
    // Taken by whoever knows first: the engine once it runs, or this thread.
    let ready = Arc::new(Mutex::new(Some(ready)));
    let mut restarts = 0;
    loop {
        let started = Instant::now();
        let ended = run(launch, control, &ready, restarts > 0);
        pipeline.close();
        control.state.lock().engine = None;
        let stopping = control.state.lock().stop_at.is_some();
        let error = if stopping {
            ProcessingError::retryable(
                "the component was shut down before the request was finished",
            )
        } else {
            ProcessingError::retryable(format!("the pipeline ended: {ended}"))
        };
        pipeline.complete_all(&error);
        pipeline.cancel_emissions();
        let unheard = ready.lock().take();
        if stopping || unheard.is_some() {
            if let Some(ready) = unheard {
                let _ = ready.send(Err(ProcessingError::configuration(ended, None)));
            }
            pipeline.outbox.deliver();
            return;
        }
        if started.elapsed() >= RUNS_WELL {
            restarts = 0;
        }
        tracing::error!(error = ended, restarts, "pipeline ended");
        if restarts == MAX_RESTARTS {
            pipeline.shared.given_up.store(true, Ordering::Release);
            pipeline.push(Event::Status {
                status: ComponentStatus::PermanentError,
                error: Some(ProcessingError::permanent(format!(
                    "the pipeline ended: {ended}"
                ))),
            });
            wait_for_stop(pipeline, control, None);
            return;
        }
        report(pipeline, ComponentStatus::RecoverableError, Some(error));
        let backoff = FIRST_BACKOFF * (1 << restarts);
        restarts += 1;
        increment(&pipeline.shared.counters.restarts_total);
        if wait_for_stop(pipeline, control, Some(backoff)) {
            return;
        }
    }
}

/// Tells the host of the component's health, unless a pipeline has been given up.
fn report(pipeline: &PipelineState, status: ComponentStatus, error: Option<ProcessingError>) {
    if !pipeline.shared.given_up.load(Ordering::Acquire) {
        pipeline.push(Event::Status { status, error });
    }
}

/// Waits for the owner's stop or the time to pass, delivering events meanwhile.
/// True when the thread has to end.
fn wait_for_stop(pipeline: &PipelineState, control: &Control, at_most: Option<Duration>) -> bool {
    pipeline.outbox.deliver();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return true;
    };
    runtime.block_on(async {
        let mut time_is_up = pin!(at(at_most.map(|at_most| Instant::now() + at_most)));
        loop {
            if control.state.lock().stop_at.is_some() {
                pipeline.outbox.deliver();
                return true;
            }
            tokio::select! {
                () = control.stop.notified() => {}
                () = pipeline.outbox.pushed() => pipeline.outbox.deliver(),
                () = &mut time_is_up => return false,
            }
        }
    })
}

/// Builds and runs a pipeline once; says how it ended.
fn run(
    launch: &Launch,
    control: &Control,
    ready: &Arc<Mutex<Option<Ready>>>,
    again: bool,
) -> String {
    increment(&launch.pipeline.shared.counters.pipelines);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        run_engine(launch, control, ready, again)
    }));
    decrement(&launch.pipeline.shared.counters.pipelines);
    match outcome {
        Ok(Ok(())) => "it stopped by itself".to_owned(),
        Ok(Err(error)) => error,
        Err(panic) => {
            increment(&launch.pipeline.shared.counters.panics_total);
            format!("panic: {}", panic_text(&*panic))
        }
    }
}

fn run_engine(
    launch: &Launch,
    control: &Control,
    ready: &Arc<Mutex<Option<Ready>>>,
    again: bool,
) -> Result<(), String> {
    let (pipeline, reporters, storage) = (&launch.pipeline, &launch.reporters, &launch.storage);
    let group = PipelineGroupId::from(pipeline.shared.name.clone());
    let id = PipelineId::from(match storage.signal {
        Some(signal) => format!("{}-{}", signal.as_str(), storage.number),
        None => storage.number.to_string(),
    });
    let (submissions, submissions_end) = async_mpsc::unbounded_channel();
    let (answers, answers_end) = async_mpsc::unbounded_channel();

    let context = ControllerContext::new(reporters.registry.clone()).pipeline_context_with(
        group.clone(),
        id.clone(),
        0,
        1,
        pipeline.index,
    );
    let entity = context.register_pipeline_entity();
    let _entity = set_pipeline_entity_key(context.metrics_registry(), entity);
    let building = Building {
        pipeline: Arc::clone(pipeline),
        storage: Some(storage.clone()),
        submissions: Some(submissions_end),
        answers: Some(answers_end),
    };
    let (built, context) = build(context, &launch.topology, building)?;

    let (control_tx, control_rx) = runtime_ctrl_msg_channel(CONTROL_CAPACITY);
    let (completion_tx, completion_rx) = pipeline_completion_msg_channel(COMPLETION_CAPACITY);
    {
        let mut state = control.state.lock();
        if let Some(deadline) = state.stop_at {
            // The queue is new, so there is room.
            let _ = control_tx.try_send_shutdown(deadline, SHUTDOWN_REASON.to_owned());
        } else {
            state.engine = Some(control_tx.clone());
        }
    }
    let ready = Arc::clone(ready);
    let startup = {
        let pipeline = Arc::clone(pipeline);
        let takes_calls = launch.topology.kind == ComponentKind::Processor;
        move || {
            pipeline.open(Ingress {
                submissions: takes_calls.then_some(submissions),
                answers,
            });
            if again {
                report(&pipeline, ComponentStatus::Ok, None);
            }
            if let Some(ready) = ready.lock().take() {
                let _ = ready.send(Ok(()));
            }
        }
    };
    let (_pressure, pressure) = watch::channel(MemoryPressureChanged::initial());
    built
        .with_startup_callback(startup)
        .run_forever(
            DeployedPipelineKey {
                pipeline_group_id: group,
                pipeline_id: id,
                core_id: 0,
                deployment_generation: 0,
            },
            context,
            reporters.events.clone(),
            reporters.metrics.clone(),
            Duration::from_secs(1),
            pressure,
            control_tx,
            control_rx,
            completion_tx,
            completion_rx,
        )
        .map(drop)
        .map_err(|error| error.to_string())
}
