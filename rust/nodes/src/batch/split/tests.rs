// SPDX-License-Identifier: Apache-2.0

use prost::Message;

use super::super::test_otlp::{
    Atom, atoms, contents, decode, items, random_request, random_signal, request_of,
};
use super::*;
use crate::test_random::Random;

fn sizer_len(sizer: Sizer, atoms: &[Atom]) -> usize {
    match sizer {
        Sizer::Items => items(atoms),
        Sizer::Bytes => request_of(atoms).encoded_len(),
    }
}

/// Greedy splitting of the decoded form: the first part goes into the room.
fn expected(atoms: &[Atom], sizer: Sizer, room: usize, max: usize) -> Vec<Vec<Atom>> {
    let mut parts: Vec<Vec<Atom>> = vec![vec![]];
    for atom in atoms {
        let limit = if parts.len() == 1 { room } else { max };
        let part = parts.last_mut().expect("never empty");
        part.push(atom.clone());
        if sizer_len(sizer, part) > limit && (part.len() > 1 || parts.len() == 1) {
            let part = parts.last_mut().expect("never empty");
            let atom = part.pop().expect("just added");
            parts.push(vec![atom]);
        }
    }
    parts
}

#[test]
fn any_request_is_split_as_if_it_had_been_decoded() {
    let mut random = Random::new(1);
    let (mut divided, mut oversize, mut left_out) = (0, 0, 0);
    for _ in 0..20_000 {
        let signal = random_signal(&mut random);
        let request = random_request(&mut random, signal);
        let (sizer, max) = if random.chance(2) {
            (Sizer::Items, 1 + random.below(12))
        } else {
            (Sizer::Bytes, 1 + random.below(400))
        };
        let room = if random.chance(2) {
            max
        } else {
            random.below(max + 1)
        };
        let whole = atoms(signal, &request);
        let split = split(signal, &request, sizer, room, max).expect("well-formed");

        let expected = expected(&whole, sizer, room, max);
        let (first, rest) = expected.split_first().expect("the first is always there");
        assert_eq!(split.first.is_some(), !first.is_empty());
        assert_eq!(split.rest.len(), rest.len());
        let mut together = Vec::new();
        for (index, (piece, part)) in split
            .first
            .iter()
            .chain(&split.rest)
            .zip(expected.iter().filter(|part| !part.is_empty()))
            .enumerate()
        {
            assert_eq!(decode(signal, &piece.bytes), request_of(part));
            assert_eq!(
                piece.size,
                Size::of(signal, &piece.bytes).expect("well-formed")
            );
            let limit = if index == 0 && split.first.is_some() {
                room
            } else {
                max
            };
            let alone = part.len() == 1;
            assert!(piece.size.by(sizer) <= limit || alone);
            oversize += usize::from(piece.size.by(sizer) > limit);
            together.extend(atoms(signal, &piece.bytes));
        }
        assert_eq!(contents(&together), contents(&whole));
        divided += usize::from(rest.len() > 1);
        left_out += usize::from(split.first.is_none());
    }
    assert!(
        divided > 1_000 && oversize > 1_000 && left_out > 1_000,
        "{divided} {oversize} {left_out}"
    );
}
