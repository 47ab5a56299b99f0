// SPDX-License-Identifier: Apache-2.0

//! Looking for work for a moment before a thread sleeps: to be woken takes longer and costs
//! more. It is worth it only while the next work comes soon, so each look is paid for.

use tokio::task::yield_now;

/// What a sleep and a wake-up cost, in turns of the thread's tasks: a turn takes about half
/// a microsecond if nobody has work. To look longer than this never pays.
const WAKE_UP: u32 = 40;

/// So much may be saved for looks that find nothing.
const MOST: u32 = 4 * WAKE_UP;

/// How much a thread may look. A look that finds work earns what the wake-up would have cost,
/// each turn costs one, and each sleep earns one: so where looks find nothing, there is one of
/// them in forty sleeps, and none while nothing happens.
pub(crate) struct Looking {
    credit: u32,
}

impl Looking {
    pub(crate) fn new() -> Self {
        Self { credit: MOST }
    }

    /// Returns when there is work, or when it is time to sleep. May be dropped at any time.
    pub(crate) async fn look(&mut self, has_work: impl Fn() -> bool) {
        if self.credit < WAKE_UP {
            self.credit += 1;
            return;
        }
        for _ in 0..WAKE_UP {
            if has_work() {
                self.credit = (self.credit + WAKE_UP).min(MOST);
                return;
            }
            self.credit = self.credit.saturating_sub(1);
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How often one look looks, if work is there at the look of this number.
    fn looks(looking: &mut Looking, found_at: u32) -> u32 {
        let looks = Cell::new(0);
        let has_work = || {
            looks.set(looks.get() + 1);
            looks.get() >= found_at
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(looking.look(has_work));
        looks.get()
    }

    #[test]
    fn work_that_comes_soon_is_always_waited_for() {
        let mut looking = Looking::new();
        for _ in 0..1000 {
            assert_eq!(looks(&mut looking, WAKE_UP / 2), WAKE_UP / 2);
        }
    }

    #[test]
    fn looks_that_find_nothing_become_rare() {
        let mut looking = Looking::new();
        let total: u32 = (0..1000).map(|_| looks(&mut looking, u32::MAX)).sum();
        assert!(total <= MOST + 1000, "{total}");
        assert!(total >= 500, "it looks again now and then: {total}");
    }

    #[test]
    fn looks_come_back_when_work_comes_soon_again() {
        let mut looking = Looking::new();
        while looks(&mut looking, u32::MAX) > 0 {}
        let unseen = (0..).take_while(|_| looks(&mut looking, 1) == 0).count();
        assert!(unseen <= WAKE_UP as usize, "{unseen}");
        assert_eq!(looks(&mut looking, WAKE_UP / 2), WAKE_UP / 2);
    }
}
