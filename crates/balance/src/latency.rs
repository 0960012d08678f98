//! A latency average that rises at once and falls slowly: Finagle's Peak EWMA.
//!
//! An exponentially weighted moving average over unevenly spaced observations, the weight of the
//! past being `exp(-elapsed / DECAY)`; an observation above the average replaces it. Read from
//! `PeakEwma.scala` of twitter/finagle, whose decay time is the same by default.
//!
//! Time without observations pulls the value towards 0: an instance that was slow, and gets
//! nothing for it, is tried again.

use std::time::Duration;

/// The average's mean lifetime: without an observation it halves in 6.9 s.
pub const DECAY: Duration = Duration::from_secs(10);

/// A smoothed latency. Two numbers, so that it can be kept wherever its owner likes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeakEwma {
    /// The average at the time of the last observation, in seconds; 0 before the first.
    pub seconds: f64,
    /// The time of the last observation.
    pub at: Duration,
}

impl PeakEwma {
    /// Takes up that an answer's head took `latency` to arrive.
    ///
    /// A failure that comes faster than an answer would make its instance look good: observe it
    /// with the time that the client loses by it, or not at all.
    #[inline]
    pub fn observe(&mut self, now: Duration, latency: Duration) {
        let latency = latency.as_secs_f64();
        let past = self.remains(now);
        self.seconds = match latency > self.seconds {
            true => latency,
            false => self.seconds * past + latency * (1.0 - past),
        };
        self.at = self.at.max(now);
    }

    /// The average at `now`, in seconds; 0 before the first observation.
    #[inline]
    pub fn value(&self, now: Duration) -> f64 {
        self.seconds * self.remains(now)
    }

    /// The weight of the past at `now`, from 0 to 1.
    #[inline]
    fn remains(&self, now: Duration) -> f64 {
        let elapsed = now.saturating_sub(self.at);
        (-elapsed.as_secs_f64() / DECAY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn rises_at_once_and_falls_by_decay() {
        let mut latency = PeakEwma::default();
        assert_eq!(latency.value(MS(0)), 0.0);
        latency.observe(MS(0), MS(10));
        assert_eq!(latency.value(MS(0)), 0.010);
        latency.observe(MS(0), MS(200));
        assert_eq!(latency.value(MS(0)), 0.200);
        let past = (-1.0f64).exp();
        latency.observe(DECAY, MS(10));
        let expected = 0.200 * past + 0.010 * (1.0 - past);
        assert!((latency.value(DECAY) - expected).abs() < 1e-12);
        assert!((latency.value(DECAY * 2) - expected * past).abs() < 1e-12);
    }

    #[test]
    fn settles_on_a_steady_latency() {
        let mut latency = PeakEwma::default();
        latency.observe(MS(0), MS(500));
        for tick in 1..=1_000 {
            latency.observe(MS(tick * 100), MS(20));
        }
        assert!((latency.value(MS(100_000)) - 0.020).abs() < 1e-4);
    }

    #[test]
    fn a_clock_that_steps_back_changes_nothing_but_peaks() {
        let mut latency = PeakEwma::default();
        latency.observe(MS(5_000), MS(20));
        latency.observe(MS(1_000), MS(10));
        assert_eq!(latency, PeakEwma { seconds: 0.020, at: MS(5_000) });
    }
}
