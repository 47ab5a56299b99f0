// SPDX-License-Identifier: Apache-2.0

use otapbridge::{BlockBuilder, ContextBlock, ErrorKind, SpanContext};
use otapbridge_testing::TestHost;
use serde_json::{Value, json};

use super::*;
use crate::node_types;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn quota(requests_per_second: f64, burst: u32) -> TenantQuota {
    let config = json!({
        "metadata_key": "x-tenant", "requests_per_second": requests_per_second, "burst": burst,
    });
    let config = serde_json::from_value(config).expect("right shape");
    TenantQuota::create(config).expect("valid configuration")
}

fn host(config: Value) -> Result<TestHost, Vec<ProcessingError>> {
    TestHost::start(
        node_types,
        &json!({"type": TenantQuota::URN, "config": config}),
    )
}

/// One request an hour for each tenant; further ones wait for half an hour at most.
fn hourly(max_wait_ms: u64) -> TestHost {
    host(json!({
        "metadata_key": "x-tenant",
        "requests_per_second": 1.0 / 3600.0,
        "max_wait_ms": max_wait_ms,
    }))
    .unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn context(tenant: &str, timeout: Duration) -> ContextBlock {
    let mut block = BlockBuilder::new();
    block.metadata("x-tenant", [tenant]).timeout(timeout);
    block.span_context(TRACEPARENT.parse::<SpanContext>().expect("valid"));
    block.build().expect("small enough")
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn turns_come_at_the_rate_after_a_burst() {
    let quota = quota(2.0, 2);
    let now = Instant::now();
    let at = |millis| now + Duration::from_millis(millis);
    let half = SECOND / 2;
    assert_eq!(quota.take_turn("a", SECOND, now), Ok(Duration::ZERO));
    assert_eq!(quota.take_turn("a", SECOND, now), Ok(Duration::ZERO));
    assert_eq!(quota.take_turn("a", SECOND, now), Ok(half));
    assert_eq!(quota.take_turn("b", SECOND, now), Ok(Duration::ZERO));
    // Refused ones take no turn.
    assert_eq!(quota.take_turn("a", half, now), Err(SECOND));
    assert_eq!(
        quota.take_turn("a", half, at(600)),
        Ok(Duration::from_millis(400))
    );
    assert_eq!(quota.take_turn("a", half, at(60_000)), Ok(Duration::ZERO));
}

#[test]
fn idle_tenants_are_forgotten() {
    let quota = quota(1.0, 1);
    let now = Instant::now();
    for tenant in 0..MAX_TENANTS {
        assert!(quota.take_turn(&tenant.to_string(), SECOND, now).is_ok());
    }
    assert_eq!(quota.take_turn("new", SECOND, now), Err(SECOND));
    assert!(quota.take_turn("7", SECOND, now).is_ok(), "it is known");
    assert!(quota.take_turn("new", SECOND, now + SECOND).is_ok());
    assert_eq!(quota.turns.borrow().len(), 2, "7 and new");
}

#[test]
fn each_tenant_has_its_own_quota() {
    let host = hourly(0);
    for tenant in ["acme", "globex"] {
        host.call(Signal::Logs, "", context(tenant, HOUR))
            .result()
            .expect("its first");
    }
    assert_eq!(host.outputs().len(), 2);

    let error = host
        .call(Signal::Logs, "", context("acme", HOUR))
        .result()
        .expect_err("its second");
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(
        error.message(),
        format!("tenant acme is over its quota (trace {trace})")
    );
    let retry_after = error.retry_after().expect("known");
    assert!(
        retry_after > HOUR * 9 / 10 && retry_after <= HOUR,
        "{retry_after:?}"
    );
    assert!(host.outputs().is_empty());
}

#[test]
fn a_request_without_a_tenant_is_refused() {
    let host = hourly(0);
    let call = host.call(Signal::Logs, "", ContextBlock::empty());
    let error = call.result().expect_err("no tenant");
    assert!(error.is_permanent());
    assert_eq!((error.grpc_code(), error.http_status()), (16, 401));
    assert_eq!(
        error.message(),
        "the request names no tenant: send x-tenant"
    );
}

#[test]
fn a_request_waits_only_if_its_deadline_leaves_time() {
    let host = hourly(u64::MAX);
    host.call(Signal::Logs, "", context("acme", HOUR))
        .result()
        .expect("its first");

    let refused = host
        .call(Signal::Logs, "", context("acme", HOUR / 2))
        .result();
    let error = refused.expect_err("its turn is too late");
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);

    // This one waits, and another tenant's request does not wait behind it.
    let waiting = host.call(Signal::Logs, "", context("acme", HOUR * 2));
    host.call(Signal::Logs, "", context("globex", HOUR))
        .result()
        .expect("its first");
    waiting.cancel("gone");
    let error = waiting.result().expect_err("cancelled");
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Cancelled, "gone")
    );
    assert_eq!(host.outputs().len(), 2);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (config, field) in [
        (
            json!({"metadata_key": "x-tenant", "requests_per_second": 0}),
            "config::requests_per_second",
        ),
        (
            json!({"metadata_key": "x-tenant", "requests_per_second": -1}),
            "config::requests_per_second",
        ),
        (
            json!({"metadata_key": "x-tenant", "requests_per_second": 1e-18}),
            "config::requests_per_second",
        ),
        (
            json!({"metadata_key": "x-tenant", "requests_per_second": 1, "burst": 0}),
            "config::burst",
        ),
        (
            json!({"metadata_key": "x-tenant", "requests_per_second": 1, "brst": 2}),
            "config::brst",
        ),
    ] {
        let errors = host(config).err().expect("a mistake");
        assert_eq!(
            errors
                .iter()
                .map(ProcessingError::field)
                .collect::<Vec<_>>(),
            [Some(field)]
        );
    }
}
