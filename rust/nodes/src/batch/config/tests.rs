// SPDX-License-Identifier: Apache-2.0

use serde_json::{Value, json};

use super::*;

fn config(value: Value) -> Result<Config, serde_json::Error> {
    serde_json::from_value(value)
}

fn settings(value: Value) -> Result<Config, ProcessingError> {
    config(value).expect("right shape").checked()
}

#[test]
fn the_defaults_are_those_of_exporterhelper() {
    let expected = Config {
        flush_timeout: Duration::from_millis(200),
        sizer: Sizer::Items,
        min_size: 8192,
        max_size: None,
        partition: PartitionConfig {
            metadata_keys: vec![],
            cardinality_limit: NonZeroUsize::new(1000),
        },
    };
    assert_eq!(settings(json!({})).expect("valid"), expected);
    assert_eq!(settings(json!({"partition": {}})).expect("valid"), expected);
}

#[test]
fn every_setting_is_read() {
    let settings = settings(json!({
        "flush_timeout": "1m30s",
        "sizer": "bytes",
        "min_size": 100,
        "max_size": 100,
        "partition": {"metadata_keys": ["X-Tenant", "größe", "X-SCOPE"], "cardinality_limit": 7},
    }));
    assert_eq!(
        settings.expect("valid"),
        Config {
            flush_timeout: Duration::from_secs(90),
            sizer: Sizer::Bytes,
            min_size: 100,
            max_size: NonZeroUsize::new(100),
            partition: PartitionConfig {
                metadata_keys: ["x-tenant", "größe", "x-scope"].map(String::from).into(),
                cardinality_limit: NonZeroUsize::new(7),
            },
        }
    );
}

#[test]
fn zero_means_none_or_at_once() {
    let settings = settings(json!({
        "min_size": 0,
        "max_size": 0,
        "partition": {"cardinality_limit": 0},
    }))
    .expect("valid");
    assert_eq!(settings.min_size, 0);
    assert_eq!(settings.max_size, None);
    assert_eq!(settings.partition.cardinality_limit, None);
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (value, field, says) in [
        (
            json!({"flush_timeout": "0s"}),
            "flush_timeout",
            "must be positive",
        ),
        (
            json!({"max_size": 8191}),
            "max_size",
            "8191 is less than min_size, which is 8192",
        ),
        (
            json!({"min_size": 5, "max_size": 4}),
            "max_size",
            "4 is less than min_size, which is 5",
        ),
        (
            json!({"partition": {"metadata_keys": ["a", ""]}}),
            "partition.metadata_keys[1]",
            "must not be empty",
        ),
        (
            json!({"partition": {"metadata_keys": ["x-tenant", "b", "X-Tenant"]}}),
            "partition.metadata_keys[2]",
            "\"x-tenant\" is the same key as partition.metadata_keys[0]",
        ),
    ] {
        let error = settings(value.clone()).expect_err(says);
        assert_eq!(error.kind(), otapbridge::ErrorKind::Configuration);
        assert_eq!(error.field(), Some(field), "{value}");
        assert!(error.message().contains(says), "{value}: {error}");
    }
}

#[test]
fn wrong_shapes_are_refused() {
    for (value, says) in [
        (json!({"sizer": "requests"}), "expected `items` or `bytes`"),
        (json!({"sizer": ""}), "expected `items` or `bytes`"),
        (json!({"flush_timeout": "-1s"}), "must not be negative"),
        (json!({"flush_timeout": 5}), "expected a string"),
        (json!({"min_size": -1}), "expected usize"),
        (json!({"max_size": "1MiB"}), "expected usize"),
        (json!({"timeout": "1s"}), "unknown field `timeout`"),
        (json!({"send_batch_size": 1}), "unknown field"),
        (
            json!({"partition": {"keys": []}}),
            "expected `metadata_keys` or `cardinality_limit`",
        ),
        (json!({"partition": {"metadata_keys": "a"}}), "sequence"),
    ] {
        let error = config(value.clone()).expect_err(says).to_string();
        assert!(error.contains(says), "{value}: {error}");
    }
}
