//! Durations in log-linear buckets, written by one thread.
//!
//! The layout is HdrHistogram's (Gil Tene, <https://hdrhistogram.org>) with 16 buckets to each
//! power of two: below 16 µs every microsecond has its own bucket, above it a bucket holds the
//! values that share their five leading bits. A bucket is therefore at most 1/16 as wide as the
//! least value in it, and that is the relative error of whatever is read off it. Fixed buckets
//! rather than samples or a sketch, since buckets of all workers and of all times can be added
//! and subtracted without losing anything.

use std::time::Duration;

use crate::counter::Counter;
use crate::snapshot::HistogramSnapshot;

/// Values below this have a bucket of their own each.
const LINEAR: u64 = 1 << SUB_BITS;
/// Bits that tell the buckets of one power of two apart.
const SUB_BITS: u32 = 4;
/// The largest exponent.
const EXPONENT_MAX: u32 = 33;
/// Over four and a half hours; what is longer counts as that.
const MICROS_MAX: u64 = (1 << (EXPONENT_MAX + 1)) - 1;

pub(crate) const BUCKETS: usize = LINEAR as usize * (EXPONENT_MAX - SUB_BITS + 2) as usize;

/// How often each duration occurred, and their sum. Under 4 KiB, allocated once.
///
/// One thread writes and any thread reads, as with [`Counter`]. A reader may see a record that is
/// half made: its bucket but not yet its sum. Nothing depends on the two agreeing.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[Counter; BUCKETS]>,
    sum_micros: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = Box::new(std::array::from_fn(|_| Counter::default()));
        Self { buckets, sum_micros: Counter::default() }
    }
}

impl Histogram {
    /// Counts one duration. Called by one thread only.
    #[inline]
    pub fn record(&self, duration: Duration) {
        let micros = micros(duration).min(MICROS_MAX);
        self.buckets[bucket_of(micros)].add(1);
        self.sum_micros.add(micros);
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let counts = self.buckets.iter().map(Counter::get).collect();
        HistogramSnapshot::new(counts, self.sum_micros.get())
    }
}

/// Whole microseconds, by 64-bit arithmetic only.
#[inline]
pub(crate) fn micros(duration: Duration) -> u64 {
    let micros = duration.as_secs().saturating_mul(1_000_000);
    micros.saturating_add(duration.subsec_micros().into())
}

/// The bucket of a value up to [`MICROS_MAX`].
#[inline]
pub(crate) fn bucket_of(micros: u64) -> usize {
    // The exponent of the values in the linear part is raised to that of the part above it, whose
    // buckets are as wide.
    let exponent = (micros | LINEAR).ilog2();
    let shift = exponent - SUB_BITS;
    (u64::from(shift) * LINEAR + (micros >> shift)) as usize
}

/// The least value of a bucket; of the bucket after the last, one more than the largest value.
pub(crate) fn lower_bound(bucket: usize) -> u64 {
    let (bucket, first) = (bucket as u64, 2 * LINEAR);
    if bucket < first {
        return bucket;
    }
    let shift = bucket / LINEAR - 1;
    (bucket - shift * LINEAR) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_at_most_a_sixteenth_wide() {
        for bucket in 0..BUCKETS {
            let (least, next) = (lower_bound(bucket), lower_bound(bucket + 1));
            assert!(next > least, "bucket {bucket}");
            assert_eq!((bucket_of(least), bucket_of(next - 1)), (bucket, bucket));
            assert!(next - least == 1 || (next - least) * 16 <= least, "bucket {bucket}");
        }
        assert_eq!(lower_bound(BUCKETS), MICROS_MAX + 1);
        assert!(Duration::from_micros(MICROS_MAX) > Duration::from_secs(3600));
    }

    #[test]
    fn a_histogram_takes_at_most_four_kibibytes() {
        let bytes = size_of::<Histogram>() + size_of::<[Counter; BUCKETS]>();
        assert!(bytes <= 4096, "{bytes}");
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest() {
        let histogram = Histogram::default();
        histogram.record(Duration::MAX);
        histogram.record(Duration::ZERO);
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.count(), 2);
        assert_eq!(snapshot.sum(), Duration::from_micros(MICROS_MAX));
        assert_eq!(snapshot.quantile(1.0), Some(Duration::from_micros(MICROS_MAX)));
    }

    #[test]
    fn a_reader_never_sees_a_bucket_go_back() {
        const RECORDS: u64 = 50_000;
        let histogram = Histogram::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..RECORDS).for_each(|n| histogram.record(Duration::from_micros(n % 5_000)));
            });
            let mut before = HistogramSnapshot::default();
            while before.count() < RECORDS {
                let now = histogram.snapshot();
                for limit in [1, 50, 700, 10_000].map(Duration::from_micros) {
                    assert!(now.at_most(limit) >= before.at_most(limit));
                }
                before = now;
            }
        });
    }
}
