// SPDX-License-Identifier: Apache-2.0

use prost::{DecodeError, Message};

#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    pub dropped_attributes_count: u32,
    #[prost(message, repeated, tag = "3")]
    pub entity_refs: Vec<EntityRef>,
}

#[derive(Clone, PartialEq, Message)]
pub struct EntityRef {
    #[prost(bytes = "vec", tag = "1")]
    pub schema_url: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub r#type: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub id_keys: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub description_keys: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InstrumentationScope {
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub version: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "4")]
    pub dropped_attributes_count: u32,
}

/// Its value is as it stands, once for each time that it stands there.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub value: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    #[prost(oneof = "OneOf", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub value: Option<OneOf>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum OneOf {
    #[prost(bytes, tag = "1")]
    Text(Vec<u8>),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    List(ArrayValue),
    #[prost(message, tag = "6")]
    Map(KeyValueList),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
pub struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<KeyValue>,
}

impl KeyValue {
    pub fn new(key: &[u8], value: &AnyValue) -> Self {
        Self {
            key: key.to_vec(),
            value: vec![value.encode_to_vec()],
        }
    }

    /// Protobuf merges the occurrences of a message: their bytes behind each other are the whole.
    pub fn value_bytes(&self) -> Vec<u8> {
        self.value.concat()
    }

    /// # Errors
    /// The value is malformed.
    pub fn any_value(&self) -> Result<AnyValue, DecodeError> {
        AnyValue::decode(&self.value_bytes()[..])
    }

    /// # Errors
    /// The value is malformed, or one in it.
    pub fn check(&self) -> Result<(), DecodeError> {
        self.any_value()?.check()
    }
}

impl AnyValue {
    /// # Errors
    /// A value in it is malformed.
    pub fn check(&self) -> Result<(), DecodeError> {
        match &self.value {
            Some(OneOf::List(list)) => list.values.iter().try_for_each(Self::check),
            Some(OneOf::Map(map)) => map.values.iter().try_for_each(KeyValue::check),
            _ => Ok(()),
        }
    }
}

impl From<OneOf> for AnyValue {
    fn from(value: OneOf) -> Self {
        Self { value: Some(value) }
    }
}
