//! Whether the new release gets clearly less than its share: its instances are ejected, or full.
//!
//! What an ejected instance would have failed nobody sees: users are safe, and the evidence stops. So little may be enough then.

use std::time::Duration;

/// Half of what was counted is forgotten in so long.
const HALF_LIFE: Duration = Duration::from_secs(5);

/// It has to have got so many requests by its share, of late.
const DUE_MIN: f64 = 20.0;

/// And gets less than this part of them.
const PART: f64 = 0.25;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hunger {
    due: f64,
    had: f64,
}

impl Hunger {
    /// Of `all` requests that were drawn in a block the new release had `canary`, and `share` was its share.
    pub(super) fn take(&mut self, passed: Duration, share: f64, canary: u64, all: u64) {
        let kept = 0.5f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64());
        self.due = self.due * kept + share * all as f64;
        self.had = self.had * kept + canary as f64;
    }

    pub(super) fn is_starved(self) -> bool {
        self.due >= DUE_MIN && self.had < PART * self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_gets_its_share_does_not_starve_and_one_that_gets_nothing_does_soon() {
        let block = Duration::from_millis(250);
        let mut hunger = Hunger::default();
        for _ in 0..200 {
            hunger.take(block, 0.05, 1, 20);
            assert!(!hunger.is_starved());
        }
        let mut blocks = 0;
        while !hunger.is_starved() {
            hunger.take(block, 0.05, 0, 20);
            blocks += 1;
        }
        assert!((20..60).contains(&blocks), "{blocks}");
    }
}
