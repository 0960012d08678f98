//! How much of something a connection may still do: a token bucket that is filled when it is
//! empty.
//!
//! Spending is a subtraction. The clock is asked only by a spender whose purse is empty, so a
//! connection that behaves never asks it.

use std::time::Duration;

use tokio::time::Instant;

/// What a connection may do, in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// At the start, and at the most what waiting brings.
    pub burst: u32,
    /// What each second brings.
    pub per_second: u32,
    /// At the most what useful work brings; at least `burst`.
    pub saved: u32,
}

#[derive(Debug)]
pub(super) struct Budget {
    allowance: Allowance,
    credits: u32,
    /// Up to when waiting was paid for.
    paid: Instant,
}

/// How a payment went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payment {
    Made,
    /// Made, with what waiting had brought since the last time.
    MadeByWaiting,
    /// More than there was.
    Bounced,
}

impl Budget {
    pub(super) fn new(allowance: Allowance, now: Instant) -> Self {
        Self { allowance, credits: allowance.burst, paid: now }
    }

    #[inline]
    pub(super) fn earn(&mut self, credits: u32) {
        self.credits = self.credits.saturating_add(credits).min(self.allowance.saved);
    }

    /// Takes back what was earned too early. There may be less left by now.
    pub(super) fn forfeit(&mut self, credits: u32) {
        self.credits = self.credits.saturating_sub(credits);
    }

    #[inline]
    pub(super) fn spend(&mut self, credits: u32, clock: impl FnOnce() -> Instant) -> Payment {
        if let Some(left) = self.credits.checked_sub(credits) {
            self.credits = left;
            return Payment::Made;
        }
        self.collect(clock());
        match self.credits.checked_sub(credits) {
            Some(left) => {
                self.credits = left;
                Payment::MadeByWaiting
            }
            None => Payment::Bounced,
        }
    }

    #[cold]
    fn collect(&mut self, now: Instant) {
        let Allowance { burst, per_second, .. } = self.allowance;
        let waited = now.saturating_duration_since(self.paid);
        let brought = waited.as_nanos() * u128::from(per_second) / NANOS_PER_SECOND;
        if brought >= u128::from(burst) {
            self.credits = self.credits.max(burst);
            self.paid = now;
        } else {
            // The part of a credit that is not whole yet stays with the next.
            let nanos = (brought * NANOS_PER_SECOND).div_ceil(u128::from(per_second.max(1)));
            self.credits = (self.credits + brought as u32).min(burst.max(self.credits));
            self.paid += Duration::from_nanos(nanos as u64);
        }
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALLOWANCE: Allowance = Allowance { burst: 100, per_second: 10, saved: 1000 };

    #[test]
    fn burst_is_spent_without_a_look_at_the_clock() {
        let mut budget = Budget::new(ALLOWANCE, Instant::now());
        for _ in 0..100 {
            assert_eq!(budget.spend(1, || unreachable!()), Payment::Made);
        }
        let now = budget.paid;
        assert_eq!(budget.spend(1, || now), Payment::Bounced);
    }

    #[test]
    fn waiting_brings_its_rate_and_never_more_than_a_burst() {
        let start = Instant::now();
        let mut budget = Budget::new(ALLOWANCE, start);
        assert_eq!(budget.spend(100, || unreachable!()), Payment::Made);
        let later = start + Duration::from_secs(2);
        assert_eq!(budget.spend(20, || later), Payment::MadeByWaiting);
        assert_eq!(budget.spend(1, || later), Payment::Bounced);
        let much_later = start + Duration::from_secs(10_000);
        assert_eq!(budget.spend(100, || much_later), Payment::MadeByWaiting);
        assert_eq!(budget.spend(1, || much_later), Payment::Bounced);
    }

    #[test]
    fn work_brings_more_than_a_burst_but_not_more_than_may_be_saved() {
        let mut budget = Budget::new(ALLOWANCE, Instant::now());
        (0..10_000).for_each(|_| budget.earn(3));
        assert_eq!(budget.spend(1000, || unreachable!()), Payment::Made);
        let now = budget.paid;
        assert_eq!(budget.spend(1, || now), Payment::Bounced);
    }

    proptest! {
        /// The bound of a token bucket, and one burst more for the lateness of the filling.
        #[test]
        fn spending_is_bounded_by_the_rate(
            waits in prop::collection::vec(0..2_000u64, 1..200),
            cost in 1..5u32,
        ) {
            let start = Instant::now();
            let mut budget = Budget::new(ALLOWANCE, start);
            let (mut now, mut spent) = (start, 0u64);
            for wait in waits {
                now += Duration::from_millis(wait);
                while budget.spend(cost, || now) != Payment::Bounced {
                    spent += u64::from(cost);
                }
            }
            let earned = (now - start).as_millis() as u64 * 10 / 1000;
            prop_assert!(spent <= 2 * 100 + earned, "{spent} credits in {:?}", now - start);
        }

        /// However close to the rate, a client that keeps below it never bounces.
        #[test]
        fn keeping_below_the_rate_is_always_paid_for(gap in 100..1_000u64) {
            let start = Instant::now();
            let mut budget = Budget::new(ALLOWANCE, start);
            for turn in 1..2_000 {
                let now = start + Duration::from_millis(turn * gap);
                prop_assert_ne!(budget.spend(1, || now), Payment::Bounced);
            }
        }
    }
}
