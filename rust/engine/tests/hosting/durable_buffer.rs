// SPDX-License-Identifier: Apache-2.0

//! The engine's durable buffer keeps what it has acknowledged, whatever shares its path.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use otapbridge_context::{ErrorKind, ProcessingError};
use otapbridge_engine::validate;
use serde_json::{Value, json};

use crate::harness::{Bridge, Directory, PATIENCE, logs, spec};

fn config(directory: &Directory, shards: usize) -> Value {
    json!({"shards": shards, "type": "processor:durable_buffer", "config": {
        "path": directory.path(), "retention_size_cap": "1 GiB", "poll_interval": "10ms",
        "max_segment_open_duration": "20ms", "initial_retry_interval": "10ms", "max_retry_interval": "20ms",
    }})
}

/// The bodies of all that came out, until there are as many.
fn bodies(bridge: &Bridge, wanted: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    while found.len() < wanted {
        let emission = bridge.host.emission();
        let _ = found.insert(body(&emission.payload));
        assert!(bridge.emission_done(emission.id, None));
    }
    found
}

fn body(payload: &Bytes) -> String {
    let text = String::from_utf8_lossy(payload);
    let start = text.find("item-").expect("a body");
    text[start..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect()
}

fn expected(count: u64) -> BTreeSet<String> {
    (0..count).map(|n| format!("item-{n:03}")).collect()
}

fn accept(bridge: &Bridge, count: u64) {
    for n in 0..count {
        bridge
            .submit(n + 1, &logs(&[&format!("item-{n:03}")]))
            .unwrap();
        bridge.host.done(n + 1).unwrap();
    }
}

/// A run in which everything is acknowledged and nothing is accepted behind it.
fn acknowledged_only(directory: &Directory, shards: usize, count: u64) {
    let refuse = || Some(Err(ProcessingError::retryable("not now")));
    let bridge = Bridge::start_with(config(directory, shards), move |_| refuse());
    accept(&bridge, count);
    bridge.component.shutdown(Duration::from_secs(1));
    let _ = bridge.finish();
}

#[test]
fn every_pipeline_has_a_folder_of_its_own() {
    let directory = Directory::new("folders");
    let bridge = Bridge::start(config(&directory, 2));
    accept(&bridge, 30);
    assert_eq!(bodies(&bridge, 30), expected(30));
    let _ = bridge.finish();
    let component = Path::new(directory.path()).join("processors%3A%3Aotap%2Ftest/any/node");
    for number in ["0", "1"] {
        assert!(
            component
                .join(number)
                .join("core_0/wal/quiver.wal")
                .exists(),
            "{number}"
        );
    }
}

#[test]
fn what_former_pipelines_left_is_sent() {
    let directory = Directory::new("former");
    acknowledged_only(&directory, 3, 30);
    let bridge = Bridge::start(config(&directory, 1));
    assert_eq!(bodies(&bridge, 30), expected(30));
    // New calls go to the one pipeline that there is.
    bridge.submit(1, &logs(&["item-new"])).unwrap();
    bridge.host.done(1).unwrap();
    while body(&{
        let emission = bridge.host.emission();
        assert!(bridge.emission_done(emission.id, None));
        Bytes::copy_from_slice(&emission.payload)
    }) != "item-new"
    {}
    let _ = bridge.finish();
}

#[test]
fn a_refusal_because_nobody_waits_loses_nothing() {
    for kind in [ErrorKind::Cancelled, ErrorKind::Configuration] {
        let directory = Directory::new(&format!("cancelled-{kind}"));
        let refused = AtomicBool::new(false);
        let bridge = Bridge::start_with(config(&directory, 1), move |_| {
            let first = !refused.swap(true, Ordering::SeqCst);
            first.then(|| Err(ProcessingError::new(kind, "gone").into_permanent()))
        });
        accept(&bridge, 1);
        assert_eq!(bodies(&bridge, 1), expected(1), "{kind}");
        let _ = bridge.finish();
    }
}

#[test]
fn what_cannot_be_written_is_not_acknowledged() {
    let directory = Directory::new("unwritten");
    let bridge = Bridge::start(config(&directory, 1));
    accept(&bridge, 1);
    assert_eq!(bodies(&bridge, 1), expected(1));
    let segments =
        Path::new(directory.path()).join("processors%3A%3Aotap%2Ftest/any/node/0/core_0/segments");
    let aside = segments.with_extension("aside");
    std::fs::rename(&segments, &aside).unwrap();
    std::fs::write(&segments, "in the way").unwrap();
    bridge.submit(2, &logs(&["item-001"])).unwrap();
    let error = bridge.host.done(2).expect_err("there is no place for it");
    assert!(!error.is_permanent(), "{error}");
    assert!(error.message().contains("could not write"), "{error}");
    std::fs::remove_file(&segments).unwrap();
    std::fs::rename(&aside, &segments).unwrap();
    bridge.submit(3, &logs(&["item-002"])).unwrap();
    bridge.host.done(3).unwrap();
    assert!(bodies(&bridge, 1).contains("item-002"));
    let _ = bridge.finish();
}

/// What stands behind a buffer and divides a message: a refusal of one part, after another was accepted, is
/// permanent for who sends it, and must not be for the buffer.
#[test]
fn a_part_that_is_refused_for_now_is_sent_again() {
    let own = |config: Value| json!({"type": "urn:otapbridge:processor:batch", "config": config});
    for (name, behind, parts) in [
        ("own", own(json!({"min_size": 1, "max_size": 3})), 3),
        (
            "partition",
            json!({"type": "processor:partition", "config": {
                "partition_by": {"opl_expression": "body"}, "partition_header_name": "part",
            }}),
            9,
        ),
    ] {
        for refused in 0..parts {
            let directory = Directory::new(&format!("part-{name}-{refused}"));
            let buffer = config(&directory, 1);
            let outputs = AtomicUsize::new(0);
            let (accepted, arrived) = mpsc::channel();
            let bridge = Bridge::start_with(
                json!({
                    "nodes": {"buffer": {"type": buffer["type"], "config": buffer["config"]}, "behind": behind},
                    "connections": [{"from": "buffer", "to": "behind"}],
                }),
                move |emission| {
                    if outputs.fetch_add(1, Ordering::SeqCst) == refused {
                        return Some(Err(ProcessingError::retryable("not now")));
                    }
                    let text = String::from_utf8_lossy(&emission.payload).into_owned();
                    // The test may have seen enough.
                    let _ = accepted.send(text);
                    Some(Ok(()))
                },
            );
            let names: Vec<String> = (0..9).map(|n| format!("item-{n:03}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            bridge.submit(1, &logs(&names)).unwrap();
            bridge.host.done(1).unwrap();
            let mut found = BTreeSet::new();
            while found != expected(9) {
                let text = arrived.recv_timeout(PATIENCE).expect("the rest");
                found.extend(expected(9).into_iter().filter(|name| text.contains(name)));
            }
            let _ = bridge.finish();
        }
    }
}

/// Starts a component, and says why that failed.
fn start(config: Value) -> Result<Bridge, ProcessingError> {
    Bridge::start_spec(&spec(config), |_| None).map_err(|mut errors| errors.remove(0))
}

#[test]
fn two_of_the_same_name_do_not_share_a_folder() {
    let directory = Directory::new("twice");
    let bridge = Bridge::start(config(&directory, 1));
    let error = start(config(&directory, 1))
        .map(drop)
        .expect_err("the folder is taken");
    assert!(error.message().contains("is in use"), "{error}");
    assert!(
        error.message().contains("a component of its own"),
        "{error}"
    );
    let _ = bridge.finish();
    // Free again.
    let _ = start(config(&directory, 1)).expect("free").finish();
}

#[test]
fn a_folder_of_the_old_kind_with_data_is_named() {
    let directory = Directory::new("old");
    acknowledged_only(&directory, 1, 3);
    let root = PathBuf::from(directory.path());
    let folder = root.join("processors%3A%3Aotap%2Ftest/any/node/0/core_0");
    std::fs::rename(&folder, root.join("core_0")).unwrap();
    let error = start(config(&directory, 1))
        .map(drop)
        .expect_err("old data");
    assert!(error.message().contains("core_0 contains data"), "{error}");
    assert!(error.message().contains("move it"), "{error}");
    // Moved to where it says, they are sent.
    std::fs::rename(root.join("core_0"), &folder).unwrap();
    let bridge = Bridge::start(config(&directory, 1));
    assert_eq!(bodies(&bridge, 3), expected(3));
    let _ = bridge.finish();
}

#[test]
fn what_cannot_work_is_refused_with_its_setting() {
    let directory = Directory::new("settings");
    for (key, value, field) in [
        ("poll_interval", json!("0s"), "config::poll_interval"),
        ("max_in_flight", json!(0), "config::max_in_flight"),
        ("retry_multiplier", json!(-1.0), "config::retry_multiplier"),
        (
            "retention_size_cap",
            json!("300 MiB"),
            "config::retention_size_cap",
        ),
    ] {
        let mut config = config(&directory, 2);
        config["config"][key] = value;
        let errors = validate(&spec(config)).expect_err(key);
        assert_eq!(errors.len(), 1, "{errors:?}");
        let place = errors[0].field().unwrap_or_default();
        assert!(place.ends_with(field), "{place}: {}", errors[0]);
    }
}
