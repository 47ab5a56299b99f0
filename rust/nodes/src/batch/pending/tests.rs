// SPDX-License-Identifier: Apache-2.0

use std::num::NonZeroUsize;
use std::time::Duration;

use super::super::config::PartitionConfig;
use super::super::test_otlp::{atoms, contents, grows_when_divided, random_request, random_signal};
use super::*;
use otapbridge::Bytes;
use otapbridge_otlp::Sizer;
use otapbridge_test_support::Random;

fn settings(sizer: Sizer, min_size: usize, max_size: usize) -> Config {
    Config {
        flush_timeout: Duration::from_millis(200),
        sizer,
        min_size,
        max_size: NonZeroUsize::new(max_size),
        partition: PartitionConfig::default(),
    }
}

/// One log record for each byte.
fn request(records: &[u8]) -> Waiting {
    let mut scope = Vec::new();
    for record in records {
        scope.extend([0x12, 1, *record]);
    }
    let mut bytes = vec![0x0a, scope.len() as u8 + 2, 0x12, scope.len() as u8];
    bytes.extend(scope);
    of(Signal::Logs, bytes.into())
}

fn of(signal: Signal, bytes: Bytes) -> Waiting {
    Waiting {
        signal,
        piece: Piece {
            size: Size::of(signal, &bytes).expect("well-formed"),
            bytes,
        },
        deadline: None,
    }
}

/// Each batch as its parts: id, records, whether it is the request's last part.
type Summary = Vec<Vec<(u64, String, bool)>>;

fn summary(batches: &[Vec<Part<u64>>]) -> Summary {
    let records = |part: &Part<u64>| {
        atoms(Signal::Logs, &part.bytes)
            .into_iter()
            .flat_map(|atom| atom.item)
            .map(|item| char::from(item[0]))
            .collect()
    };
    batches
        .iter()
        .map(|batch| {
            batch
                .iter()
                .map(|part| (part.id, records(part), part.last))
                .collect()
        })
        .collect()
}

fn part(id: u64, records: &str, last: bool) -> (u64, String, bool) {
    (id, records.to_owned(), last)
}

#[test]
fn batches_leave_when_they_are_large_enough() {
    struct Case {
        min: usize,
        max: usize,
        /// What is added and what leaves then.
        steps: Vec<(&'static str, Summary)>,
        left: Vec<(u64, String, bool)>,
    }
    for (name, case) in [
        (
            "at min_size everything leaves, however large",
            Case {
                min: 5,
                max: 0,
                steps: vec![
                    ("ab", vec![]),
                    ("cd", vec![]),
                    (
                        "efghij",
                        vec![vec![
                            part(1, "ab", true),
                            part(2, "cd", true),
                            part(3, "efghij", true),
                        ]],
                    ),
                    ("k", vec![]),
                ],
                left: vec![part(4, "k", true)],
            },
        ),
        (
            "min_size 0 sends each request at once",
            Case {
                min: 0,
                max: 0,
                steps: vec![
                    ("a", vec![vec![part(1, "a", true)]]),
                    ("", vec![vec![part(2, "", true)]]),
                ],
                left: vec![],
            },
        ),
        (
            "a maximum that is met divides nothing",
            Case {
                min: 3,
                max: 4,
                steps: vec![
                    ("ab", vec![]),
                    ("cd", vec![vec![part(1, "ab", true), part(2, "cd", true)]]),
                ],
                left: vec![],
            },
        ),
        (
            "a maximum divides the last request, and its rest waits",
            Case {
                min: 3,
                max: 4,
                steps: vec![
                    ("ab", vec![]),
                    (
                        "cdefghijk",
                        vec![
                            vec![part(1, "ab", true), part(2, "cd", false)],
                            vec![part(2, "efgh", false)],
                            vec![part(2, "ijk", true)],
                        ],
                    ),
                    ("lmnopq", vec![vec![part(3, "lmno", false)]]),
                    ("r", vec![vec![part(3, "pq", true), part(4, "r", true)]]),
                ],
                left: vec![],
            },
        ),
    ] {
        let settings = settings(Sizer::Items, case.min, case.max);
        let now = Instant::now();
        let mut pending = Pending::default();
        for (id, (records, expected)) in (1..).zip(case.steps) {
            let batches = pending
                .add(&settings, id, request(records.as_bytes()), now)
                .expect("well-formed");
            assert_eq!(summary(&batches), expected, "{name}: {records}");
        }
        let left = match pending.is_empty() {
            true => vec![],
            false => summary(&[pending.take()]).remove(0),
        };
        assert_eq!(left, case.left, "{name}");
        assert_eq!(pending.size, Size::default());
    }
}

#[test]
fn an_item_that_does_not_fit_sends_what_is_there() {
    let small = request(b"a");
    let large = request(b"bcd");
    let min = small.piece.size.bytes + large.piece.size.bytes;
    let settings = settings(Sizer::Bytes, min, min);
    let now = Instant::now();
    let mut pending = Pending::default();
    for (id, request) in [(1, small.clone()), (2, small.clone())] {
        let batches = pending.add(&settings, id, request, now).expect("added");
        assert!(batches.is_empty());
    }
    // The room left is less than one record with its scope takes.
    let batches = pending.add(&settings, 3, large, now).expect("added");
    assert_eq!(
        summary(&batches),
        [vec![part(1, "a", true), part(2, "a", true)]]
    );
    assert_eq!(summary(&[pending.take()]), [vec![part(3, "bcd", true)]]);
}

#[test]
fn what_is_removed_does_not_leave_and_does_not_count() {
    let settings = settings(Sizer::Items, 4, 4);
    let now = Instant::now();
    let mut pending = Pending::default();
    for (id, records) in [(1, "ab"), (2, "c")] {
        let batches = pending.add(&settings, id, request(records.as_bytes()), now);
        assert!(batches.expect("added").is_empty());
    }
    assert!(pending.remove(1));
    assert!(!pending.remove(1), "it is gone");
    assert_eq!(pending.size, request(b"c").piece.size);
    // Its room is free for others; the rest of a divided request can be removed too.
    let batches = pending.add(&settings, 3, request(b"defgh"), now);
    assert_eq!(
        summary(&batches.expect("added")),
        [vec![part(2, "c", true), part(3, "def", false)]]
    );
    assert!(pending.remove(3));
    assert!(pending.is_empty());
    assert_eq!(pending.next_flush(), None);
    assert_eq!(pending.size, Size::default());
}

#[test]
fn the_timeout_counts_from_the_first_request_that_is_there() {
    let settings = settings(Sizer::Items, 100, 0);
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut pending = Pending::default();
    assert_eq!(pending.next_flush(), None);
    for (id, ms) in [(1, 0), (2, 30), (3, 70)] {
        let _ = pending
            .add(&settings, id, request(b"a"), at(ms))
            .expect("added");
        assert_eq!(pending.next_flush(), Some(at(200)));
    }
    assert!(pending.remove(1));
    assert_eq!(pending.next_flush(), Some(at(230)));
    assert!(pending.remove(3));
    assert_eq!(pending.next_flush(), Some(at(230)));
    let _ = pending.take();
    assert_eq!(pending.next_flush(), None);
}

#[test]
fn a_deadline_leaves_half_of_its_time_to_what_comes_after() {
    let settings = settings(Sizer::Items, 100, 0);
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut pending = Pending::default();
    let add = |pending: &mut Pending<u64>, id, arrival, deadline| {
        let request = Waiting {
            deadline: Some(at(deadline)),
            ..request(b"a")
        };
        let _ = pending
            .add(&settings, id, request, at(arrival))
            .expect("added");
        pending.next_flush()
    };
    // A far deadline does not prolong the timeout.
    assert_eq!(add(&mut pending, 1, 0, 5_000), Some(at(200)));
    assert_eq!(add(&mut pending, 2, 10, 110), Some(at(60)));
    assert_eq!(add(&mut pending, 3, 20, 120), Some(at(60)));
    assert_eq!(add(&mut pending, 4, 40, 50), Some(at(45)));
    // Overdue on arrival: at once.
    assert_eq!(add(&mut pending, 5, 44, 43), Some(at(44)));
    for (id, next) in [(5, 45), (4, 60), (2, 70), (3, 200)] {
        assert!(pending.remove(id));
        assert_eq!(pending.next_flush(), Some(at(next)), "without {id}");
    }
}

#[test]
fn a_request_that_cannot_be_divided_changes_nothing() {
    let settings = settings(Sizer::Items, 1, 1);
    let now = Instant::now();
    let mut pending = Pending::default();
    let empty = pending.add(&settings, 1, request(b""), now).expect("added");
    assert!(empty.is_empty());
    let error = pending.add(&settings, 2, of(Signal::Logs, grows_when_divided()), now);
    assert_eq!(error.expect_err("too large").grpc_code(), 3);
    assert_eq!(summary(&[pending.take()]), [vec![part(1, "", true)]]);
}

/// Everything that is added leaves exactly once and in order, unless it is removed.
#[test]
fn nothing_is_lost_or_doubled() {
    let mut random = Random::new(4);
    let (mut sent, mut removed, mut divided) = (0, 0, 0);
    for _ in 0..300 {
        let signal = random_signal(&mut random);
        let (sizer, scale) = if random.chance(2) {
            (Sizer::Items, 20)
        } else {
            (Sizer::Bytes, 600)
        };
        let min = random.below(scale);
        let max = if random.chance(3) {
            0
        } else {
            (min + random.below(scale)).max(1)
        };
        let settings = settings(sizer, min, max);
        let now = Instant::now();
        let mut pending = Pending::default();
        // `None` was removed.
        let mut requests: Vec<Option<Bytes>> = Vec::new();
        // The parts of each request, and whether its last one has come.
        let mut parts: Vec<(Vec<Bytes>, bool)> = Vec::new();
        let mut collect = |parts: &mut Vec<(Vec<Bytes>, bool)>, batch: Vec<Part<usize>>| {
            assert!(batch.is_sorted_by(|a, b| a.id < b.id));
            for part in batch {
                let (bytes, complete) = &mut parts[part.id];
                assert!(!*complete, "a part after the last one");
                bytes.push(part.bytes);
                *complete = part.last;
                sent += 1;
            }
        };
        for id in 0..40 {
            let request = random_request(&mut random, signal);
            requests.push(Some(request.clone()));
            parts.push((vec![], false));
            let batches = pending
                .add(&settings, id, of(signal, request), now)
                .expect("well-formed");
            for batch in batches {
                let size: usize = batch.iter().map(|part| part.size.by(sizer)).sum();
                let atoms: usize = batch.iter().map(|p| atoms(signal, &p.bytes).len()).sum();
                assert!(max == 0 || size <= max || atoms == 1, "{size} {max}");
                assert!(!batch.is_empty());
                collect(&mut parts, batch);
            }
            assert!(pending.size.by(sizer) < min || pending.is_empty());
            if random.chance(6) {
                let id = random.below(requests.len());
                if pending.remove(id) {
                    requests[id] = None;
                    // No part of it may come from now on.
                    parts[id].1 = true;
                    removed += 1;
                }
            }
            if random.chance(10) {
                collect(&mut parts, pending.take());
            }
        }
        collect(&mut parts, pending.take());
        for (request, (parts, complete)) in requests.iter().zip(&parts) {
            let Some(request) = request else { continue };
            assert!(*complete);
            divided += usize::from(parts.len() > 1);
            let before = atoms(signal, request);
            let after: Vec<_> = parts.iter().flat_map(|p| atoms(signal, p)).collect();
            assert_eq!(contents(&before), contents(&after));
        }
    }
    assert!(
        sent > 1_000 && removed > 100 && divided > 100,
        "{sent} {removed} {divided}"
    );
}
