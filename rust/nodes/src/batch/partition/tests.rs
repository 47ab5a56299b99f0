// SPDX-License-Identifier: Apache-2.0

use std::num::NonZeroUsize;

use otapbridge::{BlockBuilder, ErrorKind, RequestContext};

use super::super::config::PartitionConfig;
use super::super::test_otlp::{atoms, grows_when_divided};
use super::*;
use otapbridge_otlp::Sizer;
use otapbridge_test_support::Random;

fn partitions(min_size: usize, cardinality_limit: usize) -> Partitions {
    Partitions::new(Config {
        flush_timeout: Duration::from_millis(200),
        sizer: Sizer::Items,
        min_size,
        max_size: None,
        partition: PartitionConfig {
            metadata_keys: ["x-tenant", "scope"].map(String::from).into(),
            cardinality_limit: NonZeroUsize::new(cardinality_limit),
        },
    })
}

fn context(tenant: &str) -> RequestContext {
    let mut builder = BlockBuilder::new();
    builder.metadata("X-Tenant", [tenant]);
    builder.metadata("user-agent", ["test"]);
    RequestContext::new(builder.build().expect("valid block"))
}

/// One item whose content is the text.
fn request(text: &str) -> Bytes {
    let len = text.len() as u8;
    let mut bytes = vec![0x0a, len + 4, 0x12, len + 2, 0x12, len];
    bytes.extend(text.as_bytes());
    bytes.into()
}

fn add(
    partitions: &mut Partitions,
    tenant: &str,
    signal: Signal,
    now: Instant,
) -> Result<Added, ProcessingError> {
    let context = context(tenant);
    partitions.add(
        context.metadata(),
        signal,
        Data::Bytes(request(tenant)),
        None,
        now,
    )
}

/// The tenants whose items are in the batch.
fn tenants(batch: &Batch<ItemId>) -> Vec<String> {
    let signal = batch.signal;
    let mut size = Size::default();
    for part in &batch.parts {
        size += part.size;
    }
    assert_eq!(Size::of(signal, &batch.payload()), Ok(size));
    atoms(signal, &batch.payload())
        .into_iter()
        .filter_map(|atom| String::from_utf8(atom.item?).ok())
        .collect()
}

#[test]
fn tenants_and_signals_never_mix() {
    let mut random = Random::new(1);
    let mut partitions = partitions(5, 200);
    let start = Instant::now();
    let mut batches = Vec::new();
    let mut added = 0;
    for step in 0..20_000_u64 {
        let now = start + Duration::from_micros(step * 100);
        let tenant = format!("tenant-{}", random.below(200));
        let signal = [Signal::Traces, Signal::Logs][random.below(2)];
        let result = add(&mut partitions, &tenant, signal, now).expect("within the limit");
        added += 1;
        batches.extend(result.batches.into_iter().map(|batch| (batch, true)));
        assert!(partitions.next_flush().is_none_or(|due| due > start));
        batches.extend(
            partitions
                .take(Some(now))
                .into_iter()
                .map(|batch| (batch, false)),
        );
        assert!(partitions.next_flush().is_none_or(|due| due > now));
    }
    batches.extend(
        partitions
            .take(None)
            .into_iter()
            .map(|batch| (batch, false)),
    );
    assert_eq!(partitions.next_flush(), None);
    let mut sent = 0;
    for (batch, full) in &batches {
        let tenants = tenants(batch);
        assert!(tenants.iter().all(|tenant| *tenant == tenants[0]));
        assert_eq!(tenants.len(), batch.parts.len());
        assert!(!*full || tenants.len() == 5);
        sent += tenants.len();
    }
    assert_eq!(sent, added);
    assert!(
        batches
            .iter()
            .any(|(batch, _)| batch.signal == Signal::Traces)
    );
    assert!(
        batches
            .iter()
            .any(|(batch, _)| batch.signal == Signal::Logs)
    );

    assert_eq!(partitions.by_key.len(), 200);
    for (batch, _) in &batches {
        partitions.finished(batch.partition);
    }
    assert_eq!(
        partitions.by_key.len(),
        0,
        "nothing is pending or under way"
    );
}

#[test]
fn the_limit_counts_partitions_with_data_pending_or_under_way() {
    let now = Instant::now();
    let mut partitions = partitions(2, 2);
    let a = add(&mut partitions, "a", Signal::Logs, now).expect("first");
    let b = add(&mut partitions, "b", Signal::Logs, now).expect("second");
    let error = add(&mut partitions, "c", Signal::Logs, now).expect_err("third");
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(
        error.message(),
        "data of 2 combinations of the metadata keys x-tenant, scope is being batched, which is \
         the partition.cardinality_limit: send again later or raise the limit"
    );
    // Those that are there are not refused, in any signal.
    let more = add(&mut partitions, "b", Signal::Traces, now).expect("the same partition");

    // Cancelled: nothing is left of it.
    assert!(partitions.remove(a.item));
    assert!(!partitions.remove(a.item));
    let _ = add(&mut partitions, "c", Signal::Logs, now).expect("a place is free");
    assert!(!partitions.remove(a.item), "not in the place of another");
    let error = add(&mut partitions, "a", Signal::Logs, now).expect_err("third");
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);

    // Under way it still counts.
    let c = add(&mut partitions, "c", Signal::Logs, now).expect("the same partition");
    let [batch] = &c.batches[..] else {
        panic!("one batch");
    };
    assert!(!partitions.remove(c.item), "it has left");
    assert!(add(&mut partitions, "a", Signal::Logs, now).is_err());
    partitions.finished(batch.partition);
    let _ = add(&mut partitions, "a", Signal::Logs, now).expect("a place is free");

    assert!(partitions.remove(b.item));
    assert!(add(&mut partitions, "d", Signal::Logs, now).is_err());
    assert!(partitions.remove(more.item));
    let _ = add(&mut partitions, "d", Signal::Logs, now).expect("a place is free");
}

#[test]
fn a_partition_stays_until_the_last_of_its_batches_has_ended() {
    let now = Instant::now();
    let mut partitions = partitions(1, 1);
    let send = |partitions: &mut Partitions| {
        let added = add(partitions, "a", Signal::Logs, now).expect("the same partition");
        added.batches[0].partition
    };
    let first = send(&mut partitions);
    assert_eq!(send(&mut partitions), first);
    partitions.finished(first);
    assert!(add(&mut partitions, "b", Signal::Logs, now).is_err());
    assert_eq!(partitions.by_key.len(), 1);
    partitions.finished(first);
    let _ = add(&mut partitions, "b", Signal::Logs, now).expect("a place is free");
}

#[test]
fn a_tenant_that_left_leaves_nothing_behind() {
    let now = Instant::now();
    let mut partitions = partitions(2, 1);
    for tenant in 0..1_000 {
        let added = add(&mut partitions, &tenant.to_string(), Signal::Logs, now);
        assert!(partitions.remove(added.expect("a place is free").item));
    }
    assert_eq!(partitions.by_key.len(), 0);
    assert!(partitions.partitions.is_empty());
    let next = partitions.partitions.vacant_key();
    assert_eq!(next, 0, "its place was used again");
    assert_eq!(partitions.next_flush(), None);
}

#[test]
fn refused_data_opens_no_partition() {
    let now = Instant::now();
    let mut partitions = partitions(2, 1);
    let malformed = Bytes::from_static(&[0x0a, 5, 1]);
    let error = partitions
        .add(
            context("a").metadata(),
            Signal::Logs,
            Data::Bytes(malformed),
            None,
            now,
        )
        .expect_err("malformed");
    assert_eq!(error.grpc_code(), 3);
    assert_eq!(partitions.by_key.len(), 0);

    partitions.settings.max_size = NonZeroUsize::new(2);
    let request = grows_when_divided();
    let error = partitions
        .add(
            context("a").metadata(),
            Signal::Logs,
            Data::Bytes(request),
            None,
            now,
        )
        .expect_err("cannot be divided");
    assert_eq!(error.grpc_code(), 3);
    assert_eq!(partitions.by_key.len(), 0);
    let _ = add(&mut partitions, "b", Signal::Logs, now).expect("a place is free");
}

#[test]
fn without_a_limit_there_is_none() {
    let now = Instant::now();
    let mut partitions = partitions(2, 0);
    for tenant in 0..2_000 {
        let _ = add(&mut partitions, &tenant.to_string(), Signal::Logs, now).expect("no limit");
    }
    assert_eq!(partitions.by_key.len(), 2_000);
    assert_eq!(partitions.take(None).len(), 2_000);
}

#[test]
fn the_most_urgent_data_leaves_first() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut partitions = partitions(100, 0);
    for (tenant, deadline) in [("a", None), ("b", Some(at(100))), ("c", Some(at(40)))] {
        let context = context(tenant);
        let added = partitions.add(
            context.metadata(),
            Signal::Traces,
            Data::Bytes(request(tenant)),
            deadline,
            start,
        );
        assert!(added.expect("added").batches.is_empty());
    }
    assert_eq!(partitions.next_flush(), Some(at(20)));
    assert!(partitions.take(Some(at(19))).is_empty());
    let leaves = |partitions: &mut Partitions, now| -> Vec<_> {
        partitions
            .take(Some(now))
            .iter()
            .flat_map(tenants)
            .collect()
    };
    assert_eq!(leaves(&mut partitions, at(20)), ["c"]);
    assert_eq!(partitions.next_flush(), Some(at(50)));
    assert_eq!(leaves(&mut partitions, at(300)), ["b", "a"]);
    assert_eq!(partitions.next_flush(), None);
}
