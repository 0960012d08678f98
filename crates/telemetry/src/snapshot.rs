//! What a histogram had counted at one time, or between two: plain data, to be added up over
//! workers, subtracted over time and asked for quantiles.

use std::time::Duration;

use crate::histogram::{lower_bound, micros};

/// What a histogram had counted at one time, or between two.
///
/// The default has counted nothing, and can be added to any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// One for each bucket, or empty.
    counts: Vec<u64>,
    sum_micros: u64,
}

impl HistogramSnapshot {
    pub(crate) fn new(counts: Vec<u64>, sum_micros: u64) -> Self {
        Self { counts, sum_micros }
    }

    /// Each bucket that has any, by the least duration in it, in rising order, with how many.
    pub fn classes(&self) -> impl Iterator<Item = (Duration, u64)> {
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(bucket, count)| (Duration::from_micros(lower_bound(bucket)), *count))
    }

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

    /// What was counted since `earlier`, a snapshot of the same histogram, or of the same
    /// histograms merged.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(before).map(|(now, then)| now.saturating_sub(then));
        Self {
            counts: counts.collect(),
            sum_micros: self.sum_micros.saturating_sub(earlier.sum_micros),
        }
    }

    /// The duration that the share `q`, from 0 to 1, of all does not exceed: the highest of its
    /// bucket, as in HdrHistogram, and so at most 1/16 more than the true one, never less. `None`
    /// when nothing was counted.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((q * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let bucket = self.counts.iter().position(|n| {
            seen += n;
            seen >= rank
        })?;
        Some(Duration::from_micros(lower_bound(bucket + 1) - 1))
    }

    /// How many were certainly not longer than `limit`. Those of the bucket in which `limit` lies
    /// may have been longer, and are left out: durations that exceed 15/16 of `limit` may be
    /// missing.
    pub fn at_most(&self, limit: Duration) -> u64 {
        let limit = micros(limit);
        let within = |(bucket, _): &(usize, &u64)| lower_bound(bucket + 1) - 1 <= limit;
        self.counts.iter().enumerate().take_while(within).map(|(_, n)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::histogram::Histogram;

    fn of(micros: &[u64]) -> HistogramSnapshot {
        let histogram = Histogram::default();
        micros.iter().for_each(|n| histogram.record(Duration::from_micros(*n)));
        histogram.snapshot()
    }

    proptest! {
        #[test]
        fn quantiles_are_at_most_a_sixteenth_above_the_true_ones(
            mut all in proptest::collection::vec(0u64..4_000_000_000, 1..200),
            q in 0.0..=1.0f64,
        ) {
            let got = of(&all).quantile(q).unwrap().as_micros() as u64;
            all.sort_unstable();
            let rank = ((q * all.len() as f64).ceil() as usize).clamp(1, all.len());
            let wanted = all[rank - 1];
            prop_assert!(got >= wanted && got <= wanted + wanted / 16, "{got} for {wanted}");
        }

        #[test]
        fn a_count_within_a_limit_misses_none_under_fifteen_sixteenths_of_it(
            all in proptest::collection::vec(0u64..1_000_000, 0..200),
            limit in 1u64..1_000_000,
        ) {
            let got = of(&all).at_most(Duration::from_micros(limit));
            let count = |limit: u64| all.iter().filter(|n| **n <= limit).count() as u64;
            prop_assert!((count(limit - limit.div_ceil(16))..=count(limit)).contains(&got));
        }

        #[test]
        fn merging_and_subtracting_undo_each_other(
            one in proptest::collection::vec(0u64..100_000_000, 0..50),
            other in proptest::collection::vec(0u64..100_000_000, 0..50),
        ) {
            let mut both = of(&one);
            both.merge(&of(&other));
            prop_assert_eq!(both.count(), (one.len() + other.len()) as u64);
            prop_assert_eq!(both.since(&of(&other)), of(&one));
        }
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

    #[test]
    fn nothing_has_no_quantile_and_can_be_added_to() {
        let mut nothing = HistogramSnapshot::default();
        assert_eq!((nothing.quantile(0.5), nothing.count()), (None, 0));
        nothing.merge(&of(&[7]));
        assert_eq!(nothing, of(&[7]));
        assert_eq!(of(&[7]).since(&HistogramSnapshot::default()), of(&[7]));
    }
}
