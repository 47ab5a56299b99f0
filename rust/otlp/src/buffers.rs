// SPDX-License-Identifier: Apache-2.0

//! Memory of large requests that is used again. The allocator gives it back to the system each time it is freed, and the system
//! hands it out page by page and zeroed: that takes longer than to write a changed request into it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Smaller ones cost little.
const MIN_LEN: usize = 16 * 1024;

/// Buffers, and their bytes, that are kept at most in the whole process.
const MAX_KEPT: usize = 64;
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Vec<u8>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An empty buffer with room for so many bytes.
pub(crate) fn take(len: usize) -> Vec<u8> {
    if len >= MIN_LEN {
        let mut kept = kept();
        // One that is much larger would be missed by a request that needs it.
        let fits = |buffer: &Vec<u8>| (len..=4 * len).contains(&buffer.capacity());
        if let Some(index) = kept.iter().rposition(fits) {
            return kept.swap_remove(index);
        }
    }
    Vec::with_capacity(len)
}

/// A changed request, whose memory is used again when nobody has it any more.
#[must_use]
pub fn reusable(request: Vec<u8>) -> Bytes {
    if request.capacity() < MIN_LEN {
        return Bytes::from(request);
    }
    Bytes::from_owner(Reusable(request))
}

struct Reusable(Vec<u8>);

impl AsRef<[u8]> for Reusable {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Reusable {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        let mut kept = kept();
        let all: usize = kept.iter().map(Vec::capacity).sum();
        if kept.len() < MAX_KEPT && all + buffer.capacity() <= MAX_KEPT_BYTES {
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one test of what the whole process has.
    #[test]
    fn a_large_buffer_is_used_again_and_few_are_kept() {
        let request = vec![7; 3 * MIN_LEN];
        let place = request.as_ptr();
        let shared = reusable(request);
        let part = shared.slice(1..9);
        drop(shared);
        assert_eq!(part, [7; 8][..]);
        let other = take(3 * MIN_LEN);
        assert_ne!(other.as_ptr(), place, "it is still in use");
        drop(part);
        let small = take(MIN_LEN / 2);
        assert_ne!(small.as_ptr(), place, "it is far too large");
        let again = take(2 * MIN_LEN);
        assert_eq!(again.as_ptr(), place);
        assert!(again.is_empty());

        drop(reusable(vec![0; MAX_KEPT_BYTES + 1]));
        assert!(kept().is_empty());
        for size in [MAX_KEPT_BYTES / 8, MIN_LEN] {
            let all: Vec<_> = (0..2 * MAX_KEPT).map(|_| reusable(vec![0; size])).collect();
            drop(all);
            let kept = kept();
            let all: usize = kept.iter().map(Vec::capacity).sum();
            assert!(all <= MAX_KEPT_BYTES && kept.len() <= MAX_KEPT, "{all}");
        }
    }
}
