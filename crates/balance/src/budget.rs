//! The retry budget: retries never more than a share of the recent requests.
//!
//! When everything fails, retries multiply the load on what is already failing. A count of attempts
//! bounds that for one request, a budget for all of them: Finagle's `RetryBudget`, with its window
//! of ten seconds. A small reserve lets a quiet service retry at all. Unlike Finagle's it is not
//! added to the share but is its floor, so that a busy service never gets more than the share.
//!
//! Each worker has its own budget over its own requests, so nothing is shared and the shares add
//! up; the reserve is per worker.

use std::time::Duration;

/// Seconds that a request counts for, the current one included.
const WINDOW: usize = 10;

/// Retries within the window that are always allowed, unless the share is 0: one a second.
pub const RESERVE: u64 = 10;

/// Retries as a share of the requests of the last ten seconds.
///
/// Both operations are O(1): the sums are kept, and seconds that have passed are taken out as the
/// clock moves on.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    share: f64,
    second: u64,
    slots: [Slot; WINDOW],
    sum: Slot,
}

/// What happened in a second, or in all of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    requests: u64,
    retries: u64,
}

impl RetryBudget {
    /// Retries up to `share` of the requests, or up to [`RESERVE`] where that is more; 0 allows
    /// none.
    pub fn new(share: f64) -> Self {
        Self { share, second: 0, slots: [Slot::default(); WINDOW], sum: Slot::default() }
    }

    /// Counts a request (its first attempt only). `now` may be coarse: only its whole seconds
    /// matter.
    #[inline]
    pub fn deposit(&mut self, now: Duration) {
        self.slot(now).requests += 1;
        self.sum.requests += 1;
    }

    /// Counts a retry if it is allowed, and says whether it is.
    #[inline]
    pub fn withdraw(&mut self, now: Duration) -> bool {
        self.advance(now);
        if self.balance() == 0 {
            return false;
        }
        self.slot(now).retries += 1;
        self.sum.retries += 1;
        self.check_invariants();
        true
    }

    /// Takes another share, and keeps what was counted.
    pub fn set_share(&mut self, share: f64) {
        self.share = share;
    }

    /// How many retries are allowed without a further request, as of the last call with a time.
    pub fn balance(&self) -> u64 {
        if self.share <= 0.0 {
            return 0;
        }
        let allowed = (self.share * self.sum.requests as f64) as u64;
        allowed.max(RESERVE).saturating_sub(self.sum.retries)
    }

    #[inline]
    fn slot(&mut self, now: Duration) -> &mut Slot {
        self.advance(now);
        &mut self.slots[self.second as usize % WINDOW]
    }

    #[inline]
    fn advance(&mut self, now: Duration) {
        if now.as_secs() > self.second {
            self.forget_until(now.as_secs());
        }
    }

    /// Takes the seconds out that the window leaves behind.
    #[cold]
    fn forget_until(&mut self, second: u64) {
        let passed = (second - self.second).min(WINDOW as u64);
        for old in second + 1 - passed..=second {
            self.slots[old as usize % WINDOW] = Slot::default();
        }
        self.second = second;
        self.sum = self.counted();
    }

    fn counted(&self) -> Slot {
        self.slots.iter().fold(Slot::default(), |sum, slot| Slot {
            requests: sum.requests + slot.requests,
            retries: sum.retries + slot.retries,
        })
    }

    fn check_invariants(&self) {
        debug_assert_eq!(self.sum, self.counted(), "the sums are those of the seconds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn drain(budget: &mut RetryBudget, now: Duration) -> u64 {
        (0..).take_while(|_| budget.withdraw(now)).count() as u64
    }

    #[test]
    fn a_quiet_service_has_the_reserve() {
        let mut budget = RetryBudget::new(0.2);
        assert_eq!(drain(&mut budget, S(0)), RESERVE);
        assert_eq!(drain(&mut budget, S(9)), 0);
        assert_eq!(drain(&mut budget, S(10)), RESERVE);
    }

    #[test]
    fn a_busy_service_retries_up_to_its_share() {
        let mut budget = RetryBudget::new(0.2);
        for request in 0..1_000 {
            budget.deposit(S(request / 100));
        }
        assert_eq!(drain(&mut budget, S(9)), 200);
    }

    #[test]
    fn requests_count_for_ten_seconds() {
        let mut budget = RetryBudget::new(0.5);
        (0..100).for_each(|_| budget.deposit(S(3)));
        assert_eq!(budget.clone().slot(S(12)).requests, 0);
        assert_eq!(drain(&mut budget.clone(), S(12)), 50);
        assert_eq!(drain(&mut budget, S(13)), RESERVE);
    }

    #[test]
    fn a_share_of_nothing_allows_nothing() {
        let mut budget = RetryBudget::new(0.0);
        (0..1_000).for_each(|_| budget.deposit(S(0)));
        assert!(!budget.withdraw(S(0)));
    }
}
