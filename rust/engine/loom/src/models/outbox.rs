// SPDX-License-Identifier: Apache-2.0

//! Events on their way to the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::base::event::{Event, EventSink};
use crate::base::outbox::Outbox;
use crate::base::sync::Meeting;
use crate::models::explore::{Models, together};
use crate::models::world::{Heard, World};

/// A host that takes its time.
struct Slow {
    meeting: Meeting,
    heard: Mutex<Vec<u64>>,
    /// Others must not see this change on their own.
    busy: AtomicBool,
    closed: AtomicBool,
}

impl EventSink for Slow {
    fn deliver(&self, _component_data: u64, events: &mut Vec<Event>) {
        self.meeting.pass();
        assert!(!self.closed.load(Ordering::Relaxed), "after the end");
        assert!(!self.busy.swap(true, Ordering::Relaxed), "two at a time");
        self.heard.lock().extend(events.drain(..).map(|event| {
            let Event::PayloadReleased { call_id } = event else {
                unreachable!()
            };
            call_id
        }));
        self.meeting.pass();
        self.busy.store(false, Ordering::Relaxed);
        assert!(!self.closed.load(Ordering::Relaxed), "after the end");
    }
}

#[derive(Clone)]
struct Queue {
    host: Arc<Slow>,
    outbox: Arc<Outbox>,
    /// What was pushed, by whom.
    pushed: Arc<(Meeting, Mutex<Vec<u64>>)>,
}

impl Queue {
    fn new() -> Self {
        let host = Arc::new(Slow {
            meeting: Meeting::new(),
            heard: Mutex::default(),
            busy: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        Self {
            outbox: Arc::new(Outbox::new(0, Arc::clone(&host) as Arc<dyn EventSink>)),
            host,
            pushed: Arc::new((Meeting::new(), Mutex::default())),
        }
    }

    fn push(&self, events: &[u64]) {
        for event in events {
            self.outbox.push(Event::PayloadReleased { call_id: *event });
            self.pushed.0.pass();
            self.pushed.1.lock().push(*event);
        }
    }

    /// What had been pushed before.
    fn close(&self) -> Vec<u64> {
        self.pushed.0.pass();
        let before = self.pushed.1.lock().clone();
        self.outbox.close();
        self.host.closed.store(true, Ordering::Relaxed);
        before
    }

    /// Events of a pusher have its number in tens.
    fn check(&self, needed: &[u64]) {
        let heard = self.host.heard.lock();
        for event in needed {
            assert!(heard.contains(event), "{event} is lost: {heard:?}");
        }
        for pusher in 1..3 {
            let of = heard.iter().filter(|event| *event / 10 == pusher);
            let of: Vec<_> = of.collect();
            assert!(of.is_sorted_by(|a, b| a < b), "order: {heard:?}");
        }
    }
}

fn spawned(of: &Queue, what: impl FnOnce(&Queue) + Send + 'static) -> Box<dyn FnOnce() + Send> {
    let of = of.clone();
    Box::new(move || what(&of))
}

pub(crate) fn add(models: &mut Models) {
    models.add("outbox: two push, two deliver, one closes", 2, || {
        let of = Queue::new();
        let threads = [
            spawned(&of, |of| of.push(&[10, 11])),
            spawned(&of, |of| of.push(&[20])),
            spawned(&of, |of| of.outbox.deliver()),
            spawned(&of, |of| of.outbox.deliver()),
        ];
        let threads = threads.map(loom::thread::spawn);
        let before = of.close();
        for thread in threads {
            thread.join().expect("no thread fails");
        }
        of.outbox.deliver();
        of.check(&before);
    });
    models.add("outbox: two push and deliver, one closes", 3, || {
        let of = Queue::new();
        let push = |events: &'static [u64]| {
            spawned(&of, |of| {
                of.push(events);
                of.outbox.deliver();
            })
        };
        let threads = [push(&[10, 11]), push(&[20])].map(loom::thread::spawn);
        let before = of.close();
        for thread in threads {
            thread.join().expect("no thread fails");
        }
        of.outbox.deliver();
        of.check(&before);
    });
    models.add("outbox: two push and deliver", 4, || {
        let of = Queue::new();
        let push = |events: &'static [u64]| {
            spawned(&of, |of| {
                of.push(events);
                of.outbox.deliver();
            })
        };
        together(vec![push(&[10, 11]), push(&[20, 21])]);
        // Nobody need deliver once more.
        of.check(&[10, 11, 20, 21]);
    });
    models.add("outbox: one pushes, two deliver", 4, || {
        let of = Queue::new();
        together(vec![
            spawned(&of, |of| of.outbox.deliver()),
            spawned(&of, |of| of.outbox.deliver()),
            spawned(&of, |of| of.push(&[10, 11])),
        ]);
        of.outbox.deliver();
        of.check(&[10, 11]);
    });
    models.add("outbox: two push, the reaper delivers", 4, || {
        let world = World::new();
        let push = |calls: &'static [u64]| {
            let world = world.clone();
            Box::new(move || {
                for call in calls {
                    world
                        .pipeline
                        .push(Event::PayloadReleased { call_id: *call });
                }
            }) as Box<dyn FnOnce() + Send>
        };
        let reaping = world.clone();
        together(vec![
            push(&[10, 11]),
            push(&[20]),
            Box::new(move || {
                reaping.shared.reaper.perform_one();
            }),
        ]);
        world.shared.reaper.finish();
        let heard = world.host.heard();
        assert_eq!(heard.len(), 3, "{heard:?}");
        let place = |call| {
            heard
                .iter()
                .position(|heard| *heard == Heard::Released { call })
        };
        assert!(place(10) < place(11), "{heard:?}");
    });
    models.add("outbox: two push, one waits and delivers", 2, || {
        let of = Queue::new();
        together(vec![
            spawned(&of, |of| of.push(&[10, 11])),
            spawned(&of, |of| of.push(&[20])),
            spawned(&of, |of| {
                while of.host.heard.lock().len() < 3 {
                    loom::future::block_on(of.outbox.pushed());
                    of.outbox.deliver();
                }
            }),
        ]);
        of.check(&[10, 11, 20]);
    });
}
