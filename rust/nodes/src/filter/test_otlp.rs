// SPDX-License-Identifier: Apache-2.0

//! OTLP as prost reads and writes it: as much of it as filters look at, and
//! something of the rest.

use otapbridge::Signal;
use prost::Message;

use super::conditions::Rules;
use super::config::Config;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(super) containers: Vec<Container>,
    #[prost(string, tag = "100")]
    pub(super) unknown: String,
}

/// ResourceSpans and its like. The resource may be there several times.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Container {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) resources: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scopes: Vec<Scope>,
    #[prost(string, tag = "3")]
    pub(super) schema_url: String,
    #[prost(fixed64, tag = "1000")]
    pub(super) unknown: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    pub(super) dropped_attributes_count: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Scope {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) scope: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) items: Vec<Vec<u8>>,
    #[prost(string, tag = "3")]
    pub(super) schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LogRecord {
    #[prost(int32, tag = "2")]
    pub(super) severity_number: i32,
    #[prost(string, tag = "3")]
    pub(super) severity_text: String,
    #[prost(message, optional, tag = "5")]
    pub(super) body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
    #[prost(message, repeated, tag = "13")]
    pub(super) links: Vec<Link>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Link {
    #[prost(message, repeated, tag = "4")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) gauge: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "OneOf", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(super) value: Option<OneOf>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum OneOf {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(bytes, tag = "5")]
    List(Vec<u8>),
    #[prost(bytes, tag = "6")]
    Map(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

impl From<&str> for OneOf {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for OneOf {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for OneOf {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for OneOf {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

pub(super) fn value(value: impl Into<OneOf>) -> Option<AnyValue> {
    Some(AnyValue {
        value: Some(value.into()),
    })
}

pub(super) fn attribute(key: &str, of: impl Into<OneOf>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value(of),
    }
}

pub(super) fn container(attributes: Vec<KeyValue>, scopes: Vec<Scope>) -> Container {
    let resource = Resource {
        attributes,
        dropped_attributes_count: 0,
    };
    Container {
        resources: vec![resource.encode_to_vec()],
        scopes,
        ..Container::default()
    }
}

pub(super) fn scope(items: Vec<Vec<u8>>) -> Scope {
    Scope {
        items,
        ..Scope::default()
    }
}

pub(super) fn request(containers: Vec<Container>) -> Request {
    Request {
        containers,
        ..Request::default()
    }
}

/// What this configuration says of a signal.
pub(super) fn rules(signal: Signal, config: serde_json::Value) -> Rules {
    let config: Config = serde_json::from_value(config).expect("valid configuration");
    let filters = config.filters().expect("valid configuration");
    match signal {
        Signal::Traces => filters.traces,
        Signal::Metrics => filters.metrics,
        Signal::Logs => filters.logs,
    }
}
