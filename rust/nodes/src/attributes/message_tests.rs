// SPDX-License-Identifier: Apache-2.0

//! Whose attributes are changed: `apply_to`.

use otapbridge::Signal;
use otapbridge_otlp::Outcome;
use prost::Message;
use serde_json::{Value as Json, json};

use super::test_otlp::*;

/// A message that has attributes.
struct Place {
    /// The names of it in `apply_to`.
    names: &'static [&'static str],
    signal: Signal,
    /// The fields that lead to it from the request.
    path: &'static [u32],
    /// The field in which its attributes are.
    attributes: u32,
}

const fn place(
    names: &'static [&'static str],
    signal: Signal,
    path: &'static [u32],
    attributes: u32,
) -> Place {
    Place {
        names,
        signal,
        path,
        attributes,
    }
}

/// Numbers as in the protocol's files.
const PLACES: &[Place] = &[
    place(&["resource"], Signal::Traces, &[1, 1], 1),
    place(&["resource"], Signal::Metrics, &[1, 1], 1),
    place(&["resource"], Signal::Logs, &[1, 1], 1),
    place(&["scope"], Signal::Traces, &[1, 2, 1], 3),
    place(&["scope"], Signal::Metrics, &[1, 2, 1], 3),
    place(&["scope"], Signal::Logs, &[1, 2, 1], 3),
    place(&["span", "signal"], Signal::Traces, &[1, 2, 2], 9),
    place(&["spanevent", "signal"], Signal::Traces, &[1, 2, 2, 11], 3),
    place(&["spanlink", "signal"], Signal::Traces, &[1, 2, 2, 13], 4),
    place(&["log", "signal"], Signal::Logs, &[1, 2, 2], 6),
    // Its metadata.
    place(&["metric", "signal"], Signal::Metrics, &[1, 2, 2], 12),
    place(
        &["datapoint", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 5, 1],
        7,
    ),
    place(
        &["datapoint", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 7, 1],
        7,
    ),
    place(
        &["datapoint", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 9, 1],
        9,
    ),
    place(
        &["datapoint", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 10, 1],
        1,
    ),
    place(
        &["datapoint", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 11, 1],
        7,
    ),
    // Of a gauge, a sum, a histogram and an exponential histogram; a summary has none.
    place(
        &["exemplar", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 5, 1, 5],
        7,
    ),
    place(
        &["exemplar", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 7, 1, 5],
        7,
    ),
    place(
        &["exemplar", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 9, 1, 8],
        7,
    ),
    place(
        &["exemplar", "signal"],
        Signal::Metrics,
        &[1, 2, 2, 10, 1, 11],
        7,
    ),
];

const NAMES: [&str; 10] = [
    "resource",
    "scope",
    "signal",
    "span",
    "spanevent",
    "spanlink",
    "metric",
    "datapoint",
    "exemplar",
    "log",
];

impl Place {
    /// A request with these attributes in this place, and nothing else.
    fn request(&self, attributes: &[KeyValue]) -> Vec<u8> {
        let attributes = attributes.iter();
        let fields = attributes.flat_map(|of| field(self.attributes, &of.encode_to_vec()));
        below(self.path, &fields.collect::<Vec<_>>())
    }
}

#[test]
fn attributes_are_changed_where_apply_to_says() {
    let secret = [
        attribute("a", 1),
        attribute("secret", "x"),
        attribute("b", 2),
    ];
    let left = [attribute("a", 1), attribute("b", 2)];
    let delete = json!([{"action": "delete", "key": "secret"}]);
    for place in PLACES {
        let expect = |config: Json, is_meant: bool| {
            let outcome = apply(&node(config.clone()), place.signal, &place.request(&secret));
            let expected = match is_meant {
                true => Outcome::Changed(place.request(&left)),
                false => Outcome::Unchanged,
            };
            assert_eq!(outcome, expected, "{config} at {:?}", place.path);
        };
        for name in NAMES {
            let config = json!({"actions": delete, "apply_to": [name]});
            expect(config, place.names.contains(&name));
        }
        expect(json!({"actions": delete, "apply_to": NAMES}), true);
        // The default.
        let is_signal = place.names.contains(&"signal");
        expect(json!({"actions": delete}), is_signal);
        expect(json!({"actions": delete, "apply_to": []}), is_signal);
        expect(
            json!({"actions": delete, "apply_to": ["resource", "log"]}),
            place.names.contains(&"resource") || place.names.contains(&"log"),
        );
    }
}

#[test]
fn an_attribute_is_inserted_where_there_was_none() {
    let insert = json!([{"action": "insert", "key": "env", "value": "prod"}]);
    for place in PLACES {
        let name = place.names[0];
        let node = node(json!({"actions": insert, "apply_to": [name]}));
        let outcome = apply(&node, place.signal, &place.request(&[]));
        let expected = place.request(&[attribute("env", "prod")]);
        assert_eq!(outcome, Outcome::Changed(expected), "{:?}", place.path);
        let without = &place.path[..place.path.len() - 1];
        let outcome = apply(&node, place.signal, &below(without, &[]));
        // A resource or scope is made; of the others there is none.
        let is_made = ["resource", "scope"].contains(&name);
        assert_eq!(outcome != Outcome::Unchanged, is_made, "{:?}", place.path);
        if is_made {
            let expected = place.request(&[attribute("env", "prod")]);
            assert_eq!(outcome, Outcome::Changed(expected));
        }
    }
}

/// Of a span all, of a metric its metadata, its points of each kind and their exemplars.
#[test]
fn all_that_is_in_an_item_is_changed_at_once() {
    for signal in Signal::ALL {
        let request = |attributes: &[KeyValue]| {
            let places = PLACES.iter().filter(|place| place.signal == signal);
            places
                .flat_map(|place| place.request(attributes))
                .collect::<Vec<_>>()
        };
        let all = node(json!({
            "actions": [{"action": "rename", "source_key": "old", "destination_key": "new"}],
            "apply_to": NAMES,
        }));
        let outcome = apply(
            &all,
            signal,
            &request(&[attribute("old", 1), attribute("x", 2)]),
        );
        let expected = request(&[attribute("new", 1), attribute("x", 2)]);
        assert_eq!(outcome, Outcome::Changed(expected), "{signal:?}");
    }
}
