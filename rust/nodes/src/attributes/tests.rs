// SPDX-License-Identifier: Apache-2.0

//! What each action does to a list of attributes, alone and behind others.

use otapbridge::{BlockBuilder, RequestContext, Signal};
use otapbridge_otlp::Outcome;
use serde_json::json;

use super::test_otlp::*;

#[test]
fn insert_adds_what_is_not_there() {
    let node = doing(json!([{"action": "insert", "key": "a", "value": 1}]));
    assert_eq!(
        changed(&node, &[attribute("b", 2)]),
        Some(vec![attribute("b", 2), attribute("a", 1)])
    );
    assert_eq!(changed(&node, &[]), Some(vec![attribute("a", 1)]));
    for there in [attribute("a", "x"), absent("a"), nothing("a")] {
        assert_eq!(changed(&node, &[there]), None);
    }
}

#[test]
fn update_sets_what_is_there() {
    let node = doing(json!([{"action": "update", "key": "a", "value": 1}]));
    assert_eq!(changed(&node, &[attribute("b", 2)]), None);
    assert_eq!(changed(&node, &[]), None);
    for there in [attribute("a", "x"), absent("a"), nothing("a")] {
        assert_eq!(
            changed(&node, &[there, attribute("b", 2)]),
            Some(vec![attribute("a", 1), attribute("b", 2)])
        );
    }
}

#[test]
fn upsert_does_either() {
    let node = doing(json!([{"action": "upsert", "key": "a", "value": 1}]));
    assert_eq!(
        changed(&node, &[attribute("b", 2)]),
        Some(vec![attribute("b", 2), attribute("a", 1)])
    );
    assert_eq!(
        changed(&node, &[attribute("a", "x"), attribute("b", 2)]),
        Some(vec![attribute("a", 1), attribute("b", 2)])
    );
}

/// As the types of YAML and JSON say.
#[test]
fn values_have_the_type_that_is_written() {
    for (written, expected) in [
        (json!("text"), OneOf::from("text")),
        (json!(""), OneOf::from("")),
        (json!("1"), OneOf::from("1")),
        (json!(true), OneOf::from(true)),
        (json!(false), OneOf::from(false)),
        (json!(0), OneOf::from(0)),
        (json!(-1), OneOf::from(-1)),
        (json!(i64::MAX), OneOf::from(i64::MAX)),
        (json!(i64::MIN), OneOf::from(i64::MIN)),
        (json!(1.0), OneOf::from(1.0)),
        (json!(1e300), OneOf::from(1e300)),
        (json!([]), list([])),
        (
            json!(["a", 1, [true]]),
            list(["a".into(), 1.into(), list([true.into()])]),
        ),
        (json!({}), map(&[])),
        (
            json!({"a": 1, "b": {"c": [1.5]}}),
            map(&[
                attribute("a", 1),
                attribute("b", map(&[attribute("c", list([1.5.into()]))])),
            ]),
        ),
    ] {
        let node = doing(json!([{"action": "upsert", "key": "k", "value": written}]));
        assert_eq!(changed(&node, &[]), Some(vec![attribute("k", expected)]));
    }
}

#[test]
fn a_value_can_come_from_another_attribute() {
    let node = doing(json!([
        {"action": "insert", "key": "a", "from_attribute": "from"},
        {"action": "update", "key": "b", "from_attribute": "from"},
        {"action": "upsert", "key": "c", "from_attribute": "from"},
    ]));
    let nested = map(&[attribute("x", list([bytes(b"\x00\xff")]))]);
    for from in [
        attribute("from", "text"),
        attribute("from", nested),
        nothing("from"),
    ] {
        let copy = |key: &str| KeyValue {
            key: key.to_owned(),
            value: from.value.clone(),
        };
        assert_eq!(
            changed(&node, &[attribute("b", 1), from.clone()]),
            Some(vec![copy("b"), from.clone(), copy("a"), copy("c")])
        );
    }
    assert_eq!(changed(&node, &[attribute("b", 1)]), None);
}

#[test]
fn a_value_can_come_from_the_context() {
    let mut block = BlockBuilder::new();
    let _ = block.metadata("X-Tenant", ["acme", "umbrella"]);
    let _ = block.address("tcp", "192.0.2.1:4317");
    let context = RequestContext::new(block.build().expect("valid block"));
    let node = doing(json!([
        {"action": "upsert", "key": "tenant", "from_context": "metadata.x-tenant"},
        {"action": "insert", "key": "client", "from_context": "client.address"},
        {"action": "update", "key": "user", "from_context": "auth.username"},
    ]));
    let user = attribute("user", "as it was");
    assert_eq!(
        changed_with(&node, std::slice::from_ref(&user), &context).expect("well-formed"),
        Some(vec![
            user.clone(),
            attribute("tenant", "acme;umbrella"),
            attribute("client", "192.0.2.1"),
        ])
    );
    assert!(!node.does_nothing(&context));
    // Where the context has nothing, no request is looked at.
    assert!(node.does_nothing(&RequestContext::empty()));
    assert_eq!(changed(&node, &[user]), None);
}

#[test]
fn a_default_is_used_if_the_source_has_nothing() {
    let node = doing(json!([
        {"action": "upsert", "key": "region", "from_attribute": "cloud.region", "default_value": "nowhere"},
        {"action": "upsert", "key": "tenant", "from_context": "metadata.x-tenant", "default_value": 0},
        {"action": "insert", "key": "alone", "default_value": [1]},
        {"action": "upsert", "key": "written", "value": 1, "default_value": 2},
    ]));
    assert!(!node.does_nothing(&RequestContext::empty()));
    let others = [
        attribute("tenant", 0),
        attribute("alone", list([1.into()])),
        attribute("written", 1),
    ];
    let with = |first: &[KeyValue]| Some([first, &others].concat());
    assert_eq!(changed(&node, &[]), with(&[attribute("region", "nowhere")]));
    let there = attribute("cloud.region", "eu");
    assert_eq!(
        changed(&node, std::slice::from_ref(&there)),
        with(&[there, attribute("region", "eu")])
    );
}

#[test]
fn delete_takes_a_key_a_pattern_or_both() {
    let attributes = ["db.password", "password", "user", "db"].map(|key| attribute(key, 1));
    for (which, left) in [
        (json!({"key": "password"}), vec![0, 2, 3]),
        (json!({"key": "pass"}), vec![0, 1, 2, 3]),
        (json!({"pattern": "pass"}), vec![2, 3]),
        (json!({"pattern": "^db"}), vec![1, 2]),
        (json!({"pattern": "^db$"}), vec![0, 1, 2]),
        (json!({"pattern": "(?i)^USER$"}), vec![0, 1, 3]),
        (json!({"key": "user", "pattern": "password$"}), vec![3]),
        (json!({"pattern": "."}), vec![]),
    ] {
        let mut action = which.clone();
        action["action"] = json!("delete");
        let left: Vec<_> = left
            .into_iter()
            .map(|at: usize| attributes[at].clone())
            .collect();
        let expected = (left.len() < attributes.len()).then_some(left);
        assert_eq!(
            changed(&doing(json!([action])), &attributes),
            expected,
            "{which}"
        );
    }
}

#[test]
fn rename_gives_another_key_and_keeps_the_place() {
    let node = doing(json!([
        {"action": "rename", "source_key": "from", "destination_key": "to"},
    ]));
    let others = [attribute("x", 1), attribute("y", 2)];
    let [x, y] = others.clone();
    assert_eq!(
        changed(&node, &[x.clone(), attribute("from", "v"), y.clone()]),
        Some(vec![x.clone(), attribute("to", "v"), y.clone()])
    );
    // One that has the key already is replaced.
    assert_eq!(
        changed(
            &node,
            &[attribute("to", "old"), x.clone(), attribute("from", "v")]
        ),
        Some(vec![x.clone(), attribute("to", "v")])
    );
    // Without a source nothing is replaced either.
    assert_eq!(changed(&node, &[attribute("to", "old"), x]), None);
    let to_itself = doing(json!([
        {"action": "rename", "source_key": "from", "destination_key": "from"},
    ]));
    assert_eq!(changed(&to_itself, &[attribute("from", 1)]), None);
}

#[test]
fn actions_are_done_in_their_order() {
    let node = doing(json!([
        {"action": "insert", "key": "a", "value": "1"},
        {"action": "rename", "source_key": "a", "destination_key": "b"},
        {"action": "insert", "key": "a", "from_attribute": "b"},
        {"action": "convert", "key": "b", "converted_type": "int"},
        {"action": "upsert", "key": "c", "from_attribute": "b"},
        {"action": "delete", "key": "b"},
        {"action": "update", "key": "b", "value": "gone"},
    ]));
    assert_eq!(
        changed(&node, &[]),
        Some(vec![attribute("a", "1"), attribute("c", 1)])
    );
    // A key may be in several actions, in any order.
    let node = doing(json!([
        {"action": "delete", "key": "a"},
        {"action": "insert", "key": "a", "value": 2},
    ]));
    assert_eq!(
        changed(&node, &[attribute("a", 1), attribute("b", 1)]),
        Some(vec![attribute("b", 1), attribute("a", 2)])
    );
}

/// The protocol forbids it, and data have it.
#[test]
fn a_key_that_is_there_twice() {
    let twice = [attribute("a", 1), attribute("b", 0), attribute("a", "2")];
    let b = attribute("b", 0);
    for (action, expected) in [
        (json!({"action": "insert", "key": "a", "value": 3}), None),
        (
            json!({"action": "update", "key": "a", "value": 3}),
            Some(vec![attribute("a", 3), b.clone()]),
        ),
        (
            json!({"action": "upsert", "key": "a", "value": 3}),
            Some(vec![attribute("a", 3), b.clone()]),
        ),
        (
            json!({"action": "upsert", "key": "c", "from_attribute": "a"}),
            Some([&twice[..], &[attribute("c", 1)]].concat()),
        ),
        (
            json!({"action": "delete", "key": "a"}),
            Some(vec![b.clone()]),
        ),
        (
            json!({"action": "delete", "pattern": "a"}),
            Some(vec![b.clone()]),
        ),
        (
            json!({"action": "rename", "source_key": "a", "destination_key": "b"}),
            Some(vec![attribute("b", 1), attribute("b", "2")]),
        ),
        (
            json!({"action": "rename", "source_key": "b", "destination_key": "a"}),
            Some(vec![attribute("a", 0)]),
        ),
        (
            json!({"action": "convert", "key": "a", "converted_type": "double"}),
            Some(vec![attribute("a", 1.0), b.clone(), attribute("a", 2.0)]),
        ),
        (
            json!({"action": "extract", "key": "a", "pattern": "(?P<c>.)"}),
            None, // The first is no text.
        ),
    ] {
        assert_eq!(
            changed(&doing(json!([action])), &twice),
            expected,
            "{action}"
        );
    }
    let node = doing(json!([{"action": "extract", "key": "a", "pattern": "^(?P<b>.)"}]));
    let texts = [
        attribute("a", "x1"),
        attribute("b", 0),
        attribute("a", "y2"),
    ];
    let [first, _, second] = texts.clone();
    assert_eq!(
        changed(&node, &texts),
        Some(vec![first, attribute("b", "x"), second])
    );
}

#[test]
fn extract_sets_an_attribute_for_each_group() {
    let node = doing(json!([{
        "action": "extract", "key": "http.url",
        "pattern": r"^(?P<http_protocol>.*):\/\/(?P<http_domain>.*)\/(?P<http_path>.*)(?:\?|\&)(?P<http_query_params>.*)",
    }]));
    let url = attribute("http.url", "http://example.com/path?a=1,b=2");
    // One is there already.
    assert_eq!(
        changed(&node, &[attribute("http_domain", 7), url.clone()]),
        Some(vec![
            attribute("http_domain", "example.com"),
            url,
            attribute("http_protocol", "http"),
            attribute("http_path", "path"),
            attribute("http_query_params", "a=1,b=2"),
        ])
    );
    for other in [
        attribute("http.url", "no url"),
        attribute("http.url", 1),
        absent("http.url"),
        attribute("url", "http://example.com/path?a"),
    ] {
        assert_eq!(changed(&node, &[other]), None);
    }
}

#[test]
fn a_group_that_takes_no_part_is_an_empty_text() {
    let node = doing(json!([
        {"action": "extract", "key": "host", "pattern": "^(?P<name>[^:]*)(?::(?P<port>.*))?$"},
    ]));
    let host = attribute("host", "example.com");
    assert_eq!(
        changed(&node, &[host.clone(), attribute("port", "old")]),
        Some(vec![
            host,
            attribute("port", ""),
            attribute("name", "example.com"),
        ])
    );
}

/// A text need not be UTF-8, and a pattern is found in it all the same.
#[test]
fn keys_and_texts_that_are_not_utf_8() {
    let node = doing(json!([{"action": "delete", "pattern": "^secret"}]));
    let key_value = |key: &[u8]| [field(1, key), field(2, &field(1, b"\xff"))].concat();
    let request = |keys: &[&[u8]]| {
        let attributes = keys.iter().flat_map(|key| field(6, &key_value(key)));
        below(&[1, 2, 2], &attributes.collect::<Vec<_>>())
    };
    let outcome = apply(
        &node,
        otapbridge::Signal::Logs,
        &request(&[b"secret\xff", b"\xffsecret"]),
    );
    let expected = request(&[b"\xffsecret"]);
    assert_eq!(outcome, otapbridge_otlp::Outcome::Changed(expected));
}

/// One wrong byte must not hide a key from a pattern.
#[test]
fn a_pattern_finds_keys_that_are_not_utf_8() {
    let key_value = |key: &[u8]| {
        let value = field(2, &field(1, b"secret"));
        field(6, &[field(1, key), value].concat())
    };
    let request = |keys: &[&[u8]]| {
        let fields: Vec<_> = keys.iter().map(|key| key_value(key)).collect();
        below(&RECORD, &fields.concat())
    };
    for pattern in ["^.*password$", "^[^x]*password$", "(?-u:\\xff).*password"] {
        let node = doing(json!([{"action": "delete", "pattern": pattern}]));
        let outcome = apply(
            &node,
            Signal::Logs,
            &request(&[b"keep", b"my\xff.password"]),
        );
        assert_eq!(outcome, Outcome::Changed(request(&[b"keep"])), "{pattern}");
    }
}
