// SPDX-License-Identifier: Apache-2.0

use super::super::test_otlp::{decode, random_request, random_signal};
use super::*;
use otapbridge_test_support::Random;

#[test]
fn joining_keeps_everything_in_order_and_adds_sizes() {
    let mut random = Random::new(2);
    for _ in 0..2_000 {
        let signal = random_signal(&mut random);
        let count = random.below(5);
        let parts: Vec<_> = (0..count)
            .map(|_| random_request(&mut random, signal))
            .collect();
        let joined = join(parts.iter());

        let mut size = Size::default();
        let mut resources = Vec::new();
        for part in &parts {
            size += Size::of(signal, part).expect("well-formed");
            resources.extend(decode(signal, part).containers);
        }
        assert_eq!(Size::of(signal, &joined), Ok(size));
        assert_eq!(decode(signal, &joined).containers, resources);
    }
}

#[test]
fn a_single_part_is_not_copied() {
    let request = random_request(&mut Random::new(5), Signal::Logs);
    assert!(!request.is_empty());
    assert_eq!(join([&request].into_iter()).as_ptr(), request.as_ptr());
    assert!(join([].iter()).is_empty());
}
