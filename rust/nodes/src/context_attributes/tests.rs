// SPDX-License-Identifier: Apache-2.0

use otapbridge::{BlockBuilder, ErrorKind, SpanContext};
use serde_json::json;

use super::*;
use otapbridge_otlp::AttributeValue;

fn config(value: serde_json::Value) -> Result<Config, serde_json::Error> {
    serde_json::from_value(value)
}

fn node(sources: &[&str]) -> ContextAttributes {
    let actions: Vec<_> = sources
        .iter()
        .map(|source| json!({"key": source, "from_context": source}))
        .collect();
    let config = config(json!({ "actions": actions })).expect("valid configuration");
    ContextAttributes::create(config).expect("valid configuration")
}

fn read(source: &str, context: &RequestContext) -> Option<AttributeValue> {
    node(&[source]).actions[0].from_context.read(context)
}

fn context(build: impl FnOnce(&mut BlockBuilder)) -> RequestContext {
    let mut builder = BlockBuilder::new();
    build(&mut builder);
    RequestContext::new(builder.build().expect("valid block"))
}

fn text(value: &str) -> Option<AttributeValue> {
    Some(AttributeValue::Text(value.to_owned()))
}

const SOURCES: [&str; 8] = [
    "metadata.x-tenant",
    "auth.subject",
    "client.address",
    "trace_id",
    "span_id",
    "trace_flags",
    "trace_state",
    "deadline_remaining",
];

#[test]
fn every_source_gives_its_value() {
    let context = context(|builder| {
        builder
            .metadata("X-Tenant", ["a", "b"])
            .metadata("bytes", [&b"\xffx"[..], b""])
            .metadata("blank", [""])
            .metadata("none", [""; 0])
            .auth("subject", "me")
            .auth_list("groups", ["g1", "g2"])
            .auth_list("nothing", [""; 0])
            .auth_opaque("claims")
            .address("tcp", "[2001:db8::1]:4317")
            .span_context(SpanContext {
                trace_id: [0xab; 16],
                span_id: [0x01; 8],
                trace_flags: 255,
                remote: true,
            })
            .trace_state("vendor=1,other=2");
    });
    for (source, expected) in [
        ("metadata.x-tenant", text("a;b")),
        ("metadata.X-TENANT", text("a;b")),
        ("metadata.bytes", text("\u{fffd}x;")),
        ("metadata.blank", text("")),
        ("metadata.none", None),
        ("metadata.unknown", None),
        ("auth.subject", text("me")),
        ("auth.groups", text("g1;g2")),
        ("auth.nothing", None),
        ("auth.claims", None),
        ("auth.unknown", None),
        ("client.address", text("2001:db8::1")),
        ("trace_id", text("abababababababababababababababab")),
        ("span_id", text("0101010101010101")),
        ("trace_flags", Some(AttributeValue::Int(255))),
        ("trace_state", text("vendor=1,other=2")),
        ("deadline_remaining", None),
    ] {
        assert_eq!(read(source, &context), expected, "{source}");
    }
}

#[test]
fn the_deadline_is_in_milliseconds() {
    let remaining = |nanos| {
        let context = context(|builder| {
            builder.deadline_nanos(nanos, 0);
        });
        match read("deadline_remaining", &context) {
            Some(AttributeValue::Int(millis)) => millis,
            other => panic!("{other:?}"),
        }
    };
    let hour = remaining(3_600_000_000_000);
    assert!((3_500_000..=3_600_000).contains(&hour), "{hour}");
    assert_eq!(remaining(-1), 0);
}

#[test]
fn a_unix_socket_has_no_ip() {
    let context = context(|builder| {
        builder.address("unix", "/run/otlp.sock");
    });
    assert_eq!(read("client.address", &context), None);
}

#[test]
fn what_is_absent_writes_nothing() {
    let empty = context(|_| {});
    for context in [&empty, &RequestContext::empty()] {
        assert!(node(&SOURCES).attributes(context).is_empty());
    }
}

#[test]
fn the_last_action_that_has_a_value_wins() {
    let config = config(json!({"actions": [
        {"key": "tenant", "from_context": "metadata.first"},
        {"key": "tenant", "from_context": "metadata.second"},
        {"key": "tenant", "from_context": "metadata.absent"},
    ]}));
    let node = ContextAttributes::create(config.expect("valid")).expect("valid");
    let context = context(|builder| {
        builder.metadata("first", ["1"]).metadata("second", ["2"]);
    });
    // One container without a resource.
    let written = node.attributes(&context).write_to(&[0x0a, 0x00]);
    let written = written.expect("well-formed");
    let expected = b"\x0a\x11\x0a\x0f\x0a\x0d\x0a\x06tenant\x12\x03\x0a\x012";
    assert_eq!(written, expected);
}

#[test]
fn unknown_sources_and_keys_are_refused() {
    for source in [
        "",
        "metadata",
        "metadata.",
        "auth.",
        "client.addr",
        "Trace_Id",
        "x",
    ] {
        let error =
            config(json!({"actions": [{"key": "k", "from_context": source}]})).expect_err(source);
        assert!(
            error.to_string().contains(&format!("{source:?}")),
            "{error}"
        );
    }
    for wrong in [
        json!({}),
        json!({"actions": [], "extra": 1}),
        json!({"actions": [{"key": "k"}]}),
        json!({"actions": [{"key": "k", "from_context": "trace_id", "action": "upsert"}]}),
        json!({"actions": [{"key": 1, "from_context": "trace_id"}]}),
        json!({"actions": {"key": "k", "from_context": "trace_id"}}),
    ] {
        assert!(config(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn errors_name_their_field() {
    for (wrong, field) in [
        (json!({"actions": []}), "actions"),
        (
            json!({"actions": [
                {"key": "k", "from_context": "trace_id"},
                {"key": "", "from_context": "trace_id"},
            ]}),
            "actions[1].key",
        ),
    ] {
        let error = ContextAttributes::create(config(wrong).expect("right shape"))
            .expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert_eq!(error.field(), Some(field));
    }
}
