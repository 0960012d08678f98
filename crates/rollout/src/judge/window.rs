//! Since when a release is worse, and by how much: what is said beside the evidence, and the floor under it.
//!
//! Where a fault began is where the sum of what speaks for it was least (E. Page 1954). What is counted since then is what
//! people are shown, and what has to be above the floor.

use std::time::Duration;

use super::question::Hit;
use super::trail::Trail;
use crate::event::Side;

/// A failure so long after the last one begins anew; ten times as long where something spoke for it.
const QUIET: Duration = Duration::from_secs(60);

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// What is counted: failures, or slow responses.
    pub hits: u64,
    /// Of so many requests.
    pub requests: u64,
}

impl Rate {
    /// The share of the hits; 0 of none.
    pub fn share(self) -> f64 {
        self.hits as f64 / self.requests.max(1) as f64
    }

    pub(super) fn add(&mut self, hits: u64, requests: u64) {
        self.hits += hits;
        self.requests += requests;
    }
}

/// What came since the fault began, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    pub(super) canary: Rate,
    pub(super) stable: Rate,
    /// Hits that the new release would have by what the old one had.
    pub(super) expected: f64,
    /// Since when that is, and what can be shown of it.
    pub(super) trail: Trail,
    sum: f64,
    last_hit: Option<Duration>,
}

impl Window {
    /// A block with hits begins: with the first ever a fault may begin, and one of which nothing was seen for long before
    /// is over.
    pub(super) fn hit_at(&mut self, now: Duration) {
        let quiet = if self.sum > 0.0 { QUIET * 10 } else { QUIET };
        let is_over = |last: Duration| last.max(self.trail.since()) + quiet < now;
        if self.last_hit.is_none_or(is_over) {
            self.restart(now);
        }
    }

    /// Requests of both releases.
    pub(super) fn requests(&mut self, canary: u64, stable: u64) {
        self.canary.requests += canary;
        self.stable.requests += stable;
    }

    pub(super) fn hit(&mut self, now: Duration, hit: &Hit) {
        self.last_hit = Some(now);
        self.trail.add(hit);
        let stake = &hit.stake;
        let (share, count) = (stake.share.min(0.999), stake.count);
        // The logarithms of the factors of a bet on twice as many.
        let all = share.ln_1p();
        match stake.side {
            Side::Canary => {
                self.canary.hits += count as u64;
                self.sum += count * (2f64.ln() - all);
            }
            Side::Stable => {
                self.stable.hits += count as u64;
                self.expected += count * share / (1.0 - share);
                self.sum -= count * all;
            }
        }
    }

    /// A block is over.
    pub(super) fn end(&mut self, now: Duration) {
        if self.sum < 0.0 {
            self.restart(now);
        }
    }

    /// Hits of the new release beyond what the old one would have had, as a share of its requests.
    pub(super) fn excess(&self) -> f64 {
        (self.canary.hits as f64 - self.expected) / self.canary.requests.max(1) as f64
    }

    pub(super) fn excess_hits(&self) -> f64 {
        self.canary.hits as f64 - self.expected
    }

    fn restart(&mut self, now: Duration) {
        *self = Self { trail: Trail::of(now), last_hit: self.last_hit, ..Self::default() };
    }
}
