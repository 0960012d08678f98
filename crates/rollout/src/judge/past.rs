//! The new release beside what the old one did before it: what is suspected where both do not serve at the same time.
//!
//! The past is not a random assignment: a database that goes down makes a sound release look bad beside it. So a suspicion
//! condemns nobody as long as the old release is there: it gives half of the requests back to it, and the bet decides. Only where
//! the old one is gone does it decide, and then it has to be much.

use super::bet::log_sum;
use super::matter::Asking;
use super::question::Hit;
use super::window::Rate;
use crate::block::{Fate, Fates};
use crate::event::Side;

/// How many times as often as before.
const RATIOS: [f64; 4] = [2.0, 4.0, 10.0, 100.0];

/// It is suspected from this evidence on: 1 in 100 by chance, if nothing else had changed.
const SUSPECTED: f64 = 100.0;

/// And from so many more than before on, and such a part of the requests.
const MORE_MIN: (f64, f64) = (4.0, 0.005);

/// Where the past decides: so much more of the requests, and so many times as many.
const MUCH: (f64, f64) = (0.05, 3.0);

/// Requests of the past it takes to say that it kept a limit.
const KNOWN: u64 = 100;

/// Requests that the old release has on a route while they are compared, to be what is expected there.
const RECENT_MIN: f64 = 20.0;

/// With fewer hits since they are compared, what was suspected is over.
const HITS_MIN: u64 = 3;

/// Hits of both releases.
#[derive(Clone, Copy, Debug, Default)]
struct Hits {
    canary: u64,
    stable: u64,
}

/// What the past knows of a route.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    hits: f64,
    requests: f64,
}

/// One question, asked of the new release beside the old one's past.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    routes: Vec<Before>,
    /// What the old release did since it last had nothing.
    recent: Vec<Before>,
    /// Hits since then of the new one, and of the old one.
    compared: Hits,
    /// What is taken for the past of a route of which too little is known, if anything is.
    allowed: Option<f64>,
    bets: [f64; RATIOS.len()],
    pub(super) canary: Rate,
    /// Hits that it would have by the past.
    pub(super) expected: f64,
}

impl Past {
    /// Nothing is known yet. A share that is `allowed` stands in for what is not.
    pub(super) fn new(allowed: Option<f64>) -> Self {
        Self { allowed, ..Self::default() }
    }

    /// The old release did this before on a route.
    pub(super) fn learn(&mut self, route: usize, hits: f64, requests: u64) {
        for routes in [&mut self.routes, &mut self.recent] {
            if routes.len() <= route {
                routes.resize(route + 1, Before::default());
            }
            routes[route].hits += hits;
            routes[route].requests += requests as f64;
        }
    }

    /// Everything goes to the new release: what became of it.
    pub(super) fn take(&mut self, asking: &Asking, hits: &[Hit], gain_max: f64) {
        self.recent.clear();
        self.compared = Hits::default();
        let requests = |route: usize, of: u64| (self.rate(route).unwrap_or(1.0) * of as f64, of);
        let asked = asking.asked.iter().filter(|it| self.rate(it.route).is_some());
        let (expected, asked) = asked
            .map(|it| requests(it.route, it.canary))
            .fold((0.0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let is_counted =
            |hit: &&Hit| hit.stake.side == Side::Canary && self.rate(hit.route).is_some();
        let count: f64 = hits.iter().filter(is_counted).map(|hit| hit.stake.count).sum();
        self.canary.add(count as u64, asked);
        self.expected += expected;
        let before = self.worth();
        for (bet, ratio) in self.bets.iter_mut().zip(RATIOS) {
            *bet += count * ratio.ln() - expected * (ratio - 1.0);
        }
        let excess = self.worth() - before - gain_max;
        if excess > 0.0 {
            self.bets.iter_mut().for_each(|bet| *bet -= excess);
        }
        // A fault that begins later is not held against what was before it.
        if self.worth() < 0.0 {
            self.forget();
        }
    }

    /// What share of requests were hits before, at most, as far as that is known.
    fn rate(&self, route: usize) -> Option<f64> {
        let before = self.routes.get(route).copied().unwrap_or_default();
        match before.requests >= RECENT_MIN {
            true => Some(((before.hits + 3.0) / (before.requests + 3.0)).min(1.0)),
            false => self.allowed,
        }
    }

    /// How many requests of the past there are.
    pub(super) fn requests(&self) -> u64 {
        self.routes.iter().map(|before| before.requests as u64).sum()
    }

    /// The share of all that were hits before.
    pub(super) fn share(&self) -> f64 {
        let hits: f64 = self.routes.iter().map(|before| before.hits).sum();
        hits / (self.requests().max(1) as f64)
    }

    /// Whether the old release failed no more than `max` before, as far as enough of its requests are known.
    pub(super) fn keeps(&self, max: f64) -> bool {
        self.requests() >= KNOWN && self.share() <= max
    }

    /// The logarithm of the evidence.
    pub(super) fn worth(&self) -> f64 {
        log_sum(&self.bets) - (RATIOS.len() as f64).ln()
    }

    /// Whether the new release is suspected of being worse.
    pub(super) fn suspects(&self) -> bool {
        let more = self.canary.hits as f64 - self.expected;
        let (least, share) = MORE_MIN;
        self.worth() >= SUSPECTED.ln()
            && more >= least
            && more >= share * self.canary.requests as f64
    }

    /// Whether it is so much worse that the past may decide; `enough` is the evidence that takes.
    pub(super) fn decides(&self, enough: f64) -> bool {
        let (share, times) = MUCH;
        let more = self.canary.hits as f64 - self.expected;
        self.worth() >= enough
            && more >= share * self.canary.requests as f64
            && self.canary.hits as f64 >= times * self.expected
    }

    /// It was compared, and both were the same: what the old release did meanwhile is what is expected from now on.
    pub(super) fn acquit(&mut self) {
        for (known, recent) in self.routes.iter_mut().zip(&self.recent) {
            if recent.requests >= RECENT_MIN {
                *known = *recent;
            }
        }
        self.forget();
    }

    /// Both serve again: so many hits of each came in a block.
    pub(super) fn compare(&mut self, canary: u64, stable: u64) {
        self.compared.canary += canary;
        self.compared.stable += stable;
    }

    /// Whether the comparison so far points at the new release, though it is not certain.
    pub(super) fn points_at_canary(&self) -> bool {
        let Hits { canary, stable } = self.compared;
        canary >= HITS_MIN && stable * 2 < canary
    }

    fn forget(&mut self) {
        let routes = std::mem::take(&mut self.routes);
        let recent = std::mem::take(&mut self.recent);
        *self = Self { routes, recent, allowed: self.allowed, ..Self::default() };
    }
}

/// How many of `fates` ended in the way `fate`.
pub(super) fn hits_of(fates: &Fates, fate: Fate) -> f64 {
    fates.of(fate) as f64
}
