// SPDX-License-Identifier: Apache-2.0

use otapbridge_context::Signal;
use otapbridge_test_support::otlp::{
    Container, KeyValue, OneOf, Request, Resource, Scope, attribute, field,
};
use prost::Message;

use super::*;
use crate::entries::MAX_ATTRIBUTES;
use crate::test_visitors::{assert_unchanged, change, changed};
use crate::{Messages, Outcome, Value};

/// Changes the resource attributes of a request.
fn of_resources(
    request: &[u8],
    mut act: impl FnMut(&mut Attributes<'_, '_>),
) -> Result<Outcome, ProcessingError> {
    change(
        Signal::Logs,
        request,
        Messages::RESOURCE,
        |_, attributes| {
            act(attributes);
            Ok(())
        },
    )
}

/// The fields of a resource after its attributes were changed.
fn of_one(resource: &[u8], act: impl FnMut(&mut Attributes<'_, '_>)) -> Vec<u8> {
    let request = field(1, &field(1, resource));
    let output = match of_resources(&request, act) {
        Ok(Outcome::Unchanged) => request,
        other => changed(other),
    };
    let head = 4;
    assert_eq!(
        output[..head],
        [0x0a, output.len() as u8 - 2, 0x0a, output.len() as u8 - 4]
    );
    output[head..].to_vec()
}

fn encoded(attributes: &[KeyValue]) -> Vec<u8> {
    let fields = attributes
        .iter()
        .map(|attribute| field(1, &attribute.encode_to_vec()));
    fields.collect::<Vec<_>>().concat()
}

fn text(text: &str) -> EncodedValue {
    EncodedValue::from(text)
}

#[test]
fn inserts_replaces_and_makes_resources() {
    let mut request = Request {
        containers: vec![
            Container {
                resources: vec![
                    Resource {
                        attributes: vec![
                            attribute("tenant", OneOf::Bool(true)),
                            attribute("other", OneOf::Int(7)),
                        ],
                        dropped_attributes_count: 3,
                        entity_refs: vec![],
                    }
                    .encode_to_vec(),
                ],
                scopes: vec![Scope::default()],
                ..Container::default()
            },
            Container {
                scopes: vec![Scope::default()],
                ..Container::default()
            },
            Container::default(),
        ],
        unknown: String::new(),
    };
    let output = changed(of_resources(&request.encode_to_vec(), |attributes| {
        attributes.set(b"tenant", &text("acme"));
        attributes.set(b"flags", &EncodedValue::from(-1));
    }));

    let tenant = attribute("tenant", "acme");
    let flags = attribute("flags", OneOf::Int(-1));
    for (container, dropped_attributes_count) in request.containers.iter_mut().zip([3, 0, 0]) {
        let mut attributes = vec![tenant.clone(), flags.clone()];
        if dropped_attributes_count > 0 {
            attributes.insert(1, attribute("other", OneOf::Int(7)));
        }
        let resource = Resource {
            attributes,
            dropped_attributes_count,
            entity_refs: vec![],
        };
        container.resources = vec![resource.encode_to_vec()];
    }
    let mut output = Request::decode(&output[..]).expect("well-formed");
    // New attributes stand at the resource's end, where prost would not put them.
    for resource in output
        .containers
        .iter_mut()
        .flat_map(|container| &mut container.resources)
    {
        *resource = Resource::decode(&resource[..])
            .expect("well-formed")
            .encode_to_vec();
    }
    assert_eq!(output, request);
}

#[test]
fn everything_else_stays_the_same_to_the_byte() {
    // Fields out of order, longer varints than needed, a group, unknown fields.
    let before: &[u8] = &[
        0x9a, 0x06, 0x01, b'x', // field 99 at the top
        0x0a, 0x20, // ResourceSpans
        0x1a, 0x01, b's', // schema_url before the resource
        0x0a, 0x89, 0x00, // Resource, length 9 in two bytes
        0x10, 0x80, 0x00, // dropped_attributes_count in two bytes
        0x0a, 0x04, 0x12, 0x00, 0x0a, 0x00, // a value before its empty key
        0x7b, 0x08, 0x01, 0x7b, 0x7c, 0x7c, // group 15 with another inside
        0x7d, 1, 2, 3, 4, // fixed32
        0x12, 0x83, 0x00, 0x12, 0x80, 0x00, // a scope with an empty item
        0x79, 1, 2, 3, 4, 5, 6, 7, 8, // fixed64 at the top
    ];
    let after: &[u8] = &[
        0x9a, 0x06, 0x01, b'x', //
        0x0a, 0x29, //
        0x1a, 0x01, b's', //
        0x0a, 0x13, //
        0x10, 0x80, 0x00, //
        0x0a, 0x04, 0x12, 0x00, 0x0a, 0x00, //
        0x0a, 0x08, 0x0a, 0x01, b'k', 0x12, 0x03, 0x0a, 0x01, b'v', // written
        0x7b, 0x08, 0x01, 0x7b, 0x7c, 0x7c, //
        0x7d, 1, 2, 3, 4, //
        0x12, 0x83, 0x00, 0x12, 0x80, 0x00, //
        0x79, 1, 2, 3, 4, 5, 6, 7, 8, //
    ];
    let output = of_resources(before, |attributes| attributes.set(b"k", &text("v")));
    assert_eq!(changed(output), after);
}

#[test]
fn a_resource_in_two_parts_is_one_resource() {
    let part = |keys: [&str; 2]| encoded(&keys.map(|key| attribute(key, OneOf::Bool(true))));
    let parts = [part(["a", "tenant"]), part(["tenant", "b"])];
    let container = [field(1, &parts[0]), field(3, b"url"), field(1, &parts[1])];
    let output = changed(of_resources(&field(1, &container.concat()), |attributes| {
        assert_eq!(attributes.iter().count(), 4);
        attributes.set(b"tenant", &text("t"));
        attributes.set(b"new", &text("n"));
    }));
    let first = [attribute("a", OneOf::Bool(true)), attribute("tenant", "t")];
    let second = [attribute("b", OneOf::Bool(true)), attribute("new", "n")];
    let expected = [
        field(1, &encoded(&first)),
        field(3, b"url"),
        field(1, &encoded(&second)),
    ];
    assert_eq!(output, field(1, &expected.concat()));
}

#[test]
fn what_is_added_and_taken_out_again_makes_no_resource() {
    let request = [field(1, b""), field(1, &field(1, b""))].concat();
    let output = of_resources(&request, |attributes| {
        attributes.set(b"k", &text("v"));
        assert!(attributes.remove(b"k"));
    });
    assert_unchanged(output);
}

#[test]
fn of_a_key_that_stands_several_times_the_first_is_set() {
    let list = encoded(&[
        attribute("a", 1),
        attribute("b", 2),
        attribute("a", 3),
        attribute("a", 4),
    ]);
    let output = of_one(&list, |attributes| {
        assert!(!attributes.insert(b"a", &text("x")));
        assert!(!attributes.update(b"c", &text("x")));
        assert!(attributes.update(b"a", &text("x")));
    });
    assert_eq!(output, encoded(&[attribute("a", "x"), attribute("b", 2)]));
    let output = of_one(&list, |attributes| assert!(attributes.remove(b"a")));
    assert_eq!(output, encoded(&[attribute("b", 2)]));
}

#[test]
fn all_of_a_key_are_renamed_and_replace_others() {
    let list = encoded(&[
        attribute("a", 1),
        attribute("b", 2),
        attribute("a", 3),
        attribute("c", 4),
    ]);
    let output = of_one(&list, |attributes| {
        assert!(!attributes.rename(b"none", b"b"));
        assert!(!attributes.rename(b"a", b"a"));
        assert!(attributes.rename(b"a", b"b"));
    });
    let expected = [attribute("b", 1), attribute("b", 3), attribute("c", 4)];
    assert_eq!(output, encoded(&expected));
    // One that is new can be renamed, too, and is found by its new key only.
    let output = of_one(&list, |attributes| {
        attributes.set(b"new", &text("x"));
        assert!(attributes.rename(b"new", b"newer"));
        assert!(!attributes.contains(b"new"));
        assert!(attributes.contains(b"newer"));
    });
    assert_eq!(output, [list, encoded(&[attribute("newer", "x")])].concat());
}

#[test]
fn what_is_not_understood_in_an_attribute_stays() {
    let unknown = field(100, b"later");
    let of = |fields: &[&[u8]]| field(1, &fields.concat());
    let (key, value) = (field(1, b"a"), field(2, &field(1, b"x")));
    let new = field(2, &field(1, b"new"));
    for (before, after) in [
        (
            of(&[&unknown, &key, &unknown, &value, &unknown]),
            of(&[&unknown, &key, &unknown, &new, &unknown]),
        ),
        // Protobuf merges occurrences of the value: the new one stands in place of all.
        (
            of(&[&value, &unknown, &key, &value, &unknown]),
            of(&[&new, &unknown, &key, &unknown]),
        ),
        (of(&[&key]), of(&[&key, &new])),
        // The last key counts, and is not written anew.
        (
            of(&[&field(1, b"other"), &value, &key]),
            of(&[&field(1, b"other"), &new, &key]),
        ),
    ] {
        let output = of_one(&before, |attributes| {
            assert!(attributes.update(b"a", &text("new")));
        });
        assert_eq!(output, after, "{before:x?}");
    }
    let keys = of(&[&key, &unknown, &field(1, b"b"), &value]);
    let output = of_one(&keys, |attributes| assert!(attributes.rename(b"b", b"c")));
    assert_eq!(output, of(&[&field(1, b"c"), &unknown, &value]));
    // A key that is empty need not be there.
    let output = of_one(&of(&[&value]), |attributes| {
        assert!(attributes.rename(b"", b"c"));
    });
    assert_eq!(output, of(&[&value, &field(1, b"c")]));
}

#[test]
fn values_are_read_as_they_were_and_as_they_are_now() {
    let twice = [
        field(1, b"k"),
        field(2, &field(1, b"first")),
        field(2, &[0x18, 7]),
    ];
    let list = [field(1, &twice.concat()), field(1, &field(1, b"none"))].concat();
    let _ = of_one(&list, |attributes| {
        let value = |attributes: &Attributes<'_, '_>, key: &[u8]| {
            let value = attributes.get(key).expect("well-formed")?;
            let copy = EncodedValue::copy(&value);
            Some((value.is_present(), copy.as_bytes().to_vec()))
        };
        let merged = [field(1, b"first"), vec![0x18, 7]].concat();
        assert_eq!(value(attributes, b"k"), Some((true, merged)));
        assert_eq!(value(attributes, b"none"), Some((false, vec![])));
        assert_eq!(value(attributes, b"unknown"), None);
        let first = attributes
            .get(b"k")
            .expect("well-formed")
            .expect("is there");
        assert_eq!(first.value(), Ok(Value::Int(7)));
        attributes.set(b"k", &text("new"));
        assert_eq!(value(attributes, b"k"), Some((true, field(1, b"new"))));
    });
}

#[test]
fn values_are_replaced_and_attributes_chosen_one_by_one() {
    let list = [attribute("a", 1), attribute("b", 2), attribute("a", 3)];
    let output = of_one(&encoded(&list), |attributes| {
        let stays = |attribute: &Attribute<'_>| Ok(attribute.key() != b"b");
        attributes.retain(stays).expect("no error");
        let mut count = 0;
        let one_more = |attribute: &Attribute<'_>| {
            count += 1;
            let Value::Int(number) = attribute.value()?.value()? else {
                return Ok(None);
            };
            Ok((number > 1).then(|| EncodedValue::from(number + 1)))
        };
        attributes.replace(one_more).expect("no error");
        assert_eq!(count, 2, "one was taken out");
    });
    assert_eq!(output, encoded(&[attribute("a", 1), attribute("a", 4)]));
    let none = of_one(&encoded(&list), |attributes| {
        attributes.retain(|_| Ok(true)).expect("no error");
        attributes.replace(|_| Ok(None)).expect("no error");
        assert!(!attributes.has_changed());
    });
    assert_eq!(none, encoded(&list));
}

#[test]
fn a_message_has_a_limited_number_of_attributes() {
    let request = |count| field(1, &field(1, &field(1, b"").repeat(count)));
    let unchanged = of_resources(&request(MAX_ATTRIBUTES), |_| {});
    assert_unchanged(unchanged);
    let refused = of_resources(&request(MAX_ATTRIBUTES + 1), |_| {});
    let error = refused.expect_err("too many");
    assert_eq!(error.grpc_code(), 3);
    assert!(
        error.message().contains("more than 16384 attributes"),
        "{error}"
    );
    // Of two messages each has its own.
    let two = request(MAX_ATTRIBUTES).repeat(2);
    assert_unchanged(of_resources(&two, |_| {}));
}

/// Joining the pieces must not take time in proportion to the square of their number; the limit of their
/// length bounds what is copied.
#[test]
fn a_value_in_very_many_pieces_is_read_once() {
    let value = field(2, &field(1, b"text"));
    let request = |pieces: &[u8]| {
        let key_value = [&field(1, b"a"), &value, pieces].concat();
        field(1, &field(1, &field(1, &key_value)))
    };
    let pieces = field(2, b"").repeat(1_000_000);
    let changed = changed(of_resources(&request(&pieces), |attributes| {
        let value = attributes.get(b"a").expect("well-formed").expect("a value");
        assert_eq!(value.value(), Ok(Value::Text(b"text")));
        attributes.set(b"a", &text("new"));
    }));
    let expected = [field(1, b"a"), field(2, text("new").as_bytes())].concat();
    assert_eq!(changed, field(1, &field(1, &field(1, &expected))));

    let long = field(2, &field(1, &[b'x'; 1024])).repeat(1024);
    let refused = of_resources(&request(&long), |attributes| {
        let error = attributes.get(b"a").map(drop).expect_err("too long");
        assert!(error.to_string().contains("more than 1 MiB"), "{error}");
    });
    assert_unchanged(refused);
}

#[test]
fn new_values_of_a_message_have_a_limit() {
    let large = "x".repeat(1024 * 1024);
    let grow = |times: usize| {
        of_resources(&field(1, b""), |attributes| {
            for time in 0..times {
                // Another value each time.
                attributes.set(b"a", &text(&large[time % 2..]));
            }
        })
    };
    assert!(grow(63).is_ok());
    let error = grow(5000).expect_err("too much");
    assert_eq!(error.grpc_code(), 3);
    assert!(
        error.message().contains("more than 67108864 bytes"),
        "{error}"
    );
}

#[test]
fn malformed_requests_are_refused() {
    for (bytes, says) in [
        (&[0x0a][..], "cut off"),
        (&[0x0a, 0x05, 0x01], "length exceeds"),
        (
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            "length exceeds",
        ),
        (&[0x08, 0x01], "wrong wire type"),
        (&[0x0a, 0x02, 0x08, 0x01], "wrong wire type"),
        (&[0x0a, 0x04, 0x0a, 0x02, 0x08, 0x01], "wrong wire type"),
        (
            &[0x0a, 0x06, 0x0a, 0x04, 0x0a, 0x02, 0x08, 0x01],
            "wrong wire type",
        ),
        (&[0x00, 0x01], "field number 0"),
        (&[0x0e], "unknown wire type"),
        (&[0x0f], "unknown wire type"),
        (&[0x7c], "did not begin"),
        (&[0x7b, 0x74], "did not begin"),
        (&[0x7b], "cut off"),
        (&[0x7d, 1, 2, 3], "cut off"),
        (&[0x79, 1, 2, 3, 4, 5, 6, 7], "cut off"),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00], "too large"),
        (
            &[
                0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
            ],
            "64 bits",
        ),
        (&[0x7b; 101], "too deeply"),
    ] {
        let refused = of_resources(bytes, |attributes| attributes.set(b"k", &text("v")));
        let error = refused.expect_err(says);
        assert_eq!(error.grpc_code(), 3);
        assert!(error.to_string().contains(says), "{bytes:x?}: {error}");
    }
    // The offset counts from the first byte of the request.
    let refused = of_resources(&[0x0a, 0x02, 0x0a, 0x01], |_| {});
    let error = refused.expect_err("cut off");
    let expected = "malformed OTLP at byte 3: length exceeds the message";
    assert_eq!(error.message(), expected);
}
