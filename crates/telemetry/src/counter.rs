//! A count that one thread writes and any thread reads.
//!
//! The other half of the bargain, a counter for each worker and a reader that adds them up, is
//! the business of whoever owns the workers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count with a single writer, which only grows.
///
/// Adding is a load and a store, not an atomic addition, which costs some twenty cycles even when
/// nobody else wants the line. The price: whoever gives a counter to two writers loses counts.
/// All accesses are relaxed; a reader sees every count in time, and never a smaller one after a
/// larger, but two counters may be seen at slightly different times.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Called by one thread only.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The count so far.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_every_count_and_none_go_back() {
        const COUNTS: u64 = 100_000;
        let counter = Counter::default();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..COUNTS).for_each(|_| counter.add(1)));
            let mut seen = 0;
            while seen < COUNTS {
                let now = counter.get();
                assert!(now >= seen);
                seen = now;
                std::hint::spin_loop();
            }
        });
        assert_eq!(counter.get(), COUNTS);
    }
}
