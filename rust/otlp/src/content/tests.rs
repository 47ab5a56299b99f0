// SPDX-License-Identifier: Apache-2.0

use otapbridge_test_support::otlp::field;

use super::*;
use crate::value::{EncodedValue, Value};

fn list(values: &[&[u8]]) -> Vec<u8> {
    let values: Vec<_> = values.iter().map(|value| field(1, value)).collect();
    field(5, &values.concat())
}

fn map(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
    let entry =
        |(key, value): &(&[u8], &[u8])| field(1, &[field(1, key), field(2, value)].concat());
    field(6, &entries.iter().map(entry).collect::<Vec<_>>().concat())
}

fn content(value: &[u8]) -> Content<'_> {
    Content::of(Reader::new(value)).expect("well-formed")
}

/// What the values of a list are.
fn numbers(list: &List<'_>) -> Vec<i64> {
    let mut numbers = Vec::new();
    let each = |value: Reader<'_>| {
        let Content::Int(number) = Content::of(value)? else {
            panic!("no number");
        };
        numbers.push(number);
        Ok(())
    };
    list.for_each(each).expect("well-formed");
    assert_eq!(list.count().expect("well-formed"), numbers.len() as u64);
    numbers
}

#[test]
fn a_value_is_what_was_encoded() {
    assert!(matches!(content(&[]), Content::None));
    assert!(matches!(
        content(EncodedValue::from("x").as_bytes()),
        Content::Text(b"x")
    ));
    assert!(matches!(
        content(EncodedValue::from(true).as_bytes()),
        Content::Bool(true)
    ));
    assert!(matches!(
        content(EncodedValue::from(-7).as_bytes()),
        Content::Int(-7)
    ));
    assert!(matches!(
        content(EncodedValue::from(0.5).as_bytes()),
        Content::Double(0.5)
    ));
    assert!(matches!(
        content(&field(7, b"\xff")),
        Content::Bytes(b"\xff")
    ));
    let entries = [("k", EncodedValue::from(1)), ("", EncodedValue::list([]))];
    let value = EncodedValue::map(entries.clone());
    let Content::Map(map) = content(value.as_bytes()) else {
        panic!("no map");
    };
    let found = map.entries().expect("well-formed");
    assert_eq!(found.len(), entries.len());
    for ((key, value), (found_key, found)) in entries.iter().zip(&found) {
        assert_eq!(key.as_bytes(), *found_key);
        assert_eq!(EncodedValue::copy(found), *value);
    }
}

#[test]
fn the_last_content_counts() {
    let text = field(1, b"x");
    let unknown = field(100, b"later");
    let one = list(&[&[0x18, 1]]);
    let two = list(&[&[0x18, 2], &[0x18, 3]]);
    let map = map(&[(b"k", &[0x18, 1])]);
    let int = |bytes: &[&[u8]]| match content(&bytes.concat()) {
        Content::List(list) => numbers(&list),
        other => panic!("{other:?}"),
    };
    // Lists that follow each other are one, whatever unknown is between them.
    assert_eq!(int(&[&one, &two]), [1, 2, 3]);
    assert_eq!(int(&[&one, &unknown, &two, &unknown]), [1, 2, 3]);
    assert_eq!(int(&[&one, &text, &two]), [2, 3]);
    assert_eq!(int(&[&one, &map, &two, &one]), [2, 3, 1]);
    assert_eq!(int(&[&unknown, &one]), [1]);
    assert!(matches!(
        content(&[&one[..], &text].concat()),
        Content::Text(b"x")
    ));
    assert!(matches!(
        content(&[&text[..], &unknown].concat()),
        Content::Text(b"x")
    ));
    let twice = [&map[..], &unknown, &map].concat();
    let Content::Map(maps) = content(&twice) else {
        panic!("no map");
    };
    assert_eq!(maps.entries().expect("well-formed").len(), 2);
}

#[test]
fn entries_have_a_key_and_a_value_or_not() {
    let entries = [
        field(1, &[]),
        field(1, &field(2, &[])),
        field(
            1,
            &[
                field(2, &field(1, b"x")),
                field(1, b"k"),
                field(2, &[0x18, 1]),
            ]
            .concat(),
        ),
    ];
    let value = field(6, &entries.concat());
    let Content::Map(map) = content(&value) else {
        panic!("no map");
    };
    let entries = map.entries().expect("well-formed");
    let found: Vec<_> = (entries.iter())
        .map(|(key, value)| (*key, value.is_present(), value.value()))
        .collect();
    let expected: [(&[u8], _, _); 3] = [
        (b"", false, Ok(Value::Other)),
        (b"", true, Ok(Value::Other)),
        (b"k", true, Ok(Value::Int(1))),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_map_has_a_limited_number_of_entries() {
    let of = |count: usize| field(6, &field(1, b"").repeat(count));
    let entries = |value: &[u8]| match content(value) {
        Content::Map(map) => map.entries().map(|entries| entries.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        entries(&of(MAX_ATTRIBUTES)).expect("as many"),
        MAX_ATTRIBUTES
    );
    // One map may be written as several.
    for value in [of(MAX_ATTRIBUTES + 1), [of(MAX_ATTRIBUTES), of(1)].concat()] {
        let error = entries(&value).expect_err("too many");
        assert_eq!(error.grpc_code(), 3);
        assert!(
            error.message().contains("more than 16384 entries"),
            "{error}"
        );
    }
}

#[test]
fn malformed_values_are_refused_where_they_are_looked_at() {
    // A text that is a number, a number that is a text, and a list that is cut off.
    for value in [
        &[0x08, 1][..],
        &[0x1a, 0],
        &[0x2a, 5, 0],
        &[0x30, 1, 0x32, 0],
    ] {
        let refused = Content::of(Reader::new(value)).is_err()
            || match content(value) {
                Content::Map(map) => map.entries().is_err(),
                _ => false,
            };
        assert!(refused, "{value:x?}");
    }
    let inner = field(5, &[0x0a, 9]);
    let Content::List(list) = content(&inner) else {
        panic!("no list");
    };
    assert!(list.count().is_err());
}
