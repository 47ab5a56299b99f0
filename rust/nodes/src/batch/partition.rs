// SPDX-License-Identifier: Apache-2.0

//! All pending data, by signal and partition.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use otapbridge::{Bytes, Metadata, ProcessingError, Signal};
use slab::Slab;

use super::config::Config;
use super::outgoing::{Batch, Part};
use super::partition_key::PartitionKey;
use super::pending::{Pending, Waiting};
use otapbridge_otlp::{Piece, Size};

/// The least time after which a refused partition may try again. OTLP senders
/// give up without one, and HTTP's `Retry-After` counts whole seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A partition, as long as it has data pending or under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionId(usize);

/// A request that was added. Later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ItemId {
    number: u64,
    queue: QueueId,
}

/// Pending data is kept by partition and signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct QueueId {
    partition: PartitionId,
    signal: Signal,
}

/// A request's data.
#[derive(Debug)]
pub(crate) enum Data {
    Bytes(Bytes),
    /// They stay with the host, and have this size.
    Reference(Size),
}

/// A request's id, and the batches that it made large enough.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) item: ItemId,
    pub(crate) batches: Vec<Batch<ItemId>>,
}

/// The pending data of a batch processor.
///
/// A partition lives while it has data pending or batches under way, so that
/// `cardinality_limit` counts who is sending now, not who ever did.
#[derive(Debug)]
pub(crate) struct Partitions {
    settings: Config,
    by_key: HashMap<PartitionKey, PartitionId>,
    /// By id.
    partitions: Slab<Partition>,
    /// When which data has to go.
    due: BTreeSet<(Instant, QueueId)>,
    last_item: u64,
}

#[derive(Debug)]
struct Partition {
    key: PartitionKey,
    /// By signal, in the order of `Signal::ALL`.
    pending: [Pending<ItemId>; Signal::ALL.len()],
    /// Batches that were handed out and not yet finished.
    under_way: usize,
}

impl Partitions {
    pub(crate) fn new(settings: Config) -> Self {
        Self {
            settings,
            by_key: HashMap::new(),
            partitions: Slab::new(),
            due: BTreeSet::new(),
            last_item: 0,
        }
    }

    /// Adds a request to the partition that its metadata says. Each returned batch
    /// is under way until [`finished`](Self::finished).
    ///
    /// # Errors
    /// InvalidArgument if the request is malformed or cannot be divided,
    /// ResourceExhausted if it would open a partition too many.
    pub(crate) fn add(
        &mut self,
        metadata: Metadata<'_>,
        signal: Signal,
        data: Data,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Added, ProcessingError> {
        let (bytes, size) = match data {
            Data::Bytes(bytes) => {
                let size = Size::of(signal, &bytes)?;
                (bytes, size)
            }
            Data::Reference(size) => (Bytes::new(), size),
        };
        let key = PartitionKey::of(&self.settings.partition.metadata_keys, metadata);
        let partition = self.open(key)?;
        self.last_item += 1;
        let queue = QueueId { partition, signal };
        let item = ItemId {
            number: self.last_item,
            queue,
        };
        let request = Waiting {
            signal,
            piece: Piece { bytes, size },
            deadline,
        };
        let batches = self
            .change(queue, |pending, settings| {
                pending.add(settings, item, request, now)
            })
            .unwrap_or_else(|| Ok(Vec::new()))
            .inspect_err(|_| self.close_if_idle(partition))?;
        Ok(Added {
            item,
            batches: batches
                .into_iter()
                .map(|parts| self.hand_out(queue, parts))
                .collect(),
        })
    }

    /// Takes out what is still pending of a request. Returns whether anything was.
    pub(crate) fn remove(&mut self, item: ItemId) -> bool {
        let removed = self
            .change(item.queue, |pending, _| pending.remove(item))
            .unwrap_or_default();
        if removed {
            self.close_if_idle(item.queue.partition);
        }
        removed
    }

    /// When something has to go.
    pub(crate) fn next_flush(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The batches whose time has come at the limit, or all that is pending; the most
    /// urgent first.
    pub(crate) fn take(&mut self, limit: Option<Instant>) -> Vec<Batch<ItemId>> {
        let mut batches = Vec::new();
        while let Some((due, queue)) = self.due.first().copied()
            && limit.is_none_or(|limit| due <= limit)
        {
            let Some(parts) = self.change(queue, |pending, _| pending.take()) else {
                break;
            };
            batches.push(self.hand_out(queue, parts));
        }
        batches
    }

    /// A batch was acked or nacked. To be called once for each.
    pub(crate) fn finished(&mut self, partition: PartitionId) {
        if let Some(partition) = self.partitions.get_mut(partition.0) {
            partition.under_way = partition.under_way.saturating_sub(1);
        }
        self.close_if_idle(partition);
    }

    /// The partition of this key, made if need be.
    fn open(&mut self, key: PartitionKey) -> Result<PartitionId, ProcessingError> {
        if let Some(id) = self.by_key.get(&key) {
            return Ok(*id);
        }
        if let Some(limit) = self.settings.partition.cardinality_limit
            && self.by_key.len() >= limit.get()
        {
            return Err(ProcessingError::resource_exhausted(
                format!(
                    "data of {limit} combinations of the metadata keys {} is being batched, which is the partition.cardinality_limit: send again later or raise the limit",
                    self.settings.partition.metadata_keys.join(", ")
                ),
                Some(self.settings.flush_timeout.max(RETRY_AFTER)),
            ));
        }
        let id = PartitionId(self.partitions.insert(Partition {
            key: key.clone(),
            pending: Default::default(),
            under_way: 0,
        }));
        let _ = self.by_key.insert(key, id);
        Ok(id)
    }

    fn close_if_idle(&mut self, id: PartitionId) {
        let is_idle = self.partitions.get(id.0).is_some_and(|partition| {
            partition.under_way == 0 && partition.pending.iter().all(Pending::is_empty)
        });
        if is_idle {
            let partition = self.partitions.remove(id.0);
            let _ = self.by_key.remove(&partition.key);
        }
    }

    /// Changes pending data and keeps its due time.
    fn change<T>(
        &mut self,
        queue: QueueId,
        change: impl FnOnce(&mut Pending<ItemId>, &Config) -> T,
    ) -> Option<T> {
        let partition = self.partitions.get_mut(queue.partition.0)?;
        // Signals are numbered from 1 on.
        let pending = &mut partition.pending[queue.signal as usize - 1];
        let before = pending.next_flush();
        let result = change(pending, &self.settings);
        let after = pending.next_flush();
        if before != after {
            if let Some(before) = before {
                let _ = self.due.remove(&(before, queue));
            }
            if let Some(after) = after {
                let _ = self.due.insert((after, queue));
            }
        }
        Some(result)
    }

    fn hand_out(&mut self, queue: QueueId, parts: Vec<Part<ItemId>>) -> Batch<ItemId> {
        if let Some(partition) = self.partitions.get_mut(queue.partition.0) {
            partition.under_way += 1;
        }
        Batch {
            signal: queue.signal,
            partition: queue.partition,
            parts,
        }
    }
}

#[cfg(test)]
mod tests;
