// SPDX-License-Identifier: Apache-2.0

use prost::Message;

use super::test_otlp::{
    Atom, Container, Data, Metric, Points, Request, Scope, atoms, contents, decode,
    grows_when_divided, items, random_request, random_signal, request_of,
};
use otapbridge::{ProcessingError, Signal};
use otapbridge_otlp::{DivideError, Divided, Piece, Size, Sizer, divide};
use otapbridge_test_support::Random;

fn sizer_len(sizer: Sizer, atoms: &[Atom]) -> usize {
    match sizer {
        Sizer::Items => items(atoms),
        Sizer::Bytes => request_of(atoms).encoded_len(),
        Sizer::Rows => unreachable!("it divides no metrics, as atoms are divided"),
    }
}

/// Greedy splitting of the decoded form: the first part goes into the room.
fn expected(atoms: &[Atom], sizer: Sizer, room: usize, max: usize) -> Vec<Vec<Atom>> {
    let mut parts: Vec<Vec<Atom>> = vec![vec![]];
    for atom in atoms {
        let limit = if parts.len() == 1 { room } else { max };
        let part = parts.last_mut().expect("never empty");
        part.push(atom.clone());
        if sizer_len(sizer, part) > limit && (part.len() > 1 || parts.len() == 1) {
            let part = parts.last_mut().expect("never empty");
            let atom = part.pop().expect("just added");
            parts.push(vec![atom]);
        }
    }
    parts
}

#[test]
fn any_request_is_split_as_if_it_had_been_decoded() {
    let mut random = Random::new(1);
    let (mut several, mut oversize, mut left_out) = (0, 0, 0);
    for _ in 0..6_000 {
        let signal = random_signal(&mut random);
        let request = random_request(&mut random, signal);
        let (sizer, max) = if random.chance(2) {
            (Sizer::Items, 1 + random.below(12))
        } else {
            (Sizer::Bytes, 1 + random.below(400))
        };
        let room = if random.chance(2) {
            max
        } else {
            random.below(max + 1)
        };
        let whole = atoms(signal, &request);
        let divided = divide(signal, &request, sizer, room, max).expect("well-formed");

        let expected = expected(&whole, sizer, room, max);
        let (first, rest) = expected.split_first().expect("the first is always there");
        assert_eq!(divided.first.is_some(), !first.is_empty());
        assert_eq!(divided.rest.len(), rest.len());
        let mut together = Vec::new();
        for (index, (piece, part)) in divided
            .first
            .iter()
            .chain(&divided.rest)
            .zip(expected.iter().filter(|part| !part.is_empty()))
            .enumerate()
        {
            assert_eq!(decode(signal, &piece.bytes), request_of(part));
            assert_eq!(
                piece.size,
                Size::of(signal, &piece.bytes).expect("well-formed")
            );
            let limit = if index == 0 && divided.first.is_some() {
                room
            } else {
                max
            };
            let alone = part.len() == 1;
            assert!(piece.size.by(sizer) <= limit || alone);
            oversize += usize::from(piece.size.by(sizer) > limit);
            together.extend(atoms(signal, &piece.bytes));
        }
        assert_eq!(contents(&together), contents(&whole));
        several += usize::from(rest.len() > 1);
        left_out += usize::from(divided.first.is_none());
    }
    assert!(
        several > 500 && oversize > 500 && left_out > 500,
        "{several} {oversize} {left_out}"
    );
}

/// A request of one resource with one scope, with the items as they are given.
fn request(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    Request {
        containers: vec![Container {
            resources: vec![b"resource".to_vec()],
            scopes: vec![Scope {
                scope: Some(b"scope".to_vec()),
                items: items.into_iter().collect(),
                schema_url: "scope schema".to_owned(),
            }],
            schema_url: "resource schema".to_owned(),
            unknown: 0,
        }],
        unknown: String::new(),
    }
    .encode_to_vec()
}

fn pieces(divided: Divided) -> Vec<Piece> {
    divided.first.into_iter().chain(divided.rest).collect()
}

#[test]
fn what_fits_stays_as_it_is() {
    let request = request([b"a".to_vec(), b"b".to_vec()]);
    for (sizer, max) in [(Sizer::Items, 2), (Sizer::Bytes, request.len())] {
        let divided = divide(Signal::Logs, &request, sizer, max, max).expect("well-formed");
        assert_eq!(divided.first.expect("fits").bytes, request);
        assert_eq!(divided.rest, []);
    }
}

#[test]
fn the_points_of_one_metric_are_divided() {
    let metric = |points: &[u8]| {
        Metric {
            name: "requests".to_owned(),
            description: "how many".to_owned(),
            unit: "1".to_owned(),
            data: Some(Data::Sum(Points {
                points: points.iter().map(|point| vec![*point]).collect(),
                aggregation_temporality: 2,
                is_monotonic: true,
            })),
            metadata: vec![b"origin".to_vec()],
        }
        .encode_to_vec()
    };
    let whole = request([metric(b"abcde")]);
    let divided = divide(Signal::Metrics, &whole, Sizer::Items, 1, 3).expect("well-formed");
    let parts: Vec<_> = pieces(divided)
        .iter()
        .map(|piece| decode(Signal::Metrics, &piece.bytes))
        .collect();
    let expected =
        [&b"a"[..], b"bcd", b"e"].map(|points| decode(Signal::Metrics, &request([metric(points)])));
    assert_eq!(parts, expected);
}

#[test]
fn a_metric_with_two_kinds_of_data_stays_whole() {
    let points = |count| Points {
        points: vec![b"point".to_vec(); count],
        ..Points::default()
    };
    let mut metric = Metric {
        data: Some(Data::Gauge(points(2))),
        ..Metric::default()
    }
    .encode_to_vec();
    metric.extend(
        Metric {
            data: Some(Data::Sum(points(3))),
            ..Metric::default()
        }
        .encode_to_vec(),
    );
    let request = request([metric.clone(), metric.clone()]);
    let divided = divide(Signal::Metrics, &request, Sizer::Items, 1, 1).expect("well-formed");
    let pieces = pieces(divided);
    assert_eq!(pieces.len(), 2);
    for piece in pieces {
        let decoded = Request::decode(&piece.bytes[..]).expect("a request");
        assert_eq!(decoded.containers[0].scopes[0].items, [metric.clone()]);
        assert_eq!(piece.size.items, 5);
    }
}

#[test]
fn a_request_without_resources_is_not_lost() {
    let request = Request {
        containers: vec![],
        unknown: "later version".to_owned(),
    }
    .encode_to_vec();
    let divided = divide(Signal::Traces, &request, Sizer::Bytes, 2, 4).expect("well-formed");
    assert_eq!(divided.first, None);
    assert_eq!(divided.rest.len(), 1);
    assert_eq!(divided.rest[0].bytes, request);
}

#[test]
fn descriptions_may_stand_anywhere() {
    // Scope logs before the resource, an item before the scope, schema URLs between.
    let scope = [
        0x12, 0x01, b'a', 0x1a, 0x01, b's', 0x12, 0x01, b'b', 0x0a, 0x01, b'x',
    ];
    let mut resource = vec![0x12, scope.len() as u8];
    resource.extend(scope);
    resource.extend([0x1a, 0x01, b'u', 0x0a, 0x01, b'r']);
    let mut request = vec![0x0a, resource.len() as u8];
    request.extend(resource);
    let divided = divide(Signal::Logs, &request, Sizer::Items, 1, 1).expect("well-formed");
    let items: Vec<_> = pieces(divided)
        .iter()
        .map(|piece| {
            let decoded = Request::decode(&piece.bytes[..]).expect("a request");
            let [resource] = &decoded.containers[..] else {
                panic!("one resource");
            };
            assert_eq!(resource.resources, [b"r"]);
            assert_eq!(resource.schema_url, "u");
            let [scope] = &resource.scopes[..] else {
                panic!("one scope");
            };
            assert_eq!(scope.scope.as_deref(), Some(&b"x"[..]));
            assert_eq!(scope.schema_url, "s");
            scope.items.clone()
        })
        .collect();
    assert_eq!(items, [[b"a".to_vec()], [b"b".to_vec()]]);
}

#[test]
fn a_request_that_would_grow_without_measure_is_refused() {
    let large = grows_when_divided();
    let error = divide(Signal::Traces, &large, Sizer::Items, 1, 1).expect_err("a gigabyte");
    assert!(matches!(error, DivideError::Growth { .. }), "{error}");
    let error = ProcessingError::from(error);
    assert_eq!(error.grpc_code(), 3);
    assert!(error.is_permanent());
    // The same data in fewer parts.
    let divided = divide(Signal::Traces, &large, Sizer::Items, 20, 20).expect("fifty megabytes");
    assert_eq!(pieces(divided).len(), 50);
}

#[test]
fn damaged_requests_are_refused_or_divide() {
    let mut random = Random::new(3);
    let (mut refused, mut done) = (0, 0);
    for _ in 0..40_000 {
        let signal = random_signal(&mut random);
        let mut request = random_request(&mut random, signal).to_vec();
        random.damage(&mut request);
        let (sizer, max) = if random.chance(2) {
            (Sizer::Items, 1 + random.below(12))
        } else {
            (Sizer::Bytes, 1 + random.below(400))
        };
        match divide(signal, &request, sizer, max, max) {
            Ok(divided) => {
                let size = Size::of(signal, &request).expect("it was divided");
                let pieces = pieces(divided);
                let items: usize = pieces.iter().map(|piece| piece.size.items).sum();
                assert_eq!(items, size.items);
                for piece in pieces {
                    assert_eq!(Size::of(signal, &piece.bytes), Ok(piece.size));
                }
                done += 1;
            }
            Err(error) => {
                assert!(Size::of(signal, &request).is_err());
                assert!(matches!(error, DivideError::Malformed(_)), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1_000 && done > 1_000, "{refused} {done}");
}

#[test]
fn by_rows_no_part_has_too_many_of_any_and_no_metric_is_divided() {
    let mut random = Random::new(5);
    let mut divided = 0;
    for _ in 0..6_000 {
        let signal = random_signal(&mut random);
        let request = random_request(&mut random, signal);
        let max = 1 + random.below(6);
        let whole = Size::of(signal, &request).expect("well-formed");
        let parts = pieces(divide(signal, &request, Sizer::Rows, max, max).expect("well-formed"));
        let mut together = Vec::new();
        let mut entries = 0;
        for part in &parts {
            assert_eq!(Size::of(signal, &part.bytes), Ok(part.size));
            assert!(part.size.by(Sizer::Rows) <= max, "{:?} > {max}", part.size);
            entries += part.size.entries;
            together.extend(atoms(signal, &part.bytes));
        }
        assert_eq!(contents(&together), contents(&atoms(signal, &request)));
        assert_eq!(entries, whole.entries);
        assert!(parts.len() > 1 || whole.by(Sizer::Rows) <= max);
        divided += usize::from(parts.len() > 1);
    }
    assert!(divided > 500, "{divided}");
}
