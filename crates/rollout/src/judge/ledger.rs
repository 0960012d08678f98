//! What speaks against the new release beside the old one's past: on the whole, or on one route.

use std::time::Duration;

use super::bet::log_sum;
use super::question::Hit;
use super::trail::Trail;
use super::window::Rate;

/// How many times as often as before.
const RATIOS: [f64; 4] = [2.0, 4.0, 10.0, 100.0];

/// From so many more than before on it is suspected, and such a part of the requests.
const MORE_MIN: (f64, f64) = (4.0, 0.005);

/// Where the past decides: so much more of the requests, and so many times as many.
const MUCH: (f64, f64) = (0.05, 3.0);

/// With fewer hits since they are compared, what was suspected is over.
const HITS_MIN: u64 = 3;

/// Hits of both releases, of how many requests each.
#[derive(Clone, Copy, Debug, Default)]
struct Hits {
    canary: Rate,
    stable: Rate,
}

/// Requests of the new release in a block, and how many of them would be hits by the past.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    pub(super) hits: f64,
    pub(super) requests: u64,
}

/// One bet.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    bets: [f64; RATIOS.len()],
    pub(super) canary: Rate,
    /// Hits that it would have by the past.
    pub(super) expected: f64,
    /// What can be shown of those that it had.
    pub(super) trail: Trail,
    /// Hits of both since they are compared.
    compared: Hits,
}

impl Ledger {
    /// Everything goes to the new release: its `hits` until `now`. They are worth no more than `gain_max`.
    pub(super) fn take<'a>(
        &mut self,
        now: Duration,
        expected: Expected,
        hits: impl Iterator<Item = &'a Hit>,
        gain_max: f64,
    ) {
        let mut count = 0.0;
        for hit in hits {
            count += hit.stake.count;
            self.trail.add(hit);
        }
        self.canary.add(count as u64, expected.requests);
        self.expected += expected.hits;
        let before = self.worth();
        for (bet, ratio) in self.bets.iter_mut().zip(RATIOS) {
            *bet += count * ratio.ln() - expected.hits * (ratio - 1.0);
        }
        let excess = self.worth() - before - gain_max;
        if excess > 0.0 {
            self.bets.iter_mut().for_each(|bet| *bet -= excess);
        }
        // A fault that begins later is not held against what was before it.
        if self.worth() < 0.0 {
            self.forget(now);
        }
    }

    /// The logarithm of the evidence.
    pub(super) fn worth(&self) -> f64 {
        log_sum(&self.bets) - (RATIOS.len() as f64).ln()
    }

    /// Hits beyond those of the past.
    pub(super) fn more(&self) -> f64 {
        self.canary.hits as f64 - self.expected
    }

    /// Whether the new release is suspected of being worse; `enough` is the evidence that takes.
    pub(super) fn suspects(&self, enough: f64) -> bool {
        let (least, share) = MORE_MIN;
        self.worth() >= enough
            && self.more() >= least
            && self.more() >= share * self.canary.requests as f64
    }

    /// Whether it is so much worse that the past may decide; `enough` is the evidence that takes.
    pub(super) fn decides(&self, enough: f64) -> bool {
        let (share, times) = MUCH;
        self.worth() >= enough
            && self.more() >= share * self.canary.requests as f64
            && self.canary.hits as f64 >= times * self.expected
    }

    /// Both serve again: what came of the requests of each in a block.
    pub(super) fn compare(&mut self, canary: Rate, stable: Rate) {
        self.compared.canary.add(canary.hits, canary.requests);
        self.compared.stable.add(stable.hits, stable.requests);
    }

    /// They are not compared.
    pub(super) fn compare_no_more(&mut self) {
        self.compared = Hits::default();
    }

    /// Whether the comparison so far points at the new release, though it is not certain. By their shares: one whose instances are
    /// ejected has few requests.
    pub(super) fn points_at_canary(&self) -> bool {
        let Hits { canary, stable } = self.compared;
        canary.hits >= HITS_MIN && stable.share() * 2.0 < canary.share()
    }

    pub(super) fn forget(&mut self, now: Duration) {
        *self = Self { trail: Trail::of(now), ..Self::default() };
    }
}
