// SPDX-License-Identifier: Apache-2.0

//! Requests and their attributes for tests, as prost writes them.

use otapbridge::{ErrorKind, ProcessingError, ProcessorNode, RequestContext, Signal};
use otapbridge_otlp::Outcome;
pub(super) use otapbridge_test_support::otlp::{AnyValue, KeyValue, OneOf, attribute, field};
use prost::Message;
use serde_json::{Value as Json, json};

use super::{Attributes, Config};

/// The value below these fields.
pub(super) fn below(path: &[u32], content: &[u8]) -> Vec<u8> {
    let fields = path.iter().rev();
    fields.fold(content.to_vec(), |content, number| field(*number, &content))
}

pub(super) fn list(values: impl IntoIterator<Item = OneOf>) -> OneOf {
    let values = values.into_iter().map(|of| AnyValue { value: Some(of) });
    OneOf::List(
        values
            .flat_map(|of| field(1, &of.encode_to_vec()))
            .collect(),
    )
}

pub(super) fn map(entries: &[KeyValue]) -> OneOf {
    let entries = entries.iter();
    OneOf::Map(
        entries
            .flat_map(|of| field(1, &of.encode_to_vec()))
            .collect(),
    )
}

pub(super) fn bytes(content: &[u8]) -> OneOf {
    OneOf::Bytes(content.to_vec())
}

/// An attribute whose value is not there.
pub(super) fn absent(key: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: None,
    }
}

/// An attribute whose value is there and says nothing.
pub(super) fn nothing(key: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: None }),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LogRecord {
    #[prost(message, repeated, tag = "6")]
    pub(super) attributes: Vec<KeyValue>,
}

/// Where log records are in a request.
pub(super) const RECORD: [u32; 3] = [1, 2, 2];

pub(super) fn create(config: Json) -> Result<Attributes, ProcessingError> {
    Attributes::create(serde_json::from_value::<Config>(config).expect("the right shape"))
}

pub(super) fn node(config: Json) -> Attributes {
    create(config).expect("valid configuration")
}

/// One with these actions.
pub(super) fn doing(actions: Json) -> Attributes {
    node(json!({"actions": actions}))
}

pub(super) fn apply(node: &Attributes, signal: Signal, request: &[u8]) -> Outcome {
    let applied = node.apply(signal, request, &RequestContext::empty());
    applied.expect("well-formed")
}

/// What becomes of the attributes of a log record; `None` if nothing.
pub(super) fn changed(node: &Attributes, attributes: &[KeyValue]) -> Option<Vec<KeyValue>> {
    changed_with(node, attributes, &RequestContext::empty()).expect("well-formed")
}

pub(super) fn changed_with(
    node: &Attributes,
    attributes: &[KeyValue],
    context: &RequestContext,
) -> Result<Option<Vec<KeyValue>>, ProcessingError> {
    let record = LogRecord {
        attributes: attributes.to_vec(),
    };
    let request = below(&RECORD, &record.encode_to_vec());
    Ok(match node.apply(Signal::Logs, &request, context)? {
        Outcome::Unchanged => None,
        Outcome::Changed(request) => {
            let mut record = &request[..];
            for number in RECORD {
                assert_eq!(u32::from(record[0]), number << 3 | 2);
                let length = prost::decode_length_delimiter(&record[1..]).expect("a length");
                record = &record[record.len() - length..];
            }
            let record = LogRecord::decode(record).expect("a log record");
            assert_eq!(below(&RECORD, &record.encode_to_vec()), request);
            Some(record.attributes)
        }
        Outcome::Nothing => panic!("the request is lost"),
    })
}

/// The field that an error names.
pub(super) fn wrong_field(config: Json) -> String {
    let error = create(config.clone()).expect_err(&config.to_string());
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.field().unwrap_or_default().to_owned()
}
