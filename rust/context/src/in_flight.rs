// SPDX-License-Identifier: Apache-2.0

//! Table of what is in flight, by id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

const SHARDS: usize = 16;

/// The id is in the table already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate(
    /// The id.
    pub u64,
);

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id {} is in flight already", self.0)
    }
}

impl std::error::Error for Duplicate {}

/// Map from id to record, for any number of threads. Whoever removes a record
/// owns its answer: of all who try, exactly one succeeds.
#[derive(Debug)]
pub struct InFlightTable<T> {
    shards: [Mutex<HashMap<u64, Arc<T>>>; SHARDS],
}

impl<T> Default for InFlightTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> InFlightTable<T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Duplicate`], if the id is in the table; that record stays.
    pub fn insert(&self, id: u64, record: Arc<T>) -> Result<(), Duplicate> {
        match self.shard(id).lock().entry(id) {
            Entry::Occupied(_) => Err(Duplicate(id)),
            Entry::Vacant(vacant) => {
                vacant.insert(record);
                Ok(())
            }
        }
    }

    /// The record of an id, which stays in the table.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<T>> {
        self.shard(id).lock().get(&id).cloned()
    }

    /// Takes a record out. The one who gets `Some` owns the answer.
    #[must_use]
    pub fn remove(&self, id: u64) -> Option<Arc<T>> {
        self.shard(id).lock().remove(&id)
    }

    /// Takes all records out. Records inserted meanwhile may stay.
    #[must_use]
    pub fn drain(&self) -> Vec<(u64, Arc<T>)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().drain());
        }
        all
    }

    /// The records that `matches` picks; they stay in the table.
    #[must_use]
    pub fn select(&self, matches: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let mut selected = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            selected.extend(shard.values().filter(|record| matches(record)).cloned());
        }
        selected
    }

    /// Looks at every record; they stay in the table. `look` must not use the table.
    pub fn visit(&self, mut look: impl FnMut(&T)) {
        for shard in &self.shards {
            for record in shard.lock().values() {
                look(record);
            }
        }
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }

    fn shard(&self, id: u64) -> &Mutex<HashMap<u64, Arc<T>>> {
        // Ids may come in any stride; the multiplication (Knuth 6.4) spreads them.
        let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        &self.shards[spread as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_record_is_found_until_it_is_removed() {
        let table = InFlightTable::new();
        assert!(table.is_empty());
        table.insert(7, Arc::new("a")).expect("new id");
        assert_eq!(table.insert(7, Arc::new("b")), Err(Duplicate(7)));
        assert_eq!(table.get(7).as_deref(), Some(&"a"));
        assert_eq!(table.len(), 1);
        assert_eq!(table.remove(7).as_deref(), Some(&"a"));
        assert_eq!(table.remove(7), None);
        assert_eq!(table.get(7), None);
        table.insert(7, Arc::new("c")).expect("id is free again");
    }

    #[test]
    fn drain_takes_everything() {
        let table = InFlightTable::new();
        for id in 0..1000 {
            table.insert(id * 16, Arc::new(id)).expect("new id");
        }
        let mut drained = table.drain();
        drained.sort_by_key(|(id, _)| *id);
        assert_eq!(drained.len(), 1000);
        assert!(
            drained
                .iter()
                .enumerate()
                .all(|(i, (id, record))| *id == i as u64 * 16 && **record == i as u64)
        );
        assert!(table.is_empty());
    }

    #[test]
    fn exactly_one_removes() {
        const IDS: u64 = 2000;
        const THREADS: usize = 4;
        let table = InFlightTable::new();
        let removed: Vec<AtomicUsize> = (0..IDS).map(|_| AtomicUsize::new(0)).collect();
        for id in 0..IDS {
            table.insert(id, Arc::new(id)).expect("new id");
        }
        let barrier = Barrier::new(THREADS + 1);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    for id in 0..IDS {
                        if table.remove(id).is_some() {
                            removed[id as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            scope.spawn(|| {
                barrier.wait();
                for (id, _) in table.drain() {
                    removed[id as usize].fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        assert!(removed.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        assert!(table.is_empty());
    }

    #[test]
    fn exactly_one_inserts() {
        const THREADS: usize = 4;
        let table = InFlightTable::new();
        let inserted = AtomicUsize::new(0);
        let barrier = Barrier::new(THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (table, inserted, barrier) = (&table, &inserted, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for id in 0..1000 {
                        if table.insert(id, Arc::new(thread)).is_ok() {
                            inserted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(inserted.load(Ordering::Relaxed), 1000);
        assert_eq!(table.len(), 1000);
    }
}
