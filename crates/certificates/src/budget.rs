//! How many orders a directory may have: a bucket, by the algorithm GCRA (ITU-T I.371) in its simplest form.

use std::time::Duration;

/// How many orders a directory may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// One more order each.
    pub every: Duration,
    /// So many at once, where none was placed for long.
    pub burst: u32,
}

impl Default for Budget {
    /// At most 300 in any three hours, which is what Let's Encrypt allows an account.
    fn default() -> Self {
        Self { every: Duration::from_millis(43_200), burst: 50 }
    }
}

impl Budget {
    /// The part of it that each of so many machines has which share an account.
    #[must_use]
    pub fn among(self, machines: u32) -> Self {
        let machines = machines.max(1);
        Self { every: self.every.saturating_mul(machines), burst: (self.burst / machines).max(1) }
    }
}

/// What is left of a budget.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// When all is there again.
    full_at: Duration,
}

impl Spent {
    /// From when on an order may be placed.
    pub(crate) fn free_at(&self, budget: Budget) -> Duration {
        let ahead = budget.every.saturating_mul(budget.burst.saturating_sub(1));
        self.full_at.saturating_sub(ahead)
    }

    /// Takes one.
    pub(crate) fn take(&mut self, budget: Budget, elapsed: Duration) {
        self.full_at = self.full_at.max(elapsed) + budget.every;
    }

    /// Gives one back that was taken and not used.
    pub(crate) fn give_back(&mut self, budget: Budget) {
        self.full_at = self.full_at.saturating_sub(budget.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_that_share_an_account_share_its_budget() {
        let whole = Budget::default();
        let half = whole.among(2);
        assert_eq!((half.every, half.burst), (2 * whole.every, whole.burst / 2));
        assert_eq!(whole.among(0), whole);
        assert_eq!(whole.among(1_000).burst, 1, "each may place one");
        let mut spent = Spent::default();
        let now = Duration::from_secs(86_400);
        spent.take(half, now);
        let before = spent.full_at;
        spent.take(half, now);
        spent.give_back(half);
        assert_eq!(spent.full_at, before);
    }

    #[test]
    fn no_three_hours_have_more_than_three_hundred() {
        let (budget, mut spent) = (Budget::default(), Spent::default());
        let mut times = Vec::new();
        let mut elapsed = Duration::from_secs(86_400);
        while times.len() < 1_000 {
            elapsed = elapsed.max(spent.free_at(budget));
            spent.take(budget, elapsed);
            times.push(elapsed);
        }
        assert_eq!(times[49], times[0], "fifty at once");
        assert!(times.windows(301).all(|it| it[300] - it[0] > Duration::from_secs(3 * 3_600)));
    }
}
