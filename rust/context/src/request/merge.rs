// SPDX-License-Identifier: Apache-2.0

//! One context for a batch of several requests.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::{CancelReason, RequestContext, State};
use crate::auth::{AuthValue, is_auth};
use crate::block::{ENTRY_ADDRESS, ENTRY_BAGGAGE, ENTRY_METADATA, Entry, LINK_SIZE};
use crate::encode::BlockBuilder;
use crate::metadata::{Value, lower_key, same_key};

/// What a merged context knows of its inputs.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Those that have not been cancelled.
    waiting: AtomicUsize,
    /// Whether any of them was cancelled for another reason than its deadline.
    cancelled: AtomicBool,
    /// Kept because the deadline is computed from them, and a merged input hears of its own
    /// inputs only while it lives (`merged_into` is weak).
    contexts: Vec<RequestContext>,
}

impl Inputs {
    /// When the time of the last of them is up; none if one has all the time.
    pub(super) fn latest_deadline(&self) -> Option<Instant> {
        latest_deadline(&self.contexts).and_then(RequestContext::deadline)
    }
}

impl RequestContext {
    /// The context of a batch that several requests went into.
    ///
    /// - The deadline is the latest of the inputs, if all have one; it is a mere timeout
    ///   if one of theirs is.
    /// - It is cancelled when the last input is. An input that was dropped without
    ///   having been cancelled was completed, and the batch is still wanted. The reason is
    ///   Deadline if it was that for every input; the cause is the last one's.
    /// - Metadata, peer address, authentication and baggage are what all inputs have
    ///   alike. Authentication stays whole or goes: attributes of different callers are
    ///   never put together.
    /// - Of `metadata_keys` (letter case does not matter) every value is kept, each once,
    ///   also when inputs differ.
    /// - There is no span and no tracestate, but a [link](Self::links) to each input's
    ///   span, each once.
    ///
    /// One request alone, however often, keeps its context: the result is a clone of it.
    /// Without inputs the result is [`empty`](Self::empty). Links, and `metadata_keys` that
    /// differ, are left out where the block would exceed its limits.
    ///
    /// ```
    /// use otapbridge_context::{BlockBuilder, CancelReason, RequestContext};
    ///
    /// let request = |tenant: &str, region: &str| {
    ///     let mut block = BlockBuilder::new();
    ///     block.metadata("tenant", [tenant]).metadata("region", [region]);
    ///     Ok::<_, otapbridge_context::ProcessingError>(RequestContext::new(block.build()?))
    /// };
    /// let inputs = [request("acme", "eu")?, request("acme", "us")?];
    /// let batch = RequestContext::merged(&inputs, &[]);
    /// assert_eq!(batch.metadata().first("tenant").expect("the same in both"), "acme");
    /// assert!(batch.metadata().first("region").is_none());
    ///
    /// inputs[0].cancel(CancelReason::Cancelled, "gone");
    /// assert!(!batch.is_done());
    /// inputs[1].cancel(CancelReason::Cancelled, "gone too");
    /// assert!(batch.is_done());
    /// # Ok::<(), otapbridge_context::ProcessingError>(())
    /// ```
    #[must_use]
    pub fn merged(inputs: &[Self], metadata_keys: &[&str]) -> Self {
        let Some((first, rest)) = inputs.split_first() else {
            return Self::empty();
        };
        if rest.iter().all(|input| input.same(first)) {
            return first.clone();
        }

        let latest = latest_deadline(inputs);
        let mut block = shared_content(first, rest, metadata_keys);
        if let Some(latest) = latest
            && let Some(deadline) = latest.deadline()
        {
            block.deadline_nanos(
                super::nanos_until(deadline),
                latest.deadline_unix_nanos().unwrap_or_default(),
            );
            if inputs.iter().any(Self::is_deadline_a_timeout) {
                let _ = block.deadline_is_a_timeout();
            }
        }
        add_links(&mut block, inputs);

        let merged = Arc::new(State::new(
            // Nothing was added that would exceed the limits.
            block.build().unwrap_or_default(),
            latest.and_then(Self::deadline),
            Some(Inputs {
                waiting: AtomicUsize::new(inputs.len()),
                cancelled: AtomicBool::new(false),
                contexts: inputs.to_vec(),
            }),
        ));
        for input in inputs.iter().filter_map(|input| input.state.as_ref()) {
            input.merge_into(&merged);
        }
        Self {
            state: Some(merged),
        }
    }
}

impl State {
    /// Counts this one as an input of `merged`.
    fn merge_into(&self, merged: &Arc<State>) {
        let mut merged_into = self.merged_into.lock();
        // `cancel` sets the cancellation before it takes the lock: either it is seen
        // here, or `cancel` sees what is pushed here.
        if let Some((reason, cause)) = self.cancellation.get() {
            drop(merged_into);
            merged.input_cancelled(*reason, cause);
            return;
        }
        if merged_into.len() == merged_into.capacity() {
            // A request that goes into many batches must not collect those that are gone.
            merged_into.retain(|merged| merged.strong_count() > 0);
        }
        merged_into.push(Arc::downgrade(merged));
    }

    /// Tells the merged contexts that this input no longer waits.
    pub(super) fn tell_merged(&self, reason: CancelReason, cause: &str) {
        let merged_into = std::mem::take(&mut *self.merged_into.lock());
        for merged in merged_into.iter().filter_map(Weak::upgrade) {
            merged.input_cancelled(reason, cause);
        }
    }

    fn input_cancelled(&self, reason: CancelReason, cause: &str) {
        let Some(inputs) = &self.inputs else { return };
        if reason == CancelReason::Cancelled {
            inputs.cancelled.store(true, Ordering::Relaxed);
        }
        // The last to count sees what the others stored.
        if inputs.waiting.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let reason = if inputs.cancelled.load(Ordering::Relaxed) {
            CancelReason::Cancelled
        } else {
            CancelReason::Deadline
        };
        self.cancel(reason, cause);
    }
}

/// The input whose time is up last, or none if one has all the time.
fn latest_deadline(inputs: &[RequestContext]) -> Option<&RequestContext> {
    if inputs.iter().any(|input| input.deadline().is_none()) {
        return None;
    }
    inputs.iter().max_by_key(|input| input.deadline())
}

fn shared_content(
    first: &RequestContext,
    rest: &[RequestContext],
    metadata_keys: &[&str],
) -> BlockBuilder {
    let mut block = BlockBuilder::new();
    let same_entry = |kind, same: fn(&Entry<'_>, &Entry<'_>) -> bool| {
        let entry = first.block().first(kind)?;
        let other =
            |input: &RequestContext| input.block().first(kind).is_some_and(|o| same(&entry, &o));
        rest.iter().all(other).then_some(entry)
    };
    if let Some(address) = same_entry(ENTRY_ADDRESS, |a, b| a == b) {
        block.address(address.key, address.value);
    }
    // Its key means nothing.
    if let Some(baggage) = same_entry(ENTRY_BAGGAGE, |a, b| a.value == b.value)
        && block.has_room(1, baggage.value.len())
    {
        block.baggage(baggage.value);
    }
    add_auth(&mut block, first, rest);

    let shared = shared_metadata(first, rest);
    for &key in metadata_keys {
        let shared = shared
            .iter()
            .any(|shared| same_key(&shared.key, key.as_bytes()));
        if !shared {
            add_union(&mut block, first, rest, key);
        }
    }
    for shared in shared {
        add_metadata(&mut block, &shared.key, &shared.values);
    }
    block
}

/// A metadata key that all inputs so far have alike.
#[derive(Default)]
struct SharedKey<'a> {
    key: Cow<'a, [u8]>,
    values: Vec<&'a [u8]>,
    /// In the input that is being looked at: whether it has the key, how many of the
    /// values, and whether it has others.
    found: bool,
    matched: usize,
    differs: bool,
}

/// The keys that all inputs have with the same values in the same order. Each entry is
/// looked at once, because clients decide how many there are.
fn shared_metadata<'a>(first: &'a RequestContext, rest: &[RequestContext]) -> Vec<SharedKey<'a>> {
    let mut keys: BTreeMap<Cow<'a, [u8]>, Vec<&'a [u8]>> = BTreeMap::new();
    for entry in first.metadata().entries() {
        let values = keys.entry(lower_key(entry.key)).or_default();
        if entry.kind == ENTRY_METADATA {
            values.push(entry.value);
        }
    }
    // In the order of the keys.
    let mut shared: Vec<_> = keys
        .into_iter()
        .map(|(key, values)| SharedKey {
            key,
            values,
            ..SharedKey::default()
        })
        .collect();
    for input in rest {
        for key in &mut shared {
            (key.found, key.matched, key.differs) = (false, 0, false);
        }
        for entry in input.metadata().entries() {
            let stored = lower_key(entry.key);
            let Ok(at) = shared.binary_search_by(|key| key.key.cmp(&stored)) else {
                continue;
            };
            let key = &mut shared[at];
            key.found = true;
            if entry.kind == ENTRY_METADATA {
                key.differs |= key.values.get(key.matched) != Some(&entry.value);
                key.matched += 1;
            }
        }
        shared.retain(|key| key.found && !key.differs && key.matched == key.values.len());
    }
    shared
}

/// Adds a key with the values of all inputs, each once, if any input has the key.
fn add_union(block: &mut BlockBuilder, first: &RequestContext, rest: &[RequestContext], key: &str) {
    let inputs = || std::iter::once(first).chain(rest);
    if !inputs().any(|input| input.metadata().contains_key(key)) {
        return;
    }
    let mut seen = HashSet::new();
    let values: Vec<&[u8]> = inputs()
        .flat_map(|input| input.metadata().get(key))
        .map(|value| value.as_bytes())
        .filter(|value| seen.insert(*value))
        .collect();
    add_metadata(block, &lower_key(key.as_bytes()), &values);
}

fn add_metadata(block: &mut BlockBuilder, key: &[u8], values: &[&[u8]]) {
    let bytes = values.iter().map(|value| value.len()).sum::<usize>();
    if block.has_room(values.len().max(1), key.len() + bytes) {
        block.metadata(key, values);
    }
}

/// Adds the authentication attributes if all inputs have the same, in whatever order. Of
/// an opaque one only the name is known.
fn add_auth(block: &mut BlockBuilder, first: &RequestContext, rest: &[RequestContext]) {
    let own = sorted_auth(first);
    if rest.iter().any(|input| sorted_auth(input) != own) {
        return;
    }
    let (mut entries, mut bytes) = (0, 0);
    for entry in first.block().entries() {
        if is_auth(entry.kind) {
            entries += 1;
            bytes += entry.key.len() + entry.value.len();
        }
    }
    if !block.has_room(entries, bytes) {
        return;
    }
    for (name, value) in own {
        let name = name.as_bytes();
        match value {
            AuthValue::Text(text) => block.auth(name, text.as_bytes()),
            AuthValue::List(items) => block.auth_list(name, items.map(|item| item.as_bytes())),
            AuthValue::Opaque => block.auth_opaque(name),
        };
    }
}

fn sorted_auth(context: &RequestContext) -> Vec<(Value<'_>, AuthValue<'_>)> {
    let mut attributes: Vec<_> = context.auth().iter().collect();
    attributes.sort_by_key(|(name, _)| *name);
    attributes
}

/// Links to the spans of all inputs, and to what a merged input links to.
fn add_links(block: &mut BlockBuilder, inputs: &[RequestContext]) {
    let mut seen = HashSet::new();
    for input in inputs {
        for span in input.span_context().into_iter().chain(input.links()) {
            if !span.is_valid() || !seen.insert(span.to_link()) {
                continue;
            }
            if !block.has_room(1, LINK_SIZE) {
                return;
            }
            block.link(span);
        }
    }
}

#[cfg(test)]
mod tests;
