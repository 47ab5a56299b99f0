// SPDX-License-Identifier: Apache-2.0

//! The items as prost reads and writes them: as much as filters look at, and something
//! of the rest.

use otapbridge::Signal;
pub(super) use otapbridge_test_support::otlp::*;
use prost::Message;

use super::conditions::Rules;
use super::config::Config;

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

pub(super) fn container(attributes: Vec<KeyValue>, scopes: Vec<Scope>) -> Container {
    let resource = Resource {
        attributes,
        ..Resource::default()
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
    let filter = config.filter().expect("valid configuration");
    match signal {
        Signal::Traces => filter.traces,
        Signal::Metrics => filter.metrics,
        Signal::Logs => filter.logs,
    }
}
