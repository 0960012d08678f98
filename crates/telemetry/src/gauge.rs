//! A number that goes up and down, which one thread writes and any thread reads.

use std::sync::atomic::{AtomicI64, Ordering};

/// A number with a single writer, under the same bargain as [`Counter`](crate::Counter).
///
/// Signed, so that the sum over workers is right even where one of them adds what another one
/// takes away.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `n`. Called by one thread only.
    #[inline]
    pub fn add(&self, n: i64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Takes `n` away. Called by one thread only.
    #[inline]
    pub fn sub(&self, n: i64) {
        self.set(self.get().wrapping_sub(n));
    }

    /// Says what it is now. Called by one thread only.
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is now.
    #[inline]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_shard_adds_another_may_take_away() {
        let (one, other) = (Gauge::default(), Gauge::default());
        one.add(3);
        other.sub(1);
        assert_eq!(one.get() + other.get(), 2);
    }
}
