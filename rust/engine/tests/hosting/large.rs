// SPDX-License-Identifier: Apache-2.0

//! More than the engine's 16 bits can count: every item comes out with what it had, and nothing is
//! refused.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use otapbridge_context::{BlockBuilder, ContextBlock, ProcessingError, Signal};
use serde_json::{Value, json};

use crate::harness::Bridge;
use crate::otlp::{attributes, decode, encode, request};

const MANY: u64 = 70_000;

/// Every processor that converts, so that it changes nothing; `signal` is the one it converts.
fn converting(signal: Signal) -> Vec<(&'static str, Value)> {
    let mut nodes = vec![
        (
            "attribute",
            json!({"actions": [{"action": "delete", "key": "absent"}]}),
        ),
        (
            "attribute",
            json!({"actions": [{"action": "upsert", "key": "added", "value": "x"}]}),
        ),
        (
            "batch",
            json!({"format": "otap", "otap": {"min_size": 1, "sizer": "items"}}),
        ),
        ("filter", json!({})),
        (
            "partition",
            json!({"partition_by": {"opl_expression": "resource.attributes[\"absent\"]"}, "partition_header_name": "p"}),
        ),
    ];
    match signal {
        Signal::Logs => {
            nodes.push((
                "log_sampling",
                json!({"policy": {"ratio": {"emit": 1, "out_of": 1}}}),
            ));
            nodes.push((
                "transform",
                json!({"opl_query": "logs | where severity_text != \"absent\""}),
            ));
        }
        Signal::Metrics => nodes.push(("temporal_reaggregation", json!({"period": "100ms"}))),
        Signal::Traces => {}
    }
    nodes
}

fn numbered(signal: Signal, number: u64, attribute: bool) -> Value {
    let list = if attribute {
        attributes(json!({"n": number}))
    } else {
        json!([])
    };
    match signal {
        Signal::Traces => json!({
            "trace_id": "0102030405060708090a0b0c0d0e0f10", "span_id": format!("{:016x}", number + 1),
            "name": number.to_string(), "start_time_unix_nano": 1, "end_time_unix_nano": 2, "attributes": list,
        }),
        Signal::Metrics => json!({
            "name": number.to_string(),
            "gauge": {"data_points": [{"time_unix_nano": 1, "as_int": 1, "attributes": list}]},
        }),
        Signal::Logs => {
            json!({"time_unix_nano": 1, "severity_text": number.to_string(), "attributes": list})
        }
    }
}

fn names(signal: Signal) -> (&'static str, &'static str, &'static str) {
    match signal {
        Signal::Traces => ("resource_spans", "scope_spans", "spans"),
        Signal::Metrics => ("resource_metrics", "scope_metrics", "metrics"),
        Signal::Logs => ("resource_logs", "scope_logs", "log_records"),
    }
}

/// `number` items in one scope.
fn items(signal: Signal, of: impl Iterator<Item = Value>) -> Bytes {
    let (resources, scopes, items) = names(signal);
    let list: Vec<Value> = of.collect();
    let value = json!({resources: [{
        "resource": {"attributes": attributes(json!({"whose": "all"}))},
        scopes: [{"scope": {"name": "scope"}, items: list}],
    }]});
    encode(request(signal), &value).into()
}

/// As many scopes, or resources, each with one item and an attribute with its number.
fn levels(signal: Signal, resources_too: bool) -> Bytes {
    let (resources, scopes, items) = names(signal);
    let scope = |n: u64| json!({"scope": {"attributes": attributes(json!({"n": n}))}, items: [numbered(signal, n, true)]});
    let value = if resources_too {
        let list: Vec<Value> = (0..MANY)
            .map(|n| json!({"resource": {"attributes": attributes(json!({"n": n}))}, scopes: [scope(n)]}))
            .collect();
        json!({resources: list})
    } else {
        let list: Vec<Value> = (0..MANY).map(scope).collect();
        json!({resources: [{"resource": {}, scopes: list}]})
    };
    encode(request(signal), &value).into()
}

/// What came out: for each item its name and the numbers in its attributes, its scope's and its
/// resource's.
type Seen = BTreeMap<String, [Option<i64>; 3]>;

fn number_in(of: &Value, key: &str) -> Option<i64> {
    let list = of["attributes"].as_array()?;
    let found = list.iter().find(|attribute| attribute["key"] == key)?;
    found["value"]["int_value"].as_i64()
}

fn look(signal: Signal, payload: &[u8], seen: &mut Seen) {
    let (resources, scopes, items) = names(signal);
    let empty = Vec::new();
    let list = |of: &Value, key: &str| of[key].as_array().unwrap_or(&empty).clone();
    for resource in list(&decode(request(signal), payload), resources) {
        for scope in list(&resource, scopes) {
            for item in list(&scope, items) {
                let (name, own) = match signal {
                    Signal::Traces => (&item["name"], number_in(&item, "n")),
                    Signal::Metrics => (
                        &item["name"],
                        number_in(&item["gauge"]["data_points"][0], "n"),
                    ),
                    Signal::Logs => (&item["severity_text"], number_in(&item, "n")),
                };
                let name = name.as_str().expect("a name").to_owned();
                let numbers = [
                    own,
                    number_in(&scope["scope"], "n"),
                    number_in(&resource["resource"], "n"),
                ];
                assert!(
                    seen.insert(name.clone(), numbers).is_none(),
                    "{name} came twice"
                );
            }
        }
    }
}

/// Sends a request through a node and says what came out.
fn through(
    name: &str,
    config: &Value,
    signal: Signal,
    payload: &Bytes,
) -> Result<Seen, ProcessingError> {
    let bridge = Bridge::start(json!({"type": format!("processor:{name}"), "config": config}));
    bridge
        .submit_signal(1, signal, payload, ContextBlock::empty())
        .unwrap();
    let mut seen = Seen::new();
    while let Some(emission) = bridge.host.emission_before_result(1) {
        look(signal, &emission.payload, &mut seen);
        assert!(bridge.emission_done(emission.id, None));
    }
    let result = bridge.host.done(1);
    let _ = bridge.finish();
    result.map(|()| seen)
}

#[test]
fn more_items_than_ids() {
    for signal in Signal::ALL {
        let every = items(signal, (0..MANY).map(|n| numbered(signal, n, true)));
        let third = items(signal, (0..MANY).map(|n| numbered(signal, n, n % 3 == 0)));
        for (name, config) in converting(signal) {
            for (payload, with) in [(&every, 1), (&third, 3)] {
                let seen = through(name, &config, signal, payload)
                    .unwrap_or_else(|error| panic!("{name} {}: {error}", signal.as_str()));
                assert_eq!(seen.len() as u64, MANY, "{name} {}", signal.as_str());
                for (item, [own, ..]) in &seen {
                    let number: i64 = item.parse().unwrap();
                    let expected = (number % with == 0).then_some(number);
                    assert_eq!(*own, expected, "{name}: {} {item}", signal.as_str());
                }
            }
        }
    }
}

#[test]
fn more_scopes_and_resources_than_ids() {
    for signal in Signal::ALL {
        for resources_too in [false, true] {
            let payload = levels(signal, resources_too);
            // Each level is divided in the same way for all nodes.
            let nodes = if resources_too { usize::MAX } else { 1 };
            for (name, config) in converting(signal).into_iter().take(nodes) {
                let seen = through(name, &config, signal, &payload)
                    .unwrap_or_else(|error| panic!("{name} {}: {error}", signal.as_str()));
                assert_eq!(seen.len() as u64, MANY, "{name} {}", signal.as_str());
                for (item, [own, scope, resource]) in &seen {
                    let number: i64 = item.parse().unwrap();
                    let of_resource = resources_too.then_some(number);
                    assert_eq!(
                        (*own, *scope, *resource),
                        (Some(number), Some(number), of_resource),
                        "{name} {item}"
                    );
                }
            }
        }
    }
}

/// 200 tenants whose requests our batch joins before an engine node, in large and in small joins.
#[test]
fn a_batch_before_a_conversion_mixes_no_tenants() {
    for signal in Signal::ALL {
        for (index, (name, config)) in converting(signal).into_iter().enumerate() {
            // The first in joins that are divided again.
            if index == 0 {
                tenants(name, &config, signal, 100_000);
            }
            // What joins and divides is the same for all nodes.
            if index == 0 || signal == Signal::Logs {
                tenants(name, &config, signal, 5_000);
            }
        }
    }
}

fn tenants(name: &str, config: &Value, signal: Signal, min_size: u64) {
    const TENANTS: u64 = 200;
    const ITEMS: u64 = 100_000;
    let bridge = Bridge::start(json!({
        "nodes": {
            "join": {"type": "urn:otapbridge:processor:batch", "config": {
                "min_size": min_size, "flush_timeout": "300ms",
            }},
            "it": {"type": format!("processor:{name}"), "config": config},
        },
        "connections": [{"from": "join", "to": "it"}],
    }));
    let (resources, scopes, items) = names(signal);
    let mut random = 7_u64;
    let (mut sent, mut call) = (0, 0);
    while sent < ITEMS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let count = (1 + (random >> 33) % 2_000).min(ITEMS - sent);
        let tenant = call % TENANTS;
        // Of every fourth item nothing but its name tells whose it is.
        let list: Vec<Value> = (sent..sent + count)
            .map(|n| numbered(signal, n, n % 4 != 0))
            .collect();
        let value = json!({resources: [{
            "resource": {"attributes": attributes(json!({"n": tenant}))},
            scopes: [{"scope": {"attributes": attributes(json!({"n": call}))}, items: list}],
        }]});
        call += 1;
        let payload: Bytes = encode(request(signal), &value).into();
        let mut block = BlockBuilder::new();
        let _ = block.metadata("x-tenant", [tenant.to_string()]);
        let context = block.build().unwrap();
        bridge
            .submit_signal(call, signal, &payload, context)
            .unwrap();
        sent += count;
    }
    let mut seen = Seen::new();
    while (seen.len() as u64) < ITEMS {
        let emission = bridge.host.emission();
        look(signal, &emission.payload, &mut seen);
        assert!(bridge.emission_done(emission.id, None));
    }
    for call in 1..=call {
        let result = bridge.host.done(call);
        result.unwrap_or_else(|error| panic!("{name} {}: {error}", signal.as_str()));
    }
    for (item, [own, scope, resource]) in &seen {
        let number: i64 = item.parse().unwrap();
        let expected = (number % 4 != 0).then_some(number);
        assert_eq!(*own, expected, "{name} {} {item}", signal.as_str());
        let call = scope.expect("the call's number");
        assert_eq!(*resource, Some(call % TENANTS as i64), "{name} {item}");
    }
    bridge.component.shutdown(Duration::from_secs(5));
    let _ = bridge.finish();
}

/// Far more parts than any queue has room for.
#[test]
fn a_message_of_many_parts_does_not_stall() {
    const POINTS: u64 = 5_000;
    let point = |n: u64| json!({"time_unix_nano": 1, "as_int": 1, "attributes": attributes(json!({"n": n}))});
    let points: Vec<Value> = (0..POINTS).map(point).collect();
    let metric = json!({"name": "m", "gauge": {"data_points": points}});
    let payload: Bytes = encode(
        request(Signal::Metrics),
        &json!({"resource_metrics": [{"scope_metrics": [{"metrics": [metric]}]}]}),
    )
    .into();
    let bridge = Bridge::accepting(json!({
        "type": "processor:temporal_reaggregation", "config": {"period": "100ms", "max_stream_cardinality": 1},
    }));
    for call in 1..=3 {
        bridge
            .submit_signal(call, Signal::Metrics, &payload, ContextBlock::empty())
            .unwrap();
    }
    for call in 1..=3 {
        bridge.host.done(call).unwrap();
    }
    let _ = bridge.finish();
}

/// The limit of a node's data points applies also behind a node that has converted them.
#[test]
fn points_are_limited_before_the_first_conversion() {
    let points: Vec<Value> = (0..100)
        .map(|n| json!({"time_unix_nano": 1, "as_int": 1, "attributes": attributes(json!({"n": n}))}))
        .collect();
    let metrics = json!([{"name": "m", "gauge": {"data_points": points}}]);
    let payload: Bytes = encode(
        request(Signal::Metrics),
        &json!({"resource_metrics": [{"scope_metrics": [{"metrics": metrics}]}]}),
    )
    .into();
    let bridge = Bridge::accepting(json!({
        "nodes": {
            "a": {"type": "processor:attribute", "config": {"actions": [{"action": "delete", "key": "absent"}]}},
            "b": {"type": "processor:temporal_reaggregation", "config": {"period": "100ms", "max_stream_cardinality": 10}},
        },
        "connections": [{"from": "a", "to": "b"}],
    }));
    bridge
        .submit_signal(1, Signal::Metrics, &payload, ContextBlock::empty())
        .unwrap();
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

/// Batches on branches that no message takes together do not lower the limit together.
#[test]
fn batches_side_by_side_do_not_add_up() {
    let batch = json!({"type": "processor:batch", "config": {
        "format": "otap", "otap": {"min_size": 22_000, "sizer": "items"}, "max_batch_duration": "50ms",
    }});
    let bridge = Bridge::start(json!({
        "nodes": {
            "a": {"type": "processor:attribute", "config": {"actions": [{"action": "delete", "key": "absent"}]}},
            "route": {"type": "processor:type_router", "config": {}},
            "logs": batch, "metrics": batch, "traces": batch,
        },
        "connections": [
            {"from": "a", "to": "route"},
            {"from": "route", "port": "logs", "to": "logs"},
            {"from": "route", "port": "metrics", "to": "metrics"},
            {"from": "route", "port": "traces", "to": "traces"},
        ],
    }));
    let payload = items(
        Signal::Logs,
        (0..30_000).map(|n| numbered(Signal::Logs, n, true)),
    );
    bridge.submit(1, &payload).unwrap();
    let emission = bridge.host.emission();
    let mut seen = Seen::new();
    look(Signal::Logs, &emission.payload, &mut seen);
    assert_eq!(seen.len(), 30_000, "it was divided");
    assert!(bridge.emission_done(emission.id, None));
    drop(emission);
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

/// Parts that have not been sent when a drain begins go before its marker.
#[test]
fn a_drain_flushes_all_parts() {
    const POINTS: u64 = 300;
    let points: Vec<Value> = (0..POINTS)
        .map(|n| json!({"time_unix_nano": 1, "as_int": 1, "attributes": attributes(json!({"n": n}))}))
        .collect();
    let metrics =
        json!([{"name": "m", "sum": {"aggregation_temporality": 1, "data_points": points}}]);
    let payload: Bytes = encode(
        request(Signal::Metrics),
        &json!({"resource_metrics": [{"scope_metrics": [{"metrics": metrics}]}]}),
    )
    .into();
    let bridge = Bridge::accepting(json!({
        "nodes": {
            "a": {"type": "processor:temporal_reaggregation", "config": {"period": "100ms", "max_stream_cardinality": 1}},
            "b": {"type": "processor:batch", "config": {
                "otap": {"min_size": 10_000, "sizer": "items"}, "otlp": {"min_size": 100_000_000, "sizer": "bytes"},
                "max_batch_duration": "600s",
            }},
        },
        "connections": [{"from": "a", "to": "b"}],
    }));
    bridge
        .submit_signal(1, Signal::Metrics, &payload, ContextBlock::empty())
        .unwrap();
    bridge.component.shutdown(Duration::from_secs(20));
    bridge.host.done(1).unwrap();
    let _ = bridge.finish();
}

/// The engine's attribute node panics on attributes of resources and scopes that have no items.
#[test]
fn what_has_no_items_does_not_break_an_insert() {
    let (resources, scopes, records) = names(Signal::Logs);
    let tagged = |more: Value| {
        let mut resource = json!({"resource": {"attributes": attributes(json!({"k": "old"}))}});
        resource[scopes] = more;
        resource
    };
    let with = |n: u64| {
        json!([{"scope": {"attributes": attributes(json!({"k": "old"}))}, records: [numbered(Signal::Logs, n, true)]},
            {"scope": {"attributes": attributes(json!({"k": "old"}))}}])
    };
    let mut list = vec![tagged(with(0)), tagged(with(1))];
    list.extend((0..5).map(|_| tagged(json!([]))));
    list.extend(
        (0..5).map(|_| tagged(json!([{"scope": {"attributes": attributes(json!({"k": "old"}))}}]))),
    );
    let payload: Bytes = encode(request(Signal::Logs), &json!({resources: list})).into();
    for action in ["insert", "upsert"] {
        let config = json!({
            "apply_to": ["signal", "resource", "scope"],
            "actions": [{"action": action, "key": "k", "value": "new"}],
        });
        let seen = through("attribute", &config, Signal::Logs, &payload).unwrap();
        assert_eq!(seen.len(), 2, "{action}");
        // Nothing is left of it, and it is completed all the same.
        let empty = json!({resources: [tagged(json!([]))]});
        let empty: Bytes = encode(request(Signal::Logs), &empty).into();
        let seen = through("attribute", &config, Signal::Logs, &empty).unwrap();
        assert!(seen.is_empty(), "{action}");
    }
}

/// When a divided message is acked or nacked.
#[test]
fn a_divided_message_is_acked_when_all_parts_are() {
    let payload = items(
        Signal::Logs,
        (0..3 * MANY).map(|n| numbered(Signal::Logs, n, false)),
    );
    let config = json!({
        "type": "processor:attribute", "config": {"actions": [{"action": "delete", "key": "absent"}]},
    });
    for refused in [vec![], vec![1], vec![0, 1, 2, 3]] {
        let bridge = Bridge::start(config.clone());
        bridge.submit(1, &payload).unwrap();
        let parts: Vec<_> = (0..4).map(|_| bridge.host.emission()).collect();
        for (index, part) in parts.into_iter().enumerate() {
            assert_eq!(part.call_id, Some(1), "it is still the call's own output");
            assert!(
                bridge.host.seen(|seen| seen.results.is_empty()),
                "completed before part {index}"
            );
            let error = refused.contains(&index).then(|| {
                ProcessingError::retryable("no room").with_retry_after(Duration::from_secs(1))
            });
            assert!(bridge.emission_done(part.id, error));
        }
        match (refused.len(), bridge.host.done(1)) {
            (0, result) => result.unwrap(),
            (1, result) => {
                let error = result.unwrap_err();
                assert!(error.is_permanent(), "parts of it were accepted: {error}");
                assert!(error.message().contains("no room"), "{error}");
            }
            (_, result) => {
                let error = result.unwrap_err();
                assert!(!error.is_permanent(), "{error}");
                assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
            }
        }
        let _ = bridge.finish();
    }
}

/// The engine's batch on Arrow data, where validation allows it: it joins or divides, not both.
#[test]
fn arrow_batches_that_only_join_or_only_divide_mix_nothing() {
    const CALLS: u64 = 300;
    for (sizes, signal) in [
        (json!({"min_size": 40, "sizer": "items"}), Signal::Logs),
        (json!({"min_size": 40, "sizer": "items"}), Signal::Traces),
        (json!({"min_size": 40, "sizer": "items"}), Signal::Metrics),
        (
            json!({"min_size": 1, "max_size": 3, "sizer": "items"}),
            Signal::Logs,
        ),
        (
            json!({"min_size": 1, "max_size": 3, "sizer": "items"}),
            Signal::Traces,
        ),
        (
            json!({"min_size": 1, "max_size": 3, "sizer": "items"}),
            Signal::Metrics,
        ),
    ] {
        let bridge = Bridge::start(json!({
            "type": "processor:batch",
            "config": {"format": "otap", "otap": sizes, "max_batch_duration": "50ms"},
        }));
        let (mut sent, mut random) = (0, 3_u64);
        for call in 1..=CALLS {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let count = 1 + (random >> 33) % 12;
            let of = (sent..sent + count).map(|n| numbered(signal, n, n % 3 == 0 || n % 7 == 0));
            bridge
                .submit_signal(call, signal, &items(signal, of), ContextBlock::empty())
                .unwrap();
            sent += count;
        }
        let mut seen = Seen::new();
        while (seen.len() as u64) < sent {
            let emission = bridge.host.emission();
            look(signal, &emission.payload, &mut seen);
            assert!(bridge.emission_done(emission.id, None));
        }
        for call in 1..=CALLS {
            bridge.host.done(call).unwrap();
        }
        for (item, [own, ..]) in &seen {
            let number: i64 = item.parse().unwrap();
            let expected = (number % 3 == 0 || number % 7 == 0).then_some(number);
            assert_eq!(*own, expected, "{} {item} with {sizes}", signal.as_str());
        }
        let _ = bridge.finish();
    }
}
