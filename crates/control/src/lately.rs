//! What became of requests in the last ten minutes, by route and service, in spans of 10 s: what a reload that is watched is compared with.
//!
//! Bounded by the places that had requests meanwhile: 24 bytes for each in each span.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rollout::reload::{Before, Place, Requests, Touched};

use crate::pulse::Beat;

/// How long a span is at least.
const SPAN: Duration = Duration::from_secs(10);
/// Spans that are kept: ten minutes.
const SPANS_MAX: usize = 60;

/// The last minutes.
#[derive(Debug, Default)]
pub(crate) struct Lately {
    spans: VecDeque<BTreeMap<Place, Requests>>,
    current: BTreeMap<Place, Requests>,
    /// When the last span ended.
    since: Duration,
}

impl Lately {
    /// Takes up what came until `now`.
    pub(crate) fn note(&mut self, now: Duration, beat: &Beat) {
        for (place, requests) in beat.places(|_| true) {
            self.current.entry(place).or_default().add(&requests);
        }
        if now.saturating_sub(self.since) < SPAN {
            return;
        }
        self.since = now;
        self.spans.push_back(std::mem::take(&mut self.current));
        while self.spans.len() > SPANS_MAX {
            self.spans.pop_front();
        }
    }

    /// What is known of a place that is `touched`.
    pub(crate) fn before(&self, place: Place, touched: Touched) -> Before {
        let spans = self.spans.iter().chain([&self.current]);
        let spans = spans.filter_map(|span| span.get(&place).copied()).collect();
        Before { place, touched, spans }
    }
}
