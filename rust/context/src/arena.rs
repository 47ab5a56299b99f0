// SPDX-License-Identifier: Apache-2.0

//! Recycled buffers for context blocks, so that a call in the steady state
//! allocates none.

use parking_lot::Mutex;

/// Buffers kept at most.
const MAX_BUFFERS: usize = 1024;
/// Capacity in bytes above which a buffer is freed instead of kept: a rare
/// large context must not stay resident.
const MAX_CAPACITY: usize = 16 * 1024;
/// Capacity of a new buffer; most contexts fit.
const MIN_CAPACITY: usize = 1024;

static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Returns an empty buffer with room for `len` bytes.
pub(crate) fn take(len: usize) -> Vec<u8> {
    let recycled = (len <= MAX_CAPACITY).then(|| FREE.lock().pop());
    match recycled.flatten() {
        Some(mut buffer) => {
            buffer.reserve(len);
            buffer
        }
        None => Vec::with_capacity(len.max(MIN_CAPACITY)),
    }
}

/// Takes a buffer back.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_CAPACITY {
        return;
    }
    buffer.clear();
    let mut free = FREE.lock();
    if free.len() < MAX_BUFFERS {
        free.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_not_kept() {
        give_back(Vec::with_capacity(MAX_CAPACITY + 1));
        give_back(Vec::new());
        let free = FREE.lock();
        assert!(
            free.iter()
                .all(|b| b.capacity() > 0 && b.capacity() <= MAX_CAPACITY)
        );
    }

    #[test]
    fn the_pool_is_bounded() {
        for _ in 0..MAX_BUFFERS + 10 {
            give_back(Vec::with_capacity(1));
        }
        assert!(FREE.lock().len() <= MAX_BUFFERS);
    }

    #[test]
    fn a_taken_buffer_is_empty_and_has_room() {
        let mut buffer = take(100);
        buffer.extend_from_slice(b"left over");
        give_back(buffer);
        let buffer = take(5000);
        assert!(buffer.is_empty());
        assert!(buffer.capacity() >= 5000);
    }
}
