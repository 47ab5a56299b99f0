// SPDX-License-Identifier: Apache-2.0

//! In what attributes are changed: `include` and `exclude`.

use otapbridge::{BlockBuilder, RequestContext, Signal};
use otapbridge_otlp::Outcome;
use otapbridge_test_support::otlp::{Container, Request, Scope};
use prost::Message;
use serde_json::{Value as Json, json};

use super::test_otlp::*;

/// A resource with a scope with an item.
struct Of {
    signal: Signal,
    resource: Vec<KeyValue>,
    /// Its encoded fields.
    scope: Vec<u8>,
    item: Vec<u8>,
    attributes: u32,
}

impl Of {
    fn span(item: Vec<u8>) -> Self {
        Self {
            signal: Signal::Traces,
            resource: vec![attribute("service.name", "shop"), attribute("host", "h1")],
            scope: [field(1, b"lib"), field(2, b"1.2")].concat(),
            item,
            attributes: 9,
        }
    }

    fn log(item: Vec<u8>) -> Self {
        Self {
            signal: Signal::Logs,
            attributes: 6,
            ..Self::span(item)
        }
    }

    fn request(&self, item: &[KeyValue]) -> Vec<u8> {
        let fields = |number, of: &[KeyValue]| {
            let of = of.iter();
            of.flat_map(|of| field(number, &of.encode_to_vec()))
                .collect::<Vec<_>>()
        };
        let request = Request {
            containers: vec![Container {
                resources: vec![fields(1, &self.resource)],
                scopes: vec![Scope {
                    scope: Some(self.scope.clone()),
                    items: vec![[&self.item[..], &fields(self.attributes, item)].concat()],
                    ..Scope::default()
                }],
                ..Container::default()
            }],
            ..Request::default()
        };
        request.encode_to_vec()
    }

    /// Whether the item is changed by a node with this in its configuration.
    fn is_changed_by(&self, rule: &str, conditions: &Json, context: &RequestContext) -> bool {
        let before = [attribute("env", "dev"), attribute("card", 1234)];
        let delete = json!([{"action": "delete", "key": "card"}]);
        let node = node(json!({"actions": delete, rule: conditions}));
        let outcome = node.apply(self.signal, &self.request(&before), context);
        match outcome.expect("well-formed") {
            Outcome::Unchanged => false,
            Outcome::Changed(after) => {
                assert_eq!(after, self.request(&before[..1]));
                true
            }
            Outcome::Nothing => panic!("lost"),
        }
    }

    /// Whether the conditions match: as `include`, and as `exclude`.
    fn matches(&self, conditions: Json) -> bool {
        self.matches_in(conditions, &RequestContext::empty())
    }

    fn matches_in(&self, conditions: Json, context: &RequestContext) -> bool {
        let included = self.is_changed_by("include", &conditions, context);
        let excluded = !self.is_changed_by("exclude", &conditions, context);
        assert_eq!(included, excluded, "{conditions}");
        included
    }
}

/// The names of Go's attributes processor.
#[test]
fn conditions_have_the_names_of_go() {
    // Its name and its kind, which is the client's.
    let span = Of::span([field(5, b"GET /"), vec![6 << 3, 3]].concat());
    for (conditions, matches) in [
        (json!({"services": ["shop"]}), true),
        (json!({"services": ["cart", "shop"]}), true),
        (json!({"services": ["sho"]}), false),
        (json!({"match_type": "regexp", "services": ["^sho"]}), true),
        (json!({"resources": [{"key": "host", "value": "h1"}]}), true),
        (json!({"resources": [{"key": "host"}]}), true),
        (
            json!({"resources": [{"key": "host"}, {"key": "zone"}]}),
            false,
        ),
        (json!({"libraries": [{"name": "lib"}]}), true),
        (
            json!({"libraries": [{"name": "lib", "version": "1.2"}]}),
            true,
        ),
        (
            json!({"libraries": [{"name": "lib", "version": "1.3"}]}),
            false,
        ),
        (json!({"libraries": [{"name": "x"}, {"name": "lib"}]}), true),
        (json!({"span_names": ["GET /"]}), true),
        (json!({"span_names": ["GET"]}), false),
        (
            json!({"match_type": "regexp", "span_names": ["^GET"]}),
            true,
        ),
        (json!({"span_kinds": ["SPAN_KIND_CLIENT"]}), true),
        (json!({"span_kinds": ["SPAN_KIND_SERVER"]}), false),
        (json!({"span_kinds": ["server", "client"]}), true),
        (
            json!({"attributes": [{"key": "env", "value": "dev"}]}),
            true,
        ),
        (
            json!({"attributes": [{"key": "env"}, {"key": "card", "value": 1234}]}),
            true,
        ),
        // All of them.
        (
            json!({"attributes": [{"key": "env"}, {"key": "absent"}]}),
            false,
        ),
        // All fields.
        (json!({"services": ["shop"], "span_names": ["GET /"]}), true),
        (
            json!({"services": ["shop"], "span_names": ["POST /"]}),
            false,
        ),
    ] {
        assert_eq!(span.matches(conditions.clone()), matches, "{conditions}");
    }
    // Its severity and its body.
    let record = Of::log(
        [
            vec![2 << 3, 9],
            field(3, b"INFO"),
            field(5, &field(1, b"body")),
        ]
        .concat(),
    );
    for (conditions, matches) in [
        (json!({"log_bodies": ["body"]}), true),
        (json!({"log_bodies": ["bod"]}), false),
        (json!({"log_severity_texts": ["INFO"]}), true),
        (json!({"log_severity_texts": ["WARN"]}), false),
        (
            json!({"log_severity_number": {"min": 9, "match_undefined": false}}),
            true,
        ),
        (
            json!({"log_severity_number": {"min": 10, "match_undefined": true}}),
            false,
        ),
        (
            json!({"resources": [{"key": "host"}], "attributes": [{"key": "env"}]}),
            true,
        ),
    ] {
        assert_eq!(record.matches(conditions.clone()), matches, "{conditions}");
    }
}

/// With include and exclude, what the first matches and the second does not.
#[test]
fn include_comes_before_exclude() {
    let span = Of::span(field(5, b"svcB"));
    let before = [attribute("env", "dev"), attribute("card", 1)];
    let is_changed = |include: Json, exclude: Json| {
        let node = node(json!({
            "actions": [{"action": "delete", "key": "card"}], "include": include, "exclude": exclude,
        }));
        apply(&node, Signal::Traces, &span.request(&before)) != Outcome::Unchanged
    };
    let (right, wrong) = (
        json!({"span_names": ["svcB"]}),
        json!({"span_names": ["svcA"]}),
    );
    assert!(is_changed(right.clone(), wrong.clone()));
    assert!(!is_changed(right.clone(), right.clone()));
    assert!(!is_changed(wrong.clone(), right));
    assert!(!is_changed(wrong.clone(), wrong));
}

#[test]
fn a_condition_on_another_signal_is_one_that_nothing_fulfils() {
    let span = Of::span(field(5, b"GET /"));
    let record = Of::log(Vec::new());
    for conditions in [
        json!({"log_bodies": ["a"]}),
        json!({"metric_names": ["a"]}),
        json!({"datapoint_attributes": [{"key": "env"}]}),
        // Although the other is fulfilled.
        json!({"services": ["shop"], "severity_texts": ["INFO"]}),
    ] {
        assert!(!span.matches(conditions.clone()), "{conditions}");
    }
    for conditions in [
        json!({"span_names": ["GET /"]}),
        json!({"metric_types": ["gauge"]}),
        json!({"services": ["shop"], "span_kinds": ["client"]}),
    ] {
        assert!(!record.matches(conditions.clone()), "{conditions}");
    }
}

#[test]
fn the_context_can_be_asked() {
    let record = Of::log(Vec::new());
    let mut block = BlockBuilder::new();
    let _ = block.metadata("x-tenant", ["acme", "umbrella"]);
    let context = RequestContext::new(block.build().expect("valid block"));
    let tenant =
        |value: &str| json!({"context": [{"from_context": "metadata.x-tenant", "value": value}]});
    assert!(record.matches_in(tenant("umbrella"), &context));
    assert!(!record.matches_in(tenant("other"), &context));
    assert!(!record.matches(tenant("acme")));
}

/// Events, links and exemplars are treated like what they are in.
#[test]
fn what_is_in_an_item_shares_its_conditions() {
    let secret = |number| field(number, &attribute("secret", 1).encode_to_vec());
    let actions = json!([{"action": "delete", "key": "secret"}]);
    let spans = |event: Vec<u8>| {
        let named =
            |name: &[u8], event: &[u8]| field(2, &[field(5, name), field(11, event)].concat());
        below(
            &[1, 2],
            &[named(b"a", &event), named(b"b", &secret(3))].concat(),
        )
    };
    let node_a = node(json!({"actions": actions, "include": {"span_names": ["a"]}}));
    assert_eq!(
        apply(&node_a, Signal::Traces, &spans(secret(3))),
        Outcome::Changed(spans(Vec::new()))
    );

    // Two points, of which only the first is asked for; each with an exemplar.
    let metric = |first: &[u8], metadata: &[u8]| {
        let is = |key: &str| field(7, &attribute(key, 1).encode_to_vec());
        let point = |key: &str, more: &[u8], exemplar: &[u8]| {
            field(1, &[is(key), more.to_vec(), field(5, exemplar)].concat())
        };
        let points = [
            point("first", first, first),
            point("second", &secret(7), &secret(7)),
        ];
        below(
            &[1, 2, 2],
            &[field(5, &points.concat()), metadata.to_vec()].concat(),
        )
    };
    let conditions = json!({"datapoint_attributes": [{"key": "first"}]});
    let first = node(json!({"actions": actions, "include": conditions}));
    let before = metric(&secret(7), &secret(12));
    // A metric itself does not have what is asked of data points.
    let expected = metric(&[], &secret(12));
    assert_eq!(
        apply(&first, Signal::Metrics, &before),
        Outcome::Changed(expected)
    );
    let but_second = json!({"datapoint_attributes": [{"key": "second"}]});
    let but_second = node(json!({"actions": actions, "exclude": but_second}));
    let expected = metric(&[], &[]);
    assert_eq!(
        apply(&but_second, Signal::Metrics, &before),
        Outcome::Changed(expected)
    );
}

/// Resources are asked, and their own attributes changed, in one node.
#[test]
fn a_resource_is_changed_if_it_is_selected() {
    let of = |name: &str, more: &[KeyValue]| {
        let attributes = [&[attribute("service.name", name)], more].concat();
        let fields = attributes
            .iter()
            .flat_map(|of| field(1, &of.encode_to_vec()));
        below(&[1, 1], &fields.collect::<Vec<_>>())
    };
    let node = node(json!({
        "actions": [{"action": "insert", "key": "env", "value": "prod"}],
        "apply_to": ["resource"],
        "include": {"services": ["shop"]},
    }));
    let before = [of("cart", &[]), of("shop", &[])].concat();
    let after = [of("cart", &[]), of("shop", &[attribute("env", "prod")])].concat();
    assert_eq!(apply(&node, Signal::Logs, &before), Outcome::Changed(after));
}
