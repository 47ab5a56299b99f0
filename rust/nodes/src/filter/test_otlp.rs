// SPDX-License-Identifier: Apache-2.0

//! The items as prost reads and writes them: as much as filters look at, and something
//! of the rest.

use otapbridge::{ProcessingError, RequestContext, Signal};
use otapbridge_otlp::Outcome;
pub(super) use otapbridge_test_support::otlp::*;
use prost::Message;

use super::config::Config;
use super::rules::Rules;

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
    #[prost(message, optional, tag = "5")]
    pub(super) gauge: Option<Gauge>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Gauge {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) points: Vec<Vec<u8>>,
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

/// What a configuration says of a signal.
pub(super) struct OfSignal {
    signal: Signal,
    rules: Rules,
}

pub(super) fn rules(signal: Signal, config: serde_json::Value) -> OfSignal {
    let config: Config = serde_json::from_value(config).expect("valid configuration");
    let rules = config.rules().expect("valid configuration");
    OfSignal { signal, rules }
}

impl OfSignal {
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty(self.signal)
    }

    pub(super) fn apply(&self, request: &[u8]) -> Result<Outcome, ProcessingError> {
        let context = RequestContext::empty();
        let (outcome, _) = self.rules.apply(self.signal, request, &context)?;
        Ok(outcome)
    }
}
