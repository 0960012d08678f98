//! The new release beside what the old one did before it: what is suspected where both do not serve at the same time.
//!
//! The past is not a random assignment: a database that goes down makes a sound release look bad beside it. So a suspicion
//! condemns nobody as long as the old release is there: it gives half of the requests back to it, and the bet decides. Only where
//! the old one is gone does it decide, and then it has to be much.
//!
//! It is looked at on the whole and route by route (decision 0097): what is slow on a route with a fiftieth of the requests
//! is less than what one expects on the others.

use std::time::Duration;

use super::ledger::{Expected, Ledger};
use super::matter::Asking;
use super::question::{Asked, Hit, weight};
use super::window::Rate;
use crate::event::Side;

/// It is suspected from this evidence on: 1 in 100 by chance, if nothing else had changed; and as much over all routes.
const SUSPECTED: f64 = 100.0;

/// Requests of the past it takes to say that it kept a limit.
const KNOWN: u64 = 100;

/// Requests that the old release has on a route while they are compared, to be what is expected there.
const RECENT_MIN: f64 = 20.0;

/// Spans of the past with so many requests, and so many of them, tell what comes in bursts: the worst but a few of them. Fewer requests have such a share
/// of hits by chance.
const SPAN_REQUESTS: f64 = 20.0;
const SPANS: usize = 20;
const WORST_BUT: f64 = 0.02;

/// Where the past decides, hits are so many times as many as in its worst spans.
const BEYOND: f64 = 3.0;

/// A route is the one where it is, if so much of what is more is there.
const MOST: f64 = 0.8;

/// What the past knows of a route.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    hits: f64,
    requests: f64,
}

/// Spans of the past, of all routes or of one.
#[derive(Clone, Debug, Default)]
struct Spans {
    all: Vec<Before>,
    worst: Option<Before>,
}

impl Spans {
    fn add(&mut self, span: Before) {
        if span.requests >= SPAN_REQUESTS {
            self.all.push(span);
        }
    }

    /// No more come.
    fn settle(&mut self) {
        let mut all = std::mem::take(&mut self.all);
        all.sort_by(|one, other| other.share().total_cmp(&one.share()));
        let at = (all.len() as f64 * WORST_BUT) as usize;
        self.worst = (all.len() >= SPANS).then(|| all[at]);
    }
}

impl Before {
    fn share(self) -> f64 {
        self.hits / self.requests
    }
}

/// One question, asked of the new release beside the old one's past.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    routes: Vec<Before>,
    /// What the old release did since it last had nothing.
    recent: Vec<Before>,
    /// What came in bursts before, on the whole and by route.
    spans: Spans,
    spans_of_routes: Vec<Spans>,
    /// What is taken for the past of a route of which too little is known, if anything is.
    allowed: Option<f64>,
    whole: Ledger,
    of_routes: Vec<Ledger>,
}

/// What speaks against the new release.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion<'a> {
    /// The route, if it is one.
    pub(super) route: Option<usize>,
    pub(super) ledger: &'a Ledger,
    /// The logarithm of the evidence.
    pub(super) worth: f64,
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

    /// A span of the time before: hits by route, of how many requests each.
    pub(super) fn learn_span(&mut self, routes: impl Iterator<Item = (usize, Rate)>) {
        let mut whole = Before::default();
        for (route, rate) in routes {
            self.learn(route, rate.hits as f64, rate.requests);
            let (hits, requests) = (rate.hits as f64, rate.requests as f64);
            (whole.hits, whole.requests) = (whole.hits + hits, whole.requests + requests);
            if self.spans_of_routes.len() <= route {
                self.spans_of_routes.resize(route + 1, Spans::default());
            }
            self.spans_of_routes[route].add(Before { hits, requests });
        }
        self.spans.add(whole);
    }

    /// All of the time before is known.
    pub(super) fn settle(&mut self) {
        [&mut self.spans].into_iter().chain(&mut self.spans_of_routes).for_each(Spans::settle);
    }

    /// Everything goes to the new release: what became of it until `now`.
    pub(super) fn take(&mut self, now: Duration, asking: &Asking, hits: &[Hit], gain_max: f64) {
        self.recent.clear();
        self.ledgers().for_each(Ledger::compare_no_more);
        let mut all = Expected::default();
        let mut counted: Vec<&Hit> = Vec::new();
        for asked in &asking.asked {
            let Some(rate) = self.rate(asked.route) else { continue };
            let Asked { route, canary: requests, .. } = *asked;
            let expected = Expected { hits: rate * requests as f64, requests };
            (all.hits, all.requests) = (all.hits + expected.hits, all.requests + requests);
            let is_of = |hit: &&Hit| hit.stake.side == Side::Canary && hit.route == route;
            let of_route = hits.iter().filter(is_of);
            self.of_route(route).take(now, expected, of_route.clone(), gain_max);
            counted.extend(of_route);
        }
        self.whole.take(now, all, counted.into_iter(), gain_max);
    }

    fn of_route(&mut self, route: usize) -> &mut Ledger {
        if self.of_routes.len() <= route {
            self.of_routes.resize(route + 1, Ledger::default());
        }
        &mut self.of_routes[route]
    }

    fn ledgers(&mut self) -> impl Iterator<Item = &mut Ledger> {
        [&mut self.whole].into_iter().chain(&mut self.of_routes)
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

    /// What the new release is suspected of, if it is of anything.
    pub(super) fn suspicion(&self) -> Option<Suspicion<'_>> {
        self.find(SUSPECTED.ln(), |_, ledger, enough| ledger.suspects(enough))
    }

    /// What is so much worse that the past may decide; `enough` is the evidence that takes.
    pub(super) fn decision(&self, enough: f64) -> Option<Suspicion<'_>> {
        self.find(enough, |route, ledger, enough| {
            ledger.decides(enough) && self.is_beyond_bursts(route, ledger)
        })
    }

    /// Whether there were more hits than in the worst of the past's spans: of as many requests as such a span has at least, for a
    /// second of a burst has a greater share than its ten seconds have.
    fn is_beyond_bursts(&self, route: Option<usize>, ledger: &Ledger) -> bool {
        let of_route = route.and_then(|route| self.spans_of_routes.get(route)?.worst);
        let Some(worst) = of_route.or(self.spans.worst) else { return true };
        let requests = worst.requests.max(ledger.canary.requests as f64);
        ledger.canary.hits as f64 > BEYOND * worst.share() * requests
    }

    /// On the whole, or on a route. A route has to have more evidence by as much as there may be routes.
    fn find(
        &self,
        enough: f64,
        is_met: impl Fn(Option<usize>, &Ledger, f64) -> bool,
    ) -> Option<Suspicion<'_>> {
        if is_met(None, &self.whole, enough) {
            let worth = self.whole.worth();
            let main = self.main_route();
            let ledger = main.map_or(&self.whole, |route| &self.of_routes[route]);
            return Some(Suspicion { route: main, ledger, worth });
        }
        let routes = self.of_routes.iter().enumerate();
        let found =
            routes.filter(|(route, ledger)| is_met(Some(*route), ledger, enough - weight(*route)));
        let suspicion =
            |(route, ledger): (usize, &'_ Ledger)| (route, ledger.worth() + weight(route));
        let (route, worth) = found.map(suspicion).max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Suspicion { route: Some(route), ledger: &self.of_routes[route], worth })
    }

    /// The one of several routes that most of what is more comes from.
    fn main_route(&self) -> Option<usize> {
        let asked = |(_, ledger): &(usize, &Ledger)| ledger.canary.requests > 0;
        let routes: Vec<_> = self.of_routes.iter().enumerate().filter(asked).collect();
        let most = routes.iter().max_by(|a, b| a.1.more().total_cmp(&b.1.more()))?;
        let is_most = most.1.more() >= MOST * self.whole.more();
        (routes.len() > 1 && is_most).then_some(most.0)
    }

    /// It was compared, and both were the same: what the old release did meanwhile is what is expected from now on.
    pub(super) fn acquit(&mut self, now: Duration) {
        for (known, recent) in self.routes.iter_mut().zip(&self.recent) {
            if recent.requests >= RECENT_MIN {
                *known = *recent;
            }
        }
        self.ledgers().for_each(|ledger| ledger.forget(now));
    }

    /// Both serve again: what came of the requests of each on a route in a block.
    pub(super) fn compare(&mut self, route: usize, canary: Rate, stable: Rate) {
        self.whole.compare(canary, stable);
        self.of_route(route).compare(canary, stable);
    }

    /// Whether the comparison so far points at the new release where it is suspected, though it is not certain.
    pub(super) fn points_at_canary(&self) -> bool {
        let suspected = self.suspicion();
        suspected.is_some_and(|it| it.ledger.points_at_canary() || self.whole.points_at_canary())
    }
}
