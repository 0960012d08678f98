//! Durations in log-linear buckets: HdrHistogram's layout, with sixteen buckets to each power of
//! two, so that a bucket is at most 1/16 wide of the values in it.
//!
//! One thread writes and any thread reads, as with [`Counter`]. A reader may see a
//! record that is half made: its bucket but not yet its sum. Nothing depends on the two agreeing.

use std::time::Duration;

use crate::counter::Counter;

/// Values below this have a bucket of their own each.
const LINEAR: u64 = 16;
/// Bits of a value below its first bucket's.
const SUB_BITS: u32 = 4;
/// The largest exponent: 2^33 microseconds are over two hours, and longer counts as that.
const EXPONENT_MAX: u32 = 33;
const BUCKETS: usize = (LINEAR as usize) * (EXPONENT_MAX - SUB_BITS + 2) as usize;

/// Durations, counted in microseconds.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[Counter]>,
    sum_micros: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| Counter::default()).collect();
        Self { buckets, sum_micros: Counter::default() }
    }
}

impl Histogram {
    /// Counts one duration. Called by one thread only.
    #[inline]
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(micros)].add(1);
        self.sum_micros.add(micros);
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            counts: self.buckets.iter().map(Counter::get).collect(),
            sum_micros: self.sum_micros.get(),
        }
    }
}

fn bucket_of(micros: u64) -> usize {
    if micros < LINEAR {
        return micros as usize;
    }
    let exponent = micros.ilog2();
    if exponent > EXPONENT_MAX {
        return BUCKETS - 1;
    }
    let sub = (micros >> (exponent - SUB_BITS)) & (LINEAR - 1);
    (exponent - SUB_BITS + 1) as usize * LINEAR as usize + sub as usize
}

/// The least value that falls in the bucket after this one.
fn upper_bound(bucket: usize) -> u64 {
    let next = bucket as u64 + 1;
    if next < LINEAR {
        return next;
    }
    let exponent = (next / LINEAR) as u32 + SUB_BITS - 1;
    (LINEAR + next % LINEAR) << (exponent - SUB_BITS)
}

/// What a histogram had counted at one time, or between two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    counts: Vec<u64>,
    sum_micros: u64,
}

impl HistogramSnapshot {
    /// How many durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros)
    }

    /// Adds what another had counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.sum_micros = self.sum_micros.wrapping_add(other.sum_micros);
    }

    /// What was counted since `earlier`, a snapshot of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(before).map(|(now, then)| now.saturating_sub(then));
        Self {
            counts: counts.collect(),
            sum_micros: self.sum_micros.saturating_sub(earlier.sum_micros),
        }
    }

    /// The duration that the share `q`, from 0 to 1, of all does not exceed: at most 1/16 more
    /// than the true one. `None` when nothing was counted.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((q * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let bucket = self.counts.iter().position(|n| {
            seen += n;
            seen >= rank
        })?;
        Some(Duration::from_micros(upper_bound(bucket) - 1))
    }

    /// How many were certainly not longer than `limit`.
    pub fn at_most(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let within = |(bucket, _): &(usize, &u64)| upper_bound(*bucket) - 1 <= limit;
        self.counts.iter().enumerate().take_while(within).map(|(_, n)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_at_most_a_sixteenth_wide() {
        let mut least = 0;
        for bucket in 0..BUCKETS - 1 {
            let next = upper_bound(bucket);
            assert!(next > least, "bucket {bucket}");
            assert_eq!((bucket_of(least), bucket_of(next - 1)), (bucket, bucket));
            assert!((next - least) * 16 <= least.max(16), "bucket {bucket}");
            least = next;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_near_the_true_ones() {
        let histogram = Histogram::default();
        (1..=10_000).for_each(|n| histogram.record(Duration::from_micros(n)));
        let snapshot = histogram.snapshot();
        for (q, wanted) in [(0.5, 5_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let got = snapshot.quantile(q).unwrap().as_micros() as f64;
            assert!((wanted..=wanted * 17.0 / 16.0).contains(&got), "{q}: {got}");
        }
        assert_eq!(snapshot.count(), 10_000);
        assert_eq!(HistogramSnapshot::default().quantile(0.5), None);
    }

    #[test]
    fn a_difference_has_only_what_came_between() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_secs(1));
        let before = histogram.snapshot();
        histogram.record(Duration::from_millis(1));
        let between = histogram.snapshot().since(&before);
        assert_eq!((between.count(), between.sum()), (1, Duration::from_millis(1)));
        assert_eq!(between.at_most(Duration::from_millis(2)), 1);
        assert_eq!(between.at_most(Duration::from_micros(500)), 0);
    }
}
