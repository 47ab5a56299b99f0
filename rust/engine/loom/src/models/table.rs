// SPDX-License-Identifier: Apache-2.0

//! A call's id, used again while others look.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::models::explore::{Models, together};
use crate::models::world::World;
use crate::request::state::Request;
use crate::request::table::{Found, RequestId};
use crate::stand_ins::RequestContext;

const CALL: u64 = 1;

/// How far a request has come, as the table shows.
fn stage(world: &World, id: RequestId) -> usize {
    match world.shared.requests.find(id) {
        Found::InFlight(request) => {
            assert!(request.id == id, "another's");
            0
        }
        Found::Failed => 1,
        Found::Gone => 2,
    }
}

fn request(world: &World) -> Arc<Request> {
    Request::new(
        world.shared.requests.call_id(CALL),
        RequestContext::new(None, false),
        &world.pipeline,
        Vec::new(),
        None,
    )
}

/// The first call ends; two that want its id come.
fn reuse(models: &mut Models, failed: bool) {
    let name = format!("table: an id used again, after an error: {failed}");
    models.add(name, 3, move || {
        let world = World::new();
        let [first, second, third] = [(); 3].map(|()| request(&world));
        assert!(world.shared.requests.insert(first.id, Arc::clone(&first)));
        let inserted = Arc::new(Mutex::new(Vec::new()));
        let insert = {
            let inserted = Arc::clone(&inserted);
            move |world: &World, request: &Arc<Request>| {
                if world
                    .shared
                    .requests
                    .insert(request.id, Arc::clone(request))
                {
                    inserted.lock().push(request.id);
                }
            }
        };
        let mut threads: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        {
            let (world, first, second, insert) =
                (world.clone(), first.id, Arc::clone(&second), insert.clone());
            threads.push(Box::new(move || {
                world.shared.requests.end(first, failed);
                insert(&world, &second);
            }));
        }
        {
            let (world, third) = (world.clone(), Arc::clone(&third));
            threads.push(Box::new(move || insert(&world, &third)));
        }
        {
            let (world, first) = (world.clone(), first.id);
            threads.push(Box::new(move || {
                let before = stage(&world, first);
                let now = world.shared.requests.call(CALL);
                let after = stage(&world, first);
                assert!(before <= after, "it came back");
                if now.is_some_and(|now| now.id != first) {
                    assert_eq!(after, 2, "two have the same id");
                }
            }));
        }
        together(threads);
        let inserted = inserted.lock().clone();
        assert_eq!(inserted.len(), 1, "one has the id");
        let now = world.shared.requests.call(CALL).expect("it is in flight");
        assert!(now.id == inserted[0]);
        assert_eq!(stage(&world, first.id), 2);
        world.shared.requests.end(now.id, true);
        assert_eq!(stage(&world, now.id), 1);
        assert_eq!(stage(&world, first.id), 2, "of another");
    });
}

pub(crate) fn add(models: &mut Models) {
    for failed in [false, true] {
        reuse(models, failed);
    }
}
