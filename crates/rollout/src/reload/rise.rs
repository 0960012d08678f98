//! Whether one share of requests is greater than is usual, however often it is looked at.

use std::time::Duration;

use super::{BLOCK, Place, Requests, Rise, RiseOf};
use crate::detector::Detector;

/// How many times as often as before.
const RATIOS: [f64; 4] = [2.0, 4.0, 10.0, 100.0];

/// The ratio by which it is said when it may have begun.
const SINCE: f64 = 2.0;

/// Requests of the past that it takes to know what is usual.
const KNOWN: u64 = 20;

/// Of spans with so many requests each, and of so many spans, the worst but a few is usual as well: a place that fails in bursts does so after a reload, too.
const SPAN_REQUESTS: u64 = 20;
const SPANS: usize = 20;
const WORST_BUT: f64 = 0.05;

/// It takes so many blocks at least: what stalls for less does not condemn a configuration.
const BLOCKS_MIN: f64 = 4.0;

/// A rise is so much more of the requests, so many times as many, and so many requests at least.
const MUCH: f64 = 0.05;
const TIMES: f64 = 3.0;
const HITS_MIN: u64 = 5;

/// Which share of requests is usual, at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual(f64);

impl Usual {
    /// By spans of the past; `None` where they have too few requests.
    pub(super) fn of(spans: &[&Requests], aspect: RiseOf) -> Option<Self> {
        let all: u64 = spans.iter().map(|span| span.all).sum();
        let hits: u64 = spans.iter().map(|span| span.hits(aspect)).sum();
        if all < KNOWN {
            return None;
        }
        let mean = (hits as f64 + 3.0) / (all as f64 + 3.0);
        let busy = spans.iter().filter(|span| span.all >= SPAN_REQUESTS);
        let mut shares: Vec<f64> =
            busy.map(|span| span.hits(aspect) as f64 / span.all as f64).collect();
        shares.sort_by(|one, other| other.total_cmp(one));
        let worst = match shares.len() >= SPANS {
            true => shares[(shares.len() as f64 * WORST_BUT) as usize],
            false => 0.0,
        };
        Some(Self(mean.max(worst).min(1.0)))
    }

    pub(super) fn share(self) -> f64 {
        self.0
    }
}

/// One share, of one place.
#[derive(Clone, Debug)]
pub(super) struct Test {
    usual: Usual,
    detector: Detector<{ RATIOS.len() }>,
    /// The evidence since it was last none: from then on hits and requests are counted.
    sum: f64,
    since: Duration,
    hits: u64,
    requests: u64,
}

impl Test {
    pub(super) fn new(now: Duration, usual: Usual) -> Self {
        Self { usual, detector: Detector::default(), sum: 0.0, since: now, hits: 0, requests: 0 }
    }

    /// Takes up a block's requests, of which these are hits.
    pub(super) fn take(&mut self, now: Duration, hits: u64, requests: u64, enough: f64) {
        let expected = self.usual.0 * requests as f64;
        // Of the ratio of two Poisson laws, which is no more than that of two binomial ones.
        let gain = |ratio: f64| hits as f64 * ratio.ln() - expected * (ratio - 1.0);
        self.detector.take(RATIOS.map(gain), enough / BLOCKS_MIN);
        if self.sum <= 0.0 {
            (self.sum, self.hits, self.requests) = (0.0, 0, 0);
            self.since = now.saturating_sub(BLOCK);
        }
        self.sum += gain(SINCE);
        self.hits += hits;
        self.requests += requests;
    }

    /// Whether it is certain that the share is greater, and much.
    pub(super) fn has_risen(&self, enough: f64) -> bool {
        self.detector.worth() >= enough
            && self.hits >= HITS_MIN
            && self.excess() >= MUCH
            && self.share() >= TIMES.min(1.0 / self.usual.0.max(MUCH)) * self.usual.0
    }

    fn share(&self) -> f64 {
        self.hits as f64 / self.requests.max(1) as f64
    }

    /// How much greater the share is than is usual.
    pub(super) fn excess(&self) -> f64 {
        self.share() - self.usual.0
    }

    pub(super) fn since(&self) -> Duration {
        self.since
    }

    pub(super) fn rise(&self, place: &Place, of: RiseOf) -> Rise {
        Rise {
            place: place.clone(),
            of,
            hits: self.hits,
            requests: self.requests,
            usual: self.usual.0,
            since: self.since,
        }
    }
}
