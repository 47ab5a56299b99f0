// SPDX-License-Identifier: Apache-2.0

/// A small deterministic generator for property tests (SplitMix64, Steele et al. 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// Fewer than `limit` of them, which is not 0.
    pub fn list<T>(&mut self, limit: usize, of: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(limit)).map(|_| of(self)).collect()
    }

    pub fn bytes(&mut self, max_len: usize) -> Vec<u8> {
        (0..self.below(max_len + 1))
            .map(|_| self.next() as u8)
            .collect()
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    /// Text of lower-case letters and some wider characters.
    pub fn text(&mut self, max_len: usize) -> String {
        let alphabet: Vec<char> = "abz0-:;=ß€\u{1f980}\u{7f}".chars().collect();
        (0..self.below(max_len + 1))
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }

    /// Changes a few bytes, and sometimes cuts the end off.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        for _ in 0..1 + self.below(3) {
            let at = self.below(bytes.len());
            bytes[at] = match self.below(3) {
                0 => self.next() as u8,
                1 => bytes[at] ^ (1 << self.below(8)),
                _ => bytes[at].wrapping_add(1),
            };
        }
        if self.chance(4) {
            bytes.truncate(self.below(bytes.len()));
        }
    }
}
