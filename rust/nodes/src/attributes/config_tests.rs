// SPDX-License-Identifier: Apache-2.0

//! Which configurations are taken, and what is said of the others.

use serde_json::{Value as Json, json};

use super::Config;
use super::test_otlp::*;

/// The configuration of the README of the engine's `attributes_processor` v0.62.0, with values as that node takes them.
#[test]
fn the_configuration_of_the_engine_is_taken_verbatim() {
    let mut config = json!({
        "apply_to": ["resource", "signal"],
        "actions": [
            {"action": "delete", "key": "temporary.attribute"},
            {"action": "insert", "key": "deployment.environment", "value": "prod"},
            {"action": "upsert", "key": "service.namespace", "value": "checkout"},
            {"action": "update", "key": "service.version", "value": "1.2.3"},
            {"action": "rename", "source_key": "service", "destination_key": "service.name"},
            {"action": "hash", "key": "user.email", "algorithm": "sha256", "salt": "tenant-specific-salt"},
        ],
    });
    assert!(create(config.clone()).is_ok());
    config["apply_to"] = json!(["signal"]);
    let node = node(config);
    let before = [
        attribute("temporary.attribute", 1),
        attribute("service.version", "1"),
        attribute("service", "shop"),
        attribute("user.email", "jane@example.com"),
    ];
    assert_eq!(
        changed(&node, &before),
        Some(vec![
            attribute("service.version", "1.2.3"),
            attribute("service.name", "shop"),
            attribute(
                "user.email",
                "007363205d17f3672ccc73470ed63e56c4674b44bf9500a425c687da12ce28c6"
            ),
            attribute("deployment.environment", "prod"),
            attribute("service.namespace", "checkout"),
        ])
    );
}

/// That README writes a value with its type, which the engine refuses.
#[test]
fn a_value_with_its_type_is_refused_with_what_to_write() {
    for (written, says) in [
        (json!({"string": "prod"}), "\"prod\""),
        (json!({"int": 5}), "5"),
        (json!({"double": 1.5}), "1.5"),
        (json!({"bool": true}), "true"),
    ] {
        let action = json!({"action": "insert", "key": "a", "value": written});
        let error = create(json!({"actions": [action]})).expect_err("a value with its type");
        assert_eq!(error.field(), Some("actions[0].value"));
        let expected = format!("is written as it is, without its type: {says}");
        assert_eq!(error.message(), expected);
    }
    // A map that has more is one.
    let action = json!({"action": "insert", "key": "a", "value": {"string": "x", "int": 1}});
    assert!(create(json!({"actions": [action]})).is_ok());
}

/// The example of the README of Go's attributes processor, v0.161.0.
#[test]
fn the_configuration_of_go_is_taken_verbatim() {
    let node = doing(json!([
        {"key": "db.table", "action": "delete"},
        {"key": "redacted_span", "value": true, "action": "upsert"},
        {"key": "copy_key", "from_attribute": "key_original", "action": "update"},
        {"key": "account_id", "value": 2245, "action": "insert"},
        {"key": "account_password", "action": "delete"},
        {"key": "account_email", "action": "hash"},
        {"key": "http.status_code", "action": "convert", "converted_type": "int"},
        {"key": "region", "from_attribute": "cloud.region", "default_value": "us-east-1", "action": "insert"},
        {"key": "tenant_id", "from_context": "metadata.tenant", "default_value": "default-tenant", "action": "upsert"},
    ]));
    let before = [
        attribute("db.table", "t"),
        attribute("copy_key", 1),
        attribute("key_original", "original"),
        attribute("account_password", "secret"),
        attribute("account_email", "jane@example.com"),
        attribute("http.status_code", "200"),
    ];
    assert_eq!(
        changed(&node, &before),
        Some(vec![
            attribute("copy_key", "original"),
            attribute("key_original", "original"),
            attribute(
                "account_email",
                "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d",
            ),
            attribute("http.status_code", 200),
            attribute("redacted_span", true),
            attribute("account_id", 2245),
            attribute("region", "us-east-1"),
            attribute("tenant_id", "default-tenant"),
        ])
    );
    // From its testdata.
    let _ = super::test_otlp::node(json!({
        "exclude": {
            "match_type": "strict",
            "services": ["svcA", "svcB"],
            "attributes": [{"key": "env", "value": "dev"}, {"key": "test_request"}],
        },
        "actions": [{"key": "credit_card", "action": "delete"}, {"key": "duplicate_key", "action": "delete"}],
    }));
    // In any letter case.
    let _ = doing(
        json!([{"key": "a", "action": "DELETE"}, {"key": "b", "action": "Upsert", "value": 1}]),
    );
}

/// What cannot be read at all; where that is, the engine's check finds out.
#[test]
fn what_is_not_known_is_refused() {
    for (config, says) in [
        (json!({"action": []}), "unknown field `action`"),
        (
            json!({"apply_to": ["resources"]}),
            "unknown variant `resources`",
        ),
        (json!({"apply_to": "resource"}), "expected a sequence"),
        (
            json!({"actions": [{"action": "remove"}]}),
            "unknown variant `remove`",
        ),
        (
            json!({"actions": [{"action": "delete", "keys": ["a"]}]}),
            "unknown field `keys`",
        ),
        (
            json!({"actions": [{"action": "hash", "algorithm": "md5"}]}),
            "unknown variant `md5`",
        ),
        (
            json!({"actions": [{"action": "convert", "converted_type": "float"}]}),
            "unknown variant `float`",
        ),
        (
            json!({"actions": [{"action": "insert", "from_context": "weather"}]}),
            "\"weather\" is none of metadata.<key>",
        ),
        (
            json!({"include": {"span_name": ["a"]}}),
            "unknown field `span_name`",
        ),
    ] {
        let error = serde_json::from_value::<Config>(config).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_mistake_in_an_action_is_named() {
    let insert = |more: Json| {
        let mut action = json!({"action": "insert", "key": "a"});
        for (key, value) in more.as_object().expect("an object") {
            action[key] = value.clone();
        }
        action
    };
    for (action, field) in [
        (json!({}), "action"),
        (json!({"key": "a"}), "action"),
        (json!({"action": "insert", "value": 1}), "key"),
        (json!({"action": "insert", "key": "", "value": 1}), "key"),
        (insert(json!({})), "value"),
        (
            insert(json!({"value": 1, "from_attribute": "b"})),
            "from_attribute",
        ),
        (
            insert(json!({"value": 1, "from_context": "trace_id"})),
            "from_context",
        ),
        (
            insert(json!({"from_attribute": "b", "from_context": "trace_id"})),
            "from_context",
        ),
        (insert(json!({"from_attribute": ""})), "from_attribute"),
        (insert(json!({"value": 1, "pattern": "x"})), "pattern"),
        (insert(json!({"value": [1, [null]]})), "value[1][0]"),
        (insert(json!({"value": {"b": {"c": null}}})), "value.b.c"),
        (insert(json!({"value": u64::MAX})), "value"),
        (
            insert(json!({"value": 1, "default_value": [null]})),
            "default_value[0]",
        ),
        (json!({"action": "delete"}), "key"),
        (json!({"action": "delete", "key": ""}), "key"),
        (json!({"action": "delete", "key": "a", "value": 1}), "value"),
        (json!({"action": "delete", "pattern": "("}), "pattern"),
        (json!({"action": "delete", "pattern": ""}), "pattern"),
        (
            json!({"action": "rename", "destination_key": "b"}),
            "source_key",
        ),
        (
            json!({"action": "rename", "source_key": "a"}),
            "destination_key",
        ),
        (
            json!({"action": "rename", "source_key": "a", "destination_key": ""}),
            "destination_key",
        ),
        (json!({"action": "rename", "key": "a"}), "key"),
        (json!({"action": "hash"}), "key"),
        (json!({"action": "hash", "pattern": "(?P<a"}), "pattern"),
        (json!({"action": "delete", "key": "a", "salt": "x"}), "salt"),
        (
            json!({"action": "delete", "key": "a", "algorithm": "sha256"}),
            "algorithm",
        ),
        (json!({"action": "convert", "converted_type": "int"}), "key"),
        (json!({"action": "convert", "key": "a"}), "converted_type"),
        (json!({"action": "extract", "pattern": "(?P<b>.)"}), "key"),
        (json!({"action": "extract", "key": "a"}), "pattern"),
        (
            json!({"action": "extract", "key": "a", "pattern": "b"}),
            "pattern",
        ),
        (
            json!({"action": "extract", "key": "a", "pattern": "(?P<b>.)(.)"}),
            "pattern",
        ),
    ] {
        let right = json!({"action": "delete", "key": "right"});
        let found = wrong_field(json!({"actions": [right, action]}));
        assert_eq!(found, format!("actions[1].{field}"), "{action}");
    }
}

#[test]
fn a_mistake_in_the_conditions_is_named() {
    let many: Vec<_> = (0..65)
        .map(|number| json!({"key": number.to_string()}))
        .collect();
    for (conditions, field) in [
        (json!({}), ""),
        (json!({"match_type": "regexp"}), ""),
        (json!({"match_type": "strict", "span_names": []}), ""),
        (
            json!({"match_type": "regexp", "span_names": ["a", "("]}),
            ".span_names[1]",
        ),
        (
            json!({"match_type": "regexp", "services": ["("]}),
            ".services[0]",
        ),
        (
            json!({"match_type": "regexp", "log_bodies": ["("]}),
            ".log_bodies[0]",
        ),
        (
            json!({"match_type": "regexp", "attributes": [{"key": "a", "value": "("}]}),
            ".attributes[0].value",
        ),
        (
            json!({"match_type": "regexp", "libraries": [{"name": "a", "version": "("}]}),
            ".libraries[0].version",
        ),
        (
            json!({"match_type": "regexp", "context": [{"from_context": "trace_id", "value": "("}]}),
            ".context[0].value",
        ),
        (json!({"attributes": many}), ".attributes"),
    ] {
        for rule in ["include", "exclude"] {
            let action = json!({"action": "delete", "key": "a"});
            let found = wrong_field(json!({"actions": [action], rule: conditions}));
            assert_eq!(found, format!("{rule}{field}"), "{conditions}");
        }
    }
}

/// The node would do nothing, and nobody would know.
#[test]
fn conditions_that_nothing_can_fulfil_are_refused() {
    for (apply_to, conditions, field) in [
        (
            json!(["signal"]),
            json!({"span_names": ["a"], "log_bodies": ["a"]}),
            "span_names",
        ),
        (
            json!(["log"]),
            json!({"span_kinds": ["server"]}),
            "span_kinds",
        ),
        (json!(["span"]), json!({"log_bodies": ["a"]}), "log_bodies"),
    ] {
        for rule in ["include", "exclude"] {
            let action = json!({"action": "delete", "key": "a"});
            let found =
                wrong_field(json!({"actions": [action], "apply_to": apply_to, rule: conditions}));
            assert!(found.starts_with(rule), "{found}");
            assert!(
                found.ends_with(field) || apply_to == json!(["signal"]),
                "{found}"
            );
        }
    }
}

/// Both names of a condition count.
#[test]
fn go_s_names_may_stand_beside_the_engine_s() {
    let with = |conditions: Json| {
        create(json!({"actions": [{"action": "delete", "key": "a"}], "include": conditions}))
    };
    let number = json!({"min": 1, "match_undefined": true});
    assert!(
        with(json!({"resources": [{"key": "a"}], "resource_attributes": [{"key": "b"}]})).is_ok()
    );
    assert!(with(json!({"log_severity_number": number})).is_ok());
    let error = with(json!({"log_severity_number": number, "severity_number": number}));
    let error = error.expect_err("two");
    assert_eq!(error.field(), Some("include.log_severity_number"));
    let large = with(json!({"log_bodies": [u64::MAX]})).expect_err("too large");
    assert_eq!(large.field(), Some("include.log_bodies[0]"));
    assert!(large.message().contains("64 bits with a sign"), "{large}");
    // A whole number may be written with a point.
    assert!(with(json!({"severity_number": {"min": 13.0, "match_undefined": true}})).is_ok());
    let half = json!({"include": {"severity_number": {"min": 13.5, "match_undefined": true}}});
    let error = serde_json::from_value::<Config>(half).expect_err("no whole number");
    assert!(error.to_string().contains("13.5"), "{error}");
}

/// Of a resource's own attributes it is not clear what a condition on what is in it should mean.
#[test]
fn conditions_on_what_is_inside_do_not_go_with_what_is_around() {
    let wrong = |apply_to: &str, conditions: Json| {
        let action = json!({"action": "delete", "key": "a"});
        let config =
            json!({"actions": [action], "apply_to": [apply_to, "span"], "include": conditions});
        create(config)
            .err()
            .map(|error| error.field().unwrap_or_default().to_owned())
    };
    let of = |field: &str| Some(format!("include.{field}"));
    let span = || json!({"span_names": ["a"]});
    let scope = || json!({"scope_names": ["a"]});
    let resource = || json!({"services": ["a"], "context": [{"from_context": "trace_id"}]});
    assert_eq!(wrong("resource", span()), of("span_names"));
    assert_eq!(wrong("scope", span()), of("span_names"));
    assert_eq!(wrong("span", span()), None);
    assert_eq!(wrong("resource", scope()), of("scope_names"));
    assert_eq!(wrong("scope", scope()), None);
    assert_eq!(wrong("resource", resource()), None);
    assert_eq!(wrong("scope", resource()), None);
}

#[test]
fn a_node_without_actions_is_a_mistake() {
    for config in [json!({}), json!({"actions": []})] {
        assert_eq!(wrong_field(config), "actions");
    }
}

#[test]
fn a_salt_is_not_told() {
    let node = doing(json!([{"action": "hash", "key": "a", "salt": "TOPSECRET"}]));
    assert!(!format!("{node:?}").contains("TOPSECRET"));
}
