// SPDX-License-Identifier: Apache-2.0

use otapbridge::{BlockBuilder, SpanContext};

use super::*;

fn read(source: &str, context: &RequestContext) -> Option<ContextValue> {
    let source = ContextSource::try_from(source.to_owned());
    source.expect("a place").read(context)
}

fn context(build: impl FnOnce(&mut BlockBuilder)) -> RequestContext {
    let mut builder = BlockBuilder::new();
    build(&mut builder);
    RequestContext::new(builder.build().expect("valid block"))
}

fn text(value: &str) -> Option<ContextValue> {
    Some(ContextValue::Text(value.to_owned()))
}

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
        ("trace_flags", Some(ContextValue::Int(255))),
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
            Some(ContextValue::Int(millis)) => millis,
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
