//! What became of requests in the last ten minutes, by route and service, in spans of 10 s, and in the last five how long each service took: what a
//! reload that is watched is compared with.
//!
//! Bounded by the places that had requests meanwhile: 32 bytes for each in each span, and of a service's times a number for each class that had any.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use edge::Edge;
use model::ServiceName;
use rollout::Latencies;
use rollout::reload::{Before, Place, Requests, Touched};

use crate::pulse::Beat;
use crate::times::Times;

/// How long a span is at least.
const SPAN: Duration = Duration::from_secs(10);
/// Spans that are kept: ten minutes.
const SPANS_MAX: usize = 60;
/// Spans whose times are kept: five minutes.
const TIMED_SPANS_MAX: usize = 30;

/// The last minutes.
#[derive(Debug, Default)]
pub(crate) struct Lately {
    spans: VecDeque<BTreeMap<Place, Requests>>,
    current: BTreeMap<Place, Requests>,
    /// When the last span ended.
    since: Duration,
    times: Times,
    timed: VecDeque<BTreeMap<ServiceName, Latencies>>,
    timing: BTreeMap<ServiceName, Latencies>,
}

impl Lately {
    /// Takes up what came until `now`.
    pub(crate) fn note(&mut self, now: Duration, beat: &Beat, edge: &Edge) {
        for (place, requests) in beat.places(|_| true) {
            self.current.entry(place).or_default().add(&requests);
        }
        if now.saturating_sub(self.since) < SPAN {
            return;
        }
        self.since = now;
        self.note_times(edge);
        self.spans.push_back(std::mem::take(&mut self.current));
        self.timed.push_back(std::mem::take(&mut self.timing));
        while self.spans.len() > SPANS_MAX {
            self.spans.pop_front();
        }
        while self.timed.len() > TIMED_SPANS_MAX {
            self.timed.pop_front();
        }
    }

    /// Takes up how long responses took until now, which otherwise is done at a span's end.
    pub(crate) fn note_times(&mut self, edge: &Edge) {
        for (service, latencies) in self.times.take(edge) {
            self.timing.entry(service).or_default().add(&latencies);
        }
    }

    /// What is known of a place that is `touched`; of [`Place::Times`] see [`Lately::times`].
    pub(crate) fn before(&self, place: Place, touched: Touched) -> Before {
        let spans = self.spans.iter().chain([&self.current]);
        let spans = spans.filter_map(|span| span.get(&place).copied()).collect();
        Before { place, touched, spans }
    }

    /// How long responses of a service took, span by span.
    pub(crate) fn times(&self, service: &ServiceName) -> Vec<&Latencies> {
        let spans = self.timed.iter().chain([&self.timing]);
        spans.filter_map(|span| span.get(service)).collect()
    }
}
