// SPDX-License-Identifier: Apache-2.0

use otapbridge::{ContextBlock, ErrorKind};
use otapbridge_testing::TestHost;
use serde_json::json;

use super::*;
use crate::node_types;

fn host(keys: &[&str]) -> Result<TestHost, Vec<ProcessingError>> {
    let config = json!({"type": Mask::URN, "config": {"keys": keys}});
    TestHost::start(node_types, &config)
}

/// A protobuf field that contains bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let len = u8::try_from(content.len()).expect("short");
    assert!(len < 0x80, "short");
    [&[number << 3 | 2, len], content].concat()
}

/// A `KeyValue` with a text.
fn attribute(key: &str, text: &str) -> Vec<u8> {
    let value = field(1, text.as_bytes());
    [field(1, key.as_bytes()), field(2, &value)].concat()
}

/// An `ExportLogsServiceRequest` with an attribute of its resource and one of its record.
fn logs(of_resource: &[u8], of_record: &[u8]) -> Vec<u8> {
    let resource = field(1, &field(1, of_resource));
    let scope_logs = field(2, &field(2, &field(6, of_record)));
    field(1, &[resource, scope_logs].concat())
}

#[test]
fn what_stands_before_the_at_sign_is_masked() {
    for (text, expected) in [
        ("alice@example.com", "***@example.com"),
        ("a.b+c@example.com", "***@example.com"),
        ("Alice <alice@example.com>", "Alice <***@example.com>"),
        ("a@x.org, b@y.org", "***@x.org, ***@y.org"),
        ("jürgen@example.com", "***@example.com"),
    ] {
        let masked = masked(text.as_bytes());
        assert_eq!(masked.as_deref(), Some(expected.as_bytes()), "{text}");
    }
    for text in [
        "",
        "@",
        "alice",
        "alice@",
        "@example.com",
        "***@example.com",
    ] {
        assert_eq!(masked(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn attributes_of_all_messages_are_masked() {
    let host = host(&["user.email", "owner"]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let request = logs(
        &attribute("owner", "bob@example.com"),
        &attribute("user.email", "alice@example.com"),
    );
    host.call(Signal::Logs, request, ContextBlock::empty())
        .result()
        .expect("passed on");
    let expected = logs(
        &attribute("owner", "***@example.com"),
        &attribute("user.email", "***@example.com"),
    );
    assert_eq!(host.output().payload, expected);
}

#[test]
fn other_attributes_stay() {
    let host = host(&["user.email"]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let request = logs(
        &attribute("owner", "bob@example.com"),
        &attribute("user.email", "nobody"),
    );
    host.call(Signal::Logs, request.clone(), ContextBlock::empty())
        .result()
        .expect("passed on");
    assert_eq!(host.output().payload, request);
}

#[test]
fn what_is_no_otlp_is_refused() {
    let host = host(&["user.email"]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let call = host.call(Signal::Logs, "not OTLP", ContextBlock::empty());
    let error = call.result().expect_err("refused");
    assert!(error.is_permanent());
    assert_eq!(error.grpc_code(), 3); // InvalidArgument
}

#[test]
fn a_node_that_would_mask_nothing_is_no_valid_configuration() {
    let errors = host(&[]).err().expect("refused");
    assert_eq!(errors[0].kind(), ErrorKind::Configuration);
    assert!(errors[0].to_string().contains("keys"), "{}", errors[0]);
}
