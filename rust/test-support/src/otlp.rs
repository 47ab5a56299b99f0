// SPDX-License-Identifier: Apache-2.0

//! OTLP export requests as prost reads and writes them, an independent reader. Of the
//! three signals only the shape that they share is here; what few tests look into is
//! opaque bytes.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(message, repeated, tag = "1")]
    pub containers: Vec<Container>,
    #[prost(string, tag = "100")]
    pub unknown: String,
}

/// ResourceSpans and its like. The resource may be there several times.
#[derive(Clone, PartialEq, Message)]
pub struct Container {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub resources: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    pub scopes: Vec<Scope>,
    #[prost(string, tag = "3")]
    pub schema_url: String,
    #[prost(fixed64, tag = "1000")]
    pub unknown: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    pub dropped_attributes_count: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub entity_refs: Vec<u8>,
}

/// ScopeSpans and its like: the items of all signals have the same field number.
#[derive(Clone, PartialEq, Message)]
pub struct Scope {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub scope: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub items: Vec<Vec<u8>>,
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    #[prost(oneof = "OneOf", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub value: Option<OneOf>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum OneOf {
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

pub fn value(value: impl Into<OneOf>) -> Option<AnyValue> {
    Some(AnyValue {
        value: Some(value.into()),
    })
}

pub fn attribute(key: &str, of: impl Into<OneOf>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value(of),
    }
}

/// A length-delimited field.
pub fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    prost::encoding::bytes::encode(number, &content.to_vec(), &mut field);
    field
}
