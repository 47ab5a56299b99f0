// SPDX-License-Identifier: Apache-2.0

//! The batch processor. Which caller's data are in which batch, and what became of it. The other
//! files decide what is joined and when it is due; they do not wait, and get the time as an argument.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use otapbridge::{
    ContextAwareEffectHandler, ContextAwareProcessor, DataSize, Held, Message, OtapPdata,
    ProcessingError, ProcessorNode, async_trait, signal,
};
use otapbridge_otlp::Size;
use tokio::sync::{Notify, oneshot};

mod config;
mod outgoing;
mod partition;
mod partition_key;
mod pending;

use config::Config;
use outgoing::Batch as Outgoing;
use partition::{Data, ItemId, Partitions};

type Handler = ContextAwareEffectHandler;

/// Processor `urn:otapbridge:processor:batch`: joins the requests of many callers,
/// and gives each the result of its own data.
///
/// | setting | meaning | default |
/// | --- | --- | --- |
/// | `flush_timeout` | data waits for more so long at most | `200ms` |
/// | `sizer` | what sizes count: `items` (spans, data points, log records) or `bytes` | `items` |
/// | `min_size` | from this size on a batch is sent at once | 8192 |
/// | `max_size` | a larger batch is divided; 0: none is | 0 |
/// | `partition.metadata_keys` | data of requests that differ in these metadata is not mixed | `[]` |
/// | `partition.cardinality_limit` | how many partitions have data at a time; 0: no limit | 1000 |
pub struct Batch {
    settings: Config,
    /// Made with the first message.
    state: Option<Rc<State>>,
}

struct State {
    metadata_keys: Vec<String>,
    partitions: RefCell<Partitions>,
    callers: RefCell<HashMap<ItemId, Caller>>,
    /// Wakes `flush` before its time: it sleeps until the first data are due, and newer data may be
    /// due sooner.
    earlier: Notify,
    /// After `flush_all` data are sent at once. A retry node before may still send some again.
    draining: Cell<bool>,
}

/// A caller whose data is pending or under way.
struct Caller {
    held: Held,
    /// Batches with its data that are neither acked nor nacked.
    under_way: usize,
    /// Those of them that contain data of others, too.
    joined: usize,
    /// None of its data is pending.
    all_sent: bool,
    error: Option<ProcessingError>,
    /// Some batch with its data was accepted.
    accepted: bool,
    /// Ends the watch of its context when it is dropped.
    _watch: oneshot::Sender<()>,
}

impl ProcessorNode for Batch {
    const URN: &'static str = "urn:otapbridge:processor:batch";

    type Config = Config;

    fn is_blind(config: &Config) -> bool {
        config.joins_only()
    }

    fn create(config: Config) -> Result<Self, ProcessingError> {
        Ok(Self {
            settings: config.checked()?,
            state: None,
        })
    }
}

impl Batch {
    /// The state, and with it the task that sends what has waited long enough.
    fn state(&mut self, effect_handler: &Handler) -> Rc<State> {
        let settings = &self.settings;
        let state = self.state.get_or_insert_with(|| {
            let state = Rc::new(State {
                metadata_keys: settings.partition.metadata_keys.clone(),
                partitions: RefCell::new(Partitions::new(settings.clone())),
                callers: RefCell::default(),
                earlier: Notify::new(),
                draining: Cell::new(false),
            });
            let flusher = Rc::clone(&state);
            effect_handler.spawn_background(async move |handler| flusher.flush(&handler).await);
            state
        });
        Rc::clone(state)
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Batch {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut Handler,
    ) -> Result<(), ProcessingError> {
        let Message::PData(mut data) = msg else {
            return Ok(());
        };
        let bytes = match effect_handler.data_size() {
            Some(DataSize { items, bytes }) => Data::Reference(Size {
                items,
                bytes,
                ..Size::default()
            }),
            None => Data::Bytes(effect_handler.otlp_bytes(&mut data).await?),
        };
        let state = self.state(effect_handler);
        // From here on there is no await: the message is either refused or held.
        let context = effect_handler.context();
        let (added, earlier) = {
            let mut partitions = state.partitions.borrow_mut();
            let before = partitions.next_flush();
            let added = partitions.add(
                context.metadata(),
                signal(&data),
                bytes,
                context.deadline(),
                Instant::now(),
            )?;
            let after = partitions.next_flush();
            (added, after.is_some() && after != before)
        };
        let caller = Caller {
            held: effect_handler.hold(data),
            under_way: 0,
            joined: 0,
            all_sent: false,
            error: None,
            accepted: false,
            _watch: state.watch(added.item, effect_handler),
        };
        let _ = state.callers.borrow_mut().insert(added.item, caller);
        state.send(added.batches, effect_handler);
        if state.draining.get() {
            state.send_all(effect_handler);
        } else if earlier {
            state.earlier.notify_one();
        }
        Ok(())
    }

    async fn flush_all(
        &mut self,
        effect_handler: &mut Handler,
        _deadline: Instant,
    ) -> Result<(), ProcessingError> {
        let state = self.state(effect_handler);
        state.draining.set(true);
        state.send_all(effect_handler);
        Ok(())
    }
}

impl State {
    /// Sends what has waited long enough. Never ends.
    async fn flush(self: &Rc<Self>, effect_handler: &Handler) {
        loop {
            let next = self.partitions.borrow().next_flush();
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {
                    let batches = self.partitions.borrow_mut().take(Some(Instant::now()));
                    self.send(batches, effect_handler);
                }
                () = self.earlier.notified() => {}
            }
        }
    }

    fn send_all(self: &Rc<Self>, effect_handler: &Handler) {
        let batches = self.partitions.borrow_mut().take(None);
        self.send(batches, effect_handler);
    }

    fn send(self: &Rc<Self>, batches: Vec<Outgoing<ItemId>>, effect_handler: &Handler) {
        for batch in batches {
            self.send_one(batch, effect_handler);
        }
    }

    /// Takes a caller's data out of its batch when its request ends before it was sent.
    fn watch(self: &Rc<Self>, item: ItemId, effect_handler: &Handler) -> oneshot::Sender<()> {
        let (watch, completed) = oneshot::channel();
        let state = Rc::clone(self);
        let context = effect_handler.context().clone();
        effect_handler.spawn_background(async move |handler| {
            let error = tokio::select! {
                error = context.done() => error,
                _ = completed => return,
            };
            let _ = state.partitions.borrow_mut().remove(item);
            let caller = {
                let mut callers = state.callers.borrow_mut();
                let Some(caller) = callers.get_mut(&item) else {
                    return;
                };
                if caller.under_way > 0 && caller.joined == 0 {
                    // What was sent went in batches of its own, which have this context: `finish`
                    // gets their result, and that is the caller's.
                    if !caller.all_sent {
                        caller.all_sent = true;
                        let _ = caller.error.get_or_insert(error);
                    }
                    return;
                }
                callers.remove(&item)
            };
            if let Some(caller) = caller {
                // Fails only when the pipeline is ending, which completes every call.
                let _ = caller.held.nack(&handler, error).await;
            }
        });
        watch
    }

    /// Sends a batch, without the data of callers that no longer wait, and sees to
    /// its result. Others can be under way at the same time.
    fn send_one(self: &Rc<Self>, mut batch: Outgoing<ItemId>, effect_handler: &Handler) {
        let mut callers = self.callers.borrow_mut();
        batch.parts.retain(|part| {
            let caller = callers.get_mut(&part.id);
            // One that ended is nacked by its watch.
            let Some(caller) = caller.filter(|caller| !caller.held.context().is_done()) else {
                return false;
            };
            caller.under_way += 1;
            caller.all_sent |= part.last;
            true
        });
        if batch.parts.is_empty() {
            self.partitions.borrow_mut().finished(batch.partition);
            return;
        }
        let held = batch.parts.iter().filter_map(|part| callers.get(&part.id));
        let mut contexts = held.map(|caller| caller.held.context());
        let first = contexts.next();
        let joined = first.is_some_and(|first| contexts.any(|context| !context.same(first)));
        if joined {
            for part in &batch.parts {
                if let Some(caller) = callers.get_mut(&part.id) {
                    caller.joined += 1;
                }
            }
        }
        let metadata_keys: Vec<&str> = self.metadata_keys.iter().map(String::as_str).collect();
        let held = batch.parts.iter().filter_map(|part| callers.get(&part.id));
        let request = effect_handler.merge(held.map(|caller| &caller.held), &metadata_keys);
        drop(callers);

        let message = request.message(batch.signal, batch.payload());
        let items: Vec<ItemId> = batch.parts.iter().map(|part| part.id).collect();
        let partition = batch.partition;
        drop(batch);
        let state = Rc::clone(self);
        effect_handler.spawn_background(async move |mut handler| {
            let result = handler.send_and_wait(&request, message).await;
            drop(request);
            state.partitions.borrow_mut().finished(partition);
            for item in items {
                state.finish(item, joined, &result, &handler).await;
            }
        });
    }

    /// One batch with data of this caller was acked or nacked.
    async fn finish(
        &self,
        item: ItemId,
        joined: bool,
        result: &Result<(), ProcessingError>,
        effect_handler: &Handler,
    ) {
        let completed = {
            let mut callers = self.callers.borrow_mut();
            let Some(caller) = callers.get_mut(&item) else {
                return;
            };
            caller.under_way -= 1;
            caller.joined -= usize::from(joined);
            match result {
                Ok(()) => caller.accepted = true,
                Err(error) => {
                    let _ = caller.error.get_or_insert_with(|| error.clone());
                }
            }
            if caller.under_way > 0 {
                return;
            }
            if !caller.all_sent {
                if caller.accepted || caller.error.is_none() {
                    return;
                }
                // Nothing of it was accepted: it fails as a whole, so what is left is not sent.
                if self.partitions.borrow_mut().remove(item) {
                    caller.error = caller.error.take().map(ProcessingError::of_a_part);
                }
            }
            callers.remove(&item)
        };
        let Some(Caller {
            held,
            error,
            accepted,
            ..
        }) = completed
        else {
            return;
        };
        // Fails only when the pipeline is ending, which completes every call.
        let _ = match error {
            None => held.ack(effect_handler).await,
            // Sent again, the part that was accepted would be there twice.
            Some(error) if accepted => held.nack_for_good(effect_handler, error).await,
            Some(error) => held.nack(effect_handler, error).await,
        };
    }
}

#[cfg(test)]
mod divide_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod test_otlp;
