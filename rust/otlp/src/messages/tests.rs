// SPDX-License-Identifier: Apache-2.0

use otapbridge_context::Signal;

use super::*;
use crate::schema::{FieldType, PointType};

const ALL: [Messages; 9] = [
    Messages::RESOURCE,
    Messages::SCOPE,
    Messages::SPAN,
    Messages::SPAN_EVENT,
    Messages::SPAN_LINK,
    Messages::METRIC,
    Messages::DATA_POINT,
    Messages::EXEMPLAR,
    Messages::LOG_RECORD,
];

/// The messages that can be in one, except for values.
fn inside(of: MessageType) -> Vec<MessageType> {
    let fields = (1..=16).filter_map(|number| match of.field(number) {
        Some(FieldType::Message(MessageType::KeyValue | MessageType::AnyValue)) => None,
        Some(FieldType::Message(inner)) => Some(inner),
        _ => None,
    });
    fields.collect()
}

/// By the table of fields: whether something of a set is inside a message.
fn is_below(set: Messages, of: MessageType) -> bool {
    let mut inner = inside(of).into_iter();
    inner.any(|inner| set.contains(inner) || is_below(set, inner))
}

fn check(of: MessageType) {
    for set in ALL {
        let below = is_below(set, of);
        // Containers of all signals are treated alike, and so are data points of all kinds, of which a summary's have no
        // exemplars: a set can promise too much there, and never too little.
        let may_have = set.reach_below(of);
        assert!(may_have || !below, "{set:?} {of:?}");
        let is_exact = !matches!(
            of,
            MessageType::ResourceData(_)
                | MessageType::ScopeData(_)
                | MessageType::MetricData(_)
                | MessageType::DataPoint(_)
        );
        assert!(!is_exact || below == may_have, "{set:?} {of:?}");
        assert_eq!(set.reach(of), may_have || set.contains(of));
    }
    for inner in inside(of) {
        check(inner);
    }
}

#[test]
fn what_can_be_inside_is_what_the_table_of_fields_says() {
    for signal in Signal::ALL {
        check(MessageType::ResourceData(signal));
    }
}

#[test]
fn a_message_is_in_its_own_set_only() {
    let types = [
        MessageType::Resource,
        MessageType::Scope,
        MessageType::Span,
        MessageType::Event,
        MessageType::Link,
        MessageType::Metric,
        MessageType::DataPoint(PointType::Summary),
        MessageType::Exemplar,
        MessageType::LogRecord,
    ];
    for (index, r#type) in types.into_iter().enumerate() {
        for (other, set) in ALL.into_iter().enumerate() {
            assert_eq!(set.contains(r#type), index == other);
        }
        assert_eq!(Messages::SIGNAL.contains(r#type), index >= 2);
        assert!(r#type.attributes().is_some());
        assert!(!Messages::NONE.reach(r#type));
    }
    let all = ALL.into_iter().fold(Messages::NONE, Messages::or);
    assert!(!all.contains(MessageType::KeyValue));
    assert!(!all.contains(MessageType::MetricData(PointType::Number)));
    assert_eq!(Messages::SPAN | Messages::SIGNAL, Messages::SIGNAL);
    assert!(Messages::SPAN.and(Messages::METRIC).is_empty());
}
