// SPDX-License-Identifier: Apache-2.0

//! Runs models.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

type Body = Arc<dyn Fn() + Send + Sync>;

struct Model {
    name: String,
    /// How often at most a thread is stopped that could go on.
    preemptions: usize,
    body: Body,
}

#[derive(Default)]
pub(crate) struct Models(VecDeque<Model>);

impl Models {
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        preemptions: usize,
        body: impl Fn() + Send + Sync + 'static,
    ) {
        self.0.push_back(Model {
            name: name.into(),
            preemptions,
            body: Arc::new(body),
        });
    }

    /// Runs those with `part` in their name, as many at a time as there are processors.
    pub(crate) fn run(mut self, part: Option<&str>) -> ExitCode {
        self.0
            .retain(|model| part.is_none_or(|part| model.name.contains(part)));
        let (began, count) = (Instant::now(), self.0.len());
        let left = Mutex::new(self.0);
        let runs = AtomicU64::new(0);
        let failed = Mutex::new(Vec::new());
        let verbose = part.is_some();
        let work = || {
            loop {
                let model = left.lock().pop_front();
                let Some(model) = model else { return };
                let name = model.name.clone();
                // On a thread of its own, because a model that fails leaves its thread's state
                // behind; and named, because it may take the process with it.
                let thread = std::thread::Builder::new().name(name.clone());
                let run = thread.spawn(move || explore(&model, verbose));
                match run.expect("a thread").join() {
                    Ok(count) => drop(runs.fetch_add(count, Ordering::Relaxed)),
                    Err(_) => failed.lock().push(name),
                }
            }
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let _ = scope.spawn(work);
            }
        });
        let failed = failed.into_inner();
        let runs = runs.into_inner();
        println!("{count} models, {runs} orders, {:.1?}", began.elapsed());
        for name in &failed {
            println!("FAILED: {name}");
        }
        if failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn explore(model: &Model, verbose: bool) -> u64 {
    let began = Instant::now();
    let runs = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = Some(model.preemptions);
    }
    let (body, count) = (Arc::clone(&model.body), Arc::clone(&runs));
    builder.check(move || {
        let _ = count.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let runs = runs.load(Ordering::Relaxed);
    if verbose {
        println!("{}: {runs} orders, {:.1?}", model.name, began.elapsed());
    }
    runs
}

/// Runs these at the same time, and waits until all have ended.
pub(crate) fn together(mut threads: Vec<Box<dyn FnOnce() + Send>>) {
    let last = threads.pop().expect("a model has threads");
    let threads: Vec<_> = threads.into_iter().map(loom::thread::spawn).collect();
    last();
    for thread in threads {
        thread.join().expect("a model's thread does not fail");
    }
}
