//! A count that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count with a single writer.
///
/// Adding is a load and a store, not an atomic addition: whoever gives a counter to two writers
/// loses counts. Every worker therefore has counters of its own, and readers add them up.
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
