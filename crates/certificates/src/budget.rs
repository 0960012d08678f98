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
}

#[cfg(test)]
mod tests {
    use super::*;

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
