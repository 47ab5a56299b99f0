// SPDX-License-Identifier: Apache-2.0

//! Lets a structured error travel beside a text.
//!
//! The engine passes errors back as reason texts, to which nodes add words of their
//! own. The table keeps the error and puts a mark into the text, by which
//! the error is found again wherever the mark ended up. The mark is
//! `⟦otapbridge-error:<table>-<id>⟧`: printable, so that it also survives a text
//! being quoted or written as JSON, and with a random number for the table, so
//! that no outside text can name an entry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::error::ProcessingError;

const OPEN: &str = "\u{27e6}otapbridge-error:";
const CLOSE: &str = "\u{27e7}";
/// Two numbers of up to 16 hexadecimal digits and a hyphen.
const MAX_BODY: usize = 33;

/// Entries kept by default.
pub const DEFAULT_CAPACITY: usize = 65_536;
/// Bytes of text and details that all entries together may have; a single entry
/// may have more.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

/// Errors that travel as marks in texts. Bounded in number and in bytes: the
/// oldest goes first, and its text then stands for itself. Any thread may use it.
#[derive(Debug)]
pub struct ErrorTable {
    table: u64,
    capacity: usize,
    state: Mutex<State>,
    /// Number of entries, to be read without the lock.
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    /// Ids ascend, so the first entry is the oldest.
    entries: BTreeMap<u64, Entry>,
    /// Sum of the entries' sizes.
    bytes: usize,
}

impl State {
    /// Makes room for one entry more.
    fn evict(&mut self, capacity: usize, size: usize) {
        while self.entries.len() >= capacity || self.bytes + size > MAX_BYTES {
            let Some((_, oldest)) = self.entries.pop_first() else {
                return;
            };
            self.bytes -= oldest.size();
        }
    }
}

#[derive(Debug)]
struct Entry {
    error: ProcessingError,
    /// Whether its text was sent off as permanent.
    permanent: bool,
}

impl Entry {
    fn size(&self) -> usize {
        let field = self.error.field().unwrap_or_default();
        self.error.message().len() + self.error.status_details().len() + field.len()
    }
}

impl Default for ErrorTable {
    fn default() -> Self {
        Self::new()
    }
}

impl ErrorTable {
    /// A table for [`DEFAULT_CAPACITY`] entries.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// A table for so many entries, at least one.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            table: RandomState::new().hash_one(0_u8),
            capacity: capacity.max(1),
            state: Mutex::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// Keeps the error and returns its text, without any older marks and with its own.
    /// `permanent` is how the text is sent off, whatever the error is itself.
    #[must_use]
    pub fn insert(&self, error: ProcessingError, permanent: bool) -> String {
        let text = error.to_string();
        let mut state = self.state.lock();
        state.last_id += 1;
        let id = state.last_id;
        let entry = Entry { error, permanent };
        let size = entry.size();
        state.evict(self.capacity, size);
        state.bytes += size;
        state.entries.insert(id, entry);
        self.len.store(state.entries.len(), Ordering::Release);
        drop(state);
        format!("{}{OPEN}{:x}-{id:x}{CLOSE}", strip(&text), self.table)
    }

    /// The error of the first mark in the text that this table knows. The entry
    /// stays: several may carry the same mark.
    #[must_use]
    pub fn resolve(&self, text: &str) -> Option<ProcessingError> {
        self.resolve_as(text, false)
    }

    /// As [`resolve`](Self::resolve), for a text that arrives as permanent or not.
    /// What was sent off as not permanent and arrives as permanent has become so
    /// on its way; the opposite is information that was lost, and is restored.
    #[must_use]
    pub fn resolve_as(&self, text: &str, permanent: bool) -> Option<ProcessingError> {
        let state = self.state.lock();
        let entry = self.ids(text).find_map(|id| state.entries.get(&id))?;
        let error = entry.error.clone();
        Some(if permanent && !entry.permanent {
            error.into_permanent()
        } else {
            error
        })
    }

    /// The id of the first mark of this table in the text, for [`forget`](Self::forget).
    #[must_use]
    pub fn id(&self, text: &str) -> Option<u64> {
        self.ids(text).next()
    }

    /// Removes an entry. Whether it was there.
    pub fn forget(&self, id: u64) -> bool {
        let mut state = self.state.lock();
        let removed = state.entries.remove(&id);
        state.bytes -= removed.as_ref().map_or(0, Entry::size);
        self.len.store(state.entries.len(), Ordering::Release);
        removed.is_some()
    }

    /// The id of the newest entry there ever was, for [`forget_until`](Self::forget_until).
    #[must_use]
    pub fn last_id(&self) -> u64 {
        self.state.lock().last_id
    }

    /// Removes every entry up to and including this id.
    pub fn forget_until(&self, id: u64) {
        let mut state = self.state.lock();
        state.entries = state.entries.split_off(&id.saturating_add(1));
        state.bytes = state.entries.values().map(Entry::size).sum();
        self.len.store(state.entries.len(), Ordering::Release);
    }

    /// Number of entries. Takes no lock.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether there is no entry. Takes no lock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn ids<'t>(&self, text: &'t str) -> impl Iterator<Item = u64> + use<'t> {
        let table = self.table;
        text.split(OPEN).skip(1).filter_map(move |rest| {
            let (body, _) = rest.split_once(CLOSE)?;
            let (of_table, id) = parse_body(body)?;
            (of_table == table).then_some(id)
        })
    }
}

/// Removes every mark of any table, also one that was cut off at the text's end.
#[must_use]
pub fn strip(text: &str) -> Cow<'_, str> {
    if !text.contains(OPEN) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    // Looking back from each end also finds marks that appear by the removal of another.
    for piece in text.split_inclusive(CLOSE) {
        kept.push_str(piece);
        if let Some(start) = kept.strip_suffix(CLOSE).and_then(mark_start) {
            kept.truncate(start);
        }
    }
    if let Some(start) = kept.rfind(OPEN)
        && kept[start + OPEN.len()..]
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    {
        kept.truncate(start);
    }
    Cow::Owned(kept)
}

/// Where a mark begins whose body ends at the end of `text`.
fn mark_start(text: &str) -> Option<usize> {
    let mut floor = text.len().saturating_sub(OPEN.len() + MAX_BODY);
    while !text.is_char_boundary(floor) {
        floor += 1;
    }
    let start = floor + text[floor..].rfind(OPEN)?;
    parse_body(&text[start + OPEN.len()..])?;
    Some(start)
}

fn parse_body(body: &str) -> Option<(u64, u64)> {
    let (table, id) = body.split_once('-')?;
    Some((parse_hex(table)?, parse_hex(id)?))
}

fn parse_hex(text: &str) -> Option<u64> {
    // `from_str_radix` accepts a sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use otapbridge_test_support::Random;

    fn error(text: &str) -> ProcessingError {
        ProcessingError::retryable(text).with_host_error_id(42)
    }

    /// Of an error that is sent off as permanent as it is.
    fn insert(table: &ErrorTable, error: ProcessingError) -> String {
        let permanent = error.is_permanent();
        table.insert(error, permanent)
    }

    #[test]
    fn the_oldest_go_when_the_bytes_are_too_many() {
        let table = ErrorTable::new();
        let large = || ProcessingError::retryable("x".repeat(MAX_BYTES / 4));
        let marks: Vec<String> = (0..5).map(|_| insert(&table, large())).collect();
        assert_eq!(table.len(), 4);
        assert!(table.resolve(&marks[0]).is_none());
        assert!(table.resolve(&marks[4]).is_some());
        for mark in &marks {
            if let Some(id) = table.id(mark) {
                let _ = table.forget(id);
            }
        }
        assert_eq!(table.state.lock().bytes, 0);
        let huge = insert(
            &table,
            ProcessingError::retryable("x".repeat(2 * MAX_BYTES)),
        );
        assert!(table.resolve(&huge).is_some());
        table.forget_until(table.last_id());
        assert_eq!(table.state.lock().bytes, 0);
    }

    #[test]
    fn an_error_is_found_wherever_its_mark_is() {
        let table = ErrorTable::new();
        let reason = insert(&table, error("no route"));
        for text in [
            reason.clone(),
            format!("final retry: {reason}"),
            format!("{reason} (3 items)"),
            format!("\u{27e6}otapbridge-error:1-1\u{27e7} {reason}"),
            format!("\u{27e6}otapbridge-error:{reason}"),
            format!("{:?}", format!("outer: {reason}")),
        ] {
            let found = table.resolve(&text).expect("mark found");
            assert_eq!(found.kind(), ErrorKind::Retryable);
            assert_eq!(found.host_error_id(), 42);
            assert_eq!(found.message(), "no route");
        }
        assert_eq!(table.len(), 1);
        assert_eq!(strip(&reason), "no route");
        assert_eq!(
            strip(&format!("final retry: {reason} (3 items)")),
            "final retry: no route (3 items)"
        );
    }

    #[test]
    fn what_is_forgotten_is_not_found() {
        let table = ErrorTable::new();
        let (a, b, c) = (
            insert(&table, error("a")),
            insert(&table, error("b")),
            insert(&table, error("c")),
        );
        let found = |text: &str| table.resolve(text).map(|e| e.message().to_owned());
        let all = format!("{a}; {b}; {c}");
        assert_eq!(found(&all).as_deref(), Some("a"));
        let id = table.id(&a).expect("mark");
        assert!(table.forget(id) && !table.forget(id));
        assert_eq!(found(&all).as_deref(), Some("b"));
        table.forget_until(table.id(&b).expect("mark"));
        assert_eq!(found(&all).as_deref(), Some("c"));
        assert_eq!((table.len(), table.is_empty()), (1, false));
        table.forget_until(table.last_id());
        assert_eq!(found(&all), None);
        assert_eq!((table.len(), table.is_empty()), (0, true));
        table.forget_until(u64::MAX);
    }

    #[test]
    fn a_carrier_can_make_an_error_permanent_but_not_retryable() {
        let table = ErrorTable::new();
        let retryable = insert(&table, error("again"));
        let permanent = insert(&table, ProcessingError::permanent("never"));
        let ended = table.insert(ProcessingError::timeout("late", None), true);
        for (text, arrives_permanent, expected) in [
            (&retryable, false, ErrorKind::Retryable),
            (&retryable, true, ErrorKind::Permanent),
            (&permanent, false, ErrorKind::Permanent),
            (&permanent, true, ErrorKind::Permanent),
            (&ended, false, ErrorKind::Timeout),
            (&ended, true, ErrorKind::Timeout),
        ] {
            let found = table.resolve_as(text, arrives_permanent).expect("mark");
            assert_eq!(found.kind(), expected, "{text} {arrives_permanent}");
        }
        let found = table.resolve_as(&retryable, true).expect("mark");
        assert_eq!((found.grpc_code(), found.host_error_id()), (14, 42));
        assert_eq!(found.message(), "again");
    }

    #[test]
    fn the_oldest_goes_first() {
        let table = ErrorTable::with_capacity(3);
        let texts: Vec<_> = (0..5)
            .map(|n| insert(&table, error(&n.to_string())))
            .collect();
        assert_eq!(table.len(), 3);
        let found: Vec<_> = texts.iter().map(|t| table.resolve(t).is_some()).collect();
        assert_eq!(found, [false, false, true, true, true]);
    }

    #[test]
    fn foreign_marks_name_nothing() {
        let (table, other) = (ErrorTable::new(), ErrorTable::new());
        let reason = insert(&other, error("theirs"));
        let _ = insert(&table, error("ours"));
        assert!(table.resolve(&reason).is_none());
        assert!(table.resolve("").is_none());
    }

    #[test]
    fn a_message_that_looks_like_a_mark_is_harmless() {
        let table = ErrorTable::new();
        let first = insert(&table, error("first"));
        for message in [
            first.clone(),
            "\u{27e6}otapbridge-error:".to_owned(),
            "\u{27e6}otapbridge-error:12".to_owned(),
            "\u{27e6}otapbridge-error:1-1\u{27e7}".to_owned(),
            "\u{27e6}otap\u{27e6}otapbridge-error:1-1\u{27e7}bridge-error:2-2\u{27e7}".to_owned(),
        ] {
            let reason = insert(&table, ProcessingError::permanent(message.clone()));
            let found = table.resolve(&reason).expect("own mark");
            assert_eq!(found.message(), message);
            assert!(found.is_permanent());
            assert!(!strip(&reason).contains(OPEN), "{reason}");
        }
    }

    #[test]
    fn a_mark_that_was_cut_off_is_removed() {
        let table = ErrorTable::new();
        let reason = insert(&table, error("text"));
        let full = reason.len();
        for end in "text".len() + OPEN.len()..full {
            if reason.is_char_boundary(end) {
                assert_eq!(strip(&reason[..end]), "text", "{end}");
                assert!(table.resolve(&reason[..end]).is_none());
            }
        }
    }

    #[test]
    fn texts_without_marks_stay_as_they_are() {
        for text in [
            "",
            "plain",
            "\u{27e7}",
            "\u{27e6}x\u{27e7}",
            "otapbridge-error:1-1",
        ] {
            assert!(matches!(strip(text), Cow::Borrowed(same) if same == text));
        }
        let odd = "\u{27e6}otapbridge-error:not hex\u{27e7} tail";
        assert_eq!(strip(odd), odd);
        let signed = "\u{27e6}otapbridge-error:+1-+1\u{27e7}";
        assert_eq!(strip(signed), signed);
    }

    #[test]
    fn any_mixture_is_stripped_to_its_words() {
        let table = ErrorTable::new();
        let mut random = Random::new(7);
        for _ in 0..2000 {
            let (mut text, mut words) = (String::new(), String::new());
            let mut marks = 0;
            for _ in 0..random.below(6) {
                if random.chance(2) {
                    let word = random.text(8);
                    text.push_str(&word);
                    words.push_str(&word);
                } else {
                    text.push_str(&insert(&table, error("!")));
                    words.push('!');
                    marks += 1;
                }
            }
            assert_eq!(strip(&text), words);
            assert_eq!(table.resolve(&text).is_some(), marks > 0);
        }
    }
}
