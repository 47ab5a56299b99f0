// SPDX-License-Identifier: Apache-2.0

//! What the engine's processors keep of an error and of a request: each cell of the
//! table in `docs/nodes.md`, found out anew and compared with it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use otapbridge_context::{BlockBuilder, ContextBlock, ErrorKind, ProcessingError, Signal};
use serde_json::{Value, json};

use crate::harness::{Bridge, Directory, gauge, logs, until};
use crate::nodes::{NOTED_HEADER, NOTES, Noted, TEST_NODE};

/// From the package's folder, in which cargo runs its tests.
const DOCUMENT: &str = "../../docs/nodes.md";

/// A processor, configured so that a message goes through its work and out.
struct Case {
    name: &'static str,
    /// What is special about this row, if the processor has several.
    variant: &'static str,
    /// Calls that are needed for an output.
    calls: u64,
    config: Value,
    /// Its output ports; none is the default one.
    ports: &'static [&'static str],
    signal: Signal,
}

fn case(name: &'static str, config: Value) -> Case {
    Case {
        name,
        variant: "",
        calls: 1,
        config,
        ports: &[],
        signal: Signal::Logs,
    }
}

/// `directory` is where the durable buffer may write.
fn cases(directory: &str) -> Vec<Case> {
    let action = json!({"action": "insert", "key": "a", "value": "b"});
    let limits = json!({
        "max_input_bytes": 1024, "max_scratch_bytes": 65536, "max_pattern_bytes": 1024,
        "max_compiled_regex_bytes": 1_048_576, "max_json_depth": 8, "max_entries": 8,
    });
    vec![
        case(
            "attribute",
            json!({"actions": [action], "apply_to": ["resource"]}),
        ),
        case(
            "batch",
            json!({"otlp": {"min_size": 1, "sizer": "bytes"}, "max_batch_duration": "20ms"}),
        ),
        Case {
            variant: ", joined",
            calls: 2,
            ..case(
                "batch",
                json!({
                    "otlp": {"min_size": logs(&["x", "y"]).len() + 1, "sizer": "bytes"},
                    "max_batch_duration": "60s",
                }),
            )
        },
        Case {
            variant: ", split",
            ..case(
                "batch",
                json!({
                    "otap": {"min_size": 1, "max_size": 1, "sizer": "items"}, "format": "otap",
                    "max_batch_duration": "20ms",
                }),
            )
        },
        Case {
            ports: &["a", "b"],
            ..case(
                "content_router",
                json!({
                    "routing_key": {"resource_attribute": "tenant"},
                    "routes": {"one": "a"}, "default_output": "b",
                }),
            )
        },
        case("debug", json!({"verbosity": "basic"})),
        case(
            "durable_buffer",
            json!({
                "path": directory, "retention_size_cap": "256 MiB", "poll_interval": "10ms",
                "max_segment_open_duration": "20ms", "initial_retry_interval": "10ms",
            }),
        ),
        Case {
            ports: &["a", "b"],
            ..case(
                "fanout",
                json!({
                    "await_ack": "all",
                    "destinations": [{"port": "a", "primary": true}, {"port": "b"}],
                }),
            )
        },
        case(
            "log_parser",
            json!({
                "format": "json", "on_error": "preserve", "body": {"source": "/body"},
                "limits": limits,
            }),
        ),
        case(
            "log_sampling",
            json!({"policy": {"ratio": {"emit": 1, "out_of": 1}}}),
        ),
        case(
            "partition",
            json!({
                "partition_by": {"opl_expression": "severity_text"},
                "partition_header_name": "part",
            }),
        ),
        Case {
            variant: ", split",
            ..case(
                "partition",
                json!({
                    "partition_by": {"opl_expression": "body"},
                    "partition_header_name": "part",
                }),
            )
        },
        case(
            "retry",
            json!({
                "initial_interval": "5ms", "max_interval": "5ms", "max_elapsed_time": "20ms",
                "multiplier": 1.0,
            }),
        ),
        Case {
            signal: Signal::Metrics,
            ..case("temporal_reaggregation", json!({"period": "100ms"}))
        },
        case(
            "transform",
            json!({"opl_query": "logs | where body != \"z\""}),
        ),
        Case {
            variant: ", split",
            ports: &["a", "b"],
            ..case(
                "transform",
                json!({
                    "opl_query":
                        "logs | if (body == \"x\") { route_to \"a\" } else { route_to \"b\" }",
                }),
            )
        },
        Case {
            ports: &["logs"],
            ..case("type_router", json!({}))
        },
    ]
}

impl Case {
    /// The processor with a test node behind each of its ports.
    fn before(&self, behaviour: &Value) -> Value {
        let mut nodes = json!({
            "it": {"type": format!("processor:{}", self.name), "config": self.config},
        });
        let mut connections = Vec::new();
        let ports: Vec<Option<&str>> = match self.ports {
            [] => vec![None],
            ports => ports.iter().map(|port| Some(*port)).collect(),
        };
        for (index, port) in ports.into_iter().enumerate() {
            let name = format!("probe{index}");
            nodes[&name] = json!({"type": TEST_NODE, "config": {"behaviour": behaviour}});
            connections.push(match port {
                Some(port) => json!({"from": "it", "port": port, "to": name}),
                None => json!({"from": "it", "to": name}),
            });
        }
        json!({"nodes": nodes, "connections": connections})
    }

    fn payload(&self) -> Bytes {
        match self.signal {
            Signal::Metrics => gauge("x"),
            _ => logs(&["x", "y"]),
        }
    }

    /// Makes the calls and returns their results.
    fn call(
        &self,
        bridge: &Bridge,
        context: fn() -> ContextBlock,
    ) -> Vec<Result<(), ProcessingError>> {
        for call in 1..=self.calls {
            bridge
                .submit_signal(call, self.signal, &self.payload(), context())
                .unwrap();
        }
        (1..=self.calls)
            .map(|call| bridge.host.done(call))
            .collect()
    }

    /// What the nodes behind it see of a request that is accepted.
    fn seen_behind(&self) -> Vec<Noted> {
        let list = format!("{}{}", self.name, self.variant);
        let config = self.before(&json!({"note": {"list": list}}));
        let bridge = Bridge::accepting(config);
        for result in self.call(&bridge, noted_context) {
            result.unwrap_or_else(|error| panic!("{}: {error}", list));
        }
        let seen = || -> Vec<Noted> {
            let notes = NOTES.lock();
            let ours = notes.iter().filter(|(of, _)| *of == list);
            ours.map(|(_, noted)| *noted).collect()
        };
        until(&list, || !seen().is_empty());
        let seen = seen();
        let _ = bridge.finish();
        seen
    }

    /// What the caller hears of the host's structured error.
    fn refused_by_host(&self) -> Vec<Result<(), ProcessingError>> {
        // What comes later is accepted: a durable buffer sends for ever.
        let refused = AtomicBool::new(false);
        let bridge = Bridge::start_with(self.before(&json!({"pass": {}})), move |_| {
            let first = !refused.swap(true, Ordering::SeqCst);
            Some(if first { Err(host_error()) } else { Ok(()) })
        });
        let result = self.call(&bridge, ContextBlock::empty);
        let _ = bridge.finish();
        result
    }

    /// What the caller hears of a refusal that is a text and a bit.
    fn refused_plainly(&self, permanent: bool) -> Vec<Result<(), ProcessingError>> {
        let refuse = json!({"refuse_plainly": {"permanent": permanent}});
        let bridge = Bridge::accepting(self.before(&refuse));
        let result = self.call(&bridge, ContextBlock::empty);
        // A durable buffer has not given up.
        bridge.component.shutdown(Duration::from_millis(200));
        let _ = bridge.finish();
        result
    }

    /// The row of the document's table.
    fn row(&self) -> String {
        let seen = self.seen_behind();
        let by_host = self.refused_by_host();
        let (permanently, transiently) = (self.refused_plainly(true), self.refused_plainly(false));
        let same = |error: &ProcessingError, given: &ProcessingError| {
            error.kind() == given.kind()
                && error.grpc_code() == given.grpc_code()
                && error.http_status() == given.http_status()
                && error.retry_after() == given.retry_after()
                && error.message() == given.message()
                && error.host_error_id() == given.host_error_id()
        };
        let all = |results: &[Result<(), ProcessingError>],
                   matches: &dyn Fn(&ProcessingError) -> bool| {
            results
                .iter()
                .all(|result| result.as_ref().is_err_and(matches))
        };
        let structured = if all(&by_host, &|error| same(error, &host_error())) {
            "kept"
        } else if all(&by_host, &|error| {
            same(error, &host_error().into_permanent())
        }) {
            "kept, as permanent"
        } else {
            "lost"
        };
        let plain = |error: &ProcessingError| error.message().contains("plain refusal");
        let permanence = all(&permanently, &ProcessingError::is_permanent)
            && all(&transiently, &|error| !error.is_permanent());
        let kept = |kept| if kept { "kept" } else { "lost" };
        format!(
            "| `{}`{} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.variant,
            structured,
            kept(all(&permanently, &plain) && all(&transiently, &plain)),
            kept(permanence),
            kept(seen.iter().all(|noted| noted.origin)),
            kept(seen.iter().all(|noted| noted.headers)),
            kept(seen.iter().all(|noted| noted.deadline)),
            if by_host.iter().all(Result::is_err) {
                "with its output"
            } else {
                "at once"
            },
        )
    }
}

fn noted_context() -> ContextBlock {
    let mut block = BlockBuilder::new();
    let _ = block.metadata(NOTED_HEADER, ["1"]);
    let _ = block.deadline(Duration::from_secs(600), 0);
    block.build().unwrap()
}

fn host_error() -> ProcessingError {
    ProcessingError::new(ErrorKind::Retryable, "no room")
        .with_grpc_code(9)
        .with_http_status(418)
        .with_retry_after(Duration::from_millis(1500))
        .with_host_error_id(77)
}

#[test]
fn the_document_tells_what_each_processor_keeps() {
    let directory = Directory::new("kept");
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/nodes.md");
    let (kept, _) = document
        .split_once("\n## Fidelity\n")
        .expect("the section behind");
    let documented: Vec<&str> = kept
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let cases = cases(directory.path());
    let processors: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(processors.len(), 13, "every processor of the engine");
    let found: Vec<String> = cases.iter().map(Case::row).collect();
    assert!(
        documented == found,
        "docs/nodes.md is not true any more; its table should be\n{}",
        found.join("\n")
    );
}

#[test]
fn every_caller_of_a_batch_gets_the_hosts_error() {
    let config = json!({
        "type": "processor:batch",
        "config": {"otlp": {"min_size": 100_000, "sizer": "bytes"}, "max_batch_duration": "200ms"},
    });
    let bridge = Bridge::start(config);
    for call in 1..=3 {
        bridge.submit(call, &logs(&["x"])).unwrap();
    }
    let emission = bridge.host.emission();
    assert_eq!(emission.call_id, None, "the calls were not joined");
    assert!(bridge.emission_done(emission.id, Some(host_error())));
    drop(emission);
    for call in 1..=3 {
        let error = bridge.host.done(call).unwrap_err();
        assert_eq!(
            (error.host_error_id(), error.grpc_code()),
            (77, 9),
            "call {call}"
        );
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
        assert_eq!(error.message(), "no room");
    }
    let _ = bridge.finish();
}
