// SPDX-License-Identifier: Apache-2.0

use otapbridge_test_support::otlp::field;

use super::*;
use crate::test_visitors::{ask, assert_unchanged, change, changed};
use crate::{EncodedValue, Visit};

fn below(path: &[u32], content: &[u8]) -> Vec<u8> {
    let fields = path.iter().rev();
    fields.fold(content.to_vec(), |content, number| field(*number, &content))
}

/// A request with one metric.
fn metric(fields: &[Vec<u8>]) -> Vec<u8> {
    below(&[1, 2, 2], &fields.concat())
}

/// A data point of a gauge or sum, with one attribute that names it.
fn point(name: &str) -> Vec<u8> {
    field(1, &field(7, &field(1, name.as_bytes())))
}

fn is_named(point: &Reader<'_>, name: &str) -> bool {
    point.rest() == field(7, &field(1, name.as_bytes()))
}

/// Takes out the data points of a name.
fn without(name: &str, request: &[u8]) -> Outcome {
    let stays = |of, point: Reader<'_>| match is_named(&point, name) {
        true => Visit::Remove,
        false => {
            assert_eq!(of, MessageType::DataPoint(crate::PointType::Number));
            Visit::Inside
        }
    };
    ask(Signal::Metrics, request, Messages::DATA_POINT, stays).expect("well-formed")
}

#[test]
fn a_metric_leaves_with_its_last_data_point() {
    const GAUGE: u32 = MessageType::GAUGE;
    let (a, b) = (point("a"), point("b"));
    let both = field(GAUGE, &[a.clone(), b.clone()].concat());
    let name = field(1, b"name");
    let left = metric(&[name.clone(), field(GAUGE, &b)]);
    assert_eq!(
        without("a", &metric(&[name.clone(), both])),
        Outcome::Changed(left)
    );
    let only = metric(&[name.clone(), field(GAUGE, &a.repeat(2))]);
    assert_eq!(without("a", &only), Outcome::Nothing);
    // Protobuf merges data of one kind, so that the points of both are the metric's: here one is left,
    let parts = [field(GAUGE, &a), name.clone(), field(GAUGE, &b)];
    let left = metric(&[field(GAUGE, b""), name.clone(), field(GAUGE, &b)]);
    assert_eq!(without("a", &metric(&parts)), Outcome::Changed(left));
    // and here none is, though the second had none before.
    let parts = [field(GAUGE, &a), field(GAUGE, b"")];
    assert_eq!(without("a", &metric(&parts)), Outcome::Nothing);
    // One that had none stays.
    let none = metric(&[field(GAUGE, b"")]);
    assert_eq!(without("a", &none), Outcome::Unchanged);
}

#[test]
fn only_the_last_kind_of_data_is_the_metrics() {
    let (a, b) = (point("a"), point("b"));
    let [gauge, sum] = [MessageType::GAUGE, MessageType::SUM]
        .map(|number| move |points: &[u8]| field(number, points));
    // It has no point left, whatever the data before it have.
    let parts = [gauge(&b), sum(&a)];
    assert_eq!(without("a", &metric(&parts)), Outcome::Nothing);
    let parts = [gauge(&b), sum(&a), sum(&a)];
    assert_eq!(without("a", &metric(&parts)), Outcome::Nothing);
    // And here it has not lost any.
    let parts = [gauge(&a), sum(&b)];
    let left = metric(&[gauge(b""), sum(&b)]);
    assert_eq!(without("a", &metric(&parts)), Outcome::Changed(left));
    // The gauge that counts is the second one.
    let parts = [gauge(&b), sum(&b), gauge(&a)];
    assert_eq!(without("a", &metric(&parts)), Outcome::Nothing);
}

#[test]
fn what_was_empty_stays_and_what_becomes_empty_leaves() {
    let record = |text: &[u8]| field(2, &field(3, text));
    let (drop, keep) = (record(b"drop"), record(b"keep"));
    let scope = |records: &[&Vec<u8>]| {
        let records: Vec<_> = records.iter().map(|record| &record[..]).collect();
        field(2, &[&field(1, b"")[..], &records.concat()].concat())
    };
    let left = |request: &[u8]| {
        let stays = |_, record: Reader<'_>| match record.rest() == field(3, b"drop") {
            true => Visit::Remove,
            false => Visit::Keep,
        };
        ask(Signal::Logs, request, Messages::LOG_RECORD, stays).expect("well-formed")
    };
    let request = |resources: &[&[Vec<u8>]]| {
        let resources: Vec<_> = resources
            .iter()
            .map(|scopes| field(1, &scopes.concat()))
            .collect();
        resources.concat()
    };
    let empty = [scope(&[])];
    let full = [scope(&[&keep, &drop]), scope(&[&drop]), scope(&[])];
    let before = request(&[&[], &empty, &[scope(&[&drop, &drop])], &full]);
    let after = request(&[&[], &empty, &[scope(&[&keep]), scope(&[])]]);
    assert_eq!(left(&before), Outcome::Changed(after));
    assert_eq!(left(&request(&[&[], &empty])), Outcome::Unchanged);
    // Those without records are nothing that anyone waits for.
    let nothing = request(&[&[], &empty, &[scope(&[&drop]), scope(&[])]]);
    assert_eq!(left(&nothing), Outcome::Nothing);
}

#[test]
fn resources_and_scopes_are_kept_or_removed_as_a_whole() {
    let named = |name: &[u8], content: &[u8]| {
        [field(1, &field(1, &field(1, name))), content.to_vec()].concat()
    };
    let scope = |name: &[u8]| field(2, &named(name, &field(2, b"")));
    let first = field(1, &named(b"keep", &scope(b"x")));
    let second = field(1, &named(b"drop", &scope(b"x")));
    let third = field(1, &named(b"look", &[scope(b"x"), scope(b"drop")].concat()));
    let request = [first.clone(), second, third].concat();
    let mut seen = Vec::new();
    let left = ask(
        Signal::Traces,
        &request,
        Messages::RESOURCE | Messages::SCOPE | Messages::SPAN,
        |of, data| {
            seen.push(of);
            let begins = |name: &[u8]| data.rest().starts_with(&named(name, b""));
            match (begins(b"drop"), begins(b"keep")) {
                (true, _) => Visit::Remove,
                (_, true) => Visit::Keep,
                _ => Visit::Inside,
            }
        },
    );
    let left_of_third = field(1, &named(b"look", &scope(b"x")));
    assert_eq!(changed(left), [first, left_of_third].concat());
    use MessageType::{Resource, Scope, Span};
    assert_eq!(seen, [Resource, Resource, Resource, Scope, Span, Scope]);
}

#[test]
fn what_nobody_asks_for_is_passed_over() {
    // Malformed from the scopes' items on.
    let scope = field(2, &[field(1, b""), field(2, &[0xff])].concat());
    let request = field(1, &scope);
    let nothing = |_, _: Reader<'_>| Visit::Inside;
    let outcome = |of| ask(Signal::Traces, &request, of, nothing);
    for of in [
        Messages::NONE,
        Messages::RESOURCE,
        Messages::SCOPE,
        Messages::SPAN,
    ] {
        assert_unchanged(outcome(of));
    }
    // There is no data point in a span.
    assert_unchanged(outcome(Messages::METRIC | Messages::EXEMPLAR));
    for of in [Messages::SPAN_EVENT, Messages::SPAN_LINK] {
        let error = outcome(of).expect_err("malformed");
        assert_eq!(error.grpc_code(), 3, "{of:?}");
    }
}

#[test]
fn attributes_are_given_from_outside_inwards_with_what_has_them() {
    let attribute = |number: u32| field(number, &field(1, b"k"));
    let span = [
        field(11, &attribute(3)),
        attribute(9),
        field(13, &attribute(4)),
    ]
    .concat();
    let scope = [field(2, &span), field(1, &attribute(3))].concat();
    let request = field(1, &[field(2, &scope), field(1, &attribute(1))].concat());
    let mut seen = Vec::new();
    let all = Messages::SIGNAL | Messages::RESOURCE | Messages::SCOPE;
    let outcome = change(Signal::Traces, &request, all, |of, attributes| {
        seen.push(of);
        assert_eq!(attributes.iter().count(), 1);
        attributes.set(b"k", &EncodedValue::from(true));
        Ok(())
    });
    use MessageType::{Event, Link, Resource, Scope, Span};
    assert_eq!(seen, [Resource, Scope, Span, Event, Link]);
    // In place, though the description comes behind what it describes, and attributes between parts.
    let attribute = |number: u32| field(number, &[field(1, b"k"), field(2, &[0x10, 1])].concat());
    let span = [
        field(11, &attribute(3)),
        attribute(9),
        field(13, &attribute(4)),
    ]
    .concat();
    let scope = [field(2, &span), field(1, &attribute(3))].concat();
    let expected = field(1, &[field(2, &scope), field(1, &attribute(1))].concat());
    assert_eq!(changed(outcome), expected);
}

#[test]
fn a_scope_that_is_not_there_is_made_if_it_gets_an_attribute() {
    let request = field(1, &field(2, &field(2, b"")));
    let outcome = change(Signal::Logs, &request, Messages::SCOPE, |_, attributes| {
        attributes.set(b"k", &EncodedValue::from(true));
        Ok(())
    });
    let attribute = [field(1, b"k"), field(2, &[0x10, 1])].concat();
    let scope = [field(1, &field(3, &attribute)), field(2, b"")].concat();
    assert_eq!(changed(outcome), field(1, &field(2, &scope)));
    let outcome = change(Signal::Logs, &request, Messages::SCOPE, |_, _| Ok(()));
    assert_unchanged(outcome);
}

#[test]
fn an_error_of_the_visitor_ends_the_walk() {
    let request = field(1, b"").repeat(3);
    let mut count = 0;
    let outcome = change(Signal::Logs, &request, Messages::RESOURCE, |_, _| {
        count += 1;
        Err(ProcessingError::permanent("no"))
    });
    assert_eq!(outcome.expect_err("the visitor's").message(), "no");
    assert_eq!(count, 1);
}

#[test]
fn a_request_grows_within_a_limit() {
    let request = |resources: usize| field(1, b"").repeat(resources);
    let megabyte = EncodedValue::text(&vec![b'x'; 1024 * 1024]);
    let grown = |resources: usize| {
        change(
            Signal::Logs,
            &request(resources),
            Messages::RESOURCE,
            |_, attributes| {
                attributes.set(b"k", &megabyte);
                Ok(())
            },
        )
    };
    let output = changed(grown(63));
    assert!(output.len() > 63 * 1024 * 1024);
    let error = grown(64).expect_err("more than 64 MiB");
    assert_eq!(error.grpc_code(), 3);
    assert!(
        error.message().contains("grow by more than 67108864 bytes"),
        "{error}"
    );
}
