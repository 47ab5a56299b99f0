// SPDX-License-Identifier: Apache-2.0

use prost::Message;

use super::{AnyValue, Item, KeyValue};
use crate::schema::Type;

#[derive(Clone, PartialEq, Message)]
pub struct LogRecord {
    #[prost(fixed64, tag = "1")]
    pub time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    pub severity_number: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub severity_text: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "7")]
    pub dropped_attributes_count: u32,
    #[prost(fixed32, tag = "8")]
    pub flags: u32,
    #[prost(bytes = "vec", tag = "9")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    pub span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    pub observed_time_unix_nano: u64,
    #[prost(bytes = "vec", tag = "12")]
    pub event_name: Vec<u8>,
}

impl Item for LogRecord {
    const REQUEST: Type = Type::LogsData;

    fn each_list(&mut self, each: &mut dyn FnMut(Type, &mut Vec<KeyValue>)) {
        each(Type::LogRecord, &mut self.attributes);
    }
}
