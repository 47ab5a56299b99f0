// SPDX-License-Identifier: Apache-2.0

//! Tasks of a pipeline that wait for something: nobody waits for ever.

use std::sync::Arc;

use loom::future::block_on;

use crate::base::sync::Instant;
use crate::models::explore::{Models, together};
use crate::models::world::World;
use crate::stand_ins::RequestContext;

pub(crate) fn add(models: &mut Models) {
    models.add("waiting: for cancelled calls", 3, || {
        let world = World::new();
        for call in [1, 2] {
            let _ = world.begin_call(call, RequestContext::new(None, false));
        }
        let cancel = |call| {
            let world = world.clone();
            Box::new(move || world.cancel(call)) as Box<dyn FnOnce() + Send>
        };
        let completing = world.clone();
        together(vec![
            cancel(1),
            cancel(2),
            Box::new(move || {
                while completing.pipeline.calls_in_flight() > 0 {
                    for call in block_on(completing.pipeline.cancelled_calls()) {
                        assert!(!call.complete_cancelled(false), "the host has had nothing");
                    }
                }
            }),
        ]);
    });
    models.add("waiting: until output has left the host", 3, || {
        let world = World::new();
        let (call, _payload) = world.begin_call(1, RequestContext::new(None, false));
        let emissions = [(); 2].map(|()| world.emit(&call, false).expect("it is wanted"));
        let mut threads: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for emission in emissions {
            let (world, call) = (world.clone(), Arc::clone(&call));
            threads.push(Box::new(move || {
                let _ = world.emission_done(&call, emission, None);
            }));
        }
        threads.push(Box::new(move || {
            block_on(call.left_host());
            assert!(!call.is_at_host());
        }));
        together(threads);
    });
    models.add("waiting: for the last call, in a drain", 3, || {
        let world = World::new();
        let (call, _payload) = world.begin_call(1, RequestContext::new(None, false));
        let draining = world.clone();
        together(vec![
            Box::new(move || call.complete(None)),
            Box::new(move || {
                draining.pipeline.begin_drain(Instant::now());
                while draining.pipeline.calls_in_flight() > 0 {
                    block_on(draining.pipeline.settled());
                }
            }),
        ]);
    });
    models.add("waiting: for a drain", 3, || {
        let world = World::new();
        let waiting = world.clone();
        together(vec![
            Box::new(move || world.pipeline.begin_drain(Instant::now())),
            Box::new(move || block_on(waiting.pipeline.drain_begun())),
        ]);
    });
}
