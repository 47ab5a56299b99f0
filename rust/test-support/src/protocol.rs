// SPDX-License-Identifier: Apache-2.0

//! The whole of OTLP as prost reads and writes it: all messages and fields of opentelemetry-proto 1.x.
//!
//! Texts are bytes, because what is not UTF-8 has to pass, too. The values of attributes stay as they are written until
//! [`KeyValue::any_value`] reads them, so that they can be compared to the byte.

mod common;
mod logs;
mod metrics;
mod traces;

use std::fmt::Debug;

use prost::{DecodeError, Message};

pub use common::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, OneOf, Resource,
};
pub use logs::LogRecord;
pub use metrics::{
    Buckets, Data, Exemplar, ExemplarNumber, ExponentialHistogram, ExponentialHistogramDataPoint,
    Gauge, Histogram, HistogramDataPoint, Metric, Number, NumberDataPoint, Point, Sum, Summary,
    SummaryDataPoint, ValueAtQuantile,
};
pub use traces::{Event, Link, Span, Status};

use crate::schema::Type;

/// A span, metric or log record.
pub trait Item: Message + Default + Clone + PartialEq + Debug {
    /// The export request of such items.
    const REQUEST: Type;

    /// Gives all lists of attributes in it, with what they are the attributes of.
    fn each_list(&mut self, each: &mut dyn FnMut(Type, &mut Vec<KeyValue>));
}

/// `ExportTraceServiceRequest` and its like.
#[derive(Clone, PartialEq, Message)]
pub struct Request<I: Item> {
    #[prost(message, repeated, tag = "1")]
    pub resources: Vec<ResourceData<I>>,
}

/// `ResourceSpans` and its like.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceData<I: Item> {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub scopes: Vec<ScopeData<I>>,
    #[prost(bytes = "vec", tag = "3")]
    pub schema_url: Vec<u8>,
}

/// `ScopeSpans` and its like.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeData<I: Item> {
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<I>,
    #[prost(bytes = "vec", tag = "3")]
    pub schema_url: Vec<u8>,
}

impl<I: Item> Request<I> {
    /// Reads a request, down to the values of its attributes.
    ///
    /// # Errors
    /// It is malformed somewhere.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut request = Self::decode(bytes)?;
        let mut error = None;
        let mut check = |_: Type, list: &mut Vec<KeyValue>| {
            for attribute in list {
                if let Err(found) = attribute.check() {
                    error = Some(found);
                }
            }
        };
        for data in &mut request.resources {
            if let Some(resource) = &mut data.resource {
                check(Type::Resource, &mut resource.attributes);
            }
            for data in &mut data.scopes {
                if let Some(scope) = &mut data.scope {
                    check(Type::Scope, &mut scope.attributes);
                }
                for item in &mut data.items {
                    item.each_list(&mut check);
                }
            }
        }
        match error {
            Some(error) => Err(error),
            None => Ok(request),
        }
    }

    pub fn items(&self) -> usize {
        let scopes = self.resources.iter().flat_map(|data| &data.scopes);
        scopes.map(|data| data.items.len()).sum()
    }
}
