// SPDX-License-Identifier: Apache-2.0

//! Data of one signal and one partition that waits to be sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use otapbridge::{ProcessingError, Signal};

use super::config::Config;
use super::outgoing::Part;
use otapbridge_otlp::{DivideError, Piece, Size, divide};

/// A request on its way into a batch.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) signal: Signal,
    pub(crate) piece: Piece,
    /// When its caller's time is up.
    pub(crate) deadline: Option<Instant>,
}

/// Requests that wait for more. Together they are smaller than `min_size`.
///
/// Adding and removing takes logarithmic time.
#[derive(Debug)]
pub(crate) struct Pending<Id> {
    /// By ids, which ascend: in the order of arrival.
    entries: BTreeMap<Id, Entry>,
    /// When which entry has to go.
    due: BTreeSet<(Instant, Id)>,
    size: Size,
}

#[derive(Debug)]
struct Entry {
    piece: Piece,
    due: Instant,
}

impl<Id> Default for Pending<Id> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            size: Size::default(),
        }
    }
}

impl<Id: Copy + Ord> Pending<Id> {
    /// Adds a request, whose id is larger than those before it, and returns the
    /// batches that are large enough now, in order. What is left of the request
    /// stays pending. A batch is below `min_size` only if the next item would have
    /// taken it above `max_size`, and above `max_size` only if it is a single item.
    ///
    /// # Errors
    /// InvalidArgument if the request cannot be divided; nothing has changed then.
    pub(crate) fn add(
        &mut self,
        settings: &Config,
        id: Id,
        request: Waiting,
        now: Instant,
    ) -> Result<Vec<Vec<Part<Id>>>, ProcessingError> {
        let pending = self.size.by(settings.sizer);
        let size = pending + request.piece.size.by(settings.sizer);
        let due = due(settings, request.deadline, now);
        if size < settings.min_size {
            self.insert(id, request.piece, due);
            return Ok(Vec::new());
        }
        let part = |Piece { bytes, size }, last| Part {
            id,
            bytes,
            size,
            last,
        };
        let max = match settings.max_size {
            Some(max) if size > max.get() => max.get(),
            _ => {
                let mut batch = self.take();
                batch.push(part(request.piece, true));
                return Ok(vec![batch]);
            }
        };

        let room = max - pending;
        let mut divided = divide(
            request.signal,
            &request.piece.bytes,
            settings.sizer,
            room,
            max,
        )
        .map_err(|error| match error {
            DivideError::Growth { .. } => ProcessingError::invalid_argument(format!(
                "{error}, or raise max_size, which is {max}"
            )),
            DivideError::Malformed(_) => error.into(),
        })?;
        let left = divided
            .rest
            .pop_if(|piece| piece.size.by(settings.sizer) < settings.min_size);
        let mut batches = vec![self.take()];
        if let Some(piece) = divided.first {
            let last = divided.rest.is_empty() && left.is_none();
            batches[0].push(part(piece, last));
        }
        // The room may have been too small for any item, and nothing pending.
        batches.retain(|batch| !batch.is_empty());
        let mut rest = divided.rest.into_iter().peekable();
        while let Some(piece) = rest.next() {
            let last = rest.peek().is_none() && left.is_none();
            batches.push(vec![part(piece, last)]);
        }
        if let Some(piece) = left {
            self.insert(id, piece, due);
        }
        Ok(batches)
    }

    fn insert(&mut self, id: Id, piece: Piece, due: Instant) {
        self.size += piece.size;
        let _ = self.due.insert((due, id));
        let _ = self.entries.insert(id, Entry { piece, due });
    }

    /// Takes out what is left of a request. Returns whether there was anything.
    pub(crate) fn remove(&mut self, id: Id) -> bool {
        let Some(entry) = self.entries.remove(&id) else {
            return false;
        };
        let _ = self.due.remove(&(entry.due, id));
        self.size -= entry.piece.size;
        true
    }

    /// When everything has to be sent, however small it is.
    pub(crate) fn next_flush(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Everything, as one batch in order of arrival; empty if there is nothing.
    pub(crate) fn take(&mut self) -> Vec<Part<Id>> {
        self.due.clear();
        self.size = Size::default();
        std::mem::take(&mut self.entries)
            .into_iter()
            .map(|(id, entry)| Part {
                id,
                bytes: entry.piece.bytes,
                size: entry.piece.size,
                last: true,
            })
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// When a request has to go on at the latest: after the timeout, or when half of
/// its caller's time is over, so that as much is left for what comes after.
fn due(settings: &Config, deadline: Option<Instant>, now: Instant) -> Instant {
    let wait = deadline.map_or(settings.flush_timeout, |deadline| {
        let half = deadline.saturating_duration_since(now) / 2;
        half.min(settings.flush_timeout)
    });
    now + wait
}

#[cfg(test)]
mod tests;
