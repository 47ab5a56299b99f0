// SPDX-License-Identifier: Apache-2.0

use otapbridge::{BlockBuilder, ErrorKind, RequestContext, Signal};
use serde_json::json;

use super::*;
use otapbridge_otlp::Outcome;

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

fn context(build: impl FnOnce(&mut BlockBuilder)) -> RequestContext {
    let mut builder = BlockBuilder::new();
    build(&mut builder);
    RequestContext::new(builder.build().expect("valid block"))
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
fn what_is_absent_writes_nothing() {
    let empty = context(|_| {});
    for context in [&empty, &RequestContext::empty()] {
        assert!(node(&SOURCES).0.does_nothing(context));
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
    let written = node.0.apply(Signal::Logs, &[0x0a, 0x00], &context);
    let expected = b"\x0a\x11\x0a\x0f\x0a\x0d\x0a\x06tenant\x12\x03\x0a\x012";
    let expected = Outcome::Changed(expected.to_vec());
    assert_eq!(written.expect("well-formed"), expected);
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
