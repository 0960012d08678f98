//! Slow start: an instance that becomes eligible takes its full share of the traffic by degrees.
//!
//! The share rises linearly with time from a tenth to the whole, as Envoy's slow start does with
//! its default aggression and minimum; nginx's rises from nothing. The minimum keeps the instance
//! measurable, and lets a queue at it be noticed early.
//!
//! A share scales a weight, and weights are relative to each other. So instances that have started
//! together share equally, and one that is alone gets everything: where there is nobody warm to
//! compare with, slow start has no effect, and no rule is needed to say so.

use std::time::Duration;

/// The part of its weight that an instance counts with, in 1024ths: never 0, never above 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeightShare(u16);

impl WeightShare {
    /// The whole weight.
    pub const FULL: Self = Self(1024);
    /// A tenth, rounded up: what an instance begins with.
    pub const LEAST: Self = Self(103);

    /// In 1024ths.
    #[inline]
    pub const fn parts(self) -> u16 {
        self.0
    }
}

impl Default for WeightShare {
    fn default() -> Self {
        Self::FULL
    }
}

/// How fast the instances of one service warm up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    duration: Duration,
    parts_per_second: f64,
}

impl SlowStart {
    /// From the least share to the full one within `duration`; at once when that is zero.
    pub fn new(duration: Duration) -> Self {
        let parts_per_second = f64::from(WeightShare::FULL.0) / duration.as_secs_f64();
        Self { duration, parts_per_second }
    }

    /// The share of an instance that became eligible `elapsed` ago: after its first passed check,
    /// its recovery, its readmission, the end of its drain.
    #[inline]
    pub fn share(&self, elapsed: Duration) -> WeightShare {
        if elapsed >= self.duration {
            return WeightShare::FULL;
        }
        let parts = (elapsed.as_secs_f64() * self.parts_per_second) as u16;
        WeightShare(parts.clamp(WeightShare::LEAST.0, WeightShare::FULL.0))
    }

    /// From the least share to the full one.
    pub const fn duration(&self) -> Duration {
        self.duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_rises_linearly_from_a_tenth_to_the_whole() {
        let start = SlowStart::new(Duration::from_secs(10));
        let parts = |millis| start.share(Duration::from_millis(millis)).parts();
        assert_eq!(parts(0), 103);
        assert_eq!(parts(1_000), 103);
        assert_eq!(parts(2_500), 256);
        assert_eq!(parts(5_000), 512);
        assert_eq!(parts(10_000), 1024);
        assert_eq!(parts(99_000), 1024);
    }

    #[test]
    fn no_duration_is_no_slow_start() {
        assert_eq!(SlowStart::new(Duration::ZERO).share(Duration::ZERO), WeightShare::FULL);
    }
}
