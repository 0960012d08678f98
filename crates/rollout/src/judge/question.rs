//! One question that is asked of the new release (does it fail more often, is it slower), on the whole, route by route, and
//! of each of its instances.

use std::time::Duration;

use super::bet::{Bet, Stake, log_sum};
use super::siblings::{Busy, Siblings};
use super::trail::Example;
use super::window::Window;
use crate::event::Side;

/// What is counted against a release: failures, or slow responses, of one place.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) stake: Stake,
    pub(super) route: usize,
    /// The place of the new release's instance that it fell on.
    pub(super) instance: Option<usize>,
    /// One of the requests, where it was recorded.
    pub(super) example: Option<Example>,
}

/// Requests of both releases on a route in a block, of which the hits are some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) route: usize,
    pub(super) canary: u64,
    pub(super) stable: u64,
}

/// What a block has for a question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matter<'a> {
    pub(super) now: Duration,
    /// Since the block before.
    pub(super) passed: Duration,
    pub(super) hits: &'a [Hit],
    pub(super) asked: &'a [Asked],
    pub(super) busy: &'a [Busy],
    /// The share of the new release: only between none and all of the requests the two can be compared.
    pub(super) share: f64,
    /// Instances of the new release that get no requests.
    pub(super) barred: u32,
}

impl Matter<'_> {
    /// Whether chance divides the requests between the two.
    pub(super) fn is_fair(&self) -> bool {
        self.share > 0.0 && self.share < 1.0
    }
}

/// What it takes to say that the new release is worse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// The chance of a mistake, half of it over routes.
    pub(super) alpha: f64,
    /// Hits beyond what the old release would have, as a share of the requests.
    pub(super) excess: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Question {
    demand: Demand,
    whole: Trial,
    routes: Vec<Trial>,
    pub(super) siblings: Siblings,
}

/// A bet, and what has to be known beside it.
#[derive(Clone, Debug, Default)]
struct Trial {
    bet: Bet,
    window: Window,
}

/// That the new release is worse, and where.
#[derive(Clone, Debug)]
pub(super) struct Guilt {
    /// The route, if it is one.
    pub(super) route: Option<usize>,
    /// The logarithm of the evidence.
    pub(super) worth: f64,
    pub(super) window: Window,
}

impl Question {
    pub(super) fn new(demand: Demand) -> Self {
        let (whole, routes) = (Trial::default(), Vec::new());
        Self { demand, whole, routes, siblings: Siblings::default() }
    }

    /// Takes a block up.
    pub(super) fn take(&mut self, matter: Matter<'_>) {
        let Matter { now, hits, asked, .. } = matter;
        let gain_max = self.enough() / f64::from(BLOCKS_MIN);
        self.siblings.take(&matter, &self.whole.bet, gain_max);
        if !matter.is_fair() {
            return;
        }
        let is_counted = |hit: &&Hit| {
            hit.stake.tells()
                && (hit.stake.side == Side::Stable
                    || hit.instance.is_none_or(|place| !self.siblings.is_out(place)))
        };
        let hits: Vec<&Hit> = hits.iter().filter(is_counted).collect();
        self.whole.take(now, asked.iter(), &hits, gain_max);
        for one in asked {
            if self.routes.len() <= one.route {
                self.routes.resize(one.route + 1, Trial::default());
            }
            let of_route: Vec<&Hit> =
                hits.iter().filter(|hit| hit.route == one.route).copied().collect();
            self.routes[one.route].take(now, [one].into_iter(), &of_route, gain_max);
        }
    }

    /// What it found, if it is certain and much.
    pub(super) fn guilt(&self) -> Option<Guilt> {
        let is_much = |trial: &Trial| trial.window.excess() >= self.demand.excess;
        let whole = self.whole.bet.worth();
        if whole >= self.enough() && is_much(&self.whole) {
            let route = self.main_route();
            let trial = route.map_or(&self.whole, |route| &self.routes[route]);
            return Some(Guilt { route, worth: whole, window: trial.window.clone() });
        }
        let worth = |place: usize| weight(place) + self.routes[place].bet.worth();
        let route = (0..self.routes.len()).max_by(|a, b| worth(*a).total_cmp(&worth(*b)))?;
        // Together they are worth no more than so many times the best.
        if worth(route) + (self.routes.len() as f64).ln() < self.enough() {
            return None;
        }
        let worths: Vec<f64> = (0..self.routes.len()).map(worth).collect();
        let all = log_sum(&worths);
        if all < self.enough() {
            return None;
        }
        let trial = &self.routes[route];
        is_much(trial).then(|| Guilt {
            route: Some(route),
            worth: all,
            window: trial.window.clone(),
        })
    }

    /// The one of several routes that most of it comes from.
    fn main_route(&self) -> Option<usize> {
        let excess = |route: &usize| self.routes[*route].window.excess_hits();
        let asked = |route: &usize| self.routes[*route].window.canary.requests > 0;
        let routes: Vec<usize> = (0..self.routes.len()).filter(asked).collect();
        let most = routes.iter().max_by(|a, b| excess(a).total_cmp(&excess(b)))?;
        let is_most = excess(most) >= 0.8 * self.whole.window.excess_hits();
        (routes.len() > 1 && is_most).then_some(*most)
    }

    /// What was counted since it may have become worse.
    pub(super) fn window(&self) -> &Window {
        &self.whole.window
    }

    /// The logarithm of the evidence on the whole.
    pub(super) fn worth(&self) -> f64 {
        self.whole.bet.worth()
    }

    /// The logarithm of the evidence that suffices.
    pub(super) fn enough(&self) -> f64 {
        (2.0 / self.demand.alpha).ln()
    }

    /// An instance is replaced: what is left is the evidence without it.
    pub(super) fn forgive(&mut self, place: usize) {
        if let Some(left) = self.siblings.forgive(place) {
            self.whole = Trial { bet: left, window: Window::default() };
            self.routes.iter_mut().for_each(|trial| *trial = Trial::default());
        }
    }
}

/// It takes so many blocks at least to find a release guilty. What hits one instance for a shorter time, a host that
/// stalls, does not condemn it.
const BLOCKS_MIN: u32 = 4;

/// The logarithm of the part of the chance of a mistake that a route has by its place: half for the first eight, a quarter for the next 16,
/// and so on, so that the number of routes need not be known.
pub(super) fn weight(place: usize) -> f64 {
    let group = (place / 8 + 1).ilog2();
    -(16f64.ln() + f64::from(group) * 4f64.ln())
}

impl Trial {
    fn take<'a>(
        &mut self,
        now: Duration,
        asked: impl Iterator<Item = &'a Asked>,
        hits: &[&Hit],
        gain_max: f64,
    ) {
        if !hits.is_empty() {
            self.window.hit_at(now);
        }
        asked.for_each(|one| self.window.requests(one.canary, one.stable));
        if hits.is_empty() {
            return;
        }
        self.bet.take(hits.iter().map(|hit| &hit.stake), gain_max);
        hits.iter().for_each(|hit| self.window.hit(now, hit));
        self.window.end(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_routes_are_no_more_than_the_whole() {
        let sum: f64 = (0..100_000).map(|place| weight(place).exp()).sum();
        assert!(sum <= 1.0 && sum > 0.99, "{sum}");
        assert!((weight(7).exp() - 1.0 / 16.0).abs() < 1e-12);
        assert!((weight(8).exp() - 1.0 / 64.0).abs() < 1e-12);
    }
}
