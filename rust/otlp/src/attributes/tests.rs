// SPDX-License-Identifier: Apache-2.0

use otapbridge_test_support::Random;
use otapbridge_test_support::otlp::{OneOf, Resource, attribute, field};
use prost::Message;

use super::*;

/// The shape that the three export requests share, decoded by prost as an
/// independent reader. What a scope contains is opaque here.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    containers: Vec<Container>,
    #[prost(string, tag = "100")]
    unknown: String,
}

#[derive(Clone, PartialEq, Message)]
struct Container {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    scopes: Vec<Vec<u8>>,
    #[prost(string, tag = "3")]
    schema_url: String,
    #[prost(fixed64, tag = "1000")]
    unknown: u64,
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::Text(value.to_owned())
}

fn attributes(list: &[(&str, AttributeValue)]) -> ResourceAttributes {
    let mut attributes = ResourceAttributes::default();
    for (key, value) in list {
        attributes.set(key, value);
    }
    attributes
}

fn expected_value(value: &AttributeValue) -> OneOf {
    match value {
        AttributeValue::Text(text) => OneOf::Text(text.clone()),
        AttributeValue::Int(number) => OneOf::Int(*number),
    }
}

/// What the rewriting must do, on the decoded form.
fn upsert(request: &mut Request, list: &[(&str, AttributeValue)]) {
    for container in &mut request.containers {
        let resource = container.resource.get_or_insert_default();
        for (key, value) in list {
            let new = attribute(key, expected_value(value));
            match resource.attributes.iter().position(|a| a.key == *key) {
                Some(first) => {
                    resource.attributes[first] = new;
                    let mut index = 0;
                    resource.attributes.retain(|a| {
                        index += 1;
                        index <= first + 1 || a.key != *key
                    });
                }
                None => resource.attributes.push(new),
            }
        }
    }
}

fn random_value(random: &mut Random) -> OneOf {
    match random.below(4) {
        0 => OneOf::Text("x".repeat(random.below(200))),
        1 => OneOf::Bool(true),
        2 => OneOf::Int(random.next() as i64),
        _ => OneOf::Bytes(random.bytes(9)),
    }
}

fn random_resource(random: &mut Random) -> Resource {
    const KEYS: [&str; 6] = ["a", "b", "tenant", "", "service.name", "größe"];
    Resource {
        attributes: random.list(6, |random| {
            attribute(random.one_of(&KEYS), random_value(random))
        }),
        dropped_attributes_count: random.below(3) as u32,
        entity_refs: random.bytes(5),
    }
}

fn random_request(random: &mut Random) -> Request {
    Request {
        containers: random.list(4, |random| Container {
            resource: (random.below(4) > 0).then(|| random_resource(random)),
            scopes: random.list(3, |random| random.bytes(300)),
            schema_url: "u".repeat(random.below(3)),
            unknown: random.next() % 2,
        }),
        unknown: "later version".repeat(random.below(2)),
    }
}

fn random_attributes(random: &mut Random) -> Vec<(&'static str, AttributeValue)> {
    let mut list = Vec::new();
    for key in ["tenant", "a", "new", "größe"] {
        match random.below(3) {
            0 => list.push((key, AttributeValue::Text("y".repeat(random.below(300))))),
            1 => list.push((key, AttributeValue::Int(random.next() as i64))),
            _ => {}
        }
    }
    list
}

#[test]
fn inserts_replaces_and_makes_resources() {
    let mut request = Request {
        containers: vec![
            Container {
                resource: Some(Resource {
                    attributes: vec![
                        attribute("tenant", OneOf::Bool(true)),
                        attribute("other", OneOf::Int(7)),
                    ],
                    dropped_attributes_count: 3,
                    entity_refs: vec![],
                }),
                scopes: vec![b"spans".to_vec()],
                ..Container::default()
            },
            Container {
                scopes: vec![b"no resource".to_vec()],
                ..Container::default()
            },
            Container::default(),
        ],
        unknown: String::new(),
    };
    let out = attributes(&[("tenant", text("acme")), ("flags", AttributeValue::Int(-1))])
        .write_to(&request.encode_to_vec())
        .expect("well-formed");

    let tenant = attribute("tenant", "acme");
    let flags = attribute("flags", OneOf::Int(-1));
    request.containers[0]
        .resource
        .as_mut()
        .expect("resource")
        .attributes = vec![
        tenant.clone(),
        attribute("other", OneOf::Int(7)),
        flags.clone(),
    ];
    for container in &mut request.containers[1..] {
        container.resource = Some(Resource {
            attributes: vec![tenant.clone(), flags.clone()],
            ..Resource::default()
        });
    }
    assert_eq!(Request::decode(&out[..]).expect("well-formed"), request);
}

#[test]
fn the_last_setting_of_a_key_counts() {
    let list = attributes(&[("k", text("first")), ("k", text("second"))]);
    let request = Request {
        containers: vec![Container::default()],
        unknown: String::new(),
    };
    let out = list
        .write_to(&request.encode_to_vec())
        .expect("well-formed");
    let out = Request::decode(&out[..]).expect("well-formed");
    let resource = out.containers[0].resource.as_ref().expect("resource");
    assert_eq!(
        resource.attributes,
        [attribute("k", OneOf::Text("second".to_owned()))]
    );
}

#[test]
fn any_request_is_rewritten_as_if_it_had_been_decoded() {
    let mut random = Random::new(1);
    for _ in 0..5_000 {
        let mut request = random_request(&mut random);
        let list = random_attributes(&mut random);
        let before = request.encode_to_vec();
        let out = attributes(&list).write_to(&before).expect("well-formed");
        upsert(&mut request, &list);
        // New attributes stand at the resource's end, where prost would not put
        // them: the order may differ, the size may not.
        assert_eq!(out.len(), request.encoded_len());
        assert_eq!(Request::decode(&out[..]).expect("well-formed"), request);
    }
}

#[test]
fn everything_else_stays_the_same_to_the_byte() {
    // Fields out of order, longer varints than needed, a group, unknown fields.
    let before: &[u8] = &[
        0x9a, 0x06, 0x01, b'x', // field 99 at the top
        0x0a, 0x1d, // ResourceSpans
        0x1a, 0x01, b's', // schema_url before the resource
        0x0a, 0x89, 0x00, // Resource, length 9 in two bytes
        0x10, 0x80, 0x00, // dropped_attributes_count in two bytes
        0x0a, 0x04, 0x12, 0x00, 0x0a, 0x00, // a value before its empty key
        0x7b, 0x08, 0x01, 0x7b, 0x7c, 0x7c, // group 15 with another inside
        0x7d, 1, 2, 3, 4, // fixed32
        0x12, 0x01, b'!', // scope
        0x79, 1, 2, 3, 4, 5, 6, 7, 8, // fixed64 at the top
    ];
    let after: &[u8] = &[
        0x9a, 0x06, 0x01, b'x', //
        0x0a, 0x26, //
        0x1a, 0x01, b's', //
        0x0a, 0x13, //
        0x10, 0x80, 0x00, //
        0x0a, 0x04, 0x12, 0x00, 0x0a, 0x00, //
        0x0a, 0x08, 0x0a, 0x01, b'k', 0x12, 0x03, 0x0a, 0x01, b'v', // written
        0x7b, 0x08, 0x01, 0x7b, 0x7c, 0x7c, //
        0x7d, 1, 2, 3, 4, //
        0x12, 0x01, b'!', //
        0x79, 1, 2, 3, 4, 5, 6, 7, 8, //
    ];
    let out = attributes(&[("k", text("v"))]).write_to(before);
    assert_eq!(out.expect("well-formed"), after);
}

#[test]
fn a_resource_in_two_parts_is_one_resource() {
    let part = |keys: &[&str]| Resource {
        attributes: keys
            .iter()
            .map(|key| attribute(key, OneOf::Bool(true)))
            .collect(),
        ..Resource::default()
    };
    let parts = [part(&["a", "tenant"]), part(&["tenant", "b"])];
    let container = parts.map(|part| field(1, &part.encode_to_vec())).concat();
    let request = field(1, &container);

    let out = attributes(&[("tenant", text("t")), ("new", text("n"))]).write_to(&request);
    let out = Request::decode(&out.expect("well-formed")[..]).expect("well-formed");
    let resource = out.containers[0].resource.as_ref().expect("resource");
    let keys: Vec<_> = resource.attributes.iter().map(|a| a.key.as_str()).collect();
    assert_eq!(keys, ["a", "tenant", "b", "new"]);
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
        let error = attributes(&[("k", text("v"))])
            .write_to(bytes)
            .expect_err(says);
        assert!(error.to_string().contains(says), "{bytes:x?}: {error}");
    }
    // The offset counts from the first byte of the request.
    let error = attributes(&[("k", text("v"))]).write_to(&[0x0a, 0x02, 0x0a, 0x01]);
    assert_eq!(
        error.expect_err("cut off").to_string(),
        "malformed OTLP at byte 3: length exceeds the message"
    );
}

#[test]
fn damaged_requests_are_refused_or_rewritten() {
    let mut random = Random::new(2);
    let (mut refused, mut rewritten) = (0, 0);
    for _ in 0..40_000 {
        let mut bytes = random_request(&mut random).encode_to_vec();
        random.damage(&mut bytes);
        let list = random_attributes(&mut random);
        let out = attributes(&list).write_to(&bytes);
        // Whatever a full decoder accepts is accepted, and comes out as it should.
        if let Ok(mut request) = Request::decode(&bytes[..]) {
            let out = out.expect("prost reads it");
            upsert(&mut request, &list);
            assert_eq!(Request::decode(&out[..]).expect("well-formed"), request);
            rewritten += 1;
        } else if out.is_err() {
            refused += 1;
        }
    }
    assert!(
        refused > 1_000 && rewritten > 1_000,
        "{refused} {rewritten}"
    );
}
