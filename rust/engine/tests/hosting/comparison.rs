// SPDX-License-Identifier: Apache-2.0

//! Measures our nodes against the engine's: `make bench-comparison`. What a request takes is the processor time of
//! the whole process without that of a pipeline that only passes data on, so that the nodes' own work is compared.

use std::fs;

use bytes::Bytes;
use otapbridge_context::{ContextBlock, Signal};
use otapbridge_test_support::otlp::field;
use serde_json::{Value, json};

use crate::harness::Bridge;
use crate::nodes::ENGINE_FILTER;

/// Items in the requests of one turn.
const ITEMS_OF_TURN: usize = 100_000;
const TURNS: usize = 7;
/// Requests that are in the pipeline at a time, so that its thread does not sleep.
const IN_FLIGHT: usize = 8;

#[test]
#[ignore = "measures, and takes a minute"]
fn of_our_nodes_and_the_engines() {
    println!("| signal | items | work | engine's | ours | of the engine's |");
    println!("| --- | --: | --- | --: | --: | --: |");
    for (signal, name) in [
        (Signal::Traces, "traces"),
        (Signal::Metrics, "metrics"),
        (Signal::Logs, "logs"),
    ] {
        for items in [100, 1000] {
            let request = request(signal, items);
            for (work, engine, ours) in works(signal, name) {
                let passes = json!({"type": "urn:otapbridge:processor:filter", "config": {}});
                let mut ways = [passes, engine, ours].map(Way::new);
                for turn in 0..=TURNS {
                    for way in &mut ways {
                        let took = way.turn(signal, &request, ITEMS_OF_TURN / items);
                        // The first one warms up.
                        if turn > 0 {
                            way.took.push(took);
                        }
                    }
                }
                let [passing, engine, ours] = ways.map(Way::median);
                let (engine, ours) = (engine - passing, ours - passing);
                println!(
                    "| {name} | {items} | {work} | {engine:.1} µs | {ours:.1} µs | {:.3} |",
                    ours / engine
                );
            }
        }
    }
}

/// What is done, by the engine's nodes and by ours.
fn works(signal: Signal, section: &str) -> Vec<(&'static str, Value, Value)> {
    let deletes = json!({"action": "delete", "key": "db.password"});
    let upserts = json!({"action": "upsert", "key": "env", "value": "production"});
    let hashes = json!({"action": "hash", "key": "user.id"});
    let attribute = json!([{"key": "tenant", "value": "tenant-3"}]);
    // The engine's filter knows no attributes of data points.
    let (by_name, by_attribute) = match signal {
        Signal::Traces => (
            json!({"span_names": ["GET /users/3"]}),
            Some(json!({"span_attributes": attribute})),
        ),
        Signal::Metrics => (json!({"metric_names": ["requests.3"]}), None),
        Signal::Logs => (
            json!({"severity_texts": ["LEVEL-3"]}),
            Some(json!({"record_attributes": attribute})),
        ),
    };
    let node = |r#type: &str, config: &Value| json!({"type": r#type, "config": config});
    let both = |first: Value, second: Value| {
        json!({
            "nodes": {"first": first, "second": second},
            "connections": [{"from": "first", "to": "second"}],
        })
    };
    let attributes = |actions: Value| {
        let config = json!({"actions": actions});
        ["processor:attribute", "urn:otapbridge:processor:attributes"]
            .map(|r#type| node(r#type, &config))
    };
    let all = json!([deletes, upserts, hashes]);
    let filters = |exclude: &Value| {
        let config = json!({section: {"exclude": exclude}});
        [ENGINE_FILTER, "urn:otapbridge:processor:filter"].map(|r#type| node(r#type, &config))
    };
    let last = by_attribute.as_ref().unwrap_or(&by_name);
    let chain = |actions: Value| {
        let [engine, ours] = attributes(actions);
        let [engine_filter, our_filter] = filters(last);
        [both(engine, engine_filter), both(ours, our_filter)]
    };
    let two = json!([deletes, upserts]);
    let mut works = vec![
        ("delete", attributes(json!([deletes]))),
        ("delete and upsert", attributes(two.clone())),
        ("delete, upsert and hash", attributes(all.clone())),
        ("filter by name", filters(&by_name)),
    ];
    if let Some(by_attribute) = &by_attribute {
        works.push(("filter by attribute", filters(by_attribute)));
    }
    works.push(("delete, upsert, filter", chain(two)));
    works.push(("delete, upsert, hash, filter", chain(all)));
    let works = works.into_iter();
    works
        .map(|(name, [engine, ours])| (name, engine, ours))
        .collect()
}

struct Way {
    bridge: Bridge,
    calls: u64,
    /// Of each turn, for a request, in microseconds.
    took: Vec<f64>,
}

impl Way {
    fn new(config: Value) -> Self {
        Self {
            bridge: Bridge::accepting(config),
            calls: 0,
            took: Vec::new(),
        }
    }

    fn turn(&mut self, signal: Signal, request: &Bytes, requests: usize) -> f64 {
        let before = processor_time();
        for _ in 0..requests.div_ceil(IN_FLIGHT) {
            let calls = self.calls..self.calls + IN_FLIGHT as u64;
            self.calls = calls.end;
            for call in calls.clone() {
                (self.bridge)
                    .submit_signal(call, signal, request, ContextBlock::empty())
                    .unwrap();
            }
            for call in calls {
                self.bridge.host.done(call).unwrap();
            }
        }
        let made = requests.div_ceil(IN_FLIGHT) * IN_FLIGHT;
        (processor_time() - before) as f64 / 1000.0 / made as f64
    }

    fn median(mut self) -> f64 {
        let _ = self.bridge.finish();
        self.took.sort_by(f64::total_cmp);
        self.took[self.took.len() / 2]
    }
}

/// What all threads have used of the processors, in nanoseconds.
fn processor_time() -> u64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let of_thread = |thread: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    threads.map(Result::unwrap).filter_map(of_thread).sum()
}

/// The requests of tests/comparison, which measures against Go's processors.
fn request(signal: Signal, items: usize) -> Bytes {
    const POINTS_OF_METRIC: usize = 10;
    let items: Vec<u8> = match signal {
        Signal::Traces => (0..items).flat_map(|i| field(2, &span(i))).collect(),
        Signal::Logs => (0..items).flat_map(|i| field(2, &record(i))).collect(),
        Signal::Metrics => (0..items / POINTS_OF_METRIC)
            .flat_map(|metric| {
                let points = metric * POINTS_OF_METRIC..(metric + 1) * POINTS_OF_METRIC;
                let points: Vec<u8> = points.flat_map(|i| field(1, &point(i))).collect();
                let name = format!("requests.{}", metric % 10);
                let fields = [field(1, name.as_bytes()), field(3, b"1"), field(5, &points)];
                field(2, &fields.concat())
            })
            .collect(),
    };
    let resource = [
        field(1, &text("service.name", "comparison")),
        field(1, &text("host.name", "host-1")),
    ];
    let scope = [field(1, b""), items].concat();
    let resource_data = [field(1, &resource.concat()), field(2, &scope)].concat();
    field(1, &resource_data).into()
}

const NUMBER: [u8; 8] = 1_700_000_000_000_000_000_u64.to_le_bytes();

/// A field of 64 bits.
fn fixed(number: u8) -> Vec<u8> {
    [&[number << 3 | 1][..], &NUMBER].concat()
}

fn span(i: usize) -> Vec<u8> {
    [
        field(1, &[1; 16]),
        field(2, &[2; 8]),
        field(4, &[3; 8]),
        field(5, format!("GET /users/{}", i % 10).as_bytes()),
        vec![6 << 3, 2],
        fixed(7),
        fixed(8),
        attributes(9, i),
        field(15, b""),
    ]
    .concat()
}

fn record(i: usize) -> Vec<u8> {
    let body = format!("request {i} was answered");
    [
        fixed(1),
        vec![2 << 3, 9],
        field(3, format!("LEVEL-{}", i % 10).as_bytes()),
        field(5, &field(1, body.as_bytes())),
        attributes(6, i),
    ]
    .concat()
}

fn point(i: usize) -> Vec<u8> {
    [fixed(3), fixed(6), attributes(7, i)].concat()
}

fn attributes(number: u32, i: usize) -> Vec<u8> {
    let value = |kind: &str, of: usize| (format!("{kind}.{of}"), format!("value-{of}-{i}"));
    let mut attributes: Vec<(String, String)> =
        (0..4).map(|of| value("attribute.key", of)).collect();
    attributes.push(("tenant".to_owned(), format!("tenant-{}", i % 10)));
    attributes.push(("db.password".to_owned(), "secret".to_owned()));
    attributes.push(("user.id".to_owned(), format!("user-{i}")));
    attributes.extend((0..3).map(|of| value("attribute.last", of)));
    let attributes = attributes.iter();
    attributes
        .flat_map(|(key, value)| field(number, &text(key, value)))
        .collect()
}

fn text(key: &str, value: &str) -> Vec<u8> {
    [
        field(1, key.as_bytes()),
        field(2, &field(1, value.as_bytes())),
    ]
    .concat()
}
