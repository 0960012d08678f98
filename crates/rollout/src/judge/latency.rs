//! What is slow: the old release's percentiles, route by route.
//!
//! A response of the old release is a hit if it took longer than the percentile; one of the new release if it took longer than
//! that times what is allowed, and longer by the floor. If the new release is no slower than allowed, a hit falls on it with at
//! most the chance of its share. The percentiles are fixed as soon as enough is known, before what they are asked of.

use std::time::Duration;

use crate::tally::Latencies;

/// The percentiles, and how many responses it takes to know each.
const PERCENTILES: [(f64, u64); 2] = [(0.95, 100), (0.99, 400)];

/// Which of the percentiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    /// One in twenty takes longer.
    P95,
    /// One in a hundred takes longer.
    P99,
}

impl Percentile {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::P95, Self::P99];

    fn place(self) -> usize {
        match self {
            Self::P95 => 0,
            Self::P99 => 1,
        }
    }
}

/// What the old release takes on each route.
#[derive(Clone, Debug, Default)]
pub(super) struct Usual(Vec<Route>);

#[derive(Clone, Debug, Default)]
struct Route {
    seen: Latencies,
    count: u64,
    known: [Option<Duration>; 2],
}

impl Usual {
    /// The old release took so long, so many times.
    pub(super) fn see(&mut self, route: usize, latency: Duration, count: u64) {
        if self.0.len() <= route {
            self.0.resize(route + 1, Route::default());
        }
        let of = &mut self.0[route];
        if of.known.iter().all(Option::is_some) {
            return;
        }
        of.seen.record(latency, count);
        of.count += count;
    }

    /// What is known by now holds from now on.
    pub(super) fn settle(&mut self) {
        for of in &mut self.0 {
            for (known, (quantile, needed)) in of.known.iter_mut().zip(PERCENTILES) {
                if known.is_none() && of.count >= needed {
                    *known = of.seen.quantile(quantile);
                }
            }
        }
    }

    /// The old release's percentile on a route, if it is known.
    pub(super) fn percentile(&self, route: usize, percentile: Percentile) -> Option<Duration> {
        self.0.get(route)?.known[percentile.place()]
    }
}
