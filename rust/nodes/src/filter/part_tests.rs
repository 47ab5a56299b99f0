// SPDX-License-Identifier: Apache-2.0

//! Data points, events and links, which leave by themselves; and what is counted.

use otapbridge::{RequestContext, Signal};
use otapbridge_otlp::Outcome;
use serde_json::{Value, json};

use super::conditions_tests::{apply, below, compiled, with_attributes};
use super::rules::Dropped;
use super::test_otlp::*;

/// A gauge with a point for each attribute.
fn points(name: &str, attributes: &[i64]) -> Vec<u8> {
    let point = |value: &i64| field(1, &with_attributes(7, &[attribute("n", *value)]));
    let points: Vec<u8> = attributes.iter().flat_map(point).collect();
    field(2, &[field(1, name.as_bytes()), field(5, &points)].concat())
}

fn dropped(include: u64, exclude: u64) -> Dropped {
    Dropped { include, exclude }
}

#[test]
fn each_data_point_is_asked_by_itself() {
    let request = |metrics: &[Vec<u8>]| below(&[1, 2], &metrics.concat());
    let before = request(&[
        points("x", &[1, 2, 1]),
        points("y", &[2]),
        points("z", &[1]),
        points("none", &[]),
    ]);
    let one = json!([{"key": "n", "value": 1}]);
    let expect = |rules: Value, after: &[Vec<u8>], counts: Dropped| {
        let config = json!({"metrics": rules});
        let (outcome, found) = apply(&config, Signal::Metrics, &before, &RequestContext::empty());
        let expected = match after {
            [] => Outcome::Nothing,
            after => Outcome::Changed(request(after)),
        };
        assert_eq!(outcome, expected, "{config}");
        assert_eq!(found.items, counts, "{config}");
    };
    expect(
        json!({"exclude": {"datapoint_attributes": one}}),
        &[points("x", &[2]), points("y", &[2]), points("none", &[])],
        dropped(0, 3),
    );
    // A metric without points has no such attribute.
    expect(
        json!({"include": {"attributes": one}}),
        &[points("x", &[1, 1]), points("z", &[1])],
        dropped(2, 0),
    );
    expect(
        json!({"include": {"metric_names": ["x"], "datapoint_attributes": one}}),
        &[points("x", &[1, 1])],
        dropped(3, 0),
    );
    expect(
        json!({"include": {"metric_names": ["x", "y"]}, "exclude": {"datapoint_attributes": one}}),
        &[points("x", &[2]), points("y", &[2])],
        dropped(1, 2),
    );
    expect(
        json!({"include": {"attributes": one}, "exclude": {"metric_names": ["x", "z"]}}),
        &[],
        dropped(2, 3),
    );
}

/// A span with events and links.
fn with_parts(name: &str, events: &[Vec<u8>], links: &[Vec<u8>]) -> Vec<u8> {
    let events = events.iter().flat_map(|event| field(11, event));
    let links = links.iter().flat_map(|link| field(13, link));
    let parts: Vec<u8> = events.chain(links).collect();
    field(2, &[field(5, name.as_bytes()), parts].concat())
}

fn event(name: &str, attributes: &[KeyValue]) -> Vec<u8> {
    [field(2, name.as_bytes()), with_attributes(3, attributes)].concat()
}

fn link(attributes: &[KeyValue]) -> Vec<u8> {
    with_attributes(4, attributes)
}

#[test]
fn events_and_links_leave_by_themselves() {
    let (a, b) = ([attribute("a", 1)], [attribute("b", 1)]);
    let all_events = [event("log", &a), event("exception", &b), event("log", &b)];
    let links = [link(&a), link(&b)];
    let request = |events: &[usize], left: &[usize]| {
        let events: Vec<_> = events.iter().map(|at| all_events[*at].clone()).collect();
        let left: Vec<_> = left.iter().map(|at| links[*at].clone()).collect();
        below(
            &[1, 2],
            &[
                with_parts("s", &events, &left),
                with_parts("bare", &[], &[]),
            ]
            .concat(),
        )
    };
    let before = request(&[0, 1, 2], &[0, 1]);
    let a = json!([{"key": "a"}]);
    for (config, after, counts) in [
        (
            json!({"span_events": {"exclude": {"event_names": ["log"]}}}),
            request(&[1], &[0, 1]),
            (dropped(0, 2), dropped(0, 0)),
        ),
        (
            json!({"span_events": {"include": {"event_names": ["log"], "event_attributes": a}}}),
            request(&[0], &[0, 1]),
            (dropped(2, 0), dropped(0, 0)),
        ),
        (
            json!({"span_events": {"include": {"event_names": ["log"]}, "exclude": {"attributes": a}}}),
            request(&[2], &[0, 1]),
            (dropped(1, 1), dropped(0, 0)),
        ),
        (
            json!({"span_links": {"include": {"link_attributes": a}}}),
            request(&[0, 1, 2], &[0]),
            (dropped(0, 0), dropped(1, 0)),
        ),
        (
            json!({"span_links": {"exclude": {"attributes": a}}, "span_events": {"include": {"scope_names": ["x"]}}}),
            request(&[], &[1]),
            (dropped(3, 0), dropped(0, 1)),
        ),
    ] {
        let (outcome, found) = apply(&config, Signal::Traces, &before, &RequestContext::empty());
        // A span that has lost all its events stays.
        assert_eq!(outcome, Outcome::Changed(after), "{config}");
        assert_eq!((found.span_events, found.span_links), counts, "{config}");
        assert_eq!(found.items, Dropped::default());
        assert!(compiled(config).is_empty(Signal::Logs));
    }
    // What a span takes with it is not counted.
    let both = json!({
        "traces": {"exclude": {"span_names": ["s"]}}, "span_events": {"exclude": {"event_names": ["log"]}},
    });
    let (outcome, found) = apply(&both, Signal::Traces, &before, &RequestContext::empty());
    let left = below(&[1, 2], &with_parts("bare", &[], &[]));
    assert_eq!(outcome, Outcome::Changed(left));
    assert_eq!(found.items, dropped(0, 1));
    assert_eq!(found.span_events, Dropped::default());
}

#[test]
fn what_is_dropped_is_counted_by_rule() {
    let record = |body: &str| below(&[2], &below(&[5, 1], body.as_bytes()));
    let scope = |bodies: &[&str]| {
        let records = bodies.iter().flat_map(|body| record(body));
        field(2, &records.collect::<Vec<_>>())
    };
    let request = field(1, &[scope(&["a", "b", "c"]), scope(&["b"])].concat());
    let config = json!({"logs": {
        "include": {"bodies": ["a", "b"]}, "exclude": {"bodies": ["b"]},
    }});
    let (outcome, mut counts) = apply(&config, Signal::Logs, &request, &RequestContext::empty());
    assert_eq!(outcome, Outcome::Changed(field(1, &scope(&["a"]))));
    assert_eq!(counts.items, dropped(1, 2));
    counts += counts;
    let by_rule: Vec<_> = counts
        .by_rule(Signal::Logs)
        .filter(|(.., count)| *count > 0)
        .collect();
    assert_eq!(by_rule, [("logs", "include", 2), ("logs", "exclude", 4)]);
    // What a resource or scope that does not match takes with it is counted, too.
    let config = json!({"logs": {"include": {"services": ["shop"]}}});
    let (outcome, counts) = apply(&config, Signal::Logs, &request, &RequestContext::empty());
    assert_eq!(outcome, Outcome::Nothing);
    assert_eq!(counts.items, dropped(4, 0));
}
