//! Whether the new release fails more often than a limit allows, which the old one keeps.
//!
//! The likelihood ratio of failure rates above the limit, in a mixture: an e-process for requests that fail independently. Since they do not,
//! it never decides alone while the old release is there: that has to keep the limit over the same requests, and the comparison has to point the same
//! way.

use std::time::Duration;

use super::bet::log_sum;
use super::trail::Trail;
use super::window::Rate;

/// By how much a bad release's failures exceed what is allowed, as a share of what is left to 1.
const LIFTS: [f64; 7] = [0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.9];

/// Requests of the old release it takes to say that it keeps the limit.
const STABLE_MIN: u64 = 20;

#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) max: f64,
    bets: [f64; LIFTS.len()],
    /// Since it may have begun to fail too often.
    pub(super) canary: Rate,
    pub(super) stable: Rate,
    /// What can be shown of that.
    pub(super) trail: Trail,
}

impl Limit {
    /// Nothing was seen yet. `max` is above 0 and below 1.
    pub(super) fn new(max: f64) -> Self {
        let (canary, stable) = (Rate::default(), Rate::default());
        Self { max, bets: [0.0; LIFTS.len()], canary, stable, trail: Trail::default() }
    }

    /// Takes up a block that ends `now`.
    pub(super) fn take(&mut self, now: Duration, canary: Rate, stable: Rate, gain_max: f64) {
        self.canary.add(canary.hits, canary.requests);
        self.stable.add(stable.hits, stable.requests);
        let before = self.worth();
        let (failed, good) =
            (canary.hits as f64, canary.requests.saturating_sub(canary.hits) as f64);
        for (bet, lift) in self.bets.iter_mut().zip(LIFTS) {
            let rate = self.max + (1.0 - self.max) * lift;
            *bet += failed * (rate / self.max).ln() + good * ((1.0 - rate) / (1.0 - self.max)).ln();
        }
        let excess = self.worth() - before - gain_max;
        if excess > 0.0 {
            self.bets.iter_mut().for_each(|bet| *bet -= excess);
        }
        if self.worth() < 0.0 && failed == 0.0 && canary.requests > 0 {
            self.fade(now);
        }
    }

    /// What speaks for it is less than nothing: it begins anew, so that a fault that begins late is found as soon.
    fn fade(&mut self, now: Duration) {
        let worth = self.worth();
        if worth < -2.0 {
            *self = Self { trail: Trail::of(now), ..Self::new(self.max) };
        }
    }

    /// The logarithm of the evidence.
    pub(super) fn worth(&self) -> f64 {
        log_sum(&self.bets) - (LIFTS.len() as f64).ln()
    }

    /// Whether the old release keeps it over the same requests.
    pub(super) fn is_kept_by_stable(&self) -> bool {
        self.stable.requests >= STABLE_MIN && self.stable.share() <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_within_the_limit_is_not_expected_to_win() {
        // Every outcome of a block, weighed by how likely it is at the limit, and below it.
        for (limit, real) in [(0.01, 0.01), (0.2, 0.2), (0.01, 0.004)] {
            for requests in [1u32, 4, 9] {
                let mean: f64 = (0..=requests)
                    .map(|failed| {
                        let choose = (0..failed)
                            .map(|k| f64::from(requests - k) / f64::from(k + 1))
                            .product::<f64>();
                        let chance = choose
                            * f64::powi(real, failed as i32)
                            * f64::powi(1.0 - real, (requests - failed) as i32);
                        let mut it = Limit::new(limit);
                        let canary = Rate { hits: failed.into(), requests: requests.into() };
                        it.take(Duration::ZERO, canary, Rate::default(), f64::INFINITY);
                        chance * it.worth().exp()
                    })
                    .sum();
                assert!(mean <= 1.0 + 1e-9, "{mean} at {real} of {limit}");
            }
        }
    }
}
