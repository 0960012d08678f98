//! The recent past of one instance, from counters that only grow.
//!
//! Counts are kept for each second, histograms, which are large, only every ten.

use std::collections::VecDeque;
use std::time::Duration;

use edge::live::{Live, Outcomes};
use telemetry::HistogramSnapshot;

/// How far back shares and latencies look.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How far back the rate of requests looks.
pub const RATE_WINDOW: Duration = Duration::from_secs(10);
/// How far apart histograms are kept.
const LATENCY_EVERY: Duration = Duration::from_secs(10);

/// What an instance did lately.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recent {
    /// Attempts that ended, per second, over the last 10 s.
    pub requests_per_second: f64,
    /// Those of them that the instance answered with 5xx or failed to answer, likewise.
    pub errors_per_second: f64,
    /// Attempts that ended within the last 60 s.
    pub attempts: u64,
    /// Those of them that the instance answered with 5xx or failed to answer, from 0 to 1.
    pub error_share: f64,
    /// The median time from an attempt's start to the answer's head, of the last 50 to 60 s.
    pub p50: Option<Duration>,
    /// What 99 % of them did not exceed.
    pub p99: Option<Duration>,
}

/// The samples of one instance.
#[derive(Debug, Default)]
pub(crate) struct Window {
    counts: VecDeque<(Duration, Outcomes)>,
    latencies: VecDeque<(Duration, HistogramSnapshot)>,
}

impl Window {
    /// Takes a sample. To be done every second.
    pub(crate) fn sample(&mut self, now: Duration, live: &Live) {
        self.count(now, live.outcomes());
        if self.latencies.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= LATENCY_EVERY) {
            // One that is as old as the window allows stays, so that there is always a base.
            let old = |(at, _): &(Duration, _)| now.saturating_sub(*at) > WINDOW;
            while self.latencies.front().is_some_and(old) {
                self.latencies.pop_front();
            }
            self.latencies.push_back((now, latency(live)));
        }
    }

    /// What the instance did lately.
    pub(crate) fn recent(&self, now: Duration, live: &Live) -> Recent {
        let outcomes = live.outcomes();
        let latest = latency(live);
        let latency = match self.latencies.front() {
            Some((_, base)) => latest.since(base),
            None => latest,
        };
        let (p50, p99) = (latency.quantile(0.5), latency.quantile(0.99));
        Recent { p50, p99, ..self.rates(now, outcomes) }
    }

    fn count(&mut self, now: Duration, outcomes: Outcomes) {
        let begin = now.saturating_sub(WINDOW);
        while self.counts.get(1).is_some_and(|(at, _)| *at <= begin) {
            self.counts.pop_front();
        }
        self.counts.push_back((now, outcomes));
    }

    fn rates(&self, now: Duration, outcomes: Outcomes) -> Recent {
        let (_, all) = self.since(now, WINDOW, outcomes);
        let (elapsed, last) = self.since(now, RATE_WINDOW, outcomes);
        let per_second = |count: u64| ratio(count as f64, elapsed.as_secs_f64());
        Recent {
            requests_per_second: per_second(last.total()),
            errors_per_second: per_second(last.failed()),
            attempts: all.total(),
            error_share: ratio(all.failed() as f64, all.total() as f64),
            ..Recent::default()
        }
    }

    /// What came since the newest sample that is `length` old, or the oldest there is, and how
    /// long ago that was.
    fn since(&self, now: Duration, length: Duration, outcomes: Outcomes) -> (Duration, Outcomes) {
        let begin = now.saturating_sub(length);
        let base = self.counts.iter().rev().find(|(at, _)| *at <= begin).or(self.counts.front());
        let Some((at, base)) = base else { return (Duration::ZERO, Outcomes::default()) };
        (now.saturating_sub(*at), outcomes.since(base))
    }
}

/// 0 where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// All workers' latencies.
fn latency(live: &Live) -> HistogramSnapshot {
    live.shards().fold(HistogramSnapshot::default(), |mut sum, shard| {
        sum.merge(&shard.latency.snapshot());
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(ok: u64, server_errors: u64, failures: u64) -> Outcomes {
        Outcomes { ok, server_errors, failures, ..Outcomes::default() }
    }

    /// One ok a second for `seconds`.
    fn steady(seconds: u64) -> Window {
        let mut window = Window::default();
        (0..=seconds).for_each(|s| window.count(Duration::from_secs(s), outcomes(s, 0, 0)));
        window
    }

    #[test]
    fn rates_look_at_the_recent_past_only() {
        let window = steady(500);
        let now = Duration::from_secs(500);
        let recent = window.rates(now, outcomes(500, 0, 0));
        assert_eq!((recent.requests_per_second, recent.attempts), (1.0, 60));
        let recent = window.rates(now, outcomes(510, 20, 10));
        assert_eq!((recent.requests_per_second, recent.attempts), (5.0, 100));
        assert_eq!((recent.errors_per_second, recent.error_share), (3.0, 0.3));
        assert!(window.counts.len() <= 62);
    }

    #[test]
    fn a_young_instance_is_measured_over_its_life() {
        let recent = steady(4).rates(Duration::from_secs(4), outcomes(8, 0, 0));
        assert_eq!((recent.requests_per_second, recent.attempts), (2.0, 8));
        assert_eq!(Window::default().rates(Duration::ZERO, outcomes(0, 0, 0)), Recent::default());
    }
}
