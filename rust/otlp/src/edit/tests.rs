// SPDX-License-Identifier: Apache-2.0

use otapbridge_test_support::otlp::field;

use super::*;

/// A request of very many small messages must not cost many times its size.
#[test]
fn changes_are_noted_only_while_the_message_around_them_is_open() {
    let input = field(1, &field(2, b"").repeat(1000)).repeat(3);
    let mut edits = Edits::new(&input);
    let mut request = Reader::new(&input);
    while let Some(message) = request.next_field().expect("a field") {
        let opened = edits.open(&message).expect("a message");
        let mut body = opened.body.clone();
        while let Some(inner) = body.next_field().expect("a field") {
            edits.cut(inner.place());
        }
        assert_eq!(edits.edits.len(), 2, "the head, and all that is removed");
        edits.close(opened);
        assert!(edits.edits.is_empty());
    }
    assert!(!edits.is_empty());
    assert_eq!(edits.write(), field(1, b"").repeat(3));
}

/// Notes changes in the first message of an input.
fn in_first<'a>(input: &'a [u8], change: impl Fn(&mut Edits<'a>, Reader<'a>)) -> Vec<u8> {
    let mut edits = Edits::new(input);
    let message = Reader::new(input).next_field();
    let message = message.expect("a field").expect("a field");
    let opened = edits.open(&message).expect("a message");
    change(&mut edits, opened.body.clone());
    edits.close(opened);
    edits.write()
}

#[test]
fn a_message_without_changes_keeps_a_head_that_is_longer_than_needed() {
    let input = [0x8a, 0x00, 0x83, 0x00, 1, 2, 3];
    let mut edits = Edits::new(&input);
    let message = Reader::new(&input).next_field();
    let opened = (edits.open(&message.expect("a field").expect("a field"))).expect("a message");
    assert!(!edits.has_changed(&opened));
    edits.close(opened);
    assert!(edits.is_empty());
    assert_eq!(edits.write(), input);
    // What changes gets a head as it is mostly written.
    let output = in_first(&input, |edits, body| edits.cut(body.place().start..5));
    assert_eq!(output, [0x0a, 2, 2, 3]);
}

#[test]
fn lengths_grow_and_shrink_with_what_is_inside() {
    let input = [field(1, &field(2, &field(3, b"abc"))), field(4, b"x")].concat();
    let output = |content: &[u8]| {
        let output = in_first(&input, |edits, mut body| {
            let inner = body.next_field().expect("a field").expect("a field");
            let inner = edits.open(&inner).expect("a message");
            let place = inner.body.place();
            edits.replace_by_field(place, 5, content);
            edits.close(inner);
        });
        let expected = field(1, &field(2, &field(5, content)));
        assert_eq!(output, [expected, field(4, b"x")].concat());
    };
    output(b"");
    // The lengths need another byte, and a third.
    output(&[7; 200]);
    output(&[7; 20_000]);
}

#[test]
fn changes_stand_where_they_were_noted_and_are_counted() {
    let input = field(1, b"abcdef");
    let mut edits = Edits::new(&input);
    let message = Reader::new(&input).next_field();
    let opened = (edits.open(&message.expect("a field").expect("a field"))).expect("a message");
    let at = opened.body.place().start;
    edits.insert(at, |out| out.push(b'1'));
    // Nothing inserted is no change.
    edits.insert(at + 1, |_| {});
    edits.replace(at + 1..at + 3, b"23");
    edits.cut(at + 3..at + 4);
    edits.cut(at + 4..at + 5);
    edits.insert(at + 6, |out| out.extend(b"45"));
    assert_eq!(edits.growth(), 1);
    edits.close(opened);
    assert!(!edits.is_empty());
    assert_eq!(edits.write(), field(1, b"1a23f45"));
}

#[test]
fn a_message_that_is_removed_takes_its_changes_with_it() {
    let input = [field(1, &field(2, b"abc")), field(1, b"keep")].concat();
    let mut edits = Edits::new(&input);
    let mut messages = Reader::new(&input);
    let message = messages.next_field().expect("a field").expect("a field");
    let opened = edits.open(&message).expect("a message");
    let place = opened.body.place();
    edits.replace(place, &[9; 1000]);
    edits.remove(opened);
    assert_eq!(edits.growth(), -7);
    assert_eq!(edits.write(), field(1, b"keep"));
}

/// There can be two for each message of a request.
#[test]
fn a_change_is_small() {
    assert_eq!(size_of::<Edit>(), 20);
}
